// The access list as workers have it: the compiled list, and for each rule what it decides and the
// slot under which it is counted. One is shared by all snapshots while the rules stay the same.
// Rules guard virtual addresses: what the kernel gets is the kernel's to filter, which knows its
// own connections.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/config/model.h"
#include "base/error.h"
#include "dataplane/packet/access/access.h"

struct registry;
struct stage;

struct rule {
    uint32_t slot; // of its counter
    bool denies;
    char name[CONFIG_NAME_SIZE];
};

struct rules {
    uint32_t references; // of snapshots; main thread only
    uint64_t digest;     // of all that the rules say: equal where they are
    struct access_list *list;
    struct rule *items; // in the configuration's order
    uint32_t count;
};

// Main thread. The rules of a configuration, or NULL where it has none: those of `previous` (or
// NULL) where they are the same. Counters' slots are acquired by name. On an error `why`
// (ACCESS_WHY_SIZE bytes) has a sentence, and slots that were acquired go by rules_release_slots().
enum error rules_compile(const struct config *config, struct rules *previous,
                         struct registry *slots, struct rules **rules, char *why);
// Releases the slots that `a` has and `b` has not. NULL stands for no rules.
void rules_release_slots(const struct rules *a, const struct rules *b, struct registry *slots);
void rules_release(struct rules *rules); // NULL is allowed

// The rule that decides about a packet to a virtual address, or NULL: then it may pass. NULL stands
// for no rules.
const struct rule *rules_decide(const struct rules *rules, const struct access_key *key);
// Worker. Counts a packet that a rule (or NULL) decided about; whether it may pass.
bool rules_apply(struct stage *stage, const struct rule *rule);

// Worker, each turn: after a change of the rules, holds the established flows against them, a few a
// turn, and ends those that may not be.
void rules_recheck(struct stage *stage);
