#include "dataplane/packet/stage/endpoint.h"

#include <netinet/in.h>

#include "tests/test.h"

static struct endpoint endpoint(const char *address, uint16_t port, uint8_t protocol,
                                enum endpoint_kind kind, uint32_t value)
{
    struct endpoint made = {
        .port = port, .protocol = protocol, .kind = (uint8_t)kind, .value = value};
    assert_int_equal(ip_parse(address, &made.address), ERROR_NONE);
    return made;
}

static void finds_exactly_what_was_put_in(void **state)
{
    const struct endpoint items[] = {
        endpoint("192.0.2.1", 80, IPPROTO_TCP, ENDPOINT_SERVICE, 1),
        endpoint("192.0.2.1", 80, IPPROTO_UDP, ENDPOINT_SERVICE, 2),
        endpoint("192.0.2.1", 0, 0, ENDPOINT_VIP, 3),
        endpoint("2001:db8::1", 80, IPPROTO_TCP, ENDPOINT_SERVICE, 4),
    };
    const uint32_t count = sizeof(items) / sizeof(items[0]);
    struct endpoint_set *set;
    assert_int_equal(endpoint_set_create(items, count, &set), ERROR_NONE);
    for (uint32_t i = 0; i < count; i++) {
        const struct endpoint *found =
            endpoint_find(set, &items[i].address, items[i].port, items[i].protocol);
        assert_non_null(found);
        assert_int_equal(found->value, items[i].value);
    }
    assert_null(endpoint_find(set, &items[0].address, 81, IPPROTO_TCP));
    assert_null(endpoint_find(set, &items[3].address, 80, IPPROTO_UDP));
    assert_null(endpoint_find(set, &items[3].address, 0, 0));
    endpoint_set_destroy(set);
}

static void of_equal_ones_the_first_counts(void **state)
{
    struct endpoint items[100];
    for (uint32_t i = 0; i < 100; i++)
        items[i] = endpoint("192.0.2.1", 80, IPPROTO_TCP, ENDPOINT_SERVICE, i);
    struct endpoint_set *set;
    assert_int_equal(endpoint_set_create(items, 100, &set), ERROR_NONE);
    assert_int_equal(endpoint_find(set, &items[0].address, 80, IPPROTO_TCP)->value, 0);
    uint32_t count;
    assert_int_equal(endpoint_items(set, &count)[99].value, 99);
    assert_int_equal(count, 100);
    assert_true(endpoint_is_in(set, &items[0]));
    assert_true(endpoint_is_in(set, &items[99]));
    struct endpoint other = endpoint("192.0.2.1", 80, IPPROTO_TCP, ENDPOINT_SERVICE, 100);
    assert_false(endpoint_is_in(set, &other));
    other = endpoint("192.0.2.1", 80, IPPROTO_TCP, ENDPOINT_MEMBER, 99);
    assert_false(endpoint_is_in(set, &other));
    endpoint_set_destroy(set);
}

static void an_empty_set_has_nothing(void **state)
{
    struct endpoint_set *set;
    assert_int_equal(endpoint_set_create(NULL, 0, &set), ERROR_NONE);
    struct ip_address address = {{0}};
    assert_null(endpoint_find(set, &address, 0, 0));
    endpoint_set_destroy(set);
}

// Numbers as a packet asks for them: by address and port as they lie in it.
static void numbers_services_and_members_apart(void **state)
{
    struct endpoint items[2 * 1000 + 3];
    uint32_t count = 0;
    for (uint16_t i = 1; i <= 1000; i++) {
        items[count] = endpoint("192.0.2.1", i, IPPROTO_TCP, ENDPOINT_SERVICE, i);
        items[count++].number = i;
        items[count] = endpoint("2001:db8::1", i, IPPROTO_UDP, ENDPOINT_MEMBER, i);
        items[count++].number = (uint16_t)(2000 + i);
    }
    // One that is both, one without a number, and of equal ones the first.
    items[count] = endpoint("192.0.2.1", 7, IPPROTO_TCP, ENDPOINT_MEMBER, 1);
    items[count++].number = 5000;
    items[count++] = endpoint("192.0.2.9", 0, 0, ENDPOINT_VIP, 1);
    items[count] = endpoint("192.0.2.1", 7, IPPROTO_TCP, ENDPOINT_MEMBER, 2);
    items[count++].number = 5001;
    struct endpoint_set *set;
    assert_int_equal(endpoint_set_create(items, count, &set), ERROR_NONE);
    struct ip_address v4, v6, other;
    ip_parse("192.0.2.1", &v4);
    ip_parse("2001:db8::1", &v6);
    ip_parse("192.0.2.9", &other);
    for (uint16_t i = 1; i <= 1001; i++) {
        bool there = i <= 1000;
        assert_int_equal(endpoint_number(set, ENDPOINT_SERVICE, &v4, i, IPPROTO_TCP),
                         there ? i : 0);
        assert_int_equal(endpoint_number(set, ENDPOINT_MEMBER, &v6, i, IPPROTO_UDP),
                         there ? 2000 + i : 0);
        assert_int_equal(endpoint_number(set, ENDPOINT_MEMBER, &v4, i, IPPROTO_TCP),
                         i == 7 ? 5000 : 0);
        assert_int_equal(endpoint_number(set, ENDPOINT_SERVICE, &v6, i, IPPROTO_UDP), 0);
        assert_int_equal(endpoint_number(set, ENDPOINT_SERVICE, &v4, i, IPPROTO_UDP), 0);
    }
    assert_int_equal(endpoint_number(set, ENDPOINT_VIP, &other, 0, 0), 0);
    endpoint_set_destroy(set);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(finds_exactly_what_was_put_in),
        cmocka_unit_test(of_equal_ones_the_first_counts),
        cmocka_unit_test(an_empty_set_has_nothing),
        cmocka_unit_test(numbers_services_and_members_apart),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
