#include "base/gue.h"

#include "tests/test.h"

static struct ip_address address_of(const char *text)
{
    struct ip_address address;
    assert_int_equal(ip_parse(text, &address), ERROR_NONE);
    return address;
}

static void a_list_is_read_as_it_was_written(void **state)
{
    static const char *const texts[][3] = {{"10.0.0.1", "10.0.0.2", "192.0.2.255"},
                                           {"fd00::1", "2001:db8::2", "fd00::3"}};
    for (int v6 = 0; v6 < 2; v6++) {
        struct ip_address hops[3];
        for (int i = 0; i < 3; i++)
            hops[i] = address_of(texts[v6][i]);
        uint32_t size = gue_hops_size(3, !v6);
        assert_int_equal(size, v6 ? 52 : 16);
        uint8_t datagram[GUE_SIZE + 52 + 2] = {(uint8_t)(size / 4), 41};
        gue_write_hops(datagram + GUE_SIZE, hops, 3);
        memcpy(datagram + GUE_SIZE + size, "xy", 2);
        for (uint32_t next = 0; next <= 3; next++) {
            struct gue gue;
            assert_int_equal(gue_read(span_of(datagram, GUE_SIZE + size + 2), &gue), ERROR_NONE);
            assert_int_equal(gue.protocol, 41);
            assert_int_equal(gue.hop_next, next);
            assert_int_equal(gue.hop_count, 3);
            assert_int_equal(gue.inner.size, 2);
            assert_memory_equal(gue.inner.data, "xy", 2);
            for (uint32_t i = 0; i < 3; i++) {
                struct ip_address hop = gue_hop(&gue, i);
                assert_true(ip_equal(&hop, &hops[i]));
            }
            gue_advance(datagram);
        }
        struct gue gue; // past the end
        assert_int_equal(gue_read(span_of(datagram, GUE_SIZE + size + 2), &gue), ERROR_INVALID);
    }
}

static void what_is_not_ours_is_refused(void **state)
{
    static const struct {
        uint8_t bytes[16];
        size_t size;
        enum error error;
        size_t inner;
    } rows[] = {
        {{0, 4, 0, 0, 0x45}, 5, ERROR_NONE, 1},
        {{0, 41, 0, 0}, 4, ERROR_NONE, 0},
        {{0, 4, 0}, 3, ERROR_TRUNCATED, 0},
        {{0}, 0, ERROR_TRUNCATED, 0},
        {{1, 4, 0, 0, 0, 0, 0}, 7, ERROR_TRUNCATED, 0},
        {{0x20, 4, 0, 0}, 4, ERROR_UNSUPPORTED, 0},         // a control message
        {{0x40, 4, 0, 0}, 4, ERROR_UNSUPPORTED, 0},         // variant 1
        {{0, 4, 0x80, 0}, 4, ERROR_UNSUPPORTED, 0},         // a flag
        {{0, 4, 0, 1}, 4, ERROR_UNSUPPORTED, 0},            //
        {{0, 6, 0, 0}, 4, ERROR_UNSUPPORTED, 0},            // TCP, bare
        {{1, 4, 0, 0, 0, 0, 0, 0, 0x45}, 9, ERROR_NONE, 1}, // an empty list
        {{1, 4, 0, 0, 0, 0, 1, 0, 0x45}, 9, ERROR_INVALID, 0},
        {{1, 4, 0, 0, 0, 0, 0, 1, 0x45}, 9, ERROR_INVALID, 0},              // longer than it is
        {{2, 4, 0, 0, 0, 0, 0, 0, 1, 2, 3, 4, 0x45}, 13, ERROR_INVALID, 0}, // shorter
        {{2, 4, 0, 0, 0, 0, 0, 1, 1, 2, 3, 4, 0x45}, 13, ERROR_NONE, 1},
        {{2, 4, 0, 0, 0, 1, 0, 1, 1, 2, 3, 4, 0x45}, 13, ERROR_INVALID, 0}, // a short IPv6 hop
        {{2, 4, 0, 0, 9, 9, 9, 9, 1, 2, 3, 4, 0x45}, 13, ERROR_NONE, 1},    // somebody else's
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct gue gue;
        assert_int_equal(gue_read(span_of(rows[i].bytes, rows[i].size), &gue), rows[i].error);
        if (rows[i].error == ERROR_NONE)
            assert_int_equal(gue.inner.size, rows[i].inner);
    }
}

static void a_probe_is_a_question_or_an_answer(void **state)
{
    uint8_t datagram[GUE_SIZE + 1] = {0};
    struct gue gue;
    for (int probe = GUE_PROBE_QUESTION; probe <= GUE_PROBE_ANSWER; probe++) {
        gue_probe_write(datagram, (enum gue_probe)probe);
        assert_int_equal(gue_probe_read(span_of(datagram, GUE_SIZE)), probe);
        assert_int_equal(gue_read(span_of(datagram, GUE_SIZE), &gue), ERROR_UNSUPPORTED);
        assert_int_equal(gue_probe_read(span_of(datagram, GUE_SIZE - 1)), GUE_PROBE_NONE);
        assert_int_equal(gue_probe_read(span_of(datagram, GUE_SIZE + 1)), GUE_PROBE_NONE);
        for (int at = 0; at < GUE_SIZE; at++) {
            datagram[at] ^= 0x40;
            assert_int_equal(gue_probe_read(span_of(datagram, GUE_SIZE)), GUE_PROBE_NONE);
            datagram[at] ^= 0x40;
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_list_is_read_as_it_was_written),
        cmocka_unit_test(what_is_not_ours_is_refused),
        cmocka_unit_test(a_probe_is_a_question_or_an_answer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
