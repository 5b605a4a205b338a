// Two random choices (Mitzenmacher, "The power of two choices in randomized load balancing", 2001):
// two members are drawn, each with a chance in proportion to its share, and the one that carries
// less for its share gets it. The draw is Vose's alias method: a table of one entry a member, one
// look-up a draw (Vose, "A linear algorithm for generating random numbers with a given
// distribution", 1991).
#include <stdlib.h>

#include "dataplane/balance/members_priv.h"

// An entry gives itself below the threshold, else its alias.
struct alias {
    uint32_t threshold; // in 2^32ths
    uint32_t other;
};

struct two_choices {
    struct balancer base;
    uint32_t count;
    struct live_member *live; // owned
    struct alias *aliases;    // owned, [count]
};

// Each entry's share is its member's times `count`, to be filled up to the sum of all.
struct filling {
    uint64_t *shares; // [count]
    uint32_t *small;  // stack: below the sum
    uint32_t *large;  // stack: the others
    uint32_t small_count, large_count;
};

static void sort_in(struct filling *filling, uint32_t entry, uint64_t sum)
{
    if (filling->shares[entry] < sum)
        filling->small[filling->small_count++] = entry;
    else
        filling->large[filling->large_count++] = entry;
}

static void fill_aliases(struct two_choices *made, struct filling *filling)
{
    uint64_t sum = 0;
    for (uint32_t i = 0; i < made->count; i++)
        sum += made->live[i].share;
    for (uint32_t i = 0; i < made->count; i++) {
        filling->shares[i] = made->live[i].share * made->count;
        made->aliases[i] = (struct alias){.threshold = UINT32_MAX, .other = i};
        sort_in(filling, i, sum);
    }
    // A small one is filled up from a large one, which may be small then.
    while (filling->small_count > 0 && filling->large_count > 0) {
        uint32_t small = filling->small[--filling->small_count];
        uint32_t large = filling->large[--filling->large_count];
        __extension__ typedef unsigned __int128 wide;
        made->aliases[small].threshold = (uint32_t)(((wide)filling->shares[small] << 32) / sum);
        made->aliases[small].other = large;
        filling->shares[large] -= sum - filling->shares[small];
        sort_in(filling, large, sum);
    }
}

static enum error build_aliases(struct two_choices *made)
{
    enum error error = ERROR_NO_MEMORY;
    uint64_t count = made->count ? made->count : 1;
    struct filling filling = {.shares = malloc(count * sizeof(*filling.shares)),
                              .small = malloc(count * sizeof(*filling.small)),
                              .large = malloc(count * sizeof(*filling.large))};
    made->aliases = malloc(count * sizeof(*made->aliases));
    if (filling.shares && filling.small && filling.large && made->aliases) {
        fill_aliases(made, &filling);
        error = ERROR_NONE;
    }
    free(filling.shares);
    free(filling.small);
    free(filling.large);
    return error;
}

static void two_choices_destroy(struct balancer *balancer)
{
    struct two_choices *two = (struct two_choices *)balancer;
    free(two->live);
    free(two->aliases);
    free(two);
}

static enum error two_choices_create(const struct balance_member *members, uint32_t count,
                                     struct siphash_key key, struct balancer **balancer)
{
    struct two_choices *made = calloc(1, sizeof(*made));
    if (!made)
        return ERROR_NO_MEMORY;
    made->base.ops = &balance_two_choices;
    enum error error = members_live(members, count, &made->live, &made->count);
    if (!error)
        error = build_aliases(made);
    if (error) {
        two_choices_destroy(&made->base);
        return error;
    }
    *balancer = &made->base;
    return ERROR_NONE;
}

// High bits choose the entry, low bits between it and its alias.
static uint32_t draw(const struct two_choices *two, uint64_t bits)
{
    uint32_t entry = (uint32_t)(((bits >> 32) * two->count) >> 32);
    const struct alias *alias = &two->aliases[entry];
    return (uint32_t)bits < alias->threshold ? entry : alias->other;
}

// Other bits out of the same hash: a step of SplitMix64 (Steele, Lea and Flood, 2014).
static uint64_t mix(uint64_t bits)
{
    bits += 0x9e3779b97f4a7c15u;
    bits = (bits ^ bits >> 30) * 0xbf58476d1ce4e5b9u;
    bits = (bits ^ bits >> 27) * 0x94d049bb133111ebu;
    return bits ^ bits >> 31;
}

static uint32_t two_choices_pick(const struct balancer *balancer,
                                 const struct balance_request *request)
{
    const struct two_choices *two = (const struct two_choices *)balancer;
    if (two->count == 0)
        return BALANCE_NONE;
    uint32_t first = draw(two, request->hash);
    uint32_t second = draw(two, mix(request->hash));
    if (carries_less(&request->loads, &two->live[second], &two->live[first]))
        first = second;
    return two->live[first].index;
}

const struct balancer_ops balance_two_choices = {
    .name = "two-choices",
    .by_load = true,
    .create = two_choices_create,
    .pick = two_choices_pick,
    .destroy = two_choices_destroy,
};
