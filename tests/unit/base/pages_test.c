#include "base/pages.h"

#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "tests/test.h"

static void gives_zeroed_memory_of_every_size(void **state)
{
    static const size_t sizes[] = {1, 4095, 4096, 4097, (2u << 20) - 1, 2u << 20, (4u << 20) + 1};
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        void *memory;
        assert_int_equal(pages_map(sizes[i], &memory), ERROR_NONE);
        const uint8_t *bytes = memory;
        assert_int_equal(bytes[0], 0);
        assert_int_equal(bytes[sizes[i] - 1], 0);
        memset(memory, 0xa5, sizes[i]);
        pages_unmap(memory, sizes[i]);
    }
}

static void aligns_large_memory_to_huge_pages(void **state)
{
    void *first, *second;
    assert_int_equal(pages_map(3u << 20, &first), ERROR_NONE);
    assert_int_equal(pages_map(3u << 20, &second), ERROR_NONE);
    assert_true((uintptr_t)first % (2u << 20) == 0);
    assert_true((uintptr_t)second % (2u << 20) == 0);
    pages_unmap(first, 3u << 20);
    pages_unmap(second, 3u << 20);
}

static void touches_no_page_before_its_user_does(void **state)
{
    enum {
        PAGES = 1024
    };
    size_t size = (size_t)PAGES * 4096;
    void *memory;
    assert_int_equal(pages_map(size, &memory), ERROR_NONE);
    unsigned char resident[PAGES];
    assert_int_equal(mincore(memory, size, resident), 0);
    for (int i = 0; i < PAGES; i++)
        assert_int_equal(resident[i] & 1, 0);
    pages_unmap(memory, size);
}

static void refuses_what_no_machine_has(void **state)
{
    void *memory = NULL;
    assert_int_equal(pages_map(SIZE_MAX, &memory), ERROR_NO_MEMORY);
    assert_int_equal(pages_map((size_t)1 << 60, &memory), ERROR_NO_MEMORY);
    assert_null(memory);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gives_zeroed_memory_of_every_size),
        cmocka_unit_test(aligns_large_memory_to_huge_pages),
        cmocka_unit_test(touches_no_page_before_its_user_does),
        cmocka_unit_test(refuses_what_no_machine_has),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
