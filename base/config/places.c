#include "base/config/places_priv.h"

#include <stdlib.h>
#include <string.h>

#include "base/check.h"

void places_add(struct places *places, const void *at, bool record, bool bad,
                const struct tree_node *node)
{
    CHECK(!places->sorted);
    if (places->count == places->capacity) {
        uint32_t capacity = places->capacity ? 2 * places->capacity : 256;
        struct place *items = arena_take(places->arena, capacity * sizeof(*items));
        if (places->count)
            memcpy(items, places->items, places->count * sizeof(*items));
        places->items = items;
        places->capacity = capacity;
    }
    places->items[places->count++] =
        (struct place){.at = at, .record = record, .bad = bad, .node = node};
}

static int by_address(const void *left, const void *right)
{
    const struct place *a = left, *b = right;
    if (a->at != b->at)
        return (uintptr_t)a->at < (uintptr_t)b->at ? -1 : 1;
    return (int)a->record - (int)b->record;
}

const struct place *places_find(struct places *places, const void *at, bool record)
{
    if (places->count == 0)
        return NULL;
    if (!places->sorted) {
        qsort(places->items, places->count, sizeof(*places->items), by_address);
        places->sorted = true;
    }
    struct place wanted = {.at = at, .record = record};
    return bsearch(&wanted, places->items, places->count, sizeof(wanted), by_address);
}

bool places_is_bad(struct places *places, const void *at)
{
    const struct place *place = places_find(places, at, false);
    return place && place->bad;
}
