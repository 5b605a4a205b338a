#include "base/cursor.h"

#include "tests/test.h"

static void reads_in_network_order(void **state)
{
    static const uint8_t bytes[] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
    struct cursor cursor = cursor_of(span_of(bytes, sizeof(bytes)));
    assert_int_equal(cursor_u8(&cursor), 0x01);
    assert_int_equal(cursor_be16(&cursor), 0x0203);
    assert_int_equal(cursor_be32(&cursor), 0x04050607);
    assert_true(cursor_be64(&cursor) == 0x08090a0b0c0d0e0fu);
    assert_true(cursor_ok(&cursor));
    assert_int_equal(cursor_left(&cursor), 0);
}

static void stays_failed_after_a_read_past_the_end(void **state)
{
    static const uint8_t bytes[] = {1, 2, 3};
    struct cursor cursor = cursor_of(span_of(bytes, sizeof(bytes)));
    assert_int_equal(cursor_be32(&cursor), 0);
    assert_false(cursor_ok(&cursor));
    assert_int_equal(cursor_u8(&cursor), 0);
    assert_null(cursor_take(&cursor, 0));
    assert_false(cursor_ok(&cursor));
}

static void takes_nothing_from_an_empty_span(void **state)
{
    struct cursor cursor = cursor_of(span_of(NULL, 0));
    assert_int_equal(cursor_left(&cursor), 0);
    assert_null(cursor_take(&cursor, 1));
    assert_false(cursor_ok(&cursor));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_in_network_order),
        cmocka_unit_test(stays_failed_after_a_read_past_the_end),
        cmocka_unit_test(takes_nothing_from_an_empty_span),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
