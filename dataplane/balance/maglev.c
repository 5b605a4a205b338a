// Maglev hashing (Eisenbud et al., "Maglev: a fast and reliable software network load balancer",
// NSDI 2016, section 3.4): each member has its own permutation of the table's entries, members take
// turns, and at its turn a member takes the next free entry of its permutation. Appliances that
// have the same key, ids and weights build the same table without talking, whatever the order in
// which their files name the members.
//
// Shares (of a member that warms up less than its weight): the heaviest member takes a turn in
// every round; the k-th turn of another (from 0) is in round floor(k * heaviest / share). So turns
// are in proportion to shares in every stretch of rounds, and every member has a turn in round 0,
// however light it is.
#include "dataplane/balance/maglev_priv.h"

#include <stdlib.h>

#include "base/check.h"
#include "dataplane/balance/members_priv.h"

// Entries a member of the least weight should have: at most about 1 % of imbalance (section 5.3).
#define ENTRIES_PER_SHARE 100u
#define FREE_ENTRY        UINT16_MAX
#define NOBODY            UINT32_MAX

struct maglev {
    struct balancer base;
    uint32_t size; // entries, a prime; 0: no member has weight
    uint16_t entries[];
};

// A member while the table is built.
struct candidate {
    uint32_t next;  // entry to try next
    uint32_t skip;  // from there to the one after
    uint32_t turns; // taken
    uint32_t later; // the candidate whose turn comes after, of the same round
};

// Who takes a turn in which round: of each round the last of a ring of candidates, or NOBODY.
struct rounds {
    uint32_t *last; // [count]
    uint32_t count;
};

uint32_t maglev_size(const struct balance_member *members, uint32_t count)
{
    // Primes; the last two are the paper's.
    static const uint32_t sizes[] = {251, 1009, 4093, 16381, 65537, 655373};
    bool live = false;
    uint64_t sum = 0;
    uint32_t least = UINT32_MAX;
    // That one is drained must not change the size, which would move every entry: it counts by the
    // weight of its place, and members without weight count as members. Nor must that one warms up:
    // weights count here, and not shares.
    for (uint32_t i = 0; i < count; i++) {
        uint32_t weight = balance_place(&members[i]);
        live |= members[i].weight > 0;
        sum += weight;
        least = weight > 0 && weight < least ? weight : least;
    }
    if (!live)
        return 0;
    uint64_t shares = sum / least > count ? sum / least : count;
    uint32_t last = count <= 1000 ? 4 : 5;
    for (uint32_t i = 0; i < last; i++) {
        if (sizes[i] >= shares * ENTRIES_PER_SHARE)
            return sizes[i];
    }
    return sizes[last];
}

static int compare_ids(const void *a, const void *b)
{
    const struct live_member *left = a, *right = b;
    if (left->id != right->id)
        return left->id < right->id ? -1 : 1;
    return left->index - right->index;
}

// Below `bound`, from 32 bits of a hash.
static uint32_t reduce(uint32_t hash, uint32_t bound)
{
    return (uint32_t)(((uint64_t)hash * bound) >> 32);
}

static struct candidate candidate_of(uint64_t id, struct siphash_key key, uint32_t size)
{
    // The paper's two hashes of a name are the halves of one. A permutation needs a skip from 1 to
    // size - 1, and the size to be prime.
    uint64_t hash = siphash24(key, &id, sizeof(id));
    return (struct candidate){.next = reduce((uint32_t)(hash >> 32), size),
                              .skip = reduce((uint32_t)hash, size - 1) + 1};
}

// Puts a candidate at the end of a round. A round past the last never comes: the heaviest member
// alone fills the table before.
static void join_round(struct rounds *rounds, struct candidate *candidates, uint32_t who,
                       uint64_t round)
{
    if (round >= rounds->count)
        return;
    uint32_t last = rounds->last[round];
    if (last == NOBODY) {
        candidates[who].later = who;
    } else {
        candidates[who].later = candidates[last].later;
        candidates[last].later = who;
    }
    rounds->last[round] = who;
}

static void take_next_free(struct maglev *maglev, struct candidate *candidate, uint16_t index)
{
    uint32_t at = candidate->next;
    while (maglev->entries[at] != FREE_ENTRY) {
        at += candidate->skip;
        if (at >= maglev->size)
            at -= maglev->size;
    }
    maglev->entries[at] = index;
    candidate->next = at;
}

static void fill(struct maglev *maglev, const struct live_member *live, uint32_t live_count,
                 struct candidate *candidates, struct rounds *rounds)
{
    uint64_t heaviest = 0;
    for (uint32_t i = 0; i < live_count; i++)
        heaviest = live[i].share > heaviest ? live[i].share : heaviest;
    for (uint32_t i = 0; i < rounds->count; i++)
        rounds->last[i] = NOBODY;
    for (uint32_t i = 0; i < live_count; i++)
        join_round(rounds, candidates, i, 0);
    uint32_t left = maglev->size;
    for (uint32_t round = 0; left > 0; round++) {
        uint32_t last = rounds->last[round];
        uint32_t next = last == NOBODY ? NOBODY : candidates[last].later;
        while (next != NOBODY && left > 0) {
            uint32_t who = next;
            next = who == last ? NOBODY : candidates[who].later;
            struct candidate *candidate = &candidates[who];
            take_next_free(maglev, candidate, live[who].index);
            left--;
            candidate->turns++;
            uint64_t share = live[who].share;
            CHECK(share > 0); // members without it are not among them
            join_round(rounds, candidates, who, (uint64_t)candidate->turns * heaviest / share);
        }
    }
}

static enum error maglev_build(struct maglev *maglev, const struct live_member *live,
                               uint32_t live_count, struct siphash_key key)
{
    enum error error = ERROR_NO_MEMORY;
    struct candidate *candidates = malloc(live_count * sizeof(*candidates));
    if (!candidates)
        return error;
    struct rounds rounds = {.last = malloc(maglev->size * sizeof(uint32_t)), .count = maglev->size};
    if (!rounds.last)
        goto free_candidates;
    for (uint32_t i = 0; i < live_count; i++)
        candidates[i] = candidate_of(live[i].id, key, maglev->size);
    for (uint32_t i = 0; i < maglev->size; i++)
        maglev->entries[i] = FREE_ENTRY;
    fill(maglev, live, live_count, candidates, &rounds);
    error = ERROR_NONE;

    free(rounds.last);
free_candidates:
    free(candidates);
    return error;
}

static enum error maglev_create(const struct balance_member *members, uint32_t count,
                                struct siphash_key key, struct balancer **balancer)
{
    struct live_member *live;
    uint32_t live_count;
    enum error error = members_live(members, count, &live, &live_count);
    if (error)
        return error;
    uint32_t size = maglev_size(members, count);
    struct maglev *made = malloc(sizeof(*made) + size * sizeof(made->entries[0]));
    if (!made) {
        error = ERROR_NO_MEMORY;
        goto free_live;
    }
    made->base.ops = &balance_maglev;
    made->size = size;
    if (size > 0) {
        qsort(live, live_count, sizeof(*live), compare_ids);
        error = maglev_build(made, live, live_count, key);
        if (error)
            goto free_made;
    }
    *balancer = &made->base;
    free(live);
    return ERROR_NONE;

free_made:
    free(made);
free_live:
    free(live);
    return error;
}

static uint32_t maglev_pick(const struct balancer *balancer, const struct balance_request *request)
{
    const struct maglev *maglev = (const struct maglev *)balancer;
    if (maglev->size == 0)
        return BALANCE_NONE;
    // The high half of a product is even over the table, and cheaper than a remainder.
    __extension__ typedef unsigned __int128 wide;
    return maglev->entries[(uint64_t)(((wide)request->hash * maglev->size) >> 64)];
}

static void maglev_destroy(struct balancer *balancer)
{
    free(balancer);
}

const struct balancer_ops balance_maglev = {
    .name = "maglev",
    .by_hash = true,
    .create = maglev_create,
    .pick = maglev_pick,
    .destroy = maglev_destroy,
};
