#include "dataplane/packet/wire/checksum.h"

#include <netinet/in.h>
#include <stdlib.h>

#include "base/byteorder.h"
#include "base/random.h"
#include "tests/packet/frame.h"
#include "tests/test.h"

static struct random random_state;

static void fill(uint8_t *bytes, size_t size)
{
    // Bytes that are all alike come up often: carries and zeros are where sums go wrong.
    uint64_t manner = random_below(&random_state, 8);
    for (size_t i = 0; i < size; i++)
        bytes[i] = manner == 0 ? 0xff : manner == 1 ? 0 : (uint8_t)random_next(&random_state);
}

static uint16_t as_number(uint16_t in_memory)
{
    return __builtin_bswap16(in_memory);
}

static void agrees_with_the_sum_of_byte_pairs(void **state)
{
    enum {
        SIZE_MAX_TRIED = 200,
        ALIGNMENTS = 8
    };
    for (size_t size = 0; size <= SIZE_MAX_TRIED; size++) {
        for (size_t at = 0; at < ALIGNMENTS; at++) {
            uint8_t *bytes = malloc(at + size + 1);
            fill(bytes, at + size);
            struct span span = span_of(bytes + at, size);
            assert_int_equal(as_number(checksum_finish(checksum_add(0, span))),
                             frame_checksum(bytes + at, size, 0));
            free(bytes);
        }
    }
}

static void does_not_overflow_on_the_largest_packet(void **state)
{
    static uint8_t bytes[65535];
    memset(bytes, 0xff, sizeof(bytes));
    struct span span = span_of(bytes, sizeof(bytes));
    assert_int_equal(as_number(checksum_finish(checksum_add(0, span))),
                     frame_checksum(bytes, sizeof(bytes), 0));
}

static void adds_spans_one_after_the_other(void **state)
{
    uint8_t bytes[99];
    for (size_t cut = 0; cut <= sizeof(bytes); cut += 2) {
        fill(bytes, sizeof(bytes));
        uint64_t sum = checksum_add(0, span_of(bytes, cut));
        sum = checksum_add(sum, span_of(bytes + cut, sizeof(bytes) - cut));
        assert_int_equal(as_number(checksum_finish(sum)), frame_checksum(bytes, sizeof(bytes), 0));
    }
}

static void finishes_any_sum(void **state)
{
    static const struct {
        uint64_t sum;
        uint16_t checksum;
    } rows[] = {
        {0, 0xffff},
        {0xffff, 0},
        {0x1fffe, 0},
        {0x10000, 0xfffe},
        {0xffff0000, 0},
        {0xffffffff, 0},
        {0x100000000, 0xfffe},
        {0xffffffff00000000, 0},
        {0xffffffffffffffff, 0},
        {0xfffffffffffffffe, 1},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        assert_int_equal(checksum_finish(rows[i].sum), rows[i].checksum);
}

// RFC 1624 section 4 in numbers: its third equation keeps 0x0000 where the one before it made
// 0xffff.
static void does_not_fall_into_the_trap_of_two_zeros(void **state)
{
    const uint8_t before[2] = {0x55, 0x55};
    const uint8_t after[2] = {0x32, 0x85};
    uint64_t difference = checksum_difference(0, before, after, 2);
    assert_int_equal(as_number(checksum_apply(__builtin_bswap16(0xdd2f), difference)), 0x0000);
}

// Any change, by difference and from scratch, must agree to the bit where the sum is over a byte
// that is not zero, as every header's is.
static void changes_by_difference_as_from_scratch(void **state)
{
    enum {
        ROUNDS = 20000,
        SIZE = 40
    };
    for (int round = 0; round < ROUNDS; round++) {
        uint8_t bytes[SIZE];
        fill(bytes, sizeof(bytes));
        bytes[0] = 0x45;
        uint16_t checksum = __builtin_bswap16(frame_checksum(bytes, sizeof(bytes), 0));

        uint64_t difference = 0;
        unsigned changes = 1 + (unsigned)random_below(&random_state, 3);
        for (unsigned change = 0; change < changes; change++) {
            size_t at = 2 + 2 * random_below(&random_state, (SIZE - 2) / 2);
            size_t size = 2 * random_below(&random_state, (SIZE - at) / 2 + 1);
            uint8_t after[SIZE];
            fill(after, size);
            difference = checksum_difference(difference, bytes + at, after, size);
            memcpy(bytes + at, after, size);
        }
        assert_int_equal(as_number(checksum_apply(checksum, difference)),
                         frame_checksum(bytes, sizeof(bytes), 0));
    }
}

static void sums_pseudo_headers_of_both_versions(void **state)
{
    static const struct {
        const char *source;
        const char *destination;
        uint8_t protocol;
        uint32_t length;
    } rows[] = {
        {"192.0.2.1", "198.51.100.2", IPPROTO_TCP, 20},
        {"255.255.255.255", "255.255.255.255", IPPROTO_UDP, 65515},
        {"2001:db8::1", "2001:db8::2", IPPROTO_ICMPV6, 1},
        {"ffff::", "::ffff", IPPROTO_TCP, 65536},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct ip_address source;
        struct ip_address destination;
        assert_int_equal(ip_parse(rows[i].source, &source), ERROR_NONE);
        assert_int_equal(ip_parse(rows[i].destination, &destination), ERROR_NONE);
        // As RFC 9293 section 3.1 and RFC 8200 section 8.1 draw them.
        uint8_t header[40] = {0};
        size_t size = ip_is_v4(&source) ? 4 : 16;
        memcpy(header, source.bytes + 16 - size, size);
        memcpy(header + size, destination.bytes + 16 - size, size);
        if (size == 4) {
            header[9] = rows[i].protocol;
            store_be16(header + 10, (uint16_t)rows[i].length);
        } else {
            store_be32(header + 32, rows[i].length);
            header[39] = rows[i].protocol;
        }
        uint64_t sum = checksum_pseudo(&source, &destination, rows[i].protocol, rows[i].length);
        assert_int_equal(as_number(checksum_finish(sum)),
                         frame_checksum(header, sizeof(header), 0));
    }
}

static int seed(void **state)
{
    random_state = random_from_seed(1071);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(agrees_with_the_sum_of_byte_pairs, seed),
        cmocka_unit_test(does_not_overflow_on_the_largest_packet),
        cmocka_unit_test_setup(adds_spans_one_after_the_other, seed),
        cmocka_unit_test(finishes_any_sum),
        cmocka_unit_test(does_not_fall_into_the_trap_of_two_zeros),
        cmocka_unit_test_setup(changes_by_difference_as_from_scratch, seed),
        cmocka_unit_test(sums_pseudo_headers_of_both_versions),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
