#include "dataplane/packet/wire/stream.h"

#include <string.h>

#include "base/byteorder.h"
#include "dataplane/packet/wire/options.h"
#include "dataplane/packet/wire/proxy.h"
#include "tests/packet/frame.h"
#include "tests/test.h"

static const char *const sources[] = {"192.0.2.1", "2001:db8::1"};

static struct wire_packet parsed(const struct frame *frame)
{
    struct wire_packet packet;
    assert_int_equal(
        wire_parse(span_of(frame->bytes, frame->size), (uint32_t)frame->size, 0, &packet),
        DROP_NONE);
    return packet;
}

static void numbers_within_the_addition_are_its_beginning(void **state)
{
    static const struct {
        uint32_t begins, number;
        bool taken;
        uint32_t unshifted;
    } rows[] = {
        {1000, 999, false, 999},
        {1000, 1000, false, 1000},
        {1000, 1001, false, 1000},
        {1000, 1027, false, 1000},
        {1000, 1028, false, 1000},
        {1000, 1029, false, 1001},
        {1000, 0x70000000, false, 0x70000000 - 28},
        {0xfffffff0, 0xfffffff0, false, 0xfffffff0},
        {0xfffffff0, 4, false, 0xfffffff0},
        {0xfffffff0, 12, false, 0xfffffff0},
        {0xfffffff0, 13, false, 0xfffffff1},
        // Half the numbers further all is behind it.
        {1000, 999, true, 999 - 28},
        {1000, 0x90000000, true, 0x90000000 - 28},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const struct wire_addition addition = {
            .begins = rows[i].begins, .size = 28, .taken = rows[i].taken};
        assert_int_equal(wire_stream_unshifted(rows[i].number, &addition), rows[i].unshifted);
    }
}

static void a_segment_without_data_gets_some(void **state)
{
    static struct frame frame, expected;
    static const char data[] = "abcdefgh";
    for (int v6 = 0; v6 < 2; v6++) {
        struct frame_spec spec = {.source = sources[v6],
                                  .destination = sources[v6],
                                  .tcp_options = span_of("\x01\x01\x01\x00", 4),
                                  .padding_size = 2};
        frame_build(&frame, &spec);
        struct wire_packet packet = parsed(&frame);
        assert_int_equal(wire_stream_occupies(frame.bytes, &packet), 0);
        wire_stream_append(frame.bytes, &packet, (const uint8_t *)data, 8);
        spec.payload = data;
        spec.payload_size = 8;
        spec.padding_size = 0;
        frame_build(&expected, &spec);
        assert_int_equal(packet.end, expected.size);
        assert_memory_equal(frame.bytes, expected.bytes, expected.size);
        assert_int_equal(wire_stream_occupies(frame.bytes, &packet), 8);
    }
}

// Options and extension headers of the packet behind it, and that that is a fragment, are its own.
static void a_segment_of_its_own_is_like_the_one_behind(void **state)
{
    static struct frame frame, expected;
    static uint8_t out[WIRE_STREAM_FRAME_MAX(8)];
    for (int v6 = 0; v6 < 2; v6++) {
        struct frame_spec spec = {.source = sources[v6],
                                  .destination = sources[v6],
                                  .traffic_class = 0x28,
                                  .tcp_options = span_of("\x01\x01\x01\x00", 4),
                                  .tcp_flags = 0x39, // URG, PSH, FIN
                                  .ipv4_id = 77,
                                  .more_fragments = !v6,
                                  .payload_size = 600};
        if (v6) {
            spec.extensions[0] = IPPROTO_DSTOPTS;
            spec.extension_count = 1;
        } else {
            spec.ipv4_options = span_of("\x01\x01\x01\x01", 4);
        }
        frame_build(&frame, &spec);
        struct wire_packet packet = parsed(&frame), written;
        uint32_t size =
            wire_stream_write(out, frame.bytes, &packet, 99, span_of("abcdefgh", 8), &written);
        spec.extension_count = 0;
        spec.ipv4_options = span_of(NULL, 0);
        spec.ipv4_id = 0;
        spec.more_fragments = false;
        spec.dont_fragment = true;
        spec.tcp_flags = 0x18; // PSH, ACK
        spec.tcp_numbers = true;
        spec.tcp_sequence = 99;
        spec.tcp_acknowledged = 0x01020305;
        spec.payload = "abcdefgh";
        spec.payload_size = 8;
        frame_build(&expected, &spec);
        assert_int_equal(size, expected.size);
        assert_memory_equal(out, expected.bytes, expected.size);
        struct wire_packet again = parsed(&expected);
        assert_memory_equal(&written, &again, sizeof(again));
    }
}

static void a_window_is_no_less_than_none(void **state)
{
    static const uint16_t rows[][2] = {{1000, 948}, {53, 1}, {52, 0}, {51, 0}, {1, 0}};
    static struct frame frame;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        frame_build(&frame, &(struct frame_spec){.tcp_window = rows[i][0]});
        wire_stream_narrow(frame.bytes + FRAME_IPV4_L4, 52);
        assert_int_equal(load_be16(frame.bytes + FRAME_IPV4_L4 + 14), rows[i][1]);
        assert_true(frame_checksums_are_right(frame.bytes, frame.size));
    }
}

// With a flag and a pointer, and with either alone.
static void urgent_data_becomes_data(void **state)
{
    static const struct {
        uint8_t flags;
        uint16_t pointer;
    } rows[] = {{WIRE_TCP_ACK | WIRE_TCP_URG, 17},
                {WIRE_TCP_ACK | WIRE_TCP_URG, 0},
                {WIRE_TCP_ACK, 0xffff}};
    static struct frame frame, expected;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct frame_spec spec = {
            .tcp_flags = rows[i].flags, .tcp_urgent = rows[i].pointer, .payload_size = 5};
        frame_build(&frame, &spec);
        struct wire_packet packet = parsed(&frame);
        wire_stream_calm(frame.bytes, &packet);
        spec.tcp_flags = WIRE_TCP_ACK;
        spec.tcp_urgent = 0;
        frame_build(&expected, &spec);
        assert_memory_equal(frame.bytes, expected.bytes, expected.size);
        struct wire_packet again = parsed(&expected);
        assert_memory_equal(&packet, &again, sizeof(again));
    }
}

// An option that cannot be read makes all of them nothing: what it hides is not known.
static void options_that_cannot_be_read_are_none(void **state)
{
    static const uint8_t options[][4] = {{2, 4, 1, 1}, {34, 9, 1, 1}, {1, 1, 1, 34}, {34, 0, 1, 1}};
    static struct frame frame;
    for (size_t i = 0; i < sizeof(options) / sizeof(options[0]); i++) {
        frame_build(&frame, &(struct frame_spec){.tcp_flags = WIRE_TCP_SYN,
                                                 .tcp_options = span_of(options[i], 4),
                                                 .payload_size = 3});
        struct wire_packet packet = parsed(&frame);
        assert_int_equal(wire_stream_plain_syn(frame.bytes, &packet), 3);
        frame.size -= 3;
        assert_true(frame_checksums_are_right(frame.bytes, frame.size));
        static const uint8_t nothing[4] = {1, 1, 1, 1};
        assert_memory_equal(frame.bytes + FRAME_IPV4_L4 + 20, i == 0 ? options[0] : nothing, 4);
    }
}

static void options_are_found_one_by_one(void **state)
{
    static const uint8_t tcp[36] = {[12] = 0x90, [20] = 1, 2, 4, 5, 0xb4, 8, 10, [35] = 0};
    size_t size = wire_tcp_header_size(tcp, sizeof(tcp));
    assert_int_equal(size, 36);
    assert_int_equal(wire_tcp_header_size(tcp, 35), 0);
    struct cursor cursor = wire_options(tcp, size);
    struct wire_option option;
    assert_true(wire_option_next(&cursor, size, &option));
    assert_int_equal(option.kind, WIRE_OPTION_MSS);
    assert_int_equal(option.at, 21);
    assert_int_equal(option.size, 4);
    assert_true(wire_option_next(&cursor, size, &option));
    assert_int_equal(option.kind, WIRE_OPTION_TIMESTAMPS);
    assert_int_equal(option.at, 25);
    assert_false(wire_option_next(&cursor, size, &option));
    assert_true(cursor_ok(&cursor));
}

// What stands in the specification, section 2.2, word by word.
static void a_header_says_who_is_connected(void **state)
{
    static const char *const addresses[][2] = {{"192.0.2.1", "198.51.100.2"},
                                               {"2001:db8::1", "2001:db8:1::2"}};
    for (int v6 = 0; v6 < 2; v6++) {
        struct ip_address client, service;
        assert_int_equal(ip_parse(addresses[v6][0], &client), ERROR_NONE);
        assert_int_equal(ip_parse(addresses[v6][1], &service), ERROR_NONE);
        uint8_t out[WIRE_PROXY_SIZE_MAX];
        const struct wire_proxy proxy = {.client = &client,
                                         .service = &service,
                                         .client_port = __builtin_bswap16(50000),
                                         .service_port = __builtin_bswap16(443)};
        assert_int_equal(wire_proxy_write(out, &proxy), wire_proxy_size(!v6));
        assert_memory_equal(out, "\r\n\r\n\0\r\nQUIT\n", 12);
        assert_int_equal(out[12], 0x21);
        assert_int_equal(out[13], v6 ? 0x21 : 0x11);
        size_t size = v6 ? 16 : 4;
        assert_int_equal(load_be16(out + 14), 2 * size + 4);
        assert_memory_equal(out + 16, client.bytes + 16 - size, size);
        assert_memory_equal(out + 16 + size, service.bytes + 16 - size, size);
        assert_int_equal(load_be16(out + 16 + 2 * size), 50000);
        assert_int_equal(load_be16(out + 18 + 2 * size), 443);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers_within_the_addition_are_its_beginning),
        cmocka_unit_test(a_segment_without_data_gets_some),
        cmocka_unit_test(a_segment_of_its_own_is_like_the_one_behind),
        cmocka_unit_test(a_window_is_no_less_than_none),
        cmocka_unit_test(urgent_data_becomes_data),
        cmocka_unit_test(options_that_cannot_be_read_are_none),
        cmocka_unit_test(options_are_found_one_by_one),
        cmocka_unit_test(a_header_says_who_is_connected),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
