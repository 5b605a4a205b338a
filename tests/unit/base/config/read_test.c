#include "tests/test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/config/config.h"
#include "base/log.h"

static enum error read_text(const char *text, struct config **config,
                            struct config_problems *problems)
{
    return config_read_text(span_of(text, strlen(text)), config, problems);
}

#define NODE  "node: {name: n, cores: [0]}\n"
#define PORTS "ports: [{name: p, device: net_null0, addresses: [10.0.0.1/24]}]\n"

static void fills_defaults(void **state)
{
    static const char text[] = NODE PORTS "pools: [{name: w, members: [{address: 10.0.0.2}]}]\n"
                                          "vips: [{name: v, address: 10.9.0.1, port: 80, "
                                          "protocol: udp, pool: w}]\n";
    struct config *config;
    struct config_problems problems;
    assert_int_equal(read_text(text, &config, &problems), ERROR_NONE);
    assert_int_equal(problems.count, 0);
    config_problems_fini(&problems);

    const struct config_node *node = &config->node;
    assert_string_equal(node->name, "n");
    assert_int_equal(node->core_count, 1);
    assert_int_equal(node->poll, CONFIG_POLL_ADAPTIVE);
    assert_true(node->sleep_max_ns == 200000);
    assert_true(node->memory_bytes == 512ull << 20);
    assert_int_equal(node->huge_pages, CONFIG_HUGE_PAGES_AUTO);
    assert_string_equal(node->socket, "/run/weir/dataplane.sock");
    assert_int_equal(node->log_level, LOG_INFO);
    assert_int_equal(node->log_format, CONFIG_LOG_TEXT);
    assert_true(node->hash_seed == 0);
    assert_int_equal(node->flows.per_worker, 262144);
    assert_true(node->flows.tcp_opening_ns == 10000000000u);
    assert_true(node->flows.tcp_established_ns == 900000000000u);
    assert_true(node->flows.tcp_closing_ns == 30000000000u);
    assert_true(node->flows.udp_ns == 60000000000u);

    const struct config_port *port = &config->ports[0];
    assert_int_equal(port->queues, 0);
    assert_int_equal(port->descriptors, 1024);
    assert_int_equal(port->mtu, 1500);
    assert_int_equal(port->route_count, 0);
    assert_string_equal(port->punt.interface, "");

    const struct config_pool *pool = &config->pools[0];
    assert_int_equal(pool->balancer, CONFIG_BALANCER_MAGLEV);
    assert_int_equal(pool->forward, CONFIG_FORWARD_NAT);
    assert_string_equal(pool->members[0].name, "10.0.0.2");
    assert_int_equal(pool->members[0].port, 0);
    assert_int_equal(pool->members[0].weight, 1);
    assert_int_equal(pool->members[0].state, CONFIG_MEMBER_ACTIVE);
    config_destroy(config);
}

static const char every_key[] =
    "vips:\n"
    "  - {name: b, address: 10.9.0.1, port: 53, protocol: udp, pool: second}\n"
    "node:\n"
    "  name: lab\n"
    "  cores: [5, 0-2]\n"
    "  poll: busy\n"
    "  sleep-max: 1ms\n"
    "  memory: 2GiB\n"
    "  huge-pages: off\n"
    "  socket: /tmp/x.sock\n"
    "  hash-seed: 18446744073709551615\n"
    "  log: {level: debug, format: json}\n"
    "  flows: {per-worker: 2048, tcp-opening: 500ms, tcp-established: 2h, tcp-closing: 1s, "
    "udp: 2m, affinities: 4096}\n"
    "ports:\n"
    "  - name: front\n"
    "    device: 0000:01:00.0\n"
    "    queues: 2\n"
    "    descriptors: 64\n"
    "    mtu: 9000\n"
    "    addresses: [10.1.0.1/24, fd00:1::1/64]\n"
    "    gateway: [10.1.0.254, fd00:1::fe]\n"
    "    routes: [{to: 192.0.2.0/24, via: 10.1.0.253}]\n"
    "    punt: {interface: weir-punt0, rate: 5/s}\n"
    "  - {name: bond, device: net_bonding0, bond: {mode: 802.3ad, members: [0000:02:00.0, "
    "0000:02:00.1]}}\n"
    "pools:\n"
    "  - {name: first, affinity: {timeout: 10m, prefix-ipv4: 24, prefix-ipv6: 56}}\n"
    "  - name: second\n"
    "    balancer: weighted-round-robin\n"
    "    forward: ipip\n"
    "    slow-start: 30s\n"
    "    members:\n"
    "      - {name: s1, address: 10.1.0.9, port: 53, weight: 0, state: drain}\n";

static void reads_every_key(void **state)
{
    struct config *config;
    struct config_problems problems;
    enum error error = read_text(every_key, &config, &problems);
    config_problems_print(&problems, "every_key", stderr);
    assert_int_equal(error, ERROR_NONE);
    config_problems_fini(&problems);

    static const uint32_t cores[] = {5, 0, 1, 2};
    assert_int_equal(config->node.core_count, 4);
    assert_memory_equal(config->node.cores, cores, sizeof(cores));
    assert_int_equal(config->node.poll, CONFIG_POLL_BUSY);
    assert_true(config->node.sleep_max_ns == 1000000);
    assert_true(config->node.memory_bytes == 2ull << 30);
    assert_int_equal(config->node.huge_pages, CONFIG_HUGE_PAGES_OFF);
    assert_true(config->node.hash_seed == UINT64_MAX);
    assert_int_equal(config->node.log_level, LOG_DEBUG);
    assert_int_equal(config->node.log_format, CONFIG_LOG_JSON);
    assert_true(config->node.flows.tcp_established_ns == 7200000000000u);
    assert_true(config->node.flows.udp_ns == 120000000000u);
    assert_int_equal(config->node.flows.affinities, 4096);

    const struct config_port *port = &config->ports[0];
    assert_string_equal(port->device, "0000:01:00.0");
    assert_int_equal(port->queues, 2);
    assert_int_equal(port->address_count, 2);
    assert_int_equal(port->addresses[0].length, 120);
    assert_int_equal(port->route_count, 3);
    static const struct {
        const char *to, *via;
    } routes[] = {
        {"0.0.0.0/0", "10.1.0.254"}, {"::/0", "fd00:1::fe"}, {"192.0.2.0/24", "10.1.0.253"}};
    for (uint32_t i = 0; i < 3; i++) {
        char text[IP_TEXT_SIZE];
        assert_string_equal(ip_prefix_format(&port->routes[i].to, text), routes[i].to);
        assert_string_equal(ip_format(&port->routes[i].via, text), routes[i].via);
    }
    assert_string_equal(port->punt.interface, "weir-punt0");
    assert_true(port->punt.rate_per_second == 5);
    assert_int_equal(port->bond.member_count, 0);
    const struct config_bond *bond = &config->ports[1].bond;
    assert_int_equal(bond->mode, CONFIG_BOND_LACP);
    assert_int_equal(bond->member_count, 2);
    assert_string_equal(bond->members[1], "0000:02:00.1");

    assert_int_equal(config->vips[0].pool, 1);
    assert_int_equal(config->vips[0].protocol, CONFIG_PROTOCOL_UDP);
    assert_int_equal(config->pools[0].member_count, 0);
    assert_true(config->pools[0].affinity.timeout_ns == 600000000000u);
    assert_int_equal(config->pools[0].affinity.prefix_ipv4, 24);
    assert_int_equal(config->pools[0].affinity.prefix_ipv6, 56);
    assert_true(config->pools[0].slow_start_ns == 0);
    assert_true(config->pools[1].slow_start_ns == 30000000000u);
    assert_true(config->pools[1].affinity.timeout_ns == 0);
    const struct config_member *member = &config->pools[1].members[0];
    assert_int_equal(member->port, 53);
    assert_int_equal(member->weight, 0);
    assert_int_equal(member->state, CONFIG_MEMBER_DRAIN);
    config_destroy(config);
}

// A file with one thing wrong, and what is said about it: "LINE:COLUMN message: `words` | remedy".
struct wrong {
    const char *text;
    const char *said;
};

static const struct wrong wrong_files[] = {
    // keys
    {"node: {name: n, cores: [0], pol: busy}\n" PORTS,
     "1:29 unknown key in node: `pol` | did you mean `poll`?"},
    {"nodes: {name: n}\n" NODE PORTS,
     "1:1 unknown key in the file: `nodes` | did you mean `node`?"},
    {NODE PORTS "pools: [{name: w, xyzzy: 1}]\n",
     "3:19 unknown key in pools[]: `xyzzy` | keys known here: name, balancer, forward, "
     "client-address, slow-start, affinity, second-chance, members"},
    {"node: {name: n, cores: [0], memory: 1GiB, memory: 2GiB}\n" PORTS,
     "1:43 a key for the second time: `memory` | it is given at line 1 already; remove one"},
    {"node: {name: n}\n" PORTS, "1:7 node has no `cores` | add `cores:` to it"},
    {NODE, "1:1 configuration has no `ports` | add `ports:` to it"},
    {NODE "ports: []\n", "2:8 `ports` is empty | write at least one"},
    {NODE PORTS "pools: [{name: w, members: [{name: s1}]}]\n",
     "3:29 member has no `address` | add `address:` to it"},
    // kinds
    {NODE "ports: front\n", "2:8 `ports` takes a list, not a value: `front` | write its items as "
                            "`- ...` lines below it or in [ ]"},
    {"node: [n]\n" PORTS,
     "1:7 `node` takes a map, not a list | write `key: value` pairs, indented below it"},
    {"node:\n" PORTS,
     "1:1 `node` takes a map, not nothing | write `key: value` pairs, indented below it"},
    {NODE "ports:\n  -\n",
     "3:3 `ports` takes a map, not nothing | write `key: value` pairs, indented below it"},
    {"node: {name: [n], cores: 0}\n" PORTS,
     "1:14 `name` takes a value, not a list | write one value behind the colon"},
    {NODE "ports: [p]\n",
     "2:9 `ports` takes a map, not a value: `p` | write `key: value` pairs, indented below it"},
    {"hello\n", "1:1 `the file` takes a map, not a value: `hello` | write `key: value` pairs, "
                "indented below it"},
    {"", "1:1 the file is empty | write `node:` and `ports:`; docs/configuration.md has an "
         "example"},
    // quantities
    {"node: {name: n, cores: 0, sleep-max: 200}\n" PORTS,
     "1:38 not a number with a unit: `200` | write a duration as digits and one of the units ns, "
     "us, ms, s, m or h, as in 200us"},
    {"node: {name: n, cores: 0, memory: 512MB}\n" PORTS,
     "1:35 not a number with a unit: `512MB` | write a size as digits and one of the units B, "
     "KiB, MiB or GiB, as in 512MiB"},
    {NODE PORTS "access: [{name: r, action: drop}]\n",
     "3:28 not one of the words for this: `drop` | write allow or deny"},
    {NODE PORTS "access: [{name: r, action: deny, protocol: tcp, ports: 70000}]\n",
     "3:56 not a port or a range of ports: `70000` | write a port from 0 to 65535, or a range as "
     "in 8000-8999"},
    {NODE PORTS "access: [{name: r, action: deny, protocol: tcp, ports: [1, 1-]}]\n",
     "3:60 not a port or a range of ports: `1-` | write a port from 0 to 65535, or a range as "
     "in 8000-8999"},
    {NODE PORTS "access: [{name: r, action: deny, protocol: tcp, ports: 9-8}]\n",
     "3:56 the range ends before it begins: `9-8` | did you mean 8-9?"},
    {"node: {name: n, cores: 0, memory: 1MiB}\n" PORTS,
     "1:35 out of range: `1MiB` | write a size from 64MiB to 1024GiB"},
    {"node: {name: n, cores: 0, memory: 99999999999GiB}\n" PORTS,
     "1:35 out of range: `99999999999GiB` | write a size from 64MiB to 1024GiB"},
    {"node: {name: n, cores: 0, hash-seed: 18446744073709551616}\n" PORTS,
     "1:38 out of range: `18446744073709551616` | write a whole number from 0 to "
     "18446744073709551615"},
    {NODE "ports: [{name: p, device: net_null0, punt: {interface: i, rate: 5}}]\n",
     "2:65 not a number with a unit: `5` | write a rate as digits and the unit /s, as in "
     "10000/s"},
    {NODE "ports: [{name: p, device: net_null0, mtu: 1500B}]\n",
     "2:43 not a whole number: `1500B` | write a whole number from 68 to 9000"},
    // Nothing is told as nothing, whatever was due.
    {NODE "ports: [{name: p, device: net_null0, mtu: }]\n",
     "2:38 no value | write a whole number from 68 to 9000"},
    {"node: {name: n, cores: ['']}\n" PORTS,
     "1:26 no value | write a processor's number or a range such as 0-3, up to 1023"},
    {"node: {name: n, cores: 0, poll: ''}\n" PORTS, "1:34 no value | write adaptive or busy"},
    {NODE PORTS "pools: [{name: w}]\nvips: [{name: v, address: 192.0.2.1, port: 80, protocol: tcp, "
                "pool: }]\n",
     "4:63 no value | name one of the list `pools`"},
    {NODE "ports: [{name: p, device: net_null0, mtu: -1}]\n",
     "2:43 not a whole number: `-1` | write a whole number from 68 to 9000"},
    {NODE "ports: [{name: p, device: net_null0, mtu: 0100}]\n",
     "2:43 not a whole number: `0100` | write a whole number from 68 to 9000"},
    {NODE "ports: [{name: p, device: net_null0, queues: 0}]\n",
     "2:46 out of range: `0` | write a whole number from 1 to 64"},
    {"node: {name: n, cores: [3-1]}\n" PORTS,
     "1:25 a range that runs backwards: `3-1` | write a processor's number or a range such as "
     "0-3, up to 1023"},
    {"node: {name: n, cores: [0-64]}\n" PORTS,
     "1:25 too many cores: `0-64` | at most 64 workers run"},
    // words, names, addresses
    {"node: {name: n, cores: 0, poll: bussy}\n" PORTS,
     "1:33 not one of the words for this: `bussy` | did you mean busy? It takes adaptive or busy"},
    {"node: {name: n, cores: 0, poll: sometimes}\n" PORTS,
     "1:33 not one of the words for this: `sometimes` | write adaptive or busy"},
    {"node: {name: a b, cores: 0}\n" PORTS,
     "1:14 not a name: `a b` | write 1 to 63 letters, digits and - _ . :, not beginning with - or "
     "."},
    {"node: {name: n, cores: 0, socket: run/x}\n" PORTS,
     "1:35 not an absolute path: `run/x` | write a path that begins with / and has at most 107 "
     "characters, none a blank"},
    {NODE "ports: [{name: p, device: net null}]\n",
     "2:27 not a device: `net null` | write a PCI address such as 0000:01:00.0 or a DPDK device "
     "string such as net_af_xdp0,iface=eth1"},
    {NODE "ports: [{name: p, device: net_null0, punt: {interface: sixteen-letters-}}]\n",
     "2:56 not the name of an interface: `sixteen-letters-` | write 1 to 15 letters, digits and - "
     "_ ."},
    {NODE "ports: [{name: p, device: net_null0, addresses: 10.0.0.1}]\n",
     "2:49 not an address with the length of its network: `10.0.0.1` | write it as in "
     "192.0.2.1/24 or 2001:db8::1/64"},
    {NODE "ports: [{name: p, device: net_null0, addresses: 10.0.0.0/24}]\n",
     "2:49 the network's own address: `10.0.0.0/24` | write the address of this machine, with the "
     "length of its network"},
    {NODE "ports: [{name: p, device: net_null0, addresses: 10.0.0.255/24}]\n",
     "2:49 the network's broadcast address: `10.0.0.255/24` | write the address of this machine, "
     "with the length of its network"},
    {NODE "ports: [{name: p, device: net_null0, addresses: 10.0.0.1/24, routes: [{to: "
          "192.0.2.1/24, via: 10.0.0.2}]}]\n",
     "2:76 not a network: bits are set behind its length: `192.0.2.1/24` | did you mean "
     "192.0.2.0/24?"},
    {NODE PORTS "pools: [{name: w, members: [{address: 224.0.0.1}]}]\n",
     "3:39 not the address of one machine: `224.0.0.1` | unspecified, loopback, multicast and "
     "broadcast addresses do not work here"},
    {NODE PORTS "pools: [{name: w, members: [{address: 10.0.0.2/24}]}]\n",
     "3:39 not an IP address: `10.0.0.2/24` | write an address such as 192.0.2.1, without a "
     "length"},
    // YAML itself
    {NODE "ports: &x []\n", "2:11 an anchor (`&`) is not supported | leave it out"},
    {"node: *x\n" PORTS, "1:8 an alias (`*`) is not supported | write the value out"},
    {"node: {name: !!str n, cores: 0}\n" PORTS,
     "1:20 a tag (`!`) is not supported: `n` | leave it out"},
    {"--- {}\n--- {}\n", "2:1 a second document | a configuration is one YAML document: remove "
                         "`---`"},
    {"? [a]\n: b\n", "1:3 a key must be a word | write `key: value`"},
    {"node: {name: \"a\\0b\", cores: 0}\n" PORTS, "1:15 a NUL character: `a` | leave it out"},
    {"a: \xff\n", "1:4 byte 0xff is not text | save the file as UTF-8 without control characters"},
    {"a: \xc0\xaf\n",
     "1:4 byte 0xc0 is not text | save the file as UTF-8 without control characters"},
    {"[[[[[[[[[[[[[[[[[[[[[[[[", "1:17 nested too deeply | nothing in a configuration is nested "
                                 "this deep: look for brackets too many"},
    {"node: \"x\n", "1:8 not YAML: double-quoted scalar without closing quote: `x` | check "
                    "indentation, quotes and brackets here and just before"},
};

static void problem_text(const struct config_problem *problem, char *out, size_t size)
{
    bool words = problem->words[0];
    snprintf(out, size, "%u:%u %s%s%s%s | %s", problem->line, problem->column, problem->message,
             words ? ": `" : "", problem->words, words ? "`" : "", problem->remedy);
}

static void says_where_what_and_the_remedy(void **state)
{
    int failures = 0;
    for (size_t i = 0; i < sizeof(wrong_files) / sizeof(wrong_files[0]); i++) {
        struct config *config;
        struct config_problems problems;
        enum error error = read_text(wrong_files[i].text, &config, &problems);
        char said[1024] = "nothing";
        if (problems.count)
            problem_text(&problems.items[0], said, sizeof(said));
        if (error != ERROR_INVALID || strcmp(said, wrong_files[i].said) != 0 ||
            problems.count != 1) {
            config_problems_print(&problems, "got", stderr);
            print_error("file:\n%s\nwanted: %s\ngot:    %s (%u)\n", wrong_files[i].text,
                        wrong_files[i].said, said, problems.count);
            failures++;
        }
        config_problems_fini(&problems);
    }
    assert_int_equal(failures, 0);
}

// The largest file there may be: a beginning, and what comes again and again.
static struct span fill(const char *beginning, const char *again)
{
    static char text[4 << 20];
    size_t begun = strlen(beginning), length = strlen(again);
    memcpy(text, beginning, begun);
    for (size_t at = begun; at < sizeof(text); at++)
        text[at] = again[(at - begun) % length];
    return span_of(text, sizeof(text));
}

static void assert_refused_at_once(const char *beginning, const char *again, const char *message,
                                   uint32_t line, uint32_t column)
{
    struct config *config;
    struct config_problems problems;
    assert_int_equal(config_read_text(fill(beginning, again), &config, &problems), ERROR_INVALID);
    assert_int_equal(problems.count, 1);
    assert_string_equal(problems.items[0].message, message);
    assert_int_equal(problems.items[0].line, line);
    assert_int_equal(problems.items[0].column, column);
    config_problems_fini(&problems);
}

// That the 65th bracket is complained about, not the 17th, shows that no parser was asked, which
// would take seconds and a GiB.
static void refuses_brackets_without_end_before_they_cost_anything(void **state)
{
    static const struct {
        const char *beginning, *again;
        uint32_t line, column;
    } files[] = {
        {"", "[", 1, 65},
        {"\xef\xbb\xbf", "[", 1, 65},
        {"", "{", 1, 65},
        {"ports: ", "[ ", 1, 7 + 129},
        {"ports:\n- ", "{a: ", 2, 3 + 4 * 64},
        {"# [[[\na: 'it''s [[' # [[[\nb: \"\\\"\xc3\xa4[[\": ", "[\n", 3 + 64, 1},
        {"", "['a', \"[\",", 1, 1 + 10 * 64},
    };
    for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++)
        assert_refused_at_once(files[i].beginning, files[i].again, "nested too deeply",
                               files[i].line, files[i].column);
}

static void refuses_more_in_brackets_than_any_configuration_has(void **state)
{
    enum {
        MANY = 524288
    };
    static const struct {
        const char *beginning, *again;
        uint32_t line, column;
    } files[] = {
        {"", "[]\n", MANY + 1, 1},
        {"[", "[],", 1, 1 + 3 * MANY / 2},
        {"pools: [", "{}, ", 1, 8 + 2 * MANY - 1},
        {"ports:\n- [", "[]", 2, 3 + 2 * MANY - 1},
        {"[", "a,", 1, 1 + 2 * MANY},
        {"{", "a: b, ", 1, 1 + 3 * MANY - 1},
        {"{", ": ", 1, 1 + 2 * MANY + 1},
        {"{", "\"a\":", 1, 1 + 4 * MANY + 1},
        {"[", "\"a\"", 1, 1 + 3 * MANY / 2 + 3},
        {"[", "&a ", 1, 1 + 3 * MANY + 1},
    };
    for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++)
        assert_refused_at_once(files[i].beginning, files[i].again,
                               "more than 524288 items in brackets", files[i].line,
                               files[i].column);
}

static void counts_no_items_in_quotes_words_and_comments(void **state)
{
    static const char *const files[][2] = {
        {"# ", "[],"},
        {"a: \"", "[],"},
        {"a: b", "[],"},
        {"a: |\n  ", ", "},
    };
    for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
        struct config *config;
        struct config_problems problems;
        assert_int_equal(config_read_text(fill(files[i][0], files[i][1]), &config, &problems),
                         ERROR_INVALID);
        assert_true(problems.count > 0);
        assert_null(strstr(problems.items[0].message, "items"));
        config_problems_fini(&problems);
    }
}

#define EIGHT(text)       text text text text text text text text
#define SEVENTY_TWO(text) EIGHT(EIGHT(text)) EIGHT(text)

static void takes_brackets_in_quotes_words_and_comments_for_text(void **state)
{
    static const char *const files[] = {
        "# " SEVENTY_TWO("[") "\n" NODE PORTS,
        NODE PORTS "# don't\n# " SEVENTY_TWO("[ ") "\n",
        NODE "ports: # 'n " SEVENTY_TWO("{ ") "\n"
                                              "- {name: p, device: \"\\\"" SEVENTY_TWO(
                                                  "[") "\", addresses: [10.0.0.1/24]}\n",
        NODE "ports:\n- name: p\n  device: '" SEVENTY_TWO("[") "'\n  addresses: 10.0.0.1/24\n",
        NODE "ports:\n- name: p\n  device: x" SEVENTY_TWO("[") "\n  addresses: 10.0.0.1/24\n",
        NODE
        "ports: [{name: p, device: x, addresses: [10.0.0.1/24, # " SEVENTY_TWO("[") "\n  ]}]\n",
        NODE PORTS "access:\n" SEVENTY_TWO("# [\n") "- {name: r, action: deny}\n",
    };
    for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
        struct config *config;
        struct config_problems problems;
        enum error error = read_text(files[i], &config, &problems);
        config_problems_print(&problems, files[i], stderr);
        assert_int_equal(error, ERROR_NONE);
        config_problems_fini(&problems);
        config_destroy(config);
    }
}

static void reports_all_problems_in_the_order_of_the_file(void **state)
{
    static const char text[] = "vips:\n"
                               "  - {name: v, address: 10.9.0.1, port: 0, protocol: tpc, pool: w}\n"
                               "node:\n"
                               "  name: n\n"
                               "  cores: [0, 0]\n"
                               "  speed: 9\n"
                               "ports:\n"
                               "  - {device: net_null0}\n";
    static const uint32_t lines[] = {2, 2, 2, 5, 6, 8};
    struct config *config;
    struct config_problems problems;
    assert_int_equal(read_text(text, &config, &problems), ERROR_INVALID);
    assert_int_equal(problems.count, sizeof(lines) / sizeof(lines[0]));
    for (uint32_t i = 0; i < problems.count; i++)
        assert_int_equal(problems.items[i].line, lines[i]);
    config_problems_fini(&problems);
}

static void keeps_a_hundred_problems_and_counts_the_rest(void **state)
{
    char text[8192] = NODE PORTS;
    for (int i = 0; i < 150; i++)
        strcat(text, "nonsense: 1\n");
    struct config *config;
    struct config_problems problems;
    assert_int_equal(read_text(text, &config, &problems), ERROR_INVALID);
    assert_int_equal(problems.count, CONFIG_PROBLEMS_MAX);
    assert_int_equal(problems.left_out, 50);
    config_problems_fini(&problems);
}

static void prints_problems_for_people(void **state)
{
    struct config *config;
    struct config_problems problems;
    assert_int_equal(read_text("node: {name: n, cores: 0, poll: bussy}\n", &config, &problems),
                     ERROR_INVALID);
    char *printed;
    size_t size;
    FILE *out = open_memstream(&printed, &size);
    config_problems_print(&problems, "weir.yaml", out);
    fclose(out);
    assert_string_equal(printed, "weir.yaml:1:1: configuration has no `ports`\n"
                                 "  add `ports:` to it\n"
                                 "weir.yaml:1:33: not one of the words for this: `bussy`\n"
                                 "  did you mean busy? It takes adaptive or busy\n");
    free(printed);
    config_problems_fini(&problems);
}

static void cuts_long_words_and_hides_control_characters(void **state)
{
    char text[512];
    snprintf(text, sizeof(text), "node: {name: \"a\\e\\n%0200d\", cores: 0}\n" PORTS, 0);
    struct config *config;
    struct config_problems problems;
    assert_int_equal(read_text(text, &config, &problems), ERROR_INVALID);
    assert_int_equal(problems.count, 1);
    assert_int_equal(strlen(problems.items[0].words), 83);
    assert_memory_equal(problems.items[0].words, "a  000", 6);
    config_problems_fini(&problems);
}

static void cuts_words_between_characters(void **state)
{
    char text[512] = "node: {cores: 0, name: x";
    for (int i = 0; i < 60; i++)
        strcat(text, "\xc3\xa9"); // e with an acute: byte 80 is the second of its character
    strcat(text, "}\n" PORTS);
    struct config *config;
    struct config_problems problems;
    assert_int_equal(read_text(text, &config, &problems), ERROR_INVALID);
    assert_int_equal(problems.count, 1);
    const char *words = problems.items[0].words;
    assert_string_equal(words + strlen(words) - 5, "\xc3\xa9...");
    assert_int_equal(strlen(words), 1 + 2 * 39 + 3);
    config_problems_fini(&problems);
}

static void refuses_what_is_too_large_or_not_there(void **state)
{
    struct config *config;
    struct config_problems problems;
    size_t size = (4u << 20) + 1;
    char *text = malloc(size);
    assert_non_null(text);
    memset(text, '#', size);
    assert_int_equal(config_read_text(span_of(text, size), &config, &problems), ERROR_TOO_LARGE);
    assert_int_equal(problems.count, 1);
    config_problems_fini(&problems);
    free(text);

    assert_int_equal(config_read_file("/nonexistent/weir.yaml", &config, &problems), ERROR_SYSTEM);
    assert_int_equal(problems.count, 1);
    assert_string_equal(problems.items[0].message,
                        "cannot open the file: No such file or directory");
    config_problems_fini(&problems);

    assert_int_equal(config_read_file("/", &config, &problems), ERROR_SYSTEM);
    assert_int_equal(problems.count, 1);
    config_problems_fini(&problems);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fills_defaults),
        cmocka_unit_test(reads_every_key),
        cmocka_unit_test(says_where_what_and_the_remedy),
        cmocka_unit_test(refuses_brackets_without_end_before_they_cost_anything),
        cmocka_unit_test(refuses_more_in_brackets_than_any_configuration_has),
        cmocka_unit_test(counts_no_items_in_quotes_words_and_comments),
        cmocka_unit_test(takes_brackets_in_quotes_words_and_comments_for_text),
        cmocka_unit_test(reports_all_problems_in_the_order_of_the_file),
        cmocka_unit_test(keeps_a_hundred_problems_and_counts_the_rest),
        cmocka_unit_test(prints_problems_for_people),
        cmocka_unit_test(cuts_long_words_and_hides_control_characters),
        cmocka_unit_test(cuts_words_between_characters),
        cmocka_unit_test(refuses_what_is_too_large_or_not_there),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
