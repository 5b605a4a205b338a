#include "controlplane/cli/pcapng.h"

#include <stdlib.h>
#include <string.h>

#include "tests/test.h"

struct written {
    char *bytes;
    size_t size, told;
    FILE *out;
};

static void begin(struct written *written)
{
    memset(written, 0, sizeof(*written));
    written->out = open_memstream(&written->bytes, &written->size);
    assert_non_null(written->out);
}

static uint32_t u32(const struct written *written, size_t at)
{
    uint32_t value;
    assert_true(at + 4 <= written->size);
    memcpy(&value, written->bytes + at, sizeof(value));
    return value;
}

// What every block must be: as long as it says, at both ends, in words.
static void assert_block(struct written *written, uint32_t type)
{
    fclose(written->out);
    assert_int_equal(written->size, written->told);
    assert_int_equal(written->size % 4, 0);
    assert_int_equal(u32(written, 0), type);
    assert_int_equal(u32(written, 4), written->size);
    assert_int_equal(u32(written, written->size - 4), written->size);
    assert_int_equal(u32(written, written->size - 8), 0); // the end of the options
}

static void writes_a_section_and_an_interface(void **state)
{
    struct written written;
    begin(&written);
    written.told = pcapng_section(written.out, "weir");
    assert_block(&written, 0x0a0d0d0a);
    static const uint32_t section[] = {0x1a2b3c4d, 1, UINT32_MAX, UINT32_MAX, 4 | 4 << 16};
    assert_memory_equal(written.bytes + 8, section, sizeof(section));
    assert_memory_equal(written.bytes + 28, "weir", 4);
    free(written.bytes);

    begin(&written);
    written.told = pcapng_interface(written.out, "front", 128);
    assert_block(&written, 1);
    // Ethernet, the snap length, its name with three bytes of padding, nanoseconds.
    static const uint8_t interface[] = {1,   0,   0,   0, 128, 0, 0, 0, 2, 0, 5, 0, 'f', 'r',
                                        'o', 'n', 't', 0, 0,   0, 9, 0, 1, 0, 9, 0, 0,   0};
    assert_memory_equal(written.bytes + 8, interface, sizeof(interface));
    assert_int_equal(written.size, 8 + sizeof(interface) + 8);
    free(written.bytes);
}

static void writes_packets_of_every_size(void **state)
{
    static const uint8_t frame[] = {1, 2, 3, 4, 5, 6, 7, 8, 9};
    static const char *const comments[] = {NULL, "", "a", "abcd", "abcde"};
    for (size_t size = 0; size <= sizeof(frame); size++) {
        for (size_t c = 0; c < sizeof(comments) / sizeof(comments[0]); c++) {
            struct written written;
            begin(&written);
            written.told = pcapng_packet(written.out, &(struct pcapng_packet){
                                                          .interface = 3,
                                                          .time_ns = 0x0102030405060708,
                                                          .frame = span_of(frame, size),
                                                          .size = 1500,
                                                          .direction = PCAPNG_OUTBOUND,
                                                          .comment = comments[c],
                                                      });
            assert_block(&written, 6);
            const uint32_t head[] = {3, 0x01020304, 0x05060708, (uint32_t)size, 1500};
            assert_memory_equal(written.bytes + 8, head, sizeof(head));
            assert_memory_equal(written.bytes + 28, frame, size);
            size_t at = 28 + (size + 3) / 4 * 4;
            size_t length = comments[c] ? strlen(comments[c]) : 0;
            if (length) {
                assert_int_equal(u32(&written, at), 1 | length << 16);
                assert_memory_equal(written.bytes + at + 4, comments[c], length);
                at += 4 + (length + 3) / 4 * 4;
            }
            assert_int_equal(u32(&written, at), 2 | 4 << 16);
            assert_int_equal(u32(&written, at + 4), PCAPNG_OUTBOUND);
            assert_int_equal(written.size, at + 8 + 8);
            free(written.bytes);
        }
    }
}

static void cuts_long_comments_off(void **state)
{
    char comment[PCAPNG_TEXT_MAX + 100];
    memset(comment, 'x', sizeof(comment));
    comment[sizeof(comment) - 1] = '\0';
    struct written written;
    begin(&written);
    written.told = pcapng_packet(written.out, &(struct pcapng_packet){.comment = comment});
    assert_block(&written, 6);
    assert_int_equal(u32(&written, 28), 1 | PCAPNG_TEXT_MAX << 16);
    free(written.bytes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(writes_a_section_and_an_interface),
        cmocka_unit_test(writes_packets_of_every_size),
        cmocka_unit_test(cuts_long_comments_off),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
