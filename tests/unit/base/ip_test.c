#include "base/ip.h"

#include "tests/test.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static struct ip_address address_of(const char *text)
{
    struct ip_address address;
    assert_int_equal(ip_parse(text, &address), ERROR_NONE);
    return address;
}

static void addresses_survive_reading_and_writing(void **state)
{
    static const struct {
        const char *in;
        const char *out;
    } cases[] = {
        {"192.0.2.1", "192.0.2.1"},
        {"0.0.0.0", "0.0.0.0"},
        {"255.255.255.255", "255.255.255.255"},
        {"::", "::"},
        {"2001:DB8:0:0:0:0:0:1", "2001:db8::1"}, // RFC 5952 section 4
        {"fe80::1", "fe80::1"},
        {"2001:db8:1:2:3:4:5:6", "2001:db8:1:2:3:4:5:6"},
    };
    char text[IP_TEXT_SIZE];
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct ip_address address = address_of(cases[i].in);
        assert_string_equal(ip_format(&address, text), cases[i].out);
    }
}

static void refuses_what_is_no_address(void **state)
{
    static const char *const cases[] = {
        "",           "1",        "1.2.3",     "1.2.3.4.5", "256.1.1.1",        "1.2.3.4 ",
        " 1.2.3.4",   "01.2.3.4", "0x1.2.3.4", "1.2.3.-4",  "2001:db8",         ":::",
        "1::2::3",    "12345::",  "fe80::1%1", "[::1]",     "::ffff:192.0.2.1", // mapped
        "1.2.3.4/24",
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct ip_address address = {.bytes = {42}};
        assert_int_equal(ip_parse(cases[i], &address), ERROR_INVALID);
        assert_int_equal(address.bytes[0], 42); // left alone
    }
}

static void prefixes_count_bits_of_the_long_form(void **state)
{
    static const struct {
        const char *text;
        uint8_t length;
    } cases[] = {
        {"192.0.2.7/24", 120}, {"0.0.0.0/0", 96}, {"192.0.2.1/32", 128},
        {"2001:db8::/32", 32}, {"::/0", 0},       {"2001:db8::1/128", 128},
    };
    char text[IP_TEXT_SIZE];
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct ip_prefix prefix;
        assert_int_equal(ip_prefix_parse(cases[i].text, &prefix), ERROR_NONE);
        assert_int_equal(prefix.length, cases[i].length);
        assert_string_equal(ip_prefix_format(&prefix, text), cases[i].text);
    }
}

static void networks_have_edges(void **state)
{
    static const struct {
        const char *network;
        const char *first, *last;
    } cases[] = {
        {"192.0.2.7/24", "192.0.2.0", "192.0.2.255"},
        {"192.0.2.77/26", "192.0.2.64", "192.0.2.127"},
        {"192.0.2.1/32", "192.0.2.1", "192.0.2.1"},
        {"2001:db8::1/63", "2001:db8::", "2001:db8:0:1:ffff:ffff:ffff:ffff"},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct ip_prefix network;
        assert_int_equal(ip_prefix_parse(cases[i].network, &network), ERROR_NONE);
        struct ip_address first = ip_prefix_edge(&network, false);
        struct ip_address last = ip_prefix_edge(&network, true);
        char text[IP_TEXT_SIZE];
        assert_string_equal(ip_format(&first, text), cases[i].first);
        assert_string_equal(ip_format(&last, text), cases[i].last);
    }
}

static void refuses_what_is_no_prefix(void **state)
{
    static const char *const cases[] = {
        "192.0.2.0",
        "192.0.2.0/",
        "192.0.2.0/33",
        "192.0.2.0/-1",
        "192.0.2.0/+8",
        "192.0.2.0/8x",
        "192.0.2.0/ 8",
        "/8",
        "::/129",
        "::/0000",
        "192.0.2.0/8/8",
        "::ffff:192.0.2.0/120",
        "1111111111111111111111111111111111111111111111111111/8", // longer than any address
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct ip_prefix prefix;
        assert_int_equal(ip_prefix_parse(cases[i], &prefix), ERROR_INVALID);
    }
}

static void the_longest_texts_fit(void **state)
{
    char text[IP_TEXT_SIZE];
    struct ip_prefix prefix;
    const char *longest = "1111:2222:3333:4444:5555:6666:7777:8888/128";
    assert_int_equal(ip_prefix_parse(longest, &prefix), ERROR_NONE);
    assert_string_equal(ip_prefix_format(&prefix, text), longest);
}

static void a_prefix_contains_what_shares_its_bits(void **state)
{
    static const struct {
        const char *prefix;
        const char *address;
        bool contains;
    } cases[] = {
        {"192.0.2.0/24", "192.0.2.255", true},
        {"192.0.2.0/24", "192.0.3.0", false},
        {"192.0.2.129/25", "192.0.2.128", true}, // host bits of the prefix do not matter
        {"192.0.2.129/25", "192.0.2.127", false},
        {"192.0.2.1/32", "192.0.2.1", true},
        {"192.0.2.1/32", "192.0.2.0", false},
        {"0.0.0.0/0", "203.0.113.9", true},
        {"0.0.0.0/0", "2001:db8::1", false}, // the versions do not mix
        {"2001:db8::/33", "2001:db8:7fff::1", true},
        {"2001:db8::/33", "2001:db8:8000::1", false},
        {"::/0", "2001:db8::1", true},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct ip_prefix prefix;
        assert_int_equal(ip_prefix_parse(cases[i].prefix, &prefix), ERROR_NONE);
        struct ip_address address = address_of(cases[i].address);
        assert_int_equal(ip_prefix_contains(&prefix, &address), cases[i].contains);
    }
}

static void addresses_are_told_apart_by_kind(void **state)
{
    static const struct {
        const char *text;
        bool v4;
        bool unicast;
        bool link_local;
    } cases[] = {
        {"192.0.2.1", true, true, false},
        {"0.0.0.0", true, false, false},
        {"0.1.2.3", true, false, false},
        {"127.0.0.1", true, false, false},
        {"169.254.1.1", true, true, true},
        {"169.255.1.1", true, true, false},
        {"223.255.255.254", true, true, false},
        {"224.0.0.1", true, false, false},
        {"255.255.255.255", true, false, false},
        {"2001:db8::1", false, true, false},
        {"::", false, false, false},
        {"::1", false, false, false},
        {"::2", false, true, false},
        {"fe80::1", false, true, true},
        {"febf::1", false, true, true},
        {"fec0::1", false, true, false},
        {"ff02::1", false, false, false},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct ip_address address = address_of(cases[i].text);
        assert_int_equal(ip_is_v4(&address), cases[i].v4);
        assert_int_equal(ip_is_unicast(&address), cases[i].unicast);
        assert_int_equal(ip_is_link_local(&address), cases[i].link_local);
        assert_int_equal(ip_is_of_a_link(&address), cases[i].link_local && !cases[i].v4);
    }
}

static void our_address_suits_whom_we_speak_to(void **state)
{
    static const struct {
        const char *own[4];
        const char *target;
        const char *source; // NULL: none suits
    } cases[] = {
        // In its network, else the first of its version.
        {{"10.9.0.1/24", "fd00::1/64", "10.1.0.1/24"}, "10.1.0.7", "10.1.0.1"},
        {{"10.9.0.1/24", "10.1.0.1/24"}, "192.0.2.1", "10.9.0.1"},
        {{"fd00::1/64", "10.1.0.1/24"}, "192.0.2.1", "10.1.0.1"},
        {{"10.1.0.1/24"}, "2001:db8::1", NULL},
        {{"2001:db8::1/64"}, "10.1.0.7", NULL},
        // Of networks in networks the innermost.
        {{"10.0.0.1/8", "10.1.0.1/16", "10.1.1.1/24"}, "10.1.2.3", "10.1.0.1"},
        {{"10.1.1.1/24", "10.1.0.1/16", "10.0.0.1/8"}, "10.200.0.1", "10.0.0.1"},
        {{"10.1.0.1/24", "10.1.0.2/24"}, "10.1.0.7", "10.1.0.1"},
        // Link-local ones speak to such.
        {{"fe80::1/64", "2001:db8::1/64"}, "2001:db8:1::7", "2001:db8::1"},
        {{"2001:db8::1/64", "fe80::1/64"}, "fe80::7", "fe80::1"},
        {{"2001:db8::1/64", "fe80::1/128"}, "fe80::7", "fe80::1"},
        {{"2001:db8::1/64"}, "fe80::7", "2001:db8::1"},
        {{"fe80::1/64"}, "2001:db8::7", NULL},
        {{"169.254.0.1/16", "10.1.0.1/24"}, "192.0.2.1", "10.1.0.1"},
        {{"10.1.0.1/24", "169.254.0.1/16"}, "169.254.9.9", "169.254.0.1"},
        {{"169.254.0.1/16"}, "192.0.2.1", NULL},
        // Unique local ones (RFC 4193) speak to such first.
        {{"fd00::1/64", "2001:db8::1/64"}, "2001:db8:1::7", "2001:db8::1"},
        {{"2001:db8::1/64", "fd00::1/64"}, "fd00:1::7", "fd00::1"},
        {{"fd00::1/64"}, "2001:db8:1::7", "fd00::1"},
        {{NULL}, "10.1.0.7", NULL},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct ip_prefix own[4];
        uint32_t count = 0;
        while (count < COUNT(own) && cases[i].own[count]) {
            assert_int_equal(ip_prefix_parse(cases[i].own[count], &own[count]), ERROR_NONE);
            count++;
        }
        struct ip_address target = address_of(cases[i].target);
        const struct ip_address *source = ip_source_towards(own, count, &target);
        if (!cases[i].source) {
            assert_null(source);
            continue;
        }
        char text[IP_TEXT_SIZE];
        assert_non_null(source);
        assert_string_equal(ip_format(source, text), cases[i].source);
    }
}

static void equality_looks_at_every_byte(void **state)
{
    struct ip_address a = address_of("2001:db8::1");
    for (size_t i = 0; i < sizeof(a.bytes); i++) {
        struct ip_address b = a;
        assert_true(ip_equal(&a, &b));
        b.bytes[i] ^= 1;
        assert_false(ip_equal(&a, &b));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(addresses_survive_reading_and_writing),
        cmocka_unit_test(our_address_suits_whom_we_speak_to),
        cmocka_unit_test(refuses_what_is_no_address),
        cmocka_unit_test(prefixes_count_bits_of_the_long_form),
        cmocka_unit_test(networks_have_edges),
        cmocka_unit_test(refuses_what_is_no_prefix),
        cmocka_unit_test(the_longest_texts_fit),
        cmocka_unit_test(a_prefix_contains_what_shares_its_bits),
        cmocka_unit_test(addresses_are_told_apart_by_kind),
        cmocka_unit_test(equality_looks_at_every_byte),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
