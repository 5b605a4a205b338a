#include "base/pages.h"

#include <stdint.h>
#include <sys/mman.h>

#include "base/check.h"

#define HUGE_PAGE_SIZE  ((size_t)2 << 20)
#define SMALL_PAGE_SIZE ((size_t)4096)

static size_t round_up(size_t size, size_t unit)
{
    return (size + unit - 1) & ~(unit - 1);
}

enum error pages_map(size_t size, void **memory)
{
    CHECK(size > 0);
    if (size > SIZE_MAX / 2)
        return ERROR_NO_MEMORY;
    size_t whole = round_up(size, SMALL_PAGE_SIZE);
    size_t slack = whole >= HUGE_PAGE_SIZE ? HUGE_PAGE_SIZE : 0;
    uint8_t *mapped =
        mmap(NULL, whole + slack, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (mapped == MAP_FAILED)
        return ERROR_NO_MEMORY;
    if (slack) {
        // A huge page starts where its size divides the address: give back what is around that.
        uint8_t *aligned = (uint8_t *)round_up((uintptr_t)mapped, HUGE_PAGE_SIZE);
        size_t before = (size_t)(aligned - mapped);
        if (before)
            CHECK(munmap(mapped, before) == 0);
        CHECK(munmap(aligned + whole, slack - before) == 0);
        mapped = aligned;
        // Advice: a kernel without transparent huge pages refuses it, and small pages do.
        madvise(mapped, whole, MADV_HUGEPAGE);
    }
    *memory = mapped;
    return ERROR_NONE;
}

void pages_unmap(void *memory, size_t size)
{
    if (memory)
        CHECK(munmap(memory, round_up(size, SMALL_PAGE_SIZE)) == 0);
}
