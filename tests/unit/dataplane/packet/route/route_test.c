#include "dataplane/packet/route/route.h"

#include <stdlib.h>

#include "base/random.h"
#include "tests/test.h"

static struct ip_address address_of(const char *text)
{
    struct ip_address address;
    assert_int_equal(ip_parse(text, &address), ERROR_NONE);
    return address;
}

// Routes are told apart by their ports.
static struct route route_of(const char *to, uint32_t port)
{
    struct route route = {.on_link = true, .port = port};
    assert_int_equal(ip_prefix_parse(to, &route.to), ERROR_NONE);
    return route;
}

#define NOWHERE (-1)

static void assert_port(const struct route_table *table, const char *to, int port)
{
    struct ip_address address = address_of(to);
    const struct route *route = route_lookup(table, &address);
    int found = route ? (int)route->port : NOWHERE;
    if (found != port)
        fail_msg("%s goes to port %d, not to %d", to, found, port);
}

static struct route_table *create(const struct route *routes, uint32_t count)
{
    struct route_table *table = NULL;
    assert_int_equal(route_table_create(routes, count, &table), ERROR_NONE);
    return table;
}

static void chooses_the_longest_prefix(void **state)
{
    const struct route routes[] = {
        route_of("0.0.0.0/0", 1),          route_of("10.0.0.0/8", 2),
        route_of("10.1.0.0/16", 3),        route_of("10.1.2.0/24", 4),
        route_of("10.1.2.3/32", 5),        route_of("2001:db8::/32", 6),
        route_of("2001:db8:1::/48", 7),    route_of("2001:db8:1::1/128", 8),
        route_of("255.255.255.255/32", 9), route_of("ffff::/16", 10),
    };
    static const struct {
        const char *to;
        int port;
    } cases[] = {
        {"0.0.0.0", 1},
        {"9.255.255.255", 1},
        {"10.0.0.0", 2},
        {"10.0.255.255", 2},
        {"10.1.0.0", 3},
        {"10.1.1.255", 3},
        {"10.1.2.0", 4},
        {"10.1.2.2", 4},
        {"10.1.2.3", 5},
        {"10.1.2.4", 4},
        {"10.1.3.0", 3},
        {"10.2.0.0", 2},
        {"11.0.0.0", 1},
        {"255.255.255.254", 1},
        {"255.255.255.255", 9},
        {"::", NOWHERE},
        {"2001:db7:ffff:ffff:ffff:ffff:ffff:ffff", NOWHERE},
        {"2001:db8::", 6},
        {"2001:db8:1::", 7},
        {"2001:db8:1::1", 8},
        {"2001:db8:1::2", 7},
        {"2001:db8:2::", 6},
        {"2001:db9::", NOWHERE},
        {"ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", 10},
    };
    struct route_table *table = create(routes, sizeof(routes) / sizeof(routes[0]));
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        assert_port(table, cases[i].to, cases[i].port);
    route_table_destroy(table);
}

static void keeps_the_versions_apart(void **state)
{
    const struct route v6_default = route_of("::/0", 6);
    struct route_table *table = create(&v6_default, 1);
    assert_port(table, "2001:db8::1", 6);
    assert_port(table, "::fffe:c000:201", 6);
    assert_port(table, "::1:0:0:0", 6);
    assert_port(table, "192.0.2.1", NOWHERE);
    route_table_destroy(table);

    const struct route v4_default = route_of("0.0.0.0/0", 4);
    table = create(&v4_default, 1);
    assert_port(table, "192.0.2.1", 4);
    assert_port(table, "2001:db8::1", NOWHERE);
    route_table_destroy(table);

    const struct route both[] = {v6_default, v4_default};
    table = create(both, 2);
    assert_port(table, "192.0.2.1", 4);
    assert_port(table, "2001:db8::1", 6);
    route_table_destroy(table);
}

static void leads_to_no_other_link(void **state)
{
    const struct route routes[] = {route_of("::/0", 1), route_of("fe00::/9", 2),
                                   route_of("fe80:1::/32", 3)};
    struct route_table *table = create(routes, 3);
    assert_port(table, "fe7f:ffff:ffff:ffff:ffff:ffff:ffff:ffff", 2);
    assert_port(table, "fe80::1", NOWHERE);
    assert_port(table, "fe80:1::1", 3);
    assert_port(table, "febf:ffff:ffff:ffff:ffff:ffff:ffff:ffff", NOWHERE);
    assert_port(table, "fec0::", 1);
    route_table_destroy(table);
}

static void lets_the_first_of_equal_prefixes_win(void **state)
{
    // An interface's address is a network with host bits.
    const struct route routes[] = {route_of("10.0.0.1/24", 1), route_of("10.0.0.0/24", 2),
                                   route_of("0.0.0.0/0", 3), route_of("0.0.0.0/0", 4)};
    struct route_table *table = create(routes, 4);
    assert_port(table, "10.0.0.200", 1);
    assert_port(table, "10.0.1.0", 3);
    route_table_destroy(table);
}

static void an_empty_table_leads_nowhere(void **state)
{
    struct route_table *table = create(NULL, 0);
    assert_port(table, "10.0.0.1", NOWHERE);
    assert_port(table, "::", NOWHERE);
    route_table_destroy(table);
    route_table_destroy(NULL);
}

static void refuses_what_it_cannot_hold(void **state)
{
    struct route_table *table = NULL;
    static struct route routes[ROUTES_MAX + 1];
    assert_int_equal(route_table_create(routes, ROUTES_MAX + 1, &table), ERROR_TOO_LARGE);
    routes[1].to.length = 129;
    assert_int_equal(route_table_create(routes, 2, &table), ERROR_INVALID);
    assert_null(table);
}

// The meaning of the table, as its header says it.
static const struct route *naive_lookup(const struct route *routes, uint32_t count,
                                        const struct ip_address *address)
{
    const struct route *best = NULL;
    for (uint32_t i = 0; i < count; i++) {
        struct ip_address first = routes[i].to.address;
        bool v4 = routes[i].to.length >= 96 && ip_is_v4(&first);
        bool other_link = ip_is_of_a_link(address) && routes[i].to.length < 10;
        if (v4 == ip_is_v4(address) && !other_link && ip_prefix_contains(&routes[i].to, address) &&
            (!best || routes[i].to.length > best->to.length))
            best = &routes[i];
    }
    return best;
}

// Few distinct bytes, so that prefixes nest and addresses hit their edges.
static struct ip_address random_address(struct random *random)
{
    static const uint8_t edges[] = {0x00, 0x01, 0x7f, 0x80, 0xff};
    uint8_t bytes[16];
    for (int i = 0; i < 16; i++)
        bytes[i] = edges[random_below(random, sizeof(edges))];
    if (random_below(random, 2))
        return ip_from_v4(bytes);
    return ip_from_v6(bytes);
}

static void agrees_with_a_naive_search(void **state)
{
    static struct route routes[ROUTES_MAX];
    struct random random = random_from_seed(7);
    for (int round = 0; round < 200; round++) {
        uint32_t count = (uint32_t)random_below(&random, round == 0 ? 1 : 100) + 1;
        if (round % 50 == 49)
            count = ROUTES_MAX;
        for (uint32_t i = 0; i < count; i++) {
            struct ip_address address = random_address(&random);
            bool v4 = ip_is_v4(&address);
            uint64_t length = v4 ? 96 + random_below(&random, 33) : random_below(&random, 129);
            routes[i] = (struct route){.to = {.address = address, .length = (uint8_t)length}};
        }
        struct route_table *table = create(routes, count);
        for (int i = 0; i < 500; i++) {
            struct ip_address address = random_address(&random);
            if (random_below(&random, 2)) // at and next to an edge
                address = routes[random_below(&random, count)].to.address;
            if (random_below(&random, 2))
                address.bytes[15] = (uint8_t)(address.bytes[15] + random_below(&random, 3) - 1);
            const struct route *found = route_lookup(table, &address);
            const struct route *wanted = naive_lookup(routes, count, &address);
            assert_true(!found == !wanted);
            assert_true(!found || memcmp(found, wanted, sizeof(*found)) == 0);
        }
        route_table_destroy(table);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(chooses_the_longest_prefix),
        cmocka_unit_test(keeps_the_versions_apart),
        cmocka_unit_test(leads_to_no_other_link),
        cmocka_unit_test(lets_the_first_of_equal_prefixes_win),
        cmocka_unit_test(an_empty_table_leads_nowhere),
        cmocka_unit_test(refuses_what_it_cannot_hold),
        cmocka_unit_test(agrees_with_a_naive_search),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
