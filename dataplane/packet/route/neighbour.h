// The neighbours: which MAC address a next hop has. One writer (the main thread) runs the state
// machine of RFC 4861 section 7.3, used for ARP too; workers only read: a lookup of a slot by port
// and address, and one atomic word per slot with MAC, state and generation. The table is a pure
// core: what must be asked, sent or dropped comes out as actions, time goes in as an
// argument.
//
// A slot that is freed is used again only after neighbour_reclaim(), so that a worker in the middle
// of a lookup never sees it change its name; whoever keeps a slot number longer keeps its
// generation too and compares. A slot that was found may be NEIGHBOUR_FREE by the time it is
// viewed.
//
// Peers decide how many neighbours and held packets there would be, so all of it has limits. The
// configuration's next hops are pinned and never give way; the others share `dynamic_max` places,
// where a new one takes the place of a failed one, else of the oldest of the more numerous of those
// being asked for and those only heard of (forged requests, or a scan, push out their own kind),
// else of the least recently confirmed.
//
// Actions are called while the table is consistent: they may call every function here except
// neighbour_tick() and neighbour_table_destroy().
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "base/error.h"
#include "base/ip.h"
#include "base/siphash.h"

#define NEIGHBOUR_NONE         0u // slot 0 is never used
#define NEIGHBOUR_CAPACITY_MAX (1u << 20)
// Slot numbers that readers may see are less than this. There are twice as many slots as
// neighbours, so that churn within one grace period is not refused.
#define NEIGHBOUR_SLOTS(capacity) (2u * (capacity) + 1u)

// Packets that wait for one neighbour, and for all. At either limit a new packet pushes out the
// oldest that waits for the same neighbour; if none does, it is dropped itself.
#define NEIGHBOUR_HELD_MAX       8
#define NEIGHBOUR_HELD_TOTAL_MAX 1024

enum neighbour_state {
    NEIGHBOUR_FREE,
    NEIGHBOUR_INCOMPLETE, // asked, no answer yet
    NEIGHBOUR_REACHABLE,  // the MAC is known (fresh, stale or being probed again)
    NEIGHBOUR_FAILED,     // did not answer; asked again now and then
};

// The word a worker reads, unpacked.
struct neighbour_view {
    uint8_t mac[6];
    uint8_t state;      // enum neighbour_state
    uint8_t generation; // of the slot
};

struct neighbour_table;

// `capacity` is how many neighbours it holds at once, 1 to NEIGHBOUR_CAPACITY_MAX; of them
// `dynamic_max`, 1 to `capacity`, may be unpinned: the rest is reserved for pins. `key` is random
// and secret: peers choose the addresses that are hashed with it. The jitter of the timers follows
// from it too. ERROR_NO_MEMORY.
enum error neighbour_table_create(uint32_t capacity, uint32_t dynamic_max, struct siphash_key key,
                                  struct neighbour_table **table);
// Packets still held are forgotten: they go with their pool.
void neighbour_table_destroy(struct neighbour_table *table);

// Any thread. The slot of an address on a port, or NEIGHBOUR_NONE.
uint32_t neighbour_find(const struct neighbour_table *table, uint32_t port,
                        const struct ip_address *address);
// Any thread. One atomic load.
static inline struct neighbour_view neighbour_view(const struct neighbour_table *table,
                                                   uint32_t slot);

// What the writer must do. `context` is the creator's.
struct neighbour_actions {
    // Send a request; `mac` is where the neighbour was last, or NULL to ask all. False, at once:
    // not now, for there are too many; the neighbour keeps its turn and is asked for a little
    // later.
    bool (*ask)(void *context, uint32_t port, const struct ip_address *address, const uint8_t *mac);
    // A held packet may go: the neighbour is reachable at `mac`.
    void (*send)(void *context, uint32_t port, const uint8_t *mac, void *packet);
    // A held packet must be dropped: `failed`, or a limit was reached.
    void (*drop)(void *context, void *packet, bool failed);
    void *context;
};

// Writer. The configuration's own next hops are `pinned`: resolved at once, kept resolved, never
// forgotten. ERROR_FULL when all other slots are pinned too, or wait for neighbour_reclaim().
enum error neighbour_pin(struct neighbour_table *table, uint32_t port,
                         const struct ip_address *address, uint64_t now_ns, uint32_t *slot,
                         const struct neighbour_actions *actions);
// Writer. Undoes all pins; those pinned again before the next tick keep their state and their
// timers.
void neighbour_unpin_all(struct neighbour_table *table);

// Writer. A packet waits for a next hop; `packet` is taken (NULL: only resolve). The next hop is
// asked for even when there is no room for the packet.
void neighbour_hold(struct neighbour_table *table, uint32_t port, const struct ip_address *address,
                    void *packet, uint64_t now_ns, const struct neighbour_actions *actions);

// Writer. A message told where an address is. A reply confirms; a request or an unsolicited message
// only creates or updates as RFC 826 and RFC 4861 section 7.2.3 and 7.2.5 say. `override` is the
// advertisement's flag; true for ARP and for a solicitation's source. `create`: the message was for
// one of our addresses, so a new neighbour may be made of it. What is not unicast is not believed.
void neighbour_learn(struct neighbour_table *table, uint32_t port, const struct ip_address *address,
                     const uint8_t *mac, bool solicited, bool override, bool create,
                     uint64_t now_ns, const struct neighbour_actions *actions);

// Writer. Timers: asks again, probes stale ones, fails, forgets those that are silent. Those that
// answer are kept, used or not, while there is room. Call about every 100 ms.
void neighbour_tick(struct neighbour_table *table, uint64_t now_ns,
                    const struct neighbour_actions *actions);

// Writer. All workers have passed a quiescent state since the last call: slots that were freed
// before that call may be reused. An owner with several grace periods under way calls this only
// when all it has asked for have passed: one that began before the last call proves nothing.
void neighbour_reclaim(struct neighbour_table *table);

// Writer. How near the table is to its limits.
struct neighbour_counts {
    uint32_t dynamic, dynamic_max; // that are not pinned
    uint64_t evicted; // since creation: gave way to others; failed ones, which do first, left out
    uint64_t refused; // since creation: no slot was free, or none could be evicted
};
struct neighbour_counts neighbour_table_counts(const struct neighbour_table *table);

// Writer: visits every slot in use.
struct neighbour_entry {
    uint32_t port;
    struct ip_address address;
    uint8_t mac[6];
    enum neighbour_state state;
    bool pinned;
    uint32_t held;
};
void neighbour_walk(const struct neighbour_table *table,
                    void (*visit)(void *context, const struct neighbour_entry *entry),
                    void *context);

// What readers see of a slot, and how a table begins: here for the body below, which is on the way
// of every packet.
struct neighbour_slot {
    _Atomic uint64_t word;     // a struct neighbour_view. Writer: main; readers: workers
    struct ip_address address; // written while no reader can reach the slot, as is the port
    uint32_t port;
    _Atomic uint32_t next; // of its chain. Writer: main; readers: workers
};
struct neighbour_readers {
    struct neighbour_slot *slots; // never changes
};

static inline struct neighbour_view neighbour_view(const struct neighbour_table *table,
                                                   uint32_t slot)
{
    const struct neighbour_readers *readers = (const struct neighbour_readers *)table;
    // Relaxed: the word says all there is to know.
    uint64_t word = atomic_load_explicit(&readers->slots[slot].word, memory_order_relaxed);
    struct neighbour_view view;
    memcpy(&view, &word, sizeof(view));
    return view;
}
