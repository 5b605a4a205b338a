// Rules as a file would write them, packets, and the rule that must decide. A plain search of the
// rules, in their order, is held against the tries for thousands of random packets.
#include "dataplane/packet/access/access.h"

#include <netinet/in.h>
#include <rte_eal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/byteorder.h"
#include "base/check.h"
#include "base/config/config.h"
#include "base/random.h"
#include "tests/test.h"

#define NODE                                  \
    "node: {name: test, cores: [0]}\n"        \
    "ports: [{name: p, device: net_null0}]\n" \
    "access:\n"

static struct config *read_rules(const char *rules)
{
    char yaml[8192];
    snprintf(yaml, sizeof(yaml), NODE "%s", rules);
    struct config *config;
    struct config_problems problems;
    enum error error = config_read_text(span_of(yaml, strlen(yaml)), &config, &problems);
    config_problems_print(&problems, "test", stderr);
    config_problems_fini(&problems);
    assert_int_equal(error, ERROR_NONE);
    return config;
}

static struct access_key key_of(const char *source, const char *destination, uint8_t protocol,
                                uint16_t source_port, uint16_t port)
{
    struct access_key key = {.protocol = protocol};
    assert_int_equal(ip_parse(source, &key.source), ERROR_NONE);
    assert_int_equal(ip_parse(destination, &key.destination), ERROR_NONE);
    store_be16(&key.source_port, source_port);
    store_be16(&key.destination_port, port);
    return key;
}

static void the_first_rule_that_matches_decides(void **state)
{
    struct config *config = read_rules(
        "  - {name: office, action: allow, from: 198.51.100.0/24}\n"
        "  - {name: no-web, action: deny, protocol: tcp, to: [192.0.2.1/32, '2001:db8::1/128'],\n"
        "     ports: [80, 8000-8999]}\n"
        "  - {name: dns, action: allow, protocol: udp, source-ports: 53, ports: 1024-65535}\n"
        "  - {name: ping, action: allow, protocol: icmp}\n"
        "  - {name: six, action: deny, from: '::/0'}\n"
        "  - {name: rest, action: deny, to: 192.0.2.0/24}\n");
    struct access_list *list;
    char why[ACCESS_WHY_SIZE] = "";
    assert_int_equal(
        access_list_create(config->access_rules, config->access_rule_count, &list, why),
        ERROR_NONE);
    const struct {
        const char *source, *destination;
        uint8_t protocol;
        uint16_t source_port, port;
        const char *rule; // NULL: none
    } table[] = {
        {"198.51.100.7", "192.0.2.1", IPPROTO_TCP, 1, 80, "office"},
        {"198.51.101.7", "192.0.2.1", IPPROTO_TCP, 1, 80, "no-web"},
        {"198.51.101.7", "192.0.2.1", IPPROTO_TCP, 1, 81, "rest"},
        {"198.51.101.7", "192.0.2.1", IPPROTO_TCP, 1, 8999, "no-web"},
        {"198.51.101.7", "192.0.2.1", IPPROTO_TCP, 1, 9000, "rest"},
        {"198.51.101.7", "192.0.2.1", IPPROTO_UDP, 1, 80, "rest"},
        {"198.51.101.7", "192.0.2.1", IPPROTO_UDP, 53, 1024, "dns"},
        {"198.51.101.7", "192.0.2.1", IPPROTO_UDP, 53, 1023, "rest"},
        {"198.51.101.7", "192.0.2.1", IPPROTO_ICMP, 0, 0, "ping"},
        {"198.51.101.7", "192.0.2.1", IPPROTO_ICMPV6, 0, 0, "rest"},
        {"198.51.101.7", "203.0.113.1", IPPROTO_TCP, 1, 80, NULL},
        {"2001:db8::7", "2001:db8::1", IPPROTO_TCP, 1, 8000, "no-web"},
        {"2001:db8::7", "2001:db8::2", IPPROTO_TCP, 1, 8000, "six"},
        {"2001:db8::7", "2001:db8::2", IPPROTO_ICMPV6, 0, 0, "ping"},
        {"2001:db8::7", "2001:db8::2", IPPROTO_ICMP, 0, 0, "six"},
    };
    struct access_key keys[sizeof(table) / sizeof(table[0])];
    uint32_t rules[sizeof(table) / sizeof(table[0])];
    uint32_t count = sizeof(table) / sizeof(table[0]);
    for (uint32_t i = 0; i < count; i++)
        keys[i] = key_of(table[i].source, table[i].destination, table[i].protocol,
                         table[i].source_port, table[i].port);
    access_match(list, keys, count, rules);
    for (uint32_t i = 0; i < count; i++) {
        const char *rule = rules[i] == ACCESS_NO_RULE ? NULL : config->access_rules[rules[i]].name;
        if ((rule == NULL) != (table[i].rule == NULL) || (rule && strcmp(rule, table[i].rule) != 0))
            fail_msg("packet %u: rule %s, not %s", i, rule ? rule : "none",
                     table[i].rule ? table[i].rule : "none");
    }
    access_list_destroy(list);
    config_destroy(config);
}

static void no_rules_make_no_list(void **state)
{
    struct access_list *list;
    char why[ACCESS_WHY_SIZE];
    assert_int_equal(access_list_create(NULL, 0, &list, why), ERROR_NONE);
    assert_null(list);
    access_list_destroy(list);
}

static void too_many_combinations_are_refused_with_their_number(void **state)
{
    struct ip_prefix networks[256];
    struct config_port_range ports[256];
    for (uint32_t i = 0; i < 256; i++) {
        networks[i] = (struct ip_prefix){.address = ip_from_v4((uint8_t[]){10, (uint8_t)i, 0, 0}),
                                         .length = 96 + 16};
        ports[i] =
            (struct config_port_range){.first = (uint16_t)(2 * i), .last = (uint16_t)(2 * i)};
    }
    struct config_access_rule rule = {.protocol = CONFIG_ACCESS_TCP,
                                      .from = networks,
                                      .from_count = 256,
                                      .to = networks,
                                      .to_count = 256,
                                      .ports = ports,
                                      .port_count = 2};
    struct access_list *list;
    char why[ACCESS_WHY_SIZE];
    assert_int_equal(access_list_create(&rule, 1, &list, why), ERROR_TOO_LARGE);
    assert_null(list);
    assert_string_equal(why, "access: the rules stand for 131072 combinations of networks and "
                             "ports, at most 65536 fit: join networks, or write fewer ranges");
}

// The model: rules in their order.
static bool prefixes_match(const struct ip_prefix *prefixes, uint32_t count,
                           const struct ip_address *address)
{
    for (uint32_t i = 0; i < count; i++) {
        if (ip_is_v4(&prefixes[i].address) == ip_is_v4(address) &&
            ip_prefix_contains(&prefixes[i], address))
            return true;
    }
    return count == 0;
}

static bool ports_match(const struct config_port_range *ranges, uint32_t count, uint16_t port)
{
    for (uint32_t i = 0; i < count; i++) {
        if (port >= ranges[i].first && port <= ranges[i].last)
            return true;
    }
    return count == 0;
}

static bool rule_matches(const struct config_access_rule *rule, const struct access_key *key)
{
    uint8_t icmp = ip_is_v4(&key->source) ? IPPROTO_ICMP : IPPROTO_ICMPV6;
    const uint8_t protocols[] = {key->protocol, IPPROTO_TCP, IPPROTO_UDP, icmp};
    return protocols[rule->protocol] == key->protocol &&
           prefixes_match(rule->from, rule->from_count, &key->source) &&
           prefixes_match(rule->to, rule->to_count, &key->destination) &&
           ports_match(rule->source_ports, rule->source_port_count, load_be16(&key->source_port)) &&
           ports_match(rule->ports, rule->port_count, load_be16(&key->destination_port));
}

// Addresses of few bits, so that prefixes and packets meet.
static struct ip_address random_address(struct random *random, bool v4)
{
    struct ip_address address = ip_from_v4((uint8_t[]){10, 0, 0, 0});
    if (!v4)
        address = (struct ip_address){.bytes = {0x20, 1, 0x0d, 0xb8}};
    for (int i = v4 ? 13 : 6; i < 16; i += v4 ? 1 : 3)
        address.bytes[i] = (uint8_t)random_below(random, 4);
    return address;
}

#define MODEL_RULES   40
#define MODEL_PACKETS 4096

struct model_rule {
    struct ip_prefix from[2], to[2];
    struct config_port_range ports[2];
};

static struct ip_prefix random_prefix(struct random *random)
{
    bool v4 = random_below(random, 2) == 0;
    uint8_t length =
        (uint8_t)(v4 ? 96 + 8 * random_below(random, 5) : 8 * random_below(random, 17));
    struct ip_prefix prefix = {.address = random_address(random, v4), .length = length};
    for (unsigned bit = length; bit < 128; bit++)
        prefix.address.bytes[bit / 8] &= (uint8_t) ~(0x80u >> (bit % 8));
    // A short one of IPv6 would look like IPv4's with its bits cleared, or the other way round.
    return prefix;
}

static void random_rule(struct random *random, struct model_rule *lists,
                        struct config_access_rule *rule)
{
    for (int i = 0; i < 2; i++) {
        lists->from[i] = random_prefix(random);
        lists->to[i] = random_prefix(random);
        uint16_t first = (uint16_t)random_below(random, 8);
        lists->ports[i] = (struct config_port_range){
            .first = first, .last = (uint16_t)(first + random_below(random, 4))};
    }
    rule->protocol = (enum config_access_protocol)random_below(random, 4);
    rule->from = lists->from;
    rule->to = lists->to;
    rule->ports = rule->source_ports = lists->ports;
    rule->from_count = (uint32_t)random_below(random, 3);
    rule->to_count = (uint32_t)random_below(random, 3);
    bool with_ports = rule->protocol == CONFIG_ACCESS_TCP || rule->protocol == CONFIG_ACCESS_UDP;
    rule->port_count = with_ports ? (uint32_t)random_below(random, 3) : 0;
    rule->source_port_count = with_ports ? (uint32_t)random_below(random, 2) : 0;
}

static void tries_agree_with_a_search_of_the_rules(void **state)
{
    struct random random = random_from_seed(8);
    static struct model_rule lists[MODEL_RULES];
    static struct config_access_rule rules[MODEL_RULES];
    uint32_t matched = 0;
    for (int turn = 0; turn < 8; turn++) {
        for (int i = 0; i < MODEL_RULES; i++)
            random_rule(&random, &lists[i], &rules[i]);
        struct access_list *list;
        char why[ACCESS_WHY_SIZE] = "";
        assert_int_equal(access_list_create(rules, MODEL_RULES, &list, why), ERROR_NONE);
        static const uint8_t protocols[] = {IPPROTO_TCP, IPPROTO_UDP, IPPROTO_ICMP, IPPROTO_ICMPV6,
                                            IPPROTO_GRE};
        for (int packet = 0; packet < MODEL_PACKETS; packet++) {
            bool v4 = random_below(&random, 2) == 0;
            struct access_key key = {.protocol = protocols[random_below(&random, 5)],
                                     .source = random_address(&random, v4),
                                     .destination = random_address(&random, v4)};
            if (key.protocol == IPPROTO_TCP || key.protocol == IPPROTO_UDP) {
                store_be16(&key.source_port, (uint16_t)random_below(&random, 12));
                store_be16(&key.destination_port, (uint16_t)random_below(&random, 12));
            }
            uint32_t expected = 0, got;
            while (expected < MODEL_RULES && !rule_matches(&rules[expected], &key))
                expected++;
            access_match(list, &key, 1, &got);
            assert_int_equal(got, expected < MODEL_RULES ? expected : ACCESS_NO_RULE);
            matched += got != ACCESS_NO_RULE;
        }
        access_list_destroy(list);
    }
    assert_in_range(matched, MODEL_PACKETS, 8 * MODEL_PACKETS - 1);
}

int main(void)
{
    char *arguments[] = {"access-test", "--no-huge",      "--no-shconf",       "--no-pci", "-m",
                         "64",          "--no-telemetry", "--log-level=error", NULL};
    CHECK(rte_eal_init((int)(sizeof(arguments) / sizeof(arguments[0])) - 1, arguments) >= 0);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_first_rule_that_matches_decides),
        cmocka_unit_test(no_rules_make_no_list),
        cmocka_unit_test(too_many_combinations_are_refused_with_their_number),
        cmocka_unit_test(tries_agree_with_a_search_of_the_rules),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    rte_eal_cleanup();
    return failed;
}
