#include "base/byteorder.h"

#include "tests/test.h"

static const uint8_t bytes[] = {0xff, 0x01, 0x82, 0x03, 0x84, 0x05, 0x86, 0x07, 0x88};

static void loads_the_first_byte_as_the_highest_at_any_alignment(void **state)
{
    assert_int_equal(load_be16(bytes + 1), 0x0182);
    assert_int_equal(load_be32(bytes + 1), 0x01820384);
    assert_true(load_be64(bytes + 1) == 0x0182038405860788u);
}

static void stores_what_it_loads_and_nothing_beside_it(void **state)
{
    uint8_t out[6];
    memset(out, 0xaa, sizeof(out));
    store_be16(out + 1, 0x0182);
    assert_memory_equal(out + 1, bytes + 1, 2);
    assert_int_equal(out[3], 0xaa);
    store_be32(out + 1, 0x01820384);
    assert_memory_equal(out + 1, bytes + 1, 4);
    assert_int_equal(out[5], 0xaa);
    assert_int_equal(out[0], 0xaa);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(loads_the_first_byte_as_the_highest_at_any_alignment),
        cmocka_unit_test(stores_what_it_loads_and_nothing_beside_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
