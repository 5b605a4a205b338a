#include "dataplane/packet/stage/endpoint.h"

#include <stdlib.h>
#include <string.h>

#include "base/random.h"
#include "base/siphash.h"

struct endpoint_set {
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
    *set = created;
    return ERROR_NONE;
}

void endpoint_set_destroy(struct endpoint_set *set)
{
    if (!set)
        return;
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
