// What an ICMP error is about, as a table of what it quotes.
#include "dataplane/packet/wire/icmp_error.h"

#include <netinet/in.h>
#include <string.h>

#include "tests/packet/frame.h"
#include "tests/test.h"

static enum drop_reason read_error(struct frame_spec about, uint16_t quoted_size,
                                   struct icmp_error *error)
{
    static struct frame quoted, frame;
    bool v6 = strchr(about.source, ':');
    frame_build(&quoted, &about);
    frame_build(&frame, &(struct frame_spec){
                            .source = v6 ? "2001:db8::9" : "192.0.2.9",
                            .destination = about.source,
                            .protocol = v6 ? IPPROTO_ICMPV6 : IPPROTO_ICMP,
                            .icmp_type = v6 ? 1 : 3,
                            .payload = quoted.bytes + FRAME_IP_AT,
                            .payload_size = quoted_size,
                        });
    struct wire_packet packet;
    struct span bytes = span_of(frame.bytes, frame.size);
    assert_int_equal(wire_parse(bytes, (uint32_t)frame.size, 0, &packet), DROP_NONE);
    assert_true(icmp_error_is(&packet));
    return icmp_error_read(bytes, &packet, error);
}

static void it_is_about_the_packet_it_quotes(void **state)
{
    static const struct {
        const char *source, *destination;
        uint8_t protocol;
        uint8_t extension; // IPv6
        uint16_t quoted_size, headers_size, size;
        enum drop_reason reason;
    } rows[] = {
        {"10.1.0.1", "10.1.0.2", IPPROTO_TCP, 0, 60, 20, 60, DROP_NONE},
        {"10.1.0.1", "10.1.0.2", IPPROTO_TCP, 0, 28, 20, 28, DROP_NONE},
        {"10.1.0.1", "10.1.0.2", IPPROTO_TCP, 0, 27, 0, 0, DROP_ICMP_MALFORMED},
        {"10.1.0.1", "10.1.0.2", IPPROTO_TCP, 0, 19, 0, 0, DROP_ICMP_MALFORMED},
        {"10.1.0.1", "10.1.0.2", IPPROTO_TCP, 0, 0, 0, 0, DROP_ICMP_MALFORMED},
        {"10.1.0.1", "10.1.0.2", IPPROTO_UDP, 0, 48, 20, 48, DROP_NONE},
        {"10.1.0.1", "10.1.0.2", IPPROTO_UDP, 0, 60, 20, 48, DROP_NONE}, // padding
        {"10.1.0.1", "10.1.0.2", IPPROTO_ICMP, 0, 48, 0, 0, DROP_ICMP_NO_FLOW},
        {"fd00::1", "fd00::2", IPPROTO_TCP, 0, 80, 40, 80, DROP_NONE},
        {"fd00::1", "fd00::2", IPPROTO_UDP, 0, 48, 40, 48, DROP_NONE},
        {"fd00::1", "fd00::2", IPPROTO_UDP, 0, 47, 0, 0, DROP_ICMP_MALFORMED},
        {"fd00::1", "fd00::2", IPPROTO_UDP, IPPROTO_DSTOPTS, 76, 48, 76, DROP_NONE},
        {"fd00::1", "fd00::2", IPPROTO_UDP, IPPROTO_DSTOPTS, 47, 0, 0, DROP_ICMP_MALFORMED},
        {"fd00::1", "fd00::2", IPPROTO_UDP, IPPROTO_AH, 76, 0, 0, DROP_ICMP_NO_FLOW},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct frame_spec about = {
            .source = rows[i].source,
            .destination = rows[i].destination,
            .protocol = rows[i].protocol,
            .source_port = 80,
            .destination_port = 40000,
            .icmp_type = 13, // of timestamps
            .payload_size = 20,
            .extensions = {rows[i].extension},
            .extension_count = rows[i].extension != 0,
        };
        struct icmp_error error;
        enum drop_reason reason = read_error(about, rows[i].quoted_size, &error);
        if (reason != rows[i].reason)
            fail_msg("row %zu: %s", i, drop_name(reason));
        if (reason != DROP_NONE)
            continue;
        assert_int_equal(error.l4_offset - error.ip_offset, rows[i].headers_size);
        assert_int_equal(error.end - error.ip_offset, rows[i].size);
        assert_int_equal(error.protocol, rows[i].protocol);
        assert_int_equal(error.source_port, htons(80));
        assert_int_equal(error.destination_port, htons(40000));
        struct ip_address address;
        assert_int_equal(ip_parse(rows[i].source, &address), ERROR_NONE);
        assert_true(ip_equal(&error.source, &address));
        assert_int_equal(ip_parse(rows[i].destination, &address), ERROR_NONE);
        assert_true(ip_equal(&error.destination, &address));
    }
}

static void echo_has_the_port_of_who_asks(void **state)
{
    static const struct {
        const char *source;
        uint8_t protocol, icmp_type;
        enum echo echo;
    } rows[] = {
        {"10.1.0.1", IPPROTO_ICMP, 8, ECHO_ASKS},
        {"10.1.0.1", IPPROTO_ICMP, 0, ECHO_ANSWERS},
        {"fd00::1", IPPROTO_ICMPV6, 128, ECHO_ASKS},
        {"fd00::1", IPPROTO_ICMPV6, 129, ECHO_ANSWERS},
        // What is echo in the other version is not.
        {"10.1.0.1", IPPROTO_ICMP, 128, ECHO_NONE},
        {"10.1.0.1", IPPROTO_ICMP, 129, ECHO_NONE},
        {"fd00::1", IPPROTO_ICMPV6, 8, ECHO_NONE},
        {"fd00::1", IPPROTO_ICMPV6, 0, ECHO_NONE},
        {"10.1.0.1", IPPROTO_ICMPV6, 128, ECHO_NONE},
        {"fd00::1", IPPROTO_ICMP, 0, ECHO_NONE},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct icmp_error error;
        struct frame_spec about = {.source = rows[i].source,
                                   .protocol = rows[i].protocol,
                                   .icmp_type = rows[i].icmp_type,
                                   .icmp_rest = 0x12340007,
                                   .payload_size = 20};
        enum drop_reason reason = read_error(about, 48, &error);
        assert_int_equal(reason, rows[i].echo == ECHO_NONE ? DROP_ICMP_NO_FLOW : DROP_NONE);
        if (reason != DROP_NONE)
            continue;
        assert_int_equal(error.echo, rows[i].echo);
        assert_int_equal(error.source_port, rows[i].echo == ECHO_ASKS ? htons(0x1234) : 0);
        assert_int_equal(error.destination_port, rows[i].echo == ECHO_ASKS ? 0 : htons(0x1234));
    }
}

static void a_later_fragment_has_no_ports(void **state)
{
    struct icmp_error error;
    struct frame_spec about = {.source = "10.1.0.1", .payload_size = 40, .fragment_offset = 1480};
    assert_int_equal(read_error(about, 60, &error), DROP_ICMP_NO_FLOW);
    about = (struct frame_spec){.source = "fd00::1",
                                .payload_size = 40,
                                .extensions = {IPPROTO_FRAGMENT},
                                .extension_count = 1,
                                .fragment_offset = 1232};
    assert_int_equal(read_error(about, 88, &error), DROP_ICMP_NO_FLOW);
    about.fragment_offset = 0;
    about.more_fragments = true;
    about.payload_size = 44;
    assert_int_equal(read_error(about, 112, &error), DROP_NONE);
}

static void some_messages_are_no_errors(void **state)
{
    static const struct {
        const char *source;
        uint8_t type;
        bool is;
    } rows[] = {
        {"10.1.0.1", 0, false},  {"10.1.0.1", 3, true},   {"10.1.0.1", 4, false},
        {"10.1.0.1", 5, false},  {"10.1.0.1", 8, false},  {"10.1.0.1", 11, true},
        {"10.1.0.1", 12, true},  {"10.1.0.1", 13, false}, {"fd00::1", 0, false},
        {"fd00::1", 1, true},    {"fd00::1", 2, true},    {"fd00::1", 3, true},
        {"fd00::1", 4, true},    {"fd00::1", 5, false},   {"fd00::1", 128, false},
        {"fd00::1", 137, false},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct frame frame;
        bool v6 = strchr(rows[i].source, ':');
        frame_build(&frame, &(struct frame_spec){.source = rows[i].source,
                                                 .protocol = v6 ? IPPROTO_ICMPV6 : IPPROTO_ICMP,
                                                 .icmp_type = rows[i].type});
        struct wire_packet packet;
        assert_int_equal(
            wire_parse(span_of(frame.bytes, frame.size), (uint32_t)frame.size, 0, &packet),
            DROP_NONE);
        assert_int_equal(icmp_error_is(&packet), rows[i].is);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_is_about_the_packet_it_quotes),
        cmocka_unit_test(echo_has_the_port_of_who_asks),
        cmocka_unit_test(a_later_fragment_has_no_ports),
        cmocka_unit_test(some_messages_are_no_errors),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
