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
#include "dataplane/balance/ring_priv.h"

#include <stdlib.h>
#include <string.h>

#include "dataplane/balance/members_priv.h"

// Of a weight of one, while all fit. A share is within 1 / sqrt(points) of what it should be (one
// deviation): 8 % with 160 points, 3 to 4.5 % where there were more than RING_MEMBER_POINTS_MAX.
#define POINTS_PER_WEIGHT 160u

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

// A member has one point at least, however light it is.
static uint32_t points_of(uint32_t weight, uint32_t halvings)
{
    uint64_t points = (uint64_t)weight * POINTS_PER_WEIGHT >> halvings;
    return points > 0 ? (uint32_t)points : 1;
}

static uint64_t sum_points(const struct balance_member *members, uint32_t count, uint32_t halvings)
{
    uint64_t sum = 0;
    for (uint32_t i = 0; i < count; i++) {
        uint32_t weight = balance_place(&members[i]);
        sum += weight > 0 ? points_of(weight, halvings) : 0;
    }
    return sum;
}

// A weight of one is worth POINTS_PER_WEIGHT points, halved until those of the heaviest member fit,
// and all. So how many other members there are changes nobody's points (until they are a thousand
// or more), and members of one weight have enough of them whatever that weight is.
static uint32_t halvings_of(const struct balance_member *members, uint32_t count)
{
    uint32_t heaviest = 0;
    for (uint32_t i = 0; i < count; i++)
        heaviest = balance_place(&members[i]) > heaviest ? balance_place(&members[i]) : heaviest;
    uint32_t halvings = 0;
    while (points_of(heaviest, halvings) > RING_MEMBER_POINTS_MAX)
        halvings++;
    while (sum_points(members, count, halvings) > RING_POINTS_MAX)
        halvings++;
    return halvings;
}

uint64_t ring_points(const struct balance_member *members, uint32_t count)
{
    return sum_points(members, count, halvings_of(members, count));
}

// A member that warms up has the first of its points, and more of them with each step.
static uint32_t points_now(const struct balance_member *member, uint32_t halvings)
{
    uint64_t points = points_of(balance_place(member), halvings);
    points = points * (BALANCE_STEPS - member->held_back) / BALANCE_STEPS;
    return points > 0 ? (uint32_t)points : 1;
}

static void draw_points(struct point *points, const struct balance_member *member, uint16_t index,
                        uint32_t count, struct siphash_key key)
{
    for (uint32_t i = 0; i < count; i++) {
        const uint64_t words[] = {member->id, i};
        points[i] = (struct point){.place = (uint32_t)(siphash13_words(key, words, 2) >> 32),
                                   .index = index};
    }
}

static bool comes_before(const struct point *a, const struct point *b)
{
    return a->place != b->place ? a->place < b->place : a->index < b->index;
}

// Sorts points by place, and fills in sectors. Places are as even as a keyed hash, and there are as
// many sectors as points or more: so once each point is in its sector, hardly any has to pass
// another.
static void put_in_order(struct ring *ring, const struct point *drawn)
{
    uint32_t sectors = 1u << (32 - ring->shift);
    memset(ring->sectors, 0, sectors * sizeof(*ring->sectors));
    for (uint32_t i = 0; i < ring->count; i++)
        ring->sectors[drawn[i].place >> ring->shift]++;
    uint32_t end = 0;
    for (uint32_t sector = 0; sector < sectors; sector++) {
        end += ring->sectors[sector];
        ring->sectors[sector] = end;
    }
    // From its end on a sector is filled down to its first point.
    for (uint32_t i = 0; i < ring->count; i++)
        ring->points[--ring->sectors[drawn[i].place >> ring->shift]] = drawn[i];
    for (uint32_t i = 1; i < ring->count; i++) {
        struct point point = ring->points[i];
        uint32_t at = i;
        for (; at > 0 && comes_before(&point, &ring->points[at - 1]); at--)
            ring->points[at] = ring->points[at - 1];
        ring->points[at] = point;
    }
}

// Fills in who serves: for each point the first from it on that gets something new.
static void pass_on(struct ring *ring, const struct balance_member *members)
{
    uint16_t serves = NOBODY;
    for (uint32_t i = 0; i < ring->count && serves == NOBODY; i++) { // past the last is the first
        if (members[ring->points[i].index].weight > 0)
            serves = ring->points[i].index;
    }
    for (uint32_t i = ring->count; i > 0; i--) {
        struct point *point = &ring->points[i - 1];
        if (members[point->index].weight > 0)
            serves = point->index;
        point->serves = serves;
    }
}

static void ring_destroy(struct balancer *balancer)
{
    free(((struct ring *)balancer)->sectors);
    free(balancer);
}

static enum error ring_create(const struct balance_member *members, uint32_t count,
                              struct siphash_key key, struct balancer **balancer)
{
    if (count > BALANCE_MEMBERS_MAX)
        return ERROR_INVALID;
    uint32_t halvings = halvings_of(members, count);
    uint64_t most = sum_points(members, count, halvings);
    uint32_t bits = 1;
    while (1u << bits < most)
        bits++;
    struct ring *made = malloc(sizeof(*made) + most * sizeof(made->points[0]));
    uint32_t *sectors = malloc((size_t)(1u << bits) * sizeof(*sectors));
    struct point *drawn = malloc((most + 1) * sizeof(*drawn));
    if (!made || !sectors || !drawn) {
        free(drawn);
        free(sectors);
        free(made);
        return ERROR_NO_MEMORY;
    }
    *made = (struct ring){.base = {&balance_ring}, .shift = 32 - bits, .sectors = sectors};
    for (uint32_t i = 0; i < count; i++) {
        if (balance_place(&members[i]) == 0)
            continue;
        made->members++;
        uint32_t points = points_now(&members[i], halvings);
        draw_points(&drawn[made->count], &members[i], (uint16_t)i, points, key);
        made->count += points;
    }
    put_in_order(made, drawn);
    free(drawn);
    pass_on(made, members);
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
