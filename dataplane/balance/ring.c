// Consistent hashing on a ring (Karger et al., "Consistent hashing and random trees", 1997): each
// member has points on a ring of 2^32 places, as many as its weight asks for, and a flow goes to
// the first point from its hash on. A member that leaves gives its share to others, and nobody
// else's moves; shares are less even than Maglev's.
//
// The ring is an array of points in order. The hash's high bits look up where to begin, so a pick
// is a step or two, not a search.
#include <stdlib.h>

#include "dataplane/balance/members_priv.h"

#define POINTS_PER_WEIGHT 160u // shares of weight one are within some 8 % (one deviation)
#define POINTS_MAX        (1u << 20)

struct point {
    uint32_t place;
    uint32_t index; // of the member
};

struct ring {
    struct balancer base;
    uint32_t count;        // of points
    uint32_t shift;        // a place's high bits, below it, name its sector
    uint32_t *sectors;     // owned: the first point that is in the sector or after it
    struct point points[]; // by place
};

static int by_place(const void *left, const void *right)
{
    const struct point *a = left, *b = right;
    if (a->place != b->place)
        return a->place < b->place ? -1 : 1;
    return a->index < b->index ? -1 : a->index > b->index;
}

// A weight of one is worth POINTS_PER_WEIGHT points, halved until all fit. So points of a member
// depend on itself alone, but where members come or go over a power of two.
static uint32_t points_of(uint32_t weight, uint32_t halvings)
{
    uint64_t points = (uint64_t)weight * POINTS_PER_WEIGHT >> halvings;
    return points > 0 ? (uint32_t)points : 1;
}

static uint64_t sum_points(const struct live_member *live, uint32_t count, uint32_t halvings)
{
    uint64_t sum = 0;
    for (uint32_t i = 0; i < count; i++)
        sum += points_of(live[i].weight, halvings);
    return sum;
}

// A member that warms up has the first of its points, and more of them with each step.
static uint32_t points_now(const struct live_member *member, uint32_t halvings)
{
    uint64_t points = points_of(member->weight, halvings);
    points = points * (BALANCE_STEPS - member->held_back) / BALANCE_STEPS;
    return points > 0 ? (uint32_t)points : 1;
}

static void add_points(struct ring *ring, const struct live_member *member, uint32_t points,
                       struct siphash_key key)
{
    for (uint32_t i = 0; i < points; i++) {
        const uint64_t words[] = {member->id, i};
        ring->points[ring->count++] = (struct point){
            .place = (uint32_t)(siphash13_words(key, words, 2) >> 32), .index = member->index};
    }
}

static bool divide(struct ring *ring)
{
    uint32_t bits = 1;
    while (1u << bits < ring->count)
        bits++;
    ring->shift = 32 - bits;
    ring->sectors = malloc((size_t)(1u << bits) * sizeof(*ring->sectors));
    if (!ring->sectors)
        return false;
    uint32_t point = 0;
    for (uint32_t sector = 0; sector < 1u << bits; sector++) {
        while (point < ring->count && ring->points[point].place >> ring->shift < sector)
            point++;
        ring->sectors[sector] = point;
    }
    return true;
}

static void ring_destroy(struct balancer *balancer)
{
    free(((struct ring *)balancer)->sectors);
    free(balancer);
}

static enum error ring_create(const struct balance_member *members, uint32_t count,
                              struct siphash_key key, struct balancer **balancer)
{
    struct live_member *live;
    uint32_t live_count;
    enum error error = members_live(members, count, &live, &live_count);
    if (error)
        return error;
    uint32_t halvings = 0;
    while (sum_points(live, live_count, halvings) > POINTS_MAX)
        halvings++;
    uint64_t sum = sum_points(live, live_count, halvings);
    struct ring *made = malloc(sizeof(*made) + sum * sizeof(made->points[0]));
    if (!made) {
        free(live);
        return ERROR_NO_MEMORY;
    }
    *made = (struct ring){.base = {&balance_ring}};
    for (uint32_t i = 0; i < live_count; i++)
        add_points(made, &live[i], points_now(&live[i], halvings), key);
    free(live);
    qsort(made->points, made->count, sizeof(made->points[0]), by_place);
    if (!divide(made)) {
        ring_destroy(&made->base);
        return ERROR_NO_MEMORY;
    }
    *balancer = &made->base;
    return ERROR_NONE;
}

static uint32_t ring_pick(const struct balancer *balancer, const struct balance_request *request)
{
    const struct ring *ring = (const struct ring *)balancer;
    if (ring->count == 0)
        return BALANCE_NONE;
    uint32_t place = (uint32_t)(request->hash >> 32);
    uint32_t at = ring->sectors[place >> ring->shift];
    while (at < ring->count && ring->points[at].place < place)
        at++;
    return ring->points[at < ring->count ? at : 0].index;
}

const struct balancer_ops balance_ring = {
    .name = "ring",
    .by_hash = true,
    .create = ring_create,
    .pick = ring_pick,
    .destroy = ring_destroy,
};
