// Balancers: what a reload pays to build one, and a new flow to pick a member.
#include "base/check.h"
#include "base/random.h"
#include "bench/shim/shim.h"
#include "dataplane/balance/balance.h"

#define PICKS 1024u

static struct balancer *build(const struct balancer_ops *ops, uint32_t count, uint32_t weights)
{
    static struct balance_member members[BALANCE_MEMBERS_MAX];
    for (uint32_t i = 0; i < count; i++)
        members[i] = (struct balance_member){.id = i * 7919u, .weight = 1 + i % weights};
    struct balancer *balancer;
    CHECK(!ops->create(members, count, (struct siphash_key){.k0 = 1, .k1 = 2}, &balancer));
    return balancer;
}

// 1000 members: 65537 entries. 16384: 655373.
static void build_maglev(struct bench_state *state, int64_t members)
{
    while (bench_next(state))
        balancer_destroy(build(&balance_maglev, (uint32_t)members, 1));
    bench_items(state, members <= 1000 ? 65537 : 655373, "entry");
}

static void build_weighted_maglev(struct bench_state *state, int64_t members)
{
    while (bench_next(state))
        balancer_destroy(build(&balance_maglev, (uint32_t)members, 10));
    bench_items(state, members <= 1000 ? 65537 : 655373, "entry");
}

// Members of one heavy weight: as many points as a ring of so many members may have.
static void build_ring(struct bench_state *state, int64_t members)
{
    static struct balance_member heavy[BALANCE_MEMBERS_MAX];
    for (uint32_t i = 0; i < (uint32_t)members; i++)
        heavy[i] = (struct balance_member){.id = i * 7919u, .weight = 100};
    while (bench_next(state)) {
        struct balancer *balancer;
        CHECK(!balance_ring.create(heavy, (uint32_t)members, (struct siphash_key){.k0 = 1},
                                   &balancer));
        balancer_destroy(balancer);
    }
    bench_items(state, (uint64_t)members, "member");
}

static void build_weighted_round_robin(struct bench_state *state, int64_t members)
{
    while (bench_next(state))
        balancer_destroy(build(&balance_weighted_round_robin, (uint32_t)members, 10));
    bench_items(state, (uint64_t)members, "member");
}

static void pick(struct bench_state *state, const struct balancer_ops *ops, int64_t members)
{
    static uint64_t loads[BALANCE_MEMBERS_MAX];
    static uint32_t slots[BALANCE_MEMBERS_MAX];
    struct balancer *balancer = build(ops, (uint32_t)members, 10);
    struct balance_cursor cursor = {.next = 0};
    struct random random = random_from_seed(1);
    uint64_t hashes[PICKS];
    for (uint32_t i = 0; i < PICKS; i++)
        hashes[i] = random_next(&random);
    for (uint32_t i = 0; i < (uint32_t)members; i++) {
        slots[i] = i;
        loads[i] = random_below(&random, 1000);
    }
    while (bench_next(state)) {
        for (uint32_t i = 0; i < PICKS; i++) {
            const struct balance_request request = {
                .hash = hashes[i],
                .loads = {.values = loads, .slots = slots, .stride = 1},
                .cursor = &cursor};
            bench_keep(balancer_pick(balancer, &request));
        }
    }
    bench_items(state, PICKS, "pick");
    balancer_destroy(balancer);
}

static void pick_maglev(struct bench_state *state, int64_t members)
{
    pick(state, &balance_maglev, members);
}

static void pick_round_robin(struct bench_state *state, int64_t members)
{
    pick(state, &balance_round_robin, members);
}

static void pick_weighted_round_robin(struct bench_state *state, int64_t members)
{
    pick(state, &balance_weighted_round_robin, members);
}

static void pick_least_connections(struct bench_state *state, int64_t members)
{
    pick(state, &balance_least_connections, members);
}

static void pick_two_choices(struct bench_state *state, int64_t members)
{
    pick(state, &balance_two_choices, members);
}

static void pick_ring(struct bench_state *state, int64_t members)
{
    pick(state, &balance_ring, members);
}

int main(int argc, char **argv)
{
    bench_add("balance_maglev_build", build_maglev, 1000);
    bench_add("balance_maglev_build", build_maglev, BALANCE_MEMBERS_MAX);
    bench_add("balance_maglev_build_weighted", build_weighted_maglev, 1000);
    bench_add("balance_ring_build", build_ring, 64);
    bench_add("balance_weighted_round_robin_build", build_weighted_round_robin, 1000);
    bench_add("balance_maglev_pick", pick_maglev, 1000);
    bench_add("balance_round_robin_pick", pick_round_robin, 1000);
    bench_add("balance_weighted_round_robin_pick", pick_weighted_round_robin, 1000);
    bench_add("balance_two_choices_pick", pick_two_choices, 1000);
    bench_add("balance_ring_pick", pick_ring, 1000);
    bench_add("balance_least_connections_pick", pick_least_connections, 10);
    bench_add("balance_least_connections_pick", pick_least_connections, 1000);
    return bench_main(argc, argv);
}
