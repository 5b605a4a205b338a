// Consistent hashing on a ring (Karger et al., "Consistent hashing and random trees", 1997): each
// member has points on a ring of 2^32 places, as many as its weight asks for, and a flow goes to
// the first point from its hash on. A member that leaves gives its share to others, and nobody
// else's moves; shares are less even than Maglev's.
//
// A drained member keeps its points, which pass their flows on: so who had a flow before is on the
// way from its hash to the member that has it now, and rank() tells.
//
// The ring is an array of points in order. The hash's high bits look up where to begin, so a pick
// is a step or two, not a search.
#include <stdlib.h>

#include "dataplane/balance/members_priv.h"

#define POINTS_PER_WEIGHT 160u // shares of weight one are within some 8 % (one deviation)
#define POINTS_MAX        (1u << 20)

struct point {
    uint32_t place;
    uint16_t index;  // of the member
    uint16_t serves; // of the member who gets what begins here, or NOBODY
};
#define NOBODY UINT16_MAX

// Points that rank() looks at, at most: further on nearly nobody is who was not met yet.
#define RANK_POINTS 512u

struct ring {
    struct balancer base;
    uint32_t count;        // of points
    uint32_t members;      // that have points
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

// Those that have points, in the caller's order, as if they all got something new.
static enum error members_placed(const struct balance_member *members, uint32_t count,
                                 struct live_member **placed, uint32_t *placed_count)
{
    if (count > BALANCE_MEMBERS_MAX)
        return ERROR_INVALID;
    struct live_member *made = malloc((count + 1) * sizeof(*made));
    if (!made)
        return ERROR_NO_MEMORY;
    uint32_t at = 0;
    for (uint32_t i = 0; i < count; i++) {
        uint32_t weight = members[i].weight ? members[i].weight : members[i].standing;
        if (weight > 0)
            made[at++] = (struct live_member){.id = members[i].id,
                                              .weight = weight,
                                              .held_back = (uint16_t)members[i].held_back,
                                              .index = (uint16_t)i};
    }
    *placed = made;
    *placed_count = at;
    return ERROR_NONE;
}

// Fills in who serves: for each point the first from it on that gets something new.
static void pass_on(struct ring *ring, const struct balance_member *members)
{
    uint16_t serves = NOBODY;
    // Twice round, backwards: past the last point is the first.
    for (uint32_t i = 0; i < 2 * ring->count; i++) {
        struct point *point = &ring->points[ring->count - 1 - i % ring->count];
        if (members[point->index].weight > 0)
            serves = point->index;
        point->serves = serves;
    }
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
    struct live_member *placed;
    uint32_t placed_count;
    enum error error = members_placed(members, count, &placed, &placed_count);
    if (error)
        return error;
    uint32_t halvings = 0;
    while (sum_points(placed, placed_count, halvings) > POINTS_MAX)
        halvings++;
    uint64_t sum = sum_points(placed, placed_count, halvings);
    struct ring *made = malloc(sizeof(*made) + sum * sizeof(made->points[0]));
    if (!made) {
        free(placed);
        return ERROR_NO_MEMORY;
    }
    *made = (struct ring){.base = {&balance_ring}, .members = placed_count};
    for (uint32_t i = 0; i < placed_count; i++)
        add_points(made, &placed[i], points_now(&placed[i], halvings), key);
    free(placed);
    qsort(made->points, made->count, sizeof(made->points[0]), by_place);
    pass_on(made, members);
    if (!divide(made)) {
        ring_destroy(&made->base);
        return ERROR_NO_MEMORY;
    }
    *balancer = &made->base;
    return ERROR_NONE;
}

// The first point from a hash on, of a ring that has any.
static uint32_t point_at(const struct ring *ring, uint64_t hash)
{
    uint32_t place = (uint32_t)(hash >> 32);
    uint32_t at = ring->sectors[place >> ring->shift];
    while (at < ring->count && ring->points[at].place < place)
        at++;
    return at < ring->count ? at : 0;
}

static uint32_t ring_pick(const struct balancer *balancer, const struct balance_request *request)
{
    const struct ring *ring = (const struct ring *)balancer;
    if (ring->count == 0)
        return BALANCE_NONE;
    uint16_t serves = ring->points[point_at(ring, request->hash)].serves;
    return serves == NOBODY ? BALANCE_NONE : serves;
}

static uint32_t ring_rank(const struct balancer *balancer, uint64_t hash, uint32_t *indexes,
                          uint32_t max)
{
    const struct ring *ring = (const struct ring *)balancer;
    uint32_t steps = ring->count < RANK_POINTS ? ring->count : RANK_POINTS;
    uint32_t found = 0;
    uint32_t at = steps > 0 ? point_at(ring, hash) : 0;
    for (uint32_t i = 0; i < steps && found < max && found < ring->members; i++) {
        uint32_t index = ring->points[at].index;
        uint32_t known = 0;
        while (known < found && indexes[known] != index)
            known++;
        if (known == found)
            indexes[found++] = index;
        at = at + 1 < ring->count ? at + 1 : 0;
    }
    return found;
}

const struct balancer_ops balance_ring = {
    .name = "ring",
    .by_hash = true,
    .create = ring_create,
    .pick = ring_pick,
    .rank = ring_rank,
    .destroy = ring_destroy,
};
