// What the tests of balancers share: members, picks by hash, and picks by what members carry.
#pragma once

#include "base/random.h"
#include "dataplane/balance/balance.h"
#include "tests/test.h"

#define PICK_MEMBERS_MAX 1024u

// A pool whose members carry what they were given.
struct pick_pool {
    struct balance_member members[PICK_MEMBERS_MAX];
    uint64_t loads[PICK_MEMBERS_MAX];
    uint32_t slots[PICK_MEMBERS_MAX]; // member i's load is at count - 1 - i
    uint32_t count;
    struct balance_cursor cursor;
    struct random random;
};

static inline uint32_t pick_hash(const struct balancer *balancer, struct balance_cursor *cursor,
                                 uint64_t hash)
{
    const struct balance_request request = {.hash = hash, .cursor = cursor};
    return balancer_pick(balancer, &request);
}

// Ids are not positions; all weights are 1.
static inline void pick_pool_init(struct pick_pool *pool, uint32_t count)
{
    *pool = (struct pick_pool){.count = count, .random = random_from_seed(11)};
    for (uint32_t i = 0; i < count; i++) {
        pool->members[i] = (struct balance_member){.id = 1000003u * (uint64_t)i + 17, .weight = 1};
        pool->slots[i] = count - 1 - i;
    }
}

static inline struct balancer *pick_build(const struct balancer_ops *ops,
                                          const struct pick_pool *pool)
{
    struct balancer *balancer;
    assert_int_equal(
        ops->create(pool->members, pool->count, (struct siphash_key){.k0 = 1, .k1 = 2}, &balancer),
        ERROR_NONE);
    return balancer;
}

static inline uint64_t *pick_load(struct pick_pool *pool, uint32_t member)
{
    return &pool->loads[pool->slots[member]];
}

// Who gets one more by a random hash. Not counted.
static inline uint32_t pick_next(const struct balancer *balancer, struct pick_pool *pool)
{
    const struct balance_request request = {
        .hash = random_next(&pool->random),
        .loads = {.values = pool->loads, .slots = pool->slots, .stride = 1},
        .cursor = &pool->cursor};
    return balancer_pick(balancer, &request);
}

// Picks that stay with their member.
static inline void pick_many(const struct balancer *balancer, struct pick_pool *pool,
                             uint32_t picks)
{
    for (uint32_t i = 0; i < picks; i++)
        ++*pick_load(pool, pick_next(balancer, pool));
}

// Policies that go by weight: of four members of one weight, one that is held back gets its part.
static inline void pick_assert_held_back(const struct balancer_ops *ops)
{
    static struct pick_pool pool;
    enum {
        POOLS =
            16, // a ring of 4 times 960 points is even within some per cent: so many even it out
        PICKS = 4000,
    };
    for (uint32_t held_back = 0; held_back < BALANCE_STEPS; held_back += 5) {
        uint32_t picked = 0;
        for (uint32_t p = 0; p < POOLS; p++) {
            pick_pool_init(&pool, 4);
            for (uint32_t m = 0; m < 4; m++) {
                pool.members[m].id += p;
                pool.members[m].weight = 6;
            }
            pool.members[2].held_back = held_back;
            struct balancer *balancer = pick_build(ops, &pool);
            pick_many(balancer, &pool, PICKS);
            picked += (uint32_t)*pick_load(&pool, 2);
            balancer_destroy(balancer);
        }
        uint32_t share = BALANCE_STEPS - held_back;
        uint32_t fair = POOLS * PICKS * share / (3 * BALANCE_STEPS + share);
        assert_in_range(picked, fair - fair / 12, fair + fair / 12);
    }
}

// Policies that go by hash: while a member warms up, flows move to it and hardly any between
// others. `stray` is how many of a thousand may.
static inline void pick_assert_warming_moves_little(const struct balancer_ops *ops, uint32_t stray)
{
    static struct pick_pool pool;
    pick_pool_init(&pool, 20);
    pool.members[7].held_back = BALANCE_STEPS - 1;
    struct balancer *cold = pick_build(ops, &pool);
    uint32_t strays = 0, gained = 0;
    const uint32_t picks = 100000;
    for (uint32_t held_back = BALANCE_STEPS - 1; held_back-- > 0;) {
        pool.members[7].held_back = held_back;
        struct balancer *warmer = pick_build(ops, &pool);
        for (uint32_t i = 0; i < picks; i++) {
            uint64_t hash = random_next(&pool.random);
            uint32_t old = pick_hash(cold, &pool.cursor, hash);
            uint32_t new = pick_hash(warmer, &pool.cursor, hash);
            strays += old != new &&new != 7;
            gained += old != new &&new == 7;
        }
        balancer_destroy(cold);
        cold = warmer;
    }
    balancer_destroy(cold);
    assert_in_range(strays, 0, picks * (BALANCE_STEPS - 1) / 1000 * stray);
    // 15/16 of a twentieth, less what it had by a point or an entry more at first.
    assert_in_range(gained, picks * 35 / 1000, picks * 60 / 1000);
}

// Policies that go by hash: when one of unequal weights is drained, flows of others hardly move.
// `stray` is how many of a thousand may.
static inline void pick_assert_draining_moves_little(const struct balancer_ops *ops, uint32_t stray)
{
    static const uint32_t weights[][4] = {
        {100, 100, 1, 0}, {7, 50, 50, 50}, {1, 1, 1, 0}, {1, 2, 65535, 300}};
    static struct pick_pool pool;
    for (size_t i = 0; i < sizeof(weights) / sizeof(weights[0]); i++) {
        for (uint32_t leaver = 0; leaver < 4; leaver++) {
            pick_pool_init(&pool, 4);
            for (uint32_t m = 0; m < 4; m++)
                pool.members[m].weight = weights[i][m];
            struct balancer *before = pick_build(ops, &pool);
            pool.members[leaver].standing = pool.members[leaver].weight;
            pool.members[leaver].weight = 0;
            struct balancer *after = pick_build(ops, &pool);
            const uint32_t picks = 20000;
            uint32_t stayed = 0, strays = 0;
            for (uint32_t p = 0; p < picks; p++) {
                uint64_t hash = random_next(&pool.random);
                uint32_t old = pick_hash(before, &pool.cursor, hash);
                uint32_t new = pick_hash(after, &pool.cursor, hash);
                assert_true(new != leaver);
                stayed += old != leaver && old == new;
                strays += old != leaver && old != new;
            }
            assert_in_range(strays, 0, (stayed + strays) * stray / 1000);
            balancer_destroy(before);
            balancer_destroy(after);
        }
    }
}

// All policies: nobody where nobody has weight, the lone one always, too many are refused.
static inline void pick_assert_edges(const struct balancer_ops *ops)
{
    static struct pick_pool pool;
    for (uint32_t count = 0; count <= 3; count++) {
        pick_pool_init(&pool, count);
        for (uint32_t i = 0; i < count; i++)
            pool.members[i].weight = 0;
        struct balancer *balancer = pick_build(ops, &pool);
        assert_true(pick_next(balancer, &pool) == BALANCE_NONE);
        balancer_destroy(balancer);
        if (count < 2)
            continue;
        pool.members[1].weight = 5;
        balancer = pick_build(ops, &pool);
        for (int i = 0; i < 10; i++)
            assert_int_equal(pick_next(balancer, &pool), 1);
        balancer_destroy(balancer);
    }
    static struct balance_member members[BALANCE_MEMBERS_MAX + 1];
    struct balancer *balancer = NULL;
    assert_int_equal(
        ops->create(members, BALANCE_MEMBERS_MAX + 1, (struct siphash_key){.k0 = 0}, &balancer),
        ERROR_INVALID);
    assert_null(balancer);
}
