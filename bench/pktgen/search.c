#include "bench/pktgen/search.h"

#include "base/check.h"

#define MILLION 1000000u

struct search search_start(uint64_t rate_max, uint64_t resolution, uint32_t loss_tolerated)
{
    CHECK(rate_max > 0 && rate_max < UINT64_MAX && resolution > 0 && loss_tolerated <= MILLION);
    return (struct search){.failed = rate_max + 1,
                           .rate = rate_max,
                           .resolution = resolution,
                           .loss_tolerated = loss_tolerated};
}

bool search_is_due(const struct search *search)
{
    return search->rate > search->passed && search->rate < search->failed;
}

// Duplicates may bring back more than was sent; that is no loss.
static bool passes(const struct search *search, uint64_t sent, uint64_t received)
{
    if (sent == 0)
        return false;
    uint64_t lost = received < sent ? sent - received : 0;
    return (__uint128_t)lost * MILLION <= (__uint128_t)sent * search->loss_tolerated;
}

void search_report(struct search *search, uint64_t sent, uint64_t received)
{
    CHECK(search_is_due(search));
    if (passes(search, sent, received))
        search->passed = search->rate;
    else
        search->failed = search->rate;
    // Equal to a bound when they are close enough: then no trial is due.
    uint64_t apart = search->failed - search->passed;
    search->rate = apart > search->resolution ? search->passed + apart / 2 : search->passed;
}
