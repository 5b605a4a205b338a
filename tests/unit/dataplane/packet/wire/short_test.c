// Translation by the short way, against frames that were built so from the start: random addresses,
// ports and payloads, so that every sum folds in every way, among them those to zero.
#include "dataplane/packet/wire/short.h"

#include <arpa/inet.h>

#include "base/random.h"
#include "tests/packet/frame.h"
#include "tests/test.h"

#define ROUNDS       20000
#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static struct frame frame, expected;
static struct random random_source;

static const struct frame_spec kinds[] = {
    {.payload_size = 6},
    {.protocol = IPPROTO_UDP, .payload_size = 12},
    {.protocol = IPPROTO_UDP, .payload_size = 13, .udp_without_checksum = true},
    {.source = "2001:db8::1", .payload_size = 7},
    {.source = "2001:db8::1", .protocol = IPPROTO_UDP, .payload_size = 14},
    {.source = "2001:db8::1",
     .protocol = IPPROTO_UDP,
     .payload_size = 13,
     .udp_without_checksum = true},
};

// Often with bytes that are all ones or none, which are where carries and zeros come from.
static struct ip_address random_address(bool v4)
{
    struct ip_address address;
    do {
        for (size_t i = 0; i < sizeof(address.bytes); i++)
            address.bytes[i] = (uint8_t[]){
                0, 0xff, (uint8_t)random_next(&random_source)}[random_below(&random_source, 3)];
        if (v4)
            address = ip_from_v4(address.bytes);
    } while (!ip_is_unicast(&address) || ip_is_v4(&address) != v4);
    return address;
}

static uint16_t random_port(void)
{
    return (uint16_t)(random_below(&random_source, 4) ? random_next(&random_source)
                                                      : 0xff00 | random_next(&random_source));
}

// Who sends a packet, and who is to get it.
struct ends {
    struct ip_address source, destination;
    char texts[2][IP_TEXT_SIZE];
    uint16_t ports[2]; // host byte order
};

static void choose_ends(struct ends *ends, bool v4)
{
    ends->source = random_address(v4);
    ends->destination = random_address(v4);
    for (int i = 0; i < 2; i++)
        ends->ports[i] = random_port();
}

static struct frame_spec between(struct frame_spec spec, struct ends *ends)
{
    spec.source = ip_format(&ends->source, ends->texts[0]);
    spec.destination = ip_format(&ends->destination, ends->texts[1]);
    spec.source_port = ends->ports[0];
    spec.destination_port = ends->ports[1];
    return spec;
}

static bool read(struct wire_short *packet)
{
    uint32_t size = (uint32_t)frame.size;
    return wire_short_parse(frame.bytes, size, size, 0, wire_mac_word(frame.bytes), packet);
}

static void assert_frames_equal(void)
{
    assert_int_equal(frame.size, expected.size);
    assert_memory_equal(frame.bytes, expected.bytes, expected.size);
}

// A frame between random ends, and its ends; false where it is not plain.
static bool build(struct frame_spec *spec, struct ends *ends, struct wire_short *packet)
{
    static uint8_t payload[16];
    for (size_t i = 0; i < sizeof(payload); i++)
        payload[i] = random_below(&random_source, 2) ? 0xff : (uint8_t)random_next(&random_source);
    spec->payload = payload;
    choose_ends(ends, !spec->source);
    *spec = between(*spec, ends);
    frame_build(&frame, spec);
    return read(packet);
}

static void both_sides_are_as_if_built_so(void **state)
{
    for (size_t k = 0; k < COUNT(kinds); k++) {
        uint32_t translated = 0;
        for (int round = 0; round < ROUNDS; round++) {
            struct frame_spec spec = kinds[k];
            struct ends before, after;
            struct wire_short packet = {0};
            choose_ends(&after, !spec.source);
            if (!build(&spec, &before, &packet))
                continue;
            translated++;
            wire_short_translate_both(
                frame.bytes, &packet,
                &(struct wire_sides){.source = &after.source,
                                     .destination = &after.destination,
                                     .source_port = htons(after.ports[0]),
                                     .destination_port = htons(after.ports[1])});
            spec = between(spec, &after);
            spec.ttl = 63;
            frame_build(&expected, &spec);
            assert_frames_equal();
        }
        assert_true(translated > ROUNDS / 4);
    }
}

static void one_side_is_as_if_built_so(void **state)
{
    for (size_t k = 0; k < 2 * COUNT(kinds); k++) {
        bool source = k % 2;
        uint32_t translated = 0;
        for (int round = 0; round < ROUNDS; round++) {
            struct frame_spec spec = kinds[k / 2];
            struct ends before, after;
            struct wire_short packet = {0};
            choose_ends(&after, !spec.source);
            if (!build(&spec, &before, &packet))
                continue;
            translated++;
            const struct ip_address *address = source ? &after.source : &after.destination;
            wire_short_translate(frame.bytes, &packet, source, address,
                                 htons(after.ports[!source]));
            struct ends mixed = before;
            *(source ? &mixed.source : &mixed.destination) = *address;
            mixed.ports[!source] = after.ports[!source];
            spec = between(spec, &mixed);
            spec.ttl = 63;
            frame_build(&expected, &spec);
            assert_frames_equal();
        }
        assert_true(translated > ROUNDS / 4);
    }
}

// Through all ports the checksum takes all its values, among them zero, which UDP must not send.
static void a_udp_checksum_of_zero_is_sent_as_ones(void **state)
{
    static const struct frame_spec specs[] = {
        {.protocol = IPPROTO_UDP, .payload_size = 12},
        {.source = "2001:db8::1",
         .destination = "2001:db8::2",
         .protocol = IPPROTO_UDP,
         .payload_size = 12},
    };
    for (size_t i = 0; i < COUNT(specs); i++) {
        struct frame_spec spec = specs[i];
        unsigned all_ones = 0;
        for (uint32_t port = 0; port <= UINT16_MAX; port++) {
            frame_build(&frame, &specs[i]);
            struct wire_short packet = {0};
            assert_true(read(&packet));
            bool v4 = packet.v4;
            uint8_t *ip = frame.bytes + WIRE_SHORT_IP;
            struct ip_address source =
                v4 ? ip_from_v4(ip + WIRE_IPV4_SOURCE) : ip_from_v6(ip + WIRE_IPV6_SOURCE);
            struct ip_address destination = v4 ? ip_from_v4(ip + WIRE_IPV4_DESTINATION)
                                               : ip_from_v6(ip + WIRE_IPV6_DESTINATION);
            wire_short_translate_both(
                frame.bytes, &packet,
                &(struct wire_sides){.source = &source,
                                     .destination = &destination,
                                     .source_port = packet.source_port,
                                     .destination_port = htons((uint16_t)port)});
            spec.destination_port = (uint16_t)port;
            spec.ttl = 63;
            frame_build(&expected, &spec);
            assert_frames_equal();
            const uint8_t *l4 = frame.bytes + (v4 ? WIRE_SHORT_V4_L4 : WIRE_SHORT_V6_L4);
            all_ones += wire_load16(l4 + 6) == 0xffff;
        }
        assert_int_equal(all_ones, 1);
    }
}

static int seed(void **state)
{
    random_source = random_from_seed(1071);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(both_sides_are_as_if_built_so, seed),
        cmocka_unit_test_setup(one_side_is_as_if_built_so, seed),
        cmocka_unit_test(a_udp_checksum_of_zero_is_sent_as_ones),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
