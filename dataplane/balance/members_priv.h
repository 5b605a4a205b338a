// Inside the balance room: the members of a pool that may get something, as policies take them.
#pragma once

#include "dataplane/balance/balance.h"

struct live_member {
    uint64_t id;
    uint64_t share;     // above 0: balance_share(), in proportion to which policies give
    uint32_t weight;    // above 0
    uint16_t held_back; //
    uint16_t index;     // in what the caller gave
};
_Static_assert(BALANCE_MEMBERS_MAX <= UINT16_MAX, "an index and a mark fit in 16 bits");

// The members with weight, in the caller's order. `*live` is the caller's to free, NULL when there
// are none. ERROR_INVALID for more than BALANCE_MEMBERS_MAX members, ERROR_NO_MEMORY.
enum error members_live(const struct balance_member *members, uint32_t count,
                        struct live_member **live, uint32_t *live_count);

static inline uint64_t load_of(const struct balance_loads *loads, uint32_t index)
{
    return loads->values[(uint64_t)loads->slots[index] * loads->stride];
}

// Whether `a` would carry less for its share than `b`, given one more.
static inline bool carries_less(const struct balance_loads *loads, const struct live_member *a,
                                const struct live_member *b)
{
    __extension__ typedef unsigned __int128 wide;
    return (wide)(load_of(loads, a->index) + 1) * b->share <
           (wide)(load_of(loads, b->index) + 1) * a->share;
}
