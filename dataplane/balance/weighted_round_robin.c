// Smooth weighted round robin, as nginx does it: before each pick every member's credit grows by
// its weight; the member with most credit (the first of equals) is picked, and pays the sum of all
// weights. Of weights 5, 1, 1 comes a a b a c a a: a heavy member's turns are spread, not in a row.
//
// The order repeats after sum / gcd picks, so it is computed once, at creation, and a pick is one
// load. Where that is longer than SEQUENCE_MAX, weights are scaled down to about that sum, rounded,
// and never to zero: the lightest then get a little more than is theirs. A weight here is a
// member's share: of one that warms up less than its own.
#include <stdlib.h>

#include "base/check.h"
#include "dataplane/balance/members_priv.h"
#include "dataplane/balance/order_priv.h"

#define SEQUENCE_MAX 65536u

// Members of one share. Their credits differ only by what they paid, so the next of them is who
// was picked least, the first of equals: they take turns. Comparing one member a group is what
// makes this fast: of a bounded sum there are few different shares.
struct group {
    const struct live_member *members; // in the caller's order
    uint32_t count;
    uint32_t share;
    uint32_t at;     // whose turn it is
    uint32_t cycles; // how often that member was picked
};

static uint64_t greatest_common_divisor(uint64_t a, uint64_t b)
{
    while (b) {
        uint64_t rest = a % b;
        a = b;
        b = rest;
    }
    return a;
}

// Divides weights by what they have in common. Returns their sum.
static uint64_t reduce(struct live_member *live, uint32_t count)
{
    uint64_t divisor = 0;
    for (uint32_t i = 0; i < count; i++)
        divisor = greatest_common_divisor(live[i].share, divisor);
    uint64_t sum = 0;
    for (uint32_t i = 0; i < count; i++) {
        live[i].share /= divisor;
        sum += live[i].share;
    }
    return sum;
}

// The length of the sequence, after weights were made as small as it needs.
static uint32_t shorten(struct live_member *live, uint32_t count)
{
    uint64_t sum = reduce(live, count);
    if (sum <= SEQUENCE_MAX)
        return (uint32_t)sum;
    for (uint32_t i = 0; i < count; i++) {
        uint32_t scaled = (uint32_t)((live[i].share * SEQUENCE_MAX + sum / 2) / sum);
        live[i].share = scaled > 0 ? scaled : 1;
    }
    return (uint32_t)reduce(live, count);
}

static int compare_shares(const void *a, const void *b)
{
    const struct live_member *left = a, *right = b;
    if (left->share != right->share)
        return left->share < right->share ? -1 : 1;
    return left->index - right->index;
}

// Sorts members into groups; `groups` has room for one each. Returns how many there are.
static uint32_t group_by_share(struct live_member *live, uint32_t count, struct group *groups)
{
    if (count > 1) // of none there may be no array
        qsort(live, count, sizeof(*live), compare_shares);
    uint32_t made = 0;
    for (uint32_t i = 0; i < count; i++) {
        if (i == 0 || live[i].share != live[i - 1].share)
            groups[made++] = (struct group){.members = &live[i], .share = (uint32_t)live[i].share};
        groups[made - 1].count++;
    }
    return made;
}

static void write_sequence(struct order *self, struct group *groups, uint32_t group_count)
{
    for (uint32_t pick = 0; pick < self->count; pick++) {
        struct group *best = NULL;
        int64_t most = INT64_MIN;
        for (struct group *group = groups; group < groups + group_count; group++) {
            int64_t credit =
                (int64_t)(pick + 1) * group->share - (int64_t)group->cycles * self->count;
            if (!best || credit > most ||
                (credit == most &&
                 group->members[group->at].index < best->members[best->at].index)) {
                best = group;
                most = credit;
            }
        }
        CHECK(best); // who has nobody to pick makes no picks
        self->indices[pick] = best->members[best->at].index;
        if (++best->at == best->count) {
            best->at = 0;
            best->cycles++;
        }
    }
}

static enum error weighted_round_robin_create(const struct balance_member *members, uint32_t count,
                                              struct siphash_key key, struct balancer **balancer)
{
    struct live_member *live;
    uint32_t live_count;
    enum error error = members_live(members, count, &live, &live_count);
    if (error)
        return error;
    error = ERROR_NO_MEMORY;
    uint32_t length = live_count > 0 ? shorten(live, live_count) : 0;
    struct group *groups = malloc((live_count + 1) * sizeof(*groups));
    if (!groups)
        goto free_live;
    struct order *made = order_create(&balance_weighted_round_robin, length);
    if (!made)
        goto free_groups;
    write_sequence(made, groups, group_by_share(live, live_count, groups));
    *balancer = &made->base;
    error = ERROR_NONE;

free_groups:
    free(groups);
free_live:
    free(live);
    return error;
}

const struct balancer_ops balance_weighted_round_robin = {
    .name = "weighted-round-robin",
    .create = weighted_round_robin_create,
    .pick = order_pick,
    .destroy = order_destroy,
};
