#include "dataplane/packet/stage/endpoint.h"

#include <stdlib.h>
#include <string.h>

#include "base/random.h"
#include "base/siphash.h"

// An IPv6 endpoint that has a number.
struct endpoint_words3 {
    uint64_t words[3]; // address; port, protocol, kind: 0 is free
    uint64_t number;
};

struct endpoint_set {
    struct endpoint_words v4; // first, as endpoint_number_v4() reads it
    uint64_t secrets[FOLD_SECRETS];
    uint32_t v6_mask;           // slots less one
    struct endpoint_words3 *v6; // owned
    struct siphash_key key;
    uint32_t count;
    uint32_t mask;           // slots - 1; at most half of them are used
    uint32_t *slots;         // 1 + index into items; 0: free
    struct endpoint items[]; //
};

static uint32_t endpoint_hash(const struct endpoint_set *set, const struct ip_address *address,
                              uint16_t port, uint8_t protocol)
{
    uint64_t words[3];
    memcpy(words, address->bytes, 16);
    words[2] = ((uint64_t)port << 8) | protocol;
    return (uint32_t)siphash13_words(set->key, words, 3);
}

static bool endpoint_is(const struct endpoint *endpoint, const struct ip_address *address,
                        uint16_t port, uint8_t protocol)
{
    return endpoint->port == port && endpoint->protocol == protocol &&
           ip_equal(&endpoint->address, address);
}

static void key_v6(uint64_t *words, enum endpoint_kind kind, const void *address, uint16_t port,
                   uint8_t protocol)
{
    memcpy(words, address, 16);
    words[2] = port | (uint64_t)protocol << 16 | (uint64_t)(kind + 1) << 24;
}

// Of equal ones the first counts.
static void number_v4(struct endpoint_words *words, const struct endpoint *item)
{
    uint32_t address;
    memcpy(&address, item->address.bytes + 12, sizeof(address));
    uint64_t key =
        endpoint_key_v4((enum endpoint_kind)item->kind, address, item->port, item->protocol);
    uint64_t at = key * words->factor >> words->shift;
    while (words->slots[at & words->mask].key != 0) {
        if (words->slots[at & words->mask].key == key)
            return;
        at++;
    }
    words->slots[at & words->mask] = (struct endpoint_word){.key = key, .number = item->number};
}

static void number_v6(struct endpoint_set *set, const struct endpoint *item)
{
    struct endpoint_words3 made = {.number = item->number};
    key_v6(made.words, (enum endpoint_kind)item->kind, item->address.bytes, item->port,
           item->protocol);
    uint64_t at = fold_words3(set->secrets, made.words);
    while (set->v6[at & set->v6_mask].number != 0) {
        if (memcmp(set->v6[at & set->v6_mask].words, made.words, sizeof(made.words)) == 0)
            return;
        at++;
    }
    set->v6[at & set->v6_mask] = made;
}

uint16_t endpoint_number_v6(const struct endpoint_set *set, enum endpoint_kind kind,
                            const void *address, uint16_t port, uint8_t protocol)
{
    uint64_t words[3];
    key_v6(words, kind, address, port, protocol);
    for (uint64_t at = fold_words3(set->secrets, words);; at++) {
        const struct endpoint_words3 *slot = &set->v6[at & set->v6_mask];
        if (slot->words[0] == words[0] && slot->words[1] == words[1] && slot->words[2] == words[2])
            return (uint16_t)slot->number;
        if (slot->number == 0)
            return 0;
    }
}

uint16_t endpoint_number(const struct endpoint_set *set, enum endpoint_kind kind,
                         const struct ip_address *address, uint16_t port, uint8_t protocol)
{
    if (!ip_is_v4(address))
        return endpoint_number_v6(set, kind, address->bytes, port, protocol);
    uint32_t word;
    memcpy(&word, address->bytes + 12, sizeof(word));
    return endpoint_number_v4(set, kind, word, port, protocol);
}

// A power of two, four times `count` at least.
static uint32_t sparse_slots(uint32_t count)
{
    uint32_t slots = 16;
    while (slots < 4 * count)
        slots *= 2;
    return slots;
}

static enum error number_endpoints(struct endpoint_set *set)
{
    uint32_t v4_count = 0, v6_count = 0;
    for (uint32_t i = 0; i < set->count; i++) {
        bool v4 = ip_is_v4(&set->items[i].address);
        v4_count += v4 && set->items[i].number != 0;
        v6_count += !v4 && set->items[i].number != 0;
    }
    uint32_t v4_slots = sparse_slots(v4_count);
    set->v6_mask = sparse_slots(v6_count) - 1;
    set->v4.mask = v4_slots - 1;
    set->v4.shift = 64 - (uint32_t)__builtin_ctz(v4_slots);
    set->v4.slots = calloc(v4_slots, sizeof(*set->v4.slots));
    set->v6 = calloc(set->v6_mask + 1, sizeof(*set->v6));
    if (!set->v4.slots || !set->v6)
        return ERROR_NO_MEMORY;
    random_os_bytes(&set->v4.factor, sizeof(set->v4.factor));
    set->v4.factor |= 1;
    random_os_bytes(set->secrets, sizeof(set->secrets));
    for (uint32_t i = 0; i < set->count; i++) {
        const struct endpoint *item = &set->items[i];
        if (item->number != 0 && ip_is_v4(&item->address))
            number_v4(&set->v4, item);
        else if (item->number != 0)
            number_v6(set, item);
    }
    return ERROR_NONE;
}

enum error endpoint_set_create(const struct endpoint *endpoints, uint32_t count,
                               struct endpoint_set **set)
{
    uint32_t slot_count = 16;
    while (slot_count < 2 * count)
        slot_count *= 2;
    struct endpoint_set *created = calloc(1, sizeof(*created) + count * sizeof(struct endpoint));
    uint32_t *slots = calloc(slot_count, sizeof(*slots));
    if (!created || !slots) {
        free(created);
        free(slots);
        return ERROR_NO_MEMORY;
    }
    random_os_bytes(&created->key, sizeof(created->key));
    created->count = count;
    created->mask = slot_count - 1;
    created->slots = slots;
    for (uint32_t i = 0; i < count; i++) {
        const struct endpoint *item = &endpoints[i];
        created->items[i] = *item;
        uint32_t at = endpoint_hash(created, &item->address, item->port, item->protocol);
        while (slots[at & created->mask])
            at++; // an equal one that came first is found first
        slots[at & created->mask] = i + 1;
    }
    enum error error = number_endpoints(created);
    if (error) {
        endpoint_set_destroy(created);
        return error;
    }
    *set = created;
    return ERROR_NONE;
}

void endpoint_set_destroy(struct endpoint_set *set)
{
    if (!set)
        return;
    free(set->v4.slots);
    free(set->v6);
    free(set->slots);
    free(set);
}

const struct endpoint *endpoint_items(const struct endpoint_set *set, uint32_t *count)
{
    *count = set->count;
    return set->items;
}

const struct endpoint *endpoint_find(const struct endpoint_set *set,
                                     const struct ip_address *address, uint16_t port,
                                     uint8_t protocol)
{
    uint32_t at = endpoint_hash(set, address, port, protocol);
    for (;; at++) {
        uint32_t slot = set->slots[at & set->mask];
        if (slot == 0)
            return NULL;
        const struct endpoint *item = &set->items[slot - 1];
        if (endpoint_is(item, address, port, protocol))
            return item;
    }
}

bool endpoint_is_in(const struct endpoint_set *set, const struct endpoint *endpoint)
{
    uint32_t at = endpoint_hash(set, &endpoint->address, endpoint->port, endpoint->protocol);
    for (;; at++) {
        uint32_t slot = set->slots[at & set->mask];
        if (slot == 0)
            return false;
        const struct endpoint *item = &set->items[slot - 1];
        if (item->kind == endpoint->kind && item->value == endpoint->value &&
            endpoint_is(item, &endpoint->address, endpoint->port, endpoint->protocol))
            return true;
    }
}
