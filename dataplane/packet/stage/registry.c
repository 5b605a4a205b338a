#include "dataplane/packet/stage/registry.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/random.h"
#include "base/siphash.h"

struct registry_entry {
    void *identity; // owned; NULL: the slot is free
    size_t size;
    uint32_t next_in_chain;
};

struct registry {
    struct siphash_key key;
    uint32_t capacity;
    uint32_t chain_count; // a power of two
    uint32_t *chains;     // heads: slots
    struct registry_entry *entries;
    uint32_t lowest_free; // no slot below it is free
};

enum error registry_create(uint32_t capacity, struct registry **registry)
{
    CHECK(capacity > 0);
    struct registry *created = calloc(1, sizeof(*created));
    if (!created)
        return ERROR_NO_MEMORY;
    random_os_bytes(&created->key, sizeof(created->key));
    created->capacity = capacity;
    created->chain_count = 16;
    while (created->chain_count < capacity)
        created->chain_count *= 2;
    created->chains = calloc(created->chain_count, sizeof(*created->chains));
    created->entries = calloc(capacity + 1, sizeof(*created->entries));
    created->lowest_free = 1;
    if (!created->chains || !created->entries) {
        registry_destroy(created);
        return ERROR_NO_MEMORY;
    }
    *registry = created;
    return ERROR_NONE;
}

void registry_destroy(struct registry *registry)
{
    if (!registry)
        return;
    for (uint32_t slot = 1; registry->entries && slot <= registry->capacity; slot++)
        free(registry->entries[slot].identity);
    free(registry->chains);
    free(registry->entries);
    free(registry);
}

static uint32_t *chain_of(struct registry *registry, const void *identity, size_t size)
{
    uint64_t hash = siphash24(registry->key, identity, size);
    return &registry->chains[hash & (registry->chain_count - 1)];
}

enum error registry_acquire(struct registry *registry, const void *identity, size_t size,
                            uint32_t *slot)
{
    uint32_t *head = chain_of(registry, identity, size);
    for (uint32_t at = *head; at; at = registry->entries[at].next_in_chain) {
        const struct registry_entry *entry = &registry->entries[at];
        if (entry->size == size && memcmp(entry->identity, identity, size) == 0) {
            *slot = at;
            return ERROR_NONE;
        }
    }
    uint32_t taken = registry->lowest_free;
    while (taken <= registry->capacity && registry->entries[taken].identity)
        taken++;
    registry->lowest_free = taken;
    if (taken > registry->capacity)
        return ERROR_FULL;
    void *copy = malloc(size);
    if (!copy)
        return ERROR_NO_MEMORY;
    memcpy(copy, identity, size);
    registry->entries[taken] =
        (struct registry_entry){.identity = copy, .size = size, .next_in_chain = *head};
    *head = taken;
    *slot = taken;
    return ERROR_NONE;
}

void registry_release(struct registry *registry, uint32_t slot)
{
    CHECK(slot > 0 && slot <= registry->capacity);
    struct registry_entry *entry = &registry->entries[slot];
    CHECK(entry->identity);
    uint32_t *link = chain_of(registry, entry->identity, entry->size);
    while (*link != slot)
        link = &registry->entries[*link].next_in_chain;
    *link = entry->next_in_chain;
    free(entry->identity);
    *entry = (struct registry_entry){.identity = NULL};
    if (slot < registry->lowest_free)
        registry->lowest_free = slot;
}
