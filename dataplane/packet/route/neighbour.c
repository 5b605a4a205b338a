// Readers see two things: chains of slots by hash, and one word a slot. The writer fills a slot's
// name while no reader can reach it, then publishes it at the head of its chain; a slot taken out
// of its chain keeps its name and its link until it is reclaimed, so that a reader standing on
// it still finds the rest of the chain.
//
// Chains rather than open addressing: a slot's number must not change while it lives, so an open
// table could only leave tombstones behind, and a peer that makes neighbours come and go (a scan of
// a connected network will do) would fill it with them until each miss of a worker walked all of
// it. A chain's length depends on the live neighbours alone.
#include "dataplane/packet/route/neighbour.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#include "base/check.h"
#include "base/clock.h"
#include "base/random.h"
#include "base/timer.h"

#define CACHE_LINE 64

#define SECOND  ((uint64_t)NANOSECONDS_PER_SECOND)
#define TICK_NS (10 * (uint64_t)NANOSECONDS_PER_MILLISECOND)

// RFC 4861 section 10.
#define RETRANS_NS        (1 * SECOND)  // RETRANS_TIMER
#define REACHABLE_NS      (30 * SECOND) // REACHABLE_TIME, times 0.5 to 1.5
#define DELAY_NS          (5 * SECOND)  // DELAY_FIRST_PROBE_TIME
#define MULTICAST_SOLICIT 3
#define UNICAST_SOLICIT   3

// Our own: how long a failure is remembered, how often a pinned neighbour is asked meanwhile, and
// when one is that could not be.
#define FAILED_NS       (20 * SECOND)
#define FAILED_RETRY_NS (5 * SECOND)
#define ASK_LATER_NS    (SECOND / 10)

_Static_assert(sizeof(struct neighbour_slot) == 32, "two slots a cache line");
_Static_assert(sizeof(struct neighbour_view) == sizeof(uint64_t), "a view is one word");

// RFC 4861 section 7.3.2. STALE and DELAY are one here: the fast path does not tell whether a
// neighbour is used, so each one counts as used.
enum phase {
    PHASE_FREE,
    PHASE_INCOMPLETE,
    PHASE_FRESH, // its state is REACHABLE for the workers here and in the next two
    PHASE_STALE, // heard of, but not as an answer to us; or doubted
    PHASE_PROBE,
    PHASE_FAILED,
};

enum pin {
    PIN_NONE,
    PIN_LAPSED, // undone since the last tick
    PIN_SET,
};

// Neighbours that may make room for another: all that are not pinned.
enum evictable {
    EVICTABLE_NOT,
    EVICTABLE_FAILED,
    EVICTABLE_INCOMPLETE,
    EVICTABLE_UNCONFIRMED,
    EVICTABLE_CONFIRMED,
    EVICTABLE_COUNT,
};

struct held {
    uint32_t count;
    void *packets[NEIGHBOUR_HELD_MAX]; // taken; the oldest first
};

// What only the writer knows of a slot.
struct neighbour {
    struct timer timer;          // first, so that a timer is its neighbour
    uint8_t phase;               // enum phase
    uint8_t pin;                 // enum pin
    uint8_t asked;               // requests without an answer in this phase
    uint8_t evictable;           // enum evictable: where it is queued
    bool confirmed;              // a reply told its MAC
    struct held held;            // only while INCOMPLETE
    TAILQ_ENTRY(neighbour) link; // of its queue
};

TAILQ_HEAD(neighbour_queue, neighbour);

struct evictable_queue {
    struct neighbour_queue queue; // the first to go first
    uint32_t count;
};

struct neighbour_table {
    // For readers; these pointers never change. `slots` as in struct neighbour_readers.
    struct neighbour_slot *slots;
    struct siphash_key key;
    uint32_t bucket_mask;
    _Atomic uint32_t *buckets; // the first slot of each chain. Writer: main; readers: workers

    // The writer's own, on lines that no reader waits for.
    _Alignas(CACHE_LINE) struct neighbour *neighbours; // by slot
    uint32_t slot_count;                               // with slot 0
    uint32_t capacity;
    uint32_t dynamic_max;
    uint32_t used;
    uint32_t dynamic; // of them in a queue of `evictable`
    uint32_t held;    // packets, of all
    bool lapsed;      // some pin is PIN_LAPSED
    uint64_t evicted; // as in struct neighbour_counts
    uint64_t refused; //
    struct random random;
    struct timer_wheel wheel;
    struct neighbour_queue free;
    struct neighbour_queue retired; // freed since the last reclaim: a reader may stand on them
    struct neighbour_queue waiting; // freed before it: free at the next one
    struct evictable_queue evictable[EVICTABLE_COUNT]; // EVICTABLE_NOT: unused
};

_Static_assert(offsetof(struct neighbour_table, slots) == 0, "a table begins as readers see it");

// What the callbacks of the wheel need.
struct turn {
    struct neighbour_table *table;
    const struct neighbour_actions *actions;
};

static void fire_timeout(struct timer *timer, uint64_t now_ns, void *context);

static _Atomic uint32_t *bucket_of(const struct neighbour_table *table, uint32_t port,
                                   const struct ip_address *address)
{
    uint64_t words[3];
    memcpy(words, address->bytes, sizeof(address->bytes));
    words[2] = port;
    return &table->buckets[siphash13_words(table->key, words, 3) & table->bucket_mask];
}

// Zeroed memory that begins a cache line, or NULL.
static void *allocate_lines(size_t size)
{
    size_t whole = (size + CACHE_LINE - 1) / CACHE_LINE * CACHE_LINE;
    void *lines = aligned_alloc(CACHE_LINE, whole);
    return lines ? memset(lines, 0, whole) : NULL;
}

enum error neighbour_table_create(uint32_t capacity, uint32_t dynamic_max, struct siphash_key key,
                                  struct neighbour_table **table)
{
    CHECK(capacity > 0 && capacity <= NEIGHBOUR_CAPACITY_MAX);
    CHECK(dynamic_max > 0 && dynamic_max <= capacity);
    uint32_t slot_count = NEIGHBOUR_SLOTS(capacity);
    uint32_t bucket_count = 1;
    while (bucket_count < 2 * capacity)
        bucket_count *= 2;

    struct neighbour_table *made = allocate_lines(sizeof(*made));
    if (!made)
        return ERROR_NO_MEMORY;
    made->buckets = calloc(bucket_count, sizeof(*made->buckets));
    made->slots = allocate_lines(slot_count * sizeof(*made->slots));
    made->neighbours = calloc(slot_count, sizeof(*made->neighbours));
    if (!made->buckets || !made->slots || !made->neighbours) {
        neighbour_table_destroy(made);
        return ERROR_NO_MEMORY;
    }

    made->key = key;
    made->bucket_mask = bucket_count - 1;
    made->slot_count = slot_count;
    made->capacity = capacity;
    made->dynamic_max = dynamic_max;
    // The jitter shows on the wire; a hash by the key does not give the key away.
    made->random = random_from_seed(siphash24(key, NULL, 0));
    timer_wheel_init(&made->wheel, TICK_NS, 0);
    TAILQ_INIT(&made->free);
    TAILQ_INIT(&made->retired);
    TAILQ_INIT(&made->waiting);
    for (int i = 0; i < EVICTABLE_COUNT; i++)
        TAILQ_INIT(&made->evictable[i].queue);
    for (uint32_t slot = NEIGHBOUR_NONE + 1; slot < slot_count; slot++) {
        struct neighbour *neighbour = &made->neighbours[slot];
        timer_init(&neighbour->timer, fire_timeout);
        TAILQ_INSERT_TAIL(&made->free, neighbour, link);
    }
    *table = made;
    return ERROR_NONE;
}

void neighbour_table_destroy(struct neighbour_table *table)
{
    if (!table)
        return;
    free(table->neighbours);
    free(table->slots);
    free(table->buckets);
    free(table);
}

uint32_t neighbour_find(const struct neighbour_table *table, uint32_t port,
                        const struct ip_address *address)
{
    const _Atomic uint32_t *link = bucket_of(table, port, address);
    for (;;) {
        // Pairs with the release stores of publish_slot() and unpublish_slot().
        uint32_t slot = atomic_load_explicit(link, memory_order_acquire);
        if (slot == NEIGHBOUR_NONE)
            return NEIGHBOUR_NONE;
        const struct neighbour_slot *at = &table->slots[slot];
        if (at->port == port && ip_equal(&at->address, address))
            return slot;
        link = &at->next;
    }
}

static uint32_t slot_of(const struct neighbour_table *table, const struct neighbour *neighbour)
{
    return (uint32_t)(neighbour - table->neighbours);
}

static struct neighbour_view view_of(const struct neighbour_table *table,
                                     const struct neighbour *neighbour)
{
    return neighbour_view(table, slot_of(table, neighbour));
}

static void write_view(struct neighbour_table *table, uint32_t slot, struct neighbour_view view)
{
    uint64_t word;
    memcpy(&word, &view, sizeof(word));
    atomic_store_explicit(&table->slots[slot].word, word, memory_order_relaxed);
}

static void publish_slot(struct neighbour_table *table, uint32_t slot)
{
    struct neighbour_slot *at = &table->slots[slot];
    _Atomic uint32_t *bucket = bucket_of(table, at->port, &at->address);
    uint32_t first = atomic_load_explicit(bucket, memory_order_relaxed);
    atomic_store_explicit(&at->next, first, memory_order_relaxed);
    atomic_store_explicit(bucket, slot, memory_order_release);
}

static void unpublish_slot(struct neighbour_table *table, uint32_t slot)
{
    struct neighbour_slot *at = &table->slots[slot];
    _Atomic uint32_t *link = bucket_of(table, at->port, &at->address);
    uint32_t found;
    while ((found = atomic_load_explicit(link, memory_order_relaxed)) != slot) {
        CHECK(found != NEIGHBOUR_NONE);
        link = &table->slots[found].next;
    }
    uint32_t next = atomic_load_explicit(&at->next, memory_order_relaxed);
    atomic_store_explicit(link, next, memory_order_release);
}

static enum evictable evictable_as(const struct neighbour *neighbour)
{
    if (neighbour->phase == PHASE_FREE || neighbour->pin != PIN_NONE)
        return EVICTABLE_NOT;
    if (neighbour->phase == PHASE_INCOMPLETE)
        return EVICTABLE_INCOMPLETE;
    if (neighbour->phase == PHASE_FAILED)
        return EVICTABLE_FAILED;
    return neighbour->confirmed ? EVICTABLE_CONFIRMED : EVICTABLE_UNCONFIRMED;
}

// Puts the neighbour into the queue where it belongs. Only a confirmation makes it the youngest of
// the same queue again: probes and what others claim do not.
static void requeue(struct neighbour_table *table, struct neighbour *neighbour)
{
    enum evictable from = neighbour->evictable, to = evictable_as(neighbour);
    if (from == to && neighbour->phase != PHASE_FRESH)
        return;
    if (from != EVICTABLE_NOT) {
        TAILQ_REMOVE(&table->evictable[from].queue, neighbour, link);
        table->evictable[from].count--;
        table->dynamic--;
    }
    neighbour->evictable = (uint8_t)to;
    if (to != EVICTABLE_NOT) {
        TAILQ_INSERT_TAIL(&table->evictable[to].queue, neighbour, link);
        table->evictable[to].count++;
        table->dynamic++;
    }
}

// Enters a phase. `mac` is NULL where there is none.
static void enter(struct neighbour_table *table, struct neighbour *neighbour, enum phase phase,
                  const uint8_t *mac, uint64_t deadline_ns)
{
    static const uint8_t state_by_phase[] = {
        [PHASE_INCOMPLETE] = NEIGHBOUR_INCOMPLETE, [PHASE_FRESH] = NEIGHBOUR_REACHABLE,
        [PHASE_STALE] = NEIGHBOUR_REACHABLE,       [PHASE_PROBE] = NEIGHBOUR_REACHABLE,
        [PHASE_FAILED] = NEIGHBOUR_FAILED,
    };
    uint32_t slot = slot_of(table, neighbour);
    struct neighbour_view old = view_of(table, neighbour);
    struct neighbour_view view = {.state = state_by_phase[phase], .generation = old.generation};
    if (mac)
        memcpy(view.mac, mac, sizeof(view.mac));
    write_view(table, slot, view);
    bool same = memcmp(view.mac, old.mac, sizeof(view.mac)) == 0;
    neighbour->confirmed = phase == PHASE_FRESH || (neighbour->confirmed && same);
    neighbour->phase = (uint8_t)phase;
    neighbour->asked = 0;
    timer_start(&table->wheel, &neighbour->timer, deadline_ns);
    requeue(table, neighbour);
}

static void enter_fresh(struct neighbour_table *table, struct neighbour *neighbour,
                        const uint8_t *mac, uint64_t now_ns)
{
    // RFC 4861 section 6.3.2: uniform between MIN_RANDOM_FACTOR and MAX_RANDOM_FACTOR.
    uint64_t reachable_ns = REACHABLE_NS / 2 + random_below(&table->random, REACHABLE_NS + 1);
    enter(table, neighbour, PHASE_FRESH, mac, now_ns + reachable_ns);
}

// Forgets a neighbour whose packets were taken.
static void forget(struct neighbour_table *table, struct neighbour *neighbour)
{
    CHECK(neighbour->held.count == 0 && neighbour->pin == PIN_NONE);
    uint32_t slot = slot_of(table, neighbour);
    unpublish_slot(table, slot);
    uint8_t generation = (uint8_t)(view_of(table, neighbour).generation + 1);
    write_view(table, slot,
               (struct neighbour_view){.state = NEIGHBOUR_FREE, .generation = generation});
    timer_cancel(&table->wheel, &neighbour->timer);
    neighbour->phase = PHASE_FREE;
    requeue(table, neighbour);
    TAILQ_INSERT_TAIL(&table->retired, neighbour, link);
    table->used--;
}

static struct held take_held(struct neighbour_table *table, struct neighbour *neighbour)
{
    struct held held = neighbour->held;
    table->held -= held.count;
    neighbour->held.count = 0;
    return held;
}

static void drop_all(const struct held *held, bool failed, const struct neighbour_actions *actions)
{
    for (uint32_t i = 0; i < held->count; i++)
        actions->drop(actions->context, held->packets[i], failed);
}

// Makes room for one more; something is evictable. Returns the packets that the one who gave way
// had held.
static struct held evict_one(struct neighbour_table *table)
{
    const struct evictable_queue *queues = table->evictable;
    uint32_t incomplete = queues[EVICTABLE_INCOMPLETE].count;
    uint32_t unconfirmed = queues[EVICTABLE_UNCONFIRMED].count;
    enum evictable kind;
    if (queues[EVICTABLE_FAILED].count > 0)
        kind = EVICTABLE_FAILED;
    else if (incomplete == 0 && unconfirmed == 0)
        kind = EVICTABLE_CONFIRMED;
    else
        // A scan makes us ask for many, forged requests tell us of many. Either must not cost the
        // other kind: least of all a neighbour just asked for, before it can answer.
        kind = incomplete >= unconfirmed ? EVICTABLE_INCOMPLETE : EVICTABLE_UNCONFIRMED;
    struct neighbour *first = TAILQ_FIRST(&queues[kind].queue);
    CHECK(first);
    struct held held = take_held(table, first);
    forget(table, first);
    table->evicted += kind != EVICTABLE_FAILED;
    return held;
}

// A new neighbour that is INCOMPLETE and was not asked yet, or NULL when there is no room.
// `evicted` are packets to drop when all is done.
static struct neighbour *create_neighbour(struct neighbour_table *table, uint32_t port,
                                          const struct ip_address *address, enum pin pin,
                                          uint64_t now_ns, struct held *evicted)
{
    struct neighbour *neighbour = TAILQ_FIRST(&table->free);
    evicted->count = 0;
    bool full =
        table->used == table->capacity || (pin == PIN_NONE && table->dynamic >= table->dynamic_max);
    if (!neighbour || (full && table->dynamic == 0)) {
        table->refused++;
        return NULL;
    }
    if (full)
        *evicted = evict_one(table);
    TAILQ_REMOVE(&table->free, neighbour, link);
    table->used++;

    uint32_t slot = slot_of(table, neighbour);
    table->slots[slot].port = port;
    table->slots[slot].address = *address;
    neighbour->pin = (uint8_t)pin;
    enter(table, neighbour, PHASE_INCOMPLETE, NULL, now_ns + RETRANS_NS);
    publish_slot(table, slot);
    return neighbour;
}

static struct neighbour *find_neighbour(const struct neighbour_table *table, uint32_t port,
                                        const struct ip_address *address)
{
    uint32_t slot = neighbour_find(table, port, address);
    return slot == NEIGHBOUR_NONE ? NULL : &table->neighbours[slot];
}

// Asks at `mac`, or all when that is NULL, and again after `interval_ns`.
static void ask(struct neighbour_table *table, struct neighbour *neighbour, const uint8_t *mac,
                uint64_t now_ns, uint64_t interval_ns, const struct neighbour_actions *actions)
{
    const struct neighbour_slot *slot = &table->slots[slot_of(table, neighbour)];
    neighbour->asked++;
    timer_start(&table->wheel, &neighbour->timer, now_ns + interval_ns);
    if (actions->ask(actions->context, slot->port, &slot->address, mac))
        return;
    neighbour->asked--;
    timer_start(&table->wheel, &neighbour->timer, now_ns + ASK_LATER_NS);
}

enum error neighbour_pin(struct neighbour_table *table, uint32_t port,
                         const struct ip_address *address, uint64_t now_ns, uint32_t *slot,
                         const struct neighbour_actions *actions)
{
    struct held evicted = {.count = 0};
    bool unasked = false;
    struct neighbour *neighbour = find_neighbour(table, port, address);
    if (!neighbour) {
        neighbour = create_neighbour(table, port, address, PIN_SET, now_ns, &evicted);
        if (!neighbour)
            return ERROR_FULL;
        unasked = true;
    } else if (neighbour->pin == PIN_NONE) {
        neighbour->pin = PIN_SET;
        requeue(table, neighbour);
        unasked = neighbour->phase == PHASE_FAILED; // not told yet that it matters
        if (unasked)
            enter(table, neighbour, PHASE_INCOMPLETE, NULL, now_ns + RETRANS_NS);
    }
    neighbour->pin = PIN_SET;
    *slot = slot_of(table, neighbour);

    if (unasked)
        ask(table, neighbour, NULL, now_ns, RETRANS_NS, actions);
    drop_all(&evicted, false, actions);
    return ERROR_NONE;
}

void neighbour_unpin_all(struct neighbour_table *table)
{
    for (uint32_t slot = 1; slot < table->slot_count; slot++) {
        struct neighbour *neighbour = &table->neighbours[slot];
        if (neighbour->pin == PIN_SET) {
            neighbour->pin = PIN_LAPSED;
            table->lapsed = true;
        }
    }
}

// RFC 4861 section 7.2.2: when a queue overflows, the new arrival replaces the oldest entry.
static void append_held(struct neighbour_table *table, struct held *held, void *packet,
                        struct held *dropped)
{
    bool full = held->count == NEIGHBOUR_HELD_MAX || table->held == NEIGHBOUR_HELD_TOTAL_MAX;
    if (full && held->count == 0) {
        dropped->packets[dropped->count++] = packet;
        return;
    }
    if (full) {
        dropped->packets[dropped->count++] = held->packets[0];
        held->count--;
        memmove(held->packets, held->packets + 1, held->count * sizeof(held->packets[0]));
    } else {
        table->held++;
    }
    held->packets[held->count++] = packet;
}

void neighbour_hold(struct neighbour_table *table, uint32_t port, const struct ip_address *address,
                    void *packet, uint64_t now_ns, const struct neighbour_actions *actions)
{
    // Packets of one that was evicted, or one for which there is no room: never both.
    struct held dropped = {.count = 0};
    struct neighbour *neighbour = find_neighbour(table, port, address);
    bool unasked = !neighbour;
    if (!neighbour) {
        neighbour = create_neighbour(table, port, address, PIN_NONE, now_ns, &dropped);
        if (!neighbour) {
            if (packet)
                actions->drop(actions->context, packet, false);
            return;
        }
    }
    struct neighbour_view view = view_of(table, neighbour);
    if (packet && view.state == NEIGHBOUR_INCOMPLETE)
        append_held(table, &neighbour->held, packet, &dropped);

    if (unasked)
        ask(table, neighbour, NULL, now_ns, RETRANS_NS, actions);
    drop_all(&dropped, false, actions);
    if (packet && view.state == NEIGHBOUR_REACHABLE) // since the worker looked
        actions->send(actions->context, port, view.mac, packet);
    if (packet && view.state == NEIGHBOUR_FAILED)
        actions->drop(actions->context, packet, true);
}

// A message about a neighbour whose MAC address is known.
static void learn_again(struct neighbour_table *table, struct neighbour *neighbour,
                        const uint8_t *mac, bool solicited, bool override, uint64_t now_ns)
{
    struct neighbour_view view = view_of(table, neighbour);
    bool same = memcmp(view.mac, mac, sizeof(view.mac)) == 0;
    if (!same && !override) {
        // RFC 4861 section 7.2.5, I: another claim without the right to override only casts doubt.
        if (neighbour->phase == PHASE_FRESH)
            enter(table, neighbour, PHASE_STALE, view.mac, now_ns + DELAY_NS);
        return;
    }
    // RFC 4861 section 7.2.5, II, and 7.2.3; RFC 826: the sender of any message is merged.
    if (solicited)
        enter_fresh(table, neighbour, mac, now_ns);
    else if (!same)
        enter(table, neighbour, PHASE_STALE, mac, now_ns + DELAY_NS);
}

static bool mac_is_unicast(const uint8_t *mac)
{
    static const uint8_t zero[6];
    return (mac[0] & 1) == 0 && memcmp(mac, zero, sizeof(zero)) != 0;
}

void neighbour_learn(struct neighbour_table *table, uint32_t port, const struct ip_address *address,
                     const uint8_t *mac, bool solicited, bool override, bool create,
                     uint64_t now_ns, const struct neighbour_actions *actions)
{
    // RFC 1812 section 3.3.2: a router does not believe that a host has a multicast or broadcast
    // link-layer address.
    if (!ip_is_unicast(address) || !mac_is_unicast(mac))
        return;
    struct held evicted = {.count = 0};
    struct neighbour *neighbour = find_neighbour(table, port, address);
    // RFC 4861 section 7.2.5: an advertisement makes no new neighbour; nor does ARP for another.
    if (!neighbour && create)
        neighbour = create_neighbour(table, port, address, PIN_NONE, now_ns, &evicted);
    if (!neighbour)
        return;
    if (view_of(table, neighbour).state == NEIGHBOUR_REACHABLE) {
        learn_again(table, neighbour, mac, solicited, override, now_ns);
        return;
    }

    // RFC 4861 section 7.2.5: where no MAC is known, it is recorded whatever the override flag
    // says.
    if (solicited)
        enter_fresh(table, neighbour, mac, now_ns);
    else
        enter(table, neighbour, PHASE_STALE, mac, now_ns + DELAY_NS);
    struct held waiting = take_held(table, neighbour);

    drop_all(&evicted, false, actions);
    for (uint32_t i = 0; i < waiting.count; i++)
        actions->send(actions->context, port, mac, waiting.packets[i]);
}

static void fail(struct neighbour_table *table, struct neighbour *neighbour, uint64_t now_ns,
                 const struct neighbour_actions *actions)
{
    bool pinned = neighbour->pin != PIN_NONE;
    struct held held = take_held(table, neighbour);
    enter(table, neighbour, PHASE_FAILED, NULL, now_ns + (pinned ? FAILED_RETRY_NS : FAILED_NS));
    drop_all(&held, true, actions);
}

// A probe was not answered in time, or the first one is due.
static void probe(struct neighbour_table *table, struct neighbour *neighbour, uint64_t now_ns,
                  const struct neighbour_actions *actions)
{
    struct neighbour_view view = view_of(table, neighbour);
    if (neighbour->asked < UNICAST_SOLICIT)
        ask(table, neighbour, view.mac, now_ns, RETRANS_NS, actions);
    else if (neighbour->pin == PIN_NONE)
        // RFC 4861 section 7.3.3: deleted, so that the next packet resolves it anew.
        forget(table, neighbour);
    else if (neighbour->asked < UNICAST_SOLICIT + MULTICAST_SOLICIT)
        // RFC 7048 section 3: it may have moved; what is known stays in use while all are asked.
        ask(table, neighbour, NULL, now_ns, RETRANS_NS, actions);
    else
        fail(table, neighbour, now_ns, actions);
}

static void fire_timeout(struct timer *timer, uint64_t now_ns, void *context)
{
    const struct turn *turn = context;
    struct neighbour_table *table = turn->table;
    struct neighbour *neighbour = (struct neighbour *)timer;
    CHECK(neighbour->phase != PHASE_FREE);
    switch ((enum phase)neighbour->phase) {
    case PHASE_INCOMPLETE:
        if (neighbour->asked < MULTICAST_SOLICIT)
            ask(table, neighbour, NULL, now_ns, RETRANS_NS, turn->actions);
        else
            fail(table, neighbour, now_ns, turn->actions);
        break;
    case PHASE_FRESH:
    case PHASE_STALE:
        enter(table, neighbour, PHASE_PROBE, view_of(table, neighbour).mac, now_ns + RETRANS_NS);
        probe(table, neighbour, now_ns, turn->actions);
        break;
    case PHASE_PROBE:
        probe(table, neighbour, now_ns, turn->actions);
        break;
    case PHASE_FAILED:
        if (neighbour->pin != PIN_NONE)
            ask(table, neighbour, NULL, now_ns, FAILED_RETRY_NS, turn->actions);
        else
            forget(table, neighbour);
        break;
    case PHASE_FREE:
        break;
    }
}

// What was not pinned again becomes a neighbour like others, the youngest, within their limit.
static void end_lapsed_pins(struct neighbour_table *table, uint64_t now_ns,
                            const struct neighbour_actions *actions)
{
    table->lapsed = false;
    for (uint32_t slot = 1; slot < table->slot_count; slot++) {
        struct neighbour *neighbour = &table->neighbours[slot];
        if (neighbour->pin != PIN_LAPSED)
            continue;
        neighbour->pin = PIN_NONE;
        requeue(table, neighbour);
        if (neighbour->phase == PHASE_FAILED)
            timer_start(&table->wheel, &neighbour->timer, now_ns + FAILED_NS);
    }
    while (table->dynamic > table->dynamic_max) {
        struct held evicted = evict_one(table);
        drop_all(&evicted, false, actions);
    }
}

void neighbour_tick(struct neighbour_table *table, uint64_t now_ns,
                    const struct neighbour_actions *actions)
{
    if (table->lapsed)
        end_lapsed_pins(table, now_ns, actions);
    struct turn turn = {.table = table, .actions = actions};
    timer_wheel_advance(&table->wheel, now_ns, &turn);
}

void neighbour_reclaim(struct neighbour_table *table)
{
    // A slot freed between a worker's quiescent state and this call is not safe yet: what was freed
    // before the last call is.
    TAILQ_CONCAT(&table->free, &table->waiting, link);
    TAILQ_CONCAT(&table->waiting, &table->retired, link);
}

struct neighbour_counts neighbour_table_counts(const struct neighbour_table *table)
{
    return (struct neighbour_counts){.dynamic = table->dynamic,
                                     .dynamic_max = table->dynamic_max,
                                     .evicted = table->evicted,
                                     .refused = table->refused};
}

void neighbour_walk(const struct neighbour_table *table,
                    void (*visit)(void *context, const struct neighbour_entry *entry),
                    void *context)
{
    for (uint32_t slot = 1; slot < table->slot_count; slot++) {
        const struct neighbour *neighbour = &table->neighbours[slot];
        if (neighbour->phase == PHASE_FREE)
            continue;
        struct neighbour_view view = neighbour_view(table, slot);
        struct neighbour_entry entry = {
            .port = table->slots[slot].port,
            .address = table->slots[slot].address,
            .state = view.state,
            .pinned = neighbour->pin == PIN_SET,
            .held = neighbour->held.count,
        };
        memcpy(entry.mac, view.mac, sizeof(entry.mac));
        visit(context, &entry);
    }
}
