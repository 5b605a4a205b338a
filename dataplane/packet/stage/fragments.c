#include "dataplane/packet/stage/fragments.h"

#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/pool.h"

#define HEADS 2048u // of the hash chains

_Static_assert(FRAGMENTS_HELD < FRAGMENTS_DATAGRAMS,
               "datagrams without a first fragment leave places to those that have one");

enum state {
    STATE_WAITING, // the first fragment has not come
    STATE_ASKED,   // it has, and its way is being found out
    STATE_DECIDED,
    STATE_SPOILT,
};

struct key {
    struct ip_address source, destination;
    uint32_t id;
    uint32_t protocol;
};
_Static_assert(sizeof(struct key) == 40, "a key is five words");

struct datagram {
    struct key key;
    uint32_t next; // in its chain
    uint32_t older, newer;
    uint32_t expires_ms;
    uint32_t held_first, held_last;
    uint8_t state;        // enum state
    uint8_t spoilt_by;    // enum drop_reason
    uint16_t piece_count; //
    uint32_t bytes;       // of all pieces
    uint32_t end;         // where the last fragment ends, 0: it has not come
    struct fragments_way way;
    struct {
        uint16_t from, to; // bytes
    } pieces[FRAGMENTS_PIECES];
};

struct held {
    struct fragments_packet packet;
    uint32_t next;
};

// Datagrams by the time at which they expire.
struct queue {
    uint32_t oldest, newest;
};

struct fragments {
    struct siphash_key key;
    struct fragments_actions actions;
    struct pool datagrams, held;
    struct queue open;    // no way is known
    struct queue settled; // decided or spoilt
    uint64_t evicted;
    uint32_t heads[HEADS];
};

enum error fragments_create(struct siphash_key key, struct fragments_actions actions,
                            struct fragments **fragments)
{
    struct fragments *made = calloc(1, sizeof(*made));
    if (!made)
        return ERROR_NO_MEMORY;
    made->key = key;
    made->actions = actions;
    enum error error;
    if ((error = pool_init(&made->datagrams, FRAGMENTS_DATAGRAMS, sizeof(struct datagram))) ||
        (error = pool_init(&made->held, FRAGMENTS_HELD, sizeof(struct held)))) {
        fragments_destroy(made);
        return error;
    }
    *fragments = made;
    return ERROR_NONE;
}

static struct datagram *datagram_at(const struct fragments *fragments, uint32_t index)
{
    return pool_at(&fragments->datagrams, index);
}

static struct key key_of(const struct wire_fragment *piece)
{
    return (struct key){.source = piece->source,
                        .destination = piece->destination,
                        .id = piece->id,
                        .protocol = piece->protocol};
}

static uint32_t *head_of(struct fragments *fragments, const struct key *key)
{
    uint64_t words[5];
    memcpy(words, key, sizeof(words));
    return &fragments->heads[siphash13_words(fragments->key, words, 5) % HEADS];
}

static uint32_t find(struct fragments *fragments, const struct key *key)
{
    uint32_t index = *head_of(fragments, key);
    while (index != POOL_NONE &&
           memcmp(&datagram_at(fragments, index)->key, key, sizeof(*key)) != 0)
        index = datagram_at(fragments, index)->next;
    return index;
}

static struct queue *queue_of(struct fragments *fragments, const struct datagram *datagram)
{
    return datagram->state < STATE_DECIDED ? &fragments->open : &fragments->settled;
}

static void enqueue(struct fragments *fragments, uint32_t index, uint32_t now_ms)
{
    struct datagram *datagram = datagram_at(fragments, index);
    struct queue *queue = queue_of(fragments, datagram);
    datagram->expires_ms = now_ms + FRAGMENTS_MS;
    datagram->newer = POOL_NONE;
    datagram->older = queue->newest;
    if (queue->newest != POOL_NONE)
        datagram_at(fragments, queue->newest)->newer = index;
    else
        queue->oldest = index;
    queue->newest = index;
}

static void dequeue(struct fragments *fragments, uint32_t index)
{
    struct datagram *datagram = datagram_at(fragments, index);
    struct queue *queue = queue_of(fragments, datagram);
    if (datagram->older != POOL_NONE)
        datagram_at(fragments, datagram->older)->newer = datagram->newer;
    else
        queue->oldest = datagram->newer;
    if (datagram->newer != POOL_NONE)
        datagram_at(fragments, datagram->newer)->older = datagram->older;
    else
        queue->newest = datagram->older;
}

// Its way is known, or that there is none.
static void settle(struct fragments *fragments, uint32_t index, enum state state, uint32_t now_ms)
{
    dequeue(fragments, index);
    datagram_at(fragments, index)->state = (uint8_t)state;
    enqueue(fragments, index, now_ms);
}

// Takes out the packet that has waited longest. False: none waits.
static bool take_held(struct fragments *fragments, struct datagram *datagram,
                      struct fragments_packet *packet)
{
    uint32_t index = datagram->held_first;
    if (index == POOL_NONE)
        return false;
    struct held *held = pool_at(&fragments->held, index);
    *packet = held->packet;
    datagram->held_first = held->next;
    pool_release(&fragments->held, index);
    return true;
}

static void drop_held(struct fragments *fragments, struct datagram *datagram,
                      enum drop_reason reason)
{
    struct fragments_packet packet;
    while (take_held(fragments, datagram, &packet))
        fragments->actions.drop(fragments->actions.context, &packet, reason);
}

static void forget(struct fragments *fragments, uint32_t index)
{
    struct datagram *datagram = datagram_at(fragments, index);
    DCHECK(datagram->held_first == POOL_NONE);
    uint32_t *link = head_of(fragments, &datagram->key);
    while (*link != index)
        link = &datagram_at(fragments, *link)->next;
    *link = datagram->next;
    dequeue(fragments, index);
    pool_release(&fragments->datagrams, index);
}

// A place for a datagram, if need be that of the one that was settled first.
static uint32_t begin(struct fragments *fragments, const struct key *key, uint32_t now_ms)
{
    uint32_t index = pool_acquire(&fragments->datagrams);
    if (index == POOL_NONE) {
        if (fragments->settled.oldest == POOL_NONE)
            return POOL_NONE;
        forget(fragments, fragments->settled.oldest);
        fragments->evicted++;
        index = pool_acquire(&fragments->datagrams);
    }
    struct datagram *datagram = datagram_at(fragments, index);
    uint32_t *head = head_of(fragments, key);
    datagram->key = *key;
    datagram->next = *head;
    *head = index;
    datagram->state = STATE_WAITING;
    datagram->piece_count = 0;
    datagram->bytes = 0;
    datagram->end = 0;
    datagram->held_first = POOL_NONE;
    enqueue(fragments, index, now_ms);
    return index;
}

// What is wrong with one more piece, if anything.
enum fault {
    FAULT_NONE,
    FAULT_REPEATED, // exactly what came before: the network's doing, or what may differ inside
    FAULT_OVERLAP,
    FAULT_MANY,
};

static enum fault judge(const struct datagram *datagram, const struct wire_fragment *piece)
{
    uint32_t from = piece->offset, to = piece->offset + piece->size;
    for (uint32_t i = 0; i < datagram->piece_count; i++) {
        uint32_t seen_from = datagram->pieces[i].from, seen_to = datagram->pieces[i].to;
        if (from == seen_from && to == seen_to)
            return FAULT_REPEATED;
        if (from < seen_to && seen_from < to)
            return FAULT_OVERLAP;
        if (!piece->more && seen_to > to)
            return FAULT_OVERLAP; // past the end
    }
    if (datagram->end && (to > datagram->end || !piece->more))
        return FAULT_OVERLAP;
    return datagram->piece_count == FRAGMENTS_PIECES ? FAULT_MANY : FAULT_NONE;
}

static void note(struct datagram *datagram, const struct wire_fragment *piece)
{
    uint32_t to = piece->offset + piece->size;
    datagram->pieces[datagram->piece_count].from = (uint16_t)piece->offset;
    datagram->pieces[datagram->piece_count].to = (uint16_t)to;
    datagram->piece_count++;
    datagram->bytes += piece->size;
    if (!piece->more)
        datagram->end = to;
}

// Nothing overlaps, so as many bytes as there are to the end are all of them.
static bool is_complete(const struct datagram *datagram)
{
    return datagram->state == STATE_DECIDED && datagram->end && datagram->bytes == datagram->end;
}

static enum drop_reason spoil(struct fragments *fragments, uint32_t index, enum drop_reason reason,
                              uint32_t now_ms)
{
    struct datagram *datagram = datagram_at(fragments, index);
    datagram->spoilt_by = (uint8_t)reason;
    drop_held(fragments, datagram, reason);
    settle(fragments, index, STATE_SPOILT, now_ms);
    return reason;
}

static bool hold(struct fragments *fragments, struct datagram *datagram,
                 const struct fragments_packet *packet)
{
    uint32_t index = pool_acquire(&fragments->held);
    if (index == POOL_NONE)
        return false;
    struct held *held = pool_at(&fragments->held, index);
    held->packet = *packet;
    held->next = POOL_NONE;
    if (datagram->held_first == POOL_NONE)
        datagram->held_first = index;
    else
        ((struct held *)pool_at(&fragments->held, datagram->held_last))->next = index;
    datagram->held_last = index;
    return true;
}

static enum fragments_answer refuse(enum drop_reason why, enum drop_reason *reason)
{
    *reason = why;
    return FRAGMENTS_REFUSED;
}

enum fragments_answer fragments_take(struct fragments *fragments, const struct wire_fragment *piece,
                                     const struct fragments_packet *packet, uint32_t now_ms,
                                     struct fragments_way *way, enum drop_reason *reason)
{
    fragments_expire(fragments, now_ms);
    struct key key = key_of(piece);
    uint32_t index = find(fragments, &key);
    bool first = piece->offset == 0;
    if (index == POOL_NONE) {
        // One that would have to wait, and cannot, takes no datagram's place.
        if (!first && fragments->held.used == FRAGMENTS_HELD)
            return refuse(DROP_FRAGMENT_HELD_FULL, reason);
        index = begin(fragments, &key, now_ms);
        CHECK(index != POOL_NONE); // fewer wait than there are places
    }
    struct datagram *datagram = datagram_at(fragments, index);
    if (datagram->state == STATE_SPOILT)
        return refuse((enum drop_reason)datagram->spoilt_by, reason);
    switch (judge(datagram, piece)) {
    case FAULT_NONE:
        break;
    case FAULT_REPEATED:
        return refuse(DROP_FRAGMENT_OVERLAP, reason);
    case FAULT_OVERLAP:
        return refuse(spoil(fragments, index, DROP_FRAGMENT_OVERLAP, now_ms), reason);
    case FAULT_MANY:
        return refuse(spoil(fragments, index, DROP_FRAGMENT_MANY, now_ms), reason);
    }
    bool waits = !first && datagram->state != STATE_DECIDED;
    if (waits && !hold(fragments, datagram, packet))
        return refuse(DROP_FRAGMENT_HELD_FULL, reason);
    note(datagram, piece);
    if (waits)
        return FRAGMENTS_WAIT;
    if (first) {
        datagram->state = STATE_ASKED;
        return FRAGMENTS_FIRST;
    }
    *way = datagram->way;
    if (is_complete(datagram))
        forget(fragments, index);
    return FRAGMENTS_FOLLOW;
}

void fragments_decide(struct fragments *fragments, const struct wire_fragment *first,
                      const struct fragments_way *way, uint32_t now_ms)
{
    struct key key = key_of(first);
    uint32_t index = find(fragments, &key);
    if (index == POOL_NONE || datagram_at(fragments, index)->state != STATE_ASKED)
        return; // spoilt meanwhile
    struct datagram *datagram = datagram_at(fragments, index);
    datagram->way = *way;
    settle(fragments, index, STATE_DECIDED, now_ms);
    struct fragments_packet packet;
    while (take_held(fragments, datagram, &packet))
        fragments->actions.follow(fragments->actions.context, &packet, way);
    if (is_complete(datagram))
        forget(fragments, index);
}

static bool is_due(const struct fragments *fragments, uint32_t index, uint32_t now_ms)
{
    return index != POOL_NONE && (int32_t)(now_ms - datagram_at(fragments, index)->expires_ms) >= 0;
}

void fragments_expire(struct fragments *fragments, uint32_t now_ms)
{
    while (is_due(fragments, fragments->open.oldest, now_ms)) {
        drop_held(fragments, datagram_at(fragments, fragments->open.oldest), DROP_FRAGMENT_TIMEOUT);
        forget(fragments, fragments->open.oldest);
    }
    while (is_due(fragments, fragments->settled.oldest, now_ms))
        forget(fragments, fragments->settled.oldest);
}

void fragments_destroy(struct fragments *fragments)
{
    if (!fragments)
        return;
    while (fragments->open.oldest != POOL_NONE) {
        drop_held(fragments, datagram_at(fragments, fragments->open.oldest), DROP_FRAGMENT_TIMEOUT);
        forget(fragments, fragments->open.oldest);
    }
    if (fragments->datagrams.objects)
        pool_fini(&fragments->datagrams);
    if (fragments->held.objects)
        pool_fini(&fragments->held);
    free(fragments);
}

uint32_t fragments_datagrams(const struct fragments *fragments)
{
    return fragments->datagrams.used;
}

uint32_t fragments_waiting(const struct fragments *fragments)
{
    return fragments->held.used;
}

uint64_t fragments_evicted(const struct fragments *fragments)
{
    return fragments->evicted;
}
