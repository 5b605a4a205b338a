#include "tests/test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/config/config.h"
#include "tests/unit/base/config/generate.h"

#define NODE "node: {name: n, cores: [0, 1]}\n"
#define PORT "ports: [{name: front, device: x, addresses: 10.0.0.1/8, gateway: 10.0.0.2}]\n"
#define POOL                                                                            \
    "pools: [{name: web, members: [{name: s1, address: 10.0.0.3}, {name: s2, address: " \
    "10.0.0.4}]}]\n"
#define VIP "vips: [{name: v, address: 192.0.2.1, port: 80, protocol: tcp, pool: web}]\n"

static struct config *read_or_fail(const char *text)
{
    struct config *config = NULL;
    struct config_problems problems;
    enum error error = config_read_text(span_of(text, strlen(text)), &config, &problems);
    if (error != ERROR_NONE)
        config_problems_print(&problems, "text", stderr);
    assert_int_equal(error, ERROR_NONE);
    config_problems_fini(&problems);
    return config;
}

struct changed {
    char text[4096];
};

static void note(void *context, const char *path, const char *before, const char *after)
{
    struct changed *changed = context;
    size_t used = strlen(changed->text);
    snprintf(changed->text + used, sizeof(changed->text) - used, "%s: %s -> %s\n", path,
             before ? before : "(none)", after ? after : "(none)");
}

struct change {
    const char *after;
    const char *said;
};

static const struct change changes[] = {
    {NODE PORT POOL VIP, ""},
    // The order of the file and how a value is written say nothing.
    {VIP "pools: [{name: web, forward: nat, members: [{weight: 1, address: 10.0.0.3, name: s1}, "
         "{name: s2, address: 10.0.0.4}]}]\n"
         "ports: [{name: front, device: x, addresses: [10.0.0.1/8], routes: [{to: 0.0.0.0/0, via: "
         "10.0.0.2}]}]\n"
         "node: {name: n, cores: 0-1, memory: 524288KiB}\n",
     ""},
    // Of members it does: `failover` gives to the first.
    {NODE PORT "pools: [{name: web, members: [{name: s2, address: 10.0.0.4}, {name: s1, address: "
               "10.0.0.3}]}]\n" VIP,
     "pools.web.members: [s1, s2] -> [s2, s1]\n"},
    {"node: {name: n, cores: 0, flows: {udp: 90s}, log: {level: error}}\n" PORT POOL VIP,
     "node.cores: [0, 1] -> [0]\n"
     "node.log.level: info -> error\n"
     "node.flows.udp: 1m -> 90s\n"},
    {NODE "ports: [{name: front, device: x, mtu: 9000, queues: 2, addresses: [10.0.0.1/8, "
          "fd00::1/64], punt: {interface: t}, routes: [{to: 192.0.2.0/24, via: 10.0.0.2}]}]\n"
          "pools: [{name: web, members: [{name: s1, address: 10.0.0.3}, {name: s2, address: "
          "10.0.0.4}]}]\n" VIP,
     "ports.front.queues: (none) -> 2\n"
     "ports.front.mtu: 1500 -> 9000\n"
     "ports.front.addresses: [10.0.0.1/8] -> [10.0.0.1/8, fd00::1/64]\n"
     "ports.front.routes.0.0.0.0/0.to: 0.0.0.0/0 -> (none)\n"
     "ports.front.routes.0.0.0.0/0.via: 10.0.0.2 -> (none)\n"
     "ports.front.routes.192.0.2.0/24.to: (none) -> 192.0.2.0/24\n"
     "ports.front.routes.192.0.2.0/24.via: (none) -> 10.0.0.2\n"
     "ports.front.punt.interface: (none) -> t\n"
     "ports.front.punt.rate: (none) -> 10000/s\n"},
    {NODE PORT "pools: [{name: other}, {name: web, balancer: round-robin, members: [{name: s1, "
               "address: 10.0.0.3, weight: 9}, {name: s3, address: 10.0.0.5}]}]\n" VIP,
     "pools.other.name: (none) -> other\n"
     "pools.other.balancer: (none) -> maglev\n"
     "pools.other.forward: (none) -> nat\n"
     "pools.other.client-address: (none) -> none\n"
     "pools.web.balancer: maglev -> round-robin\n"
     "pools.web.members.s1.weight: 1 -> 9\n"
     "pools.web.members.s2.name: s2 -> (none)\n"
     "pools.web.members.s2.address: 10.0.0.4 -> (none)\n"
     "pools.web.members.s2.weight: 1 -> (none)\n"
     "pools.web.members.s2.state: active -> (none)\n"
     "pools.web.members.s3.name: (none) -> s3\n"
     "pools.web.members.s3.address: (none) -> 10.0.0.5\n"
     "pools.web.members.s3.weight: (none) -> 1\n"
     "pools.web.members.s3.state: (none) -> active\n"},
};

static void names_what_changed_by_path(void **state)
{
    struct config *before = read_or_fail(NODE PORT POOL VIP);
    for (size_t i = 0; i < sizeof(changes) / sizeof(changes[0]); i++) {
        struct config *after = read_or_fail(changes[i].after);
        struct changed changed = {.text = ""};
        uint32_t count = config_diff(before, after, note, &changed);
        assert_string_equal(changed.text, changes[i].said);
        uint32_t lines = 0;
        for (const char *at = changed.text; (at = strchr(at, '\n')); at++)
            lines++;
        assert_int_equal(count, lines);
        assert_int_equal(config_diff(after, before, NULL, NULL), count);
        config_destroy(after);
    }
    config_destroy(before);
}

static void the_order_of_access_rules_is_told(void **state)
{
    struct config *before = read_or_fail(
        NODE PORT
        "access: [{name: a, action: allow, from: 192.0.2.1/32}, {name: b, action: deny}]");
    struct config *after = read_or_fail(
        NODE PORT
        "access: [{name: b, action: deny}, {name: a, action: allow, from: 192.0.2.1/32}]");
    struct changed changed = {.text = ""};
    assert_int_equal(config_diff(before, after, note, &changed), 1);
    assert_string_equal(changed.text, "access: [a, b] -> [b, a]\n");
    assert_int_equal(config_restart_diff(before, after, NULL, NULL), 0);
    config_destroy(before);
    config_destroy(after);
}

// A rule of as many networks as it may have, all of them as long as they get.
static struct config *read_longest_rule(uint32_t networks)
{
    char *text;
    size_t size;
    FILE *out = open_memstream(&text, &size);
    fputs(NODE PORT "access: [{name: a, action: deny, from: [", out);
    for (uint32_t i = 0; i < networks; i++)
        fprintf(out, "%s2001:db8:1111:2222:3333:4444:5555:%x/128", i ? ", " : "", 0x1000 + i);
    fputs("]}]\n", out);
    assert_int_equal(fclose(out), 0);
    struct config *config = read_or_fail(text);
    free(text);
    return config;
}

static void count_bytes(void *context, const char *path, const char *before, const char *after)
{
    *(size_t *)context += strlen(before) + strlen(after);
}

static void the_longest_lists_are_compared(void **state)
{
    struct config *before = read_longest_rule(256);
    struct config *after = read_longest_rule(255);
    size_t bytes = 0;
    assert_int_equal(config_diff(before, before, NULL, NULL), 0);
    assert_int_equal(config_diff(before, after, count_bytes, &bytes), 1);
    assert_int_equal(bytes, 511 * strlen("2001:db8:1111:2222:3333:4444:5555:1000/128, "));
    config_destroy(before);
    config_destroy(after);
}

static void a_configuration_does_not_differ_from_itself(void **state)
{
    for (unsigned long seed = 0; seed < 50; seed++) {
        char *text = generate_config(seed);
        struct config *one = read_or_fail(text);
        struct config *two = read_or_fail(text);
        assert_int_equal(config_diff(one, two, NULL, NULL), 0);
        config_destroy(one);
        config_destroy(two);
        free(text);
    }
}

#define RESTART_PORTS                                                                      \
    "ports:\n"                                                                             \
    "  - {name: a, device: net_null0, queues: 1, descriptors: 512, mtu: 2000, addresses: " \
    "10.0.0.1/24, gateway: 10.0.0.2, punt: {interface: t0, rate: 5/s}}\n"                  \
    "  - {name: b, device: net_null1}\n"
#define RESTART_NODE                                                                               \
    "node: {name: n, cores: 0, poll: busy, sleep-max: 1ms, memory: 1GiB, huge-pages: off, "        \
    "socket: "                                                                                     \
    "/s, hash-seed: 7, log: {level: debug, format: json}, flows: {per-worker: 4096, tcp-opening: " \
    "1s, tcp-established: 1s, tcp-closing: 1s, udp: 1s}}\n"

// One edit of the file above and all that it says of a restart.
struct edit {
    const char *words; // in the file
    const char *instead;
    const char *said;
};

static const struct edit edits[] = {
    {"cores: 0", "cores: 1", "node.cores: [0] -> [1]\n"},
    {"memory: 1GiB", "memory: 2GiB", "node.memory: 1GiB -> 2GiB\n"},
    {"huge-pages: off", "huge-pages: on", "node.huge-pages: off -> on\n"},
    {"socket: /s", "socket: /t", "node.socket: /s -> /t\n"},
    {"per-worker: 4096", "per-worker: 8192", "node.flows.per-worker: 4096 -> 8192\n"},
    {"device: net_null0", "device: net_null9", "ports.a.device: net_null0 -> net_null9\n"},
    {"queues: 1, ", "", "ports.a.queues: 1 -> (none)\n"},
    {"descriptors: 512", "descriptors: 1024", "ports.a.descriptors: 512 -> 1024\n"},
    {"queues: 1, ", "queues: 1, vlan: 7, ", "ports.a.vlan: (none) -> 7\n"},
    {"mtu: 2000", "mtu: 1500", "ports.a.mtu: 2000 -> 1500\n"},
    {"interface: t0", "interface: t1", "ports.a.punt.interface: t0 -> t1\n"},
    {", punt: {interface: t0, rate: 5/s}", "", "ports.a.punt.interface: t0 -> (none)\n"},
    {"net_null1}", "net_bonding1, bond: {mode: balance-xor, members: [net_null1, net_null2]}}",
     "ports.b.device: net_null1 -> net_bonding1\nports.b.bond.mode: (none) -> balance-xor\n"
     "ports.b.bond.members: (none) -> [net_null1, net_null2]\n"},
    {"name: b, ", "name: c, ", "ports.b: b -> (none)\nports.c: (none) -> c\n"},
    {"  - {name: b, device: net_null1}\n", "", "ports.b: b -> (none)\n"},
    {"net_null1}\n", "net_null1}\n  - {name: c, device: net_null2, mtu: 70}\n",
     "ports.c: (none) -> c\n"},
    {RESTART_PORTS,
     "ports:\n  - {name: b, device: net_null1}\n"
     "  - {name: a, device: net_null0, queues: 1, descriptors: 512, mtu: 2000, punt: {interface: "
     "t0}}\n",
     "ports: [a, b] -> [b, a]\n"},
    // The others a reload takes over.
    {"name: n", "name: m", ""},
    {"poll: busy", "poll: adaptive", ""},
    {"sleep-max: 1ms", "sleep-max: 2ms", ""},
    {"hash-seed: 7", "hash-seed: 8", ""},
    {"level: debug", "level: info", ""},
    {"format: json", "format: text", ""},
    {"tcp-opening: 1s", "tcp-opening: 2s", ""},
    {"tcp-established: 1s", "tcp-established: 2s", ""},
    {"tcp-closing: 1s", "tcp-closing: 2s", ""},
    {"udp: 1s", "udp: 2s", ""},
    {"10.0.0.1/24", "10.0.0.3/24", ""},
    {", gateway: 10.0.0.2", "", ""},
    {"gateway: 10.0.0.2", "routes: [{to: 192.0.2.0/24, via: 10.0.0.2}]", ""},
    {"rate: 5/s", "rate: 6/s", ""},
    {"net_null1}\n", "net_null1}\n" POOL VIP, ""},
};

static char *edited(const char *text, const struct edit *edit)
{
    const char *at = strstr(text, edit->words);
    assert_non_null(at);
    char *after;
    assert_true(asprintf(&after, "%.*s%s%s", (int)(at - text), text, edit->instead,
                         at + strlen(edit->words)) > 0);
    return after;
}

static void names_what_takes_a_restart_and_nothing_else(void **state)
{
    struct config *before = read_or_fail(RESTART_NODE RESTART_PORTS);
    for (size_t i = 0; i < sizeof(edits) / sizeof(edits[0]); i++) {
        char *text = edited(RESTART_NODE RESTART_PORTS, &edits[i]);
        struct config *after = read_or_fail(text);
        struct changed changed = {.text = ""};
        uint32_t count = config_restart_diff(before, after, note, &changed);
        assert_string_equal(changed.text, edits[i].said);
        assert_int_equal(config_restart_diff(after, before, NULL, NULL), count);
        config_destroy(after);
        free(text);
    }
    assert_int_equal(config_restart_diff(before, before, note, NULL), 0);
    config_destroy(before);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_what_changed_by_path),
        cmocka_unit_test(the_order_of_access_rules_is_told),
        cmocka_unit_test(the_longest_lists_are_compared),
        cmocka_unit_test(names_what_takes_a_restart_and_nothing_else),
        cmocka_unit_test(a_configuration_does_not_differ_from_itself),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
