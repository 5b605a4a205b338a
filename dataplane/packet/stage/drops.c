#include "dataplane/packet/stage/drops.h"

#include <sys/mman.h>

#include "base/check.h"

#define DROPS_BYTES (sizeof(uint64_t[DROP_REASONS]) * TABLES_SERVICE_SLOTS)

enum error drops_init(struct drops *drops)
{
    void *pages = mmap(NULL, DROPS_BYTES, PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (pages == MAP_FAILED)
        return ERROR_NO_MEMORY;
    drops->of_service = pages;
    return ERROR_NONE;
}

void drops_fini(struct drops *drops)
{
    if (drops->of_service)
        munmap(drops->of_service, DROPS_BYTES);
    drops->of_service = NULL;
}

uint64_t drops_of_service(const struct drops *drops, uint32_t service, enum drop_reason reason)
{
    CHECK(service < TABLES_SERVICE_SLOTS && (unsigned)reason < DROP_REASONS);
    return __atomic_load_n(&drops->of_service[service][reason], __ATOMIC_RELAXED);
}

void drops_forget(struct drops *drops, uint32_t service)
{
    CHECK(service < TABLES_SERVICE_SLOTS);
    // Reading does not make a page: one that holds nothing stays away.
    for (int reason = 0; reason < DROP_REASONS; reason++) {
        if (drops_of_service(drops, service, (enum drop_reason)reason))
            stats_set(&drops->of_service[service][reason], 0);
    }
}
