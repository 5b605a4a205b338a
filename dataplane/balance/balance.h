// Which member gets a new flow (or request). The room knows neither packets nor sockets: it takes
// members with weights, a hash and what each carries now, and gives an index. A balancer is built
// once from its members, never changes, and is read by all workers; what a policy must remember
// between picks is the worker's own cursor, and loads are those that the worker itself gave out.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "base/siphash.h"

#define BALANCE_MEMBERS_MAX 16384

// A member as a balancer sees it. `id` must not change while the member lives: consistent policies
// place it by that, not by its position.
struct balance_member {
    uint64_t id;
    uint32_t weight;    // 0: gets nothing new
    uint32_t held_back; // of its weight, in BALANCE_STEPS: a member that warms up gets less
    // The weight by which a drained member keeps its place, as if it were there: then nothing
    // moves but what was its own. Else 0.
    uint32_t standing;
};
#define BALANCE_STEPS 16u // held_back is below that

// What a member's weight counts for now.
static inline uint64_t balance_share(const struct balance_member *member)
{
    return (uint64_t)member->weight * (BALANCE_STEPS - member->held_back);
}

// The weight by which a member has its place, drained or not; 0: it has none.
static inline uint32_t balance_place(const struct balance_member *member)
{
    return member->weight > 0 ? member->weight : member->standing;
}

struct balancer;

// A worker's memory of one balancer, zero at first. It may be carried over to the next balancer of
// the same pool.
struct balance_cursor {
    uint64_t next;
};

// What members carry now: that of member `i` is values[slots[i] * stride]. Borrowed.
struct balance_loads {
    const uint64_t *values;
    const uint32_t *slots;
    uint32_t stride;
};

struct balance_request {
    uint64_t
        hash; // even over 64 bits: of the flow, or where the policy is `by_source` of its client
    struct balance_loads loads;    // read where the policy is `by_load`
    struct balance_cursor *cursor; // the worker's, of this pool
};

struct balancer_ops {
    const char *name; // as in the configuration
    bool by_hash;     // the hash alone decides: appliances agree, and few flows move
    bool by_source;   // the hash is to be that of the client
    bool by_load;     // what members carry decides
    // ERROR_INVALID: too many members; ERROR_NO_MEMORY. `members` is borrowed for the call.
    enum error (*create)(const struct balance_member *members, uint32_t count,
                         struct siphash_key key, struct balancer **balancer);
    // The index of a member with weight, or BALANCE_NONE when there is none.
    uint32_t (*pick)(const struct balancer *balancer, const struct balance_request *request);
    // NULL, or: the indexes of the first members, at most `max`, of whom the flow's member is the
    // first that gets anything new, those included that only keep their place. The flow's member
    // among any part of the members is the first of them in this order: so whoever had the flow
    // before some members were drained or added comes first of those that were there.
    uint32_t (*rank)(const struct balancer *balancer, uint64_t hash, uint32_t *indexes,
                     uint32_t max);
    void (*destroy)(struct balancer *balancer);
};

#define BALANCE_NONE UINT32_MAX

// First field of every policy's own struct.
struct balancer {
    const struct balancer_ops *ops;
};

extern const struct balancer_ops balance_maglev;
extern const struct balancer_ops balance_round_robin;
extern const struct balancer_ops balance_weighted_round_robin;
extern const struct balancer_ops balance_least_connections;
extern const struct balancer_ops balance_two_choices;
extern const struct balancer_ops balance_source_hash;
extern const struct balancer_ops balance_ring;
extern const struct balancer_ops balance_failover;

static inline uint32_t balancer_pick(const struct balancer *balancer,
                                     const struct balance_request *request)
{
    return balancer->ops->pick(balancer, request);
}

// NULL is allowed.
void balancer_destroy(struct balancer *balancer);
