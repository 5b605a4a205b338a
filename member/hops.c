#include "member/hops.h"

#include <stddef.h>

static struct hop *find(struct hops *hops, const struct ip_address *address)
{
    for (uint32_t i = 0; i < HOPS_KNOWN; i++) {
        if (hops->items[i].used && ip_equal(&hops->items[i].address, address))
            return &hops->items[i];
    }
    return NULL;
}

// A free place, or that of the hop asked longest ago.
static struct hop *place_for(struct hops *hops, uint32_t now_ms)
{
    struct hop *place = &hops->items[0];
    for (uint32_t i = 0; i < HOPS_KNOWN && place->used; i++) {
        struct hop *each = &hops->items[i];
        if (!each->used || now_ms - each->asked_ms > now_ms - place->asked_ms)
            place = each;
    }
    return place;
}

bool hops_use(struct hops *hops, const struct ip_address *address, uint32_t now_ms, bool *ask)
{
    struct hop *hop = find(hops, address);
    if (!hop || now_ms - hop->asked_ms >= HOPS_STALE_MS) {
        if (!hop)
            hop = place_for(hops, now_ms);
        *hop = (struct hop){.address = *address, .used = true, .asked_ms = now_ms - HOPS_ASK_MS};
    }
    *ask = now_ms - hop->asked_ms >= HOPS_ASK_MS;
    if (*ask) {
        hop->asked_ms = now_ms;
        hop->unanswered += hop->unanswered <= HOPS_QUESTIONS;
    }
    return hop->unanswered <= HOPS_QUESTIONS;
}

void hops_answered(struct hops *hops, const struct ip_address *address)
{
    struct hop *hop = find(hops, address);
    if (hop)
        hop->unanswered = 0;
}
