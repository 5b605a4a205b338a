#include "dataplane/balance/forecast.h"

#include <stdlib.h>
#include <string.h>

#include "base/check.h"

// The middle of the `i`th of equal parts of all hashes, its low bits spread too.
static uint64_t hash_at(uint32_t i)
{
    return (uint64_t)i << 48 | ((i * 0x9e3779b97f4a7c15u) >> 16);
}

static uint32_t pick_at(const struct balancer *balancer, struct balance_cursor *cursor, uint32_t i)
{
    const struct balance_request request = {.hash = hash_at(i), .cursor = cursor};
    return balancer_pick(balancer, &request);
}

static void shares_in_proportion(const struct balance_member *members, uint32_t count,
                                 uint32_t *shares)
{
    uint64_t sum = 0;
    for (uint32_t i = 0; i < count; i++)
        sum += balance_share(&members[i]);
    for (uint32_t i = 0; i < count && sum > 0; i++)
        shares[i] = (uint32_t)(balance_share(&members[i]) * FORECAST_PICKS / sum);
}

void forecast_shares(const struct balancer *balancer, const struct balance_member *members,
                     uint32_t count, uint32_t *shares)
{
    memset(shares, 0, count * sizeof(*shares));
    if (balancer->ops->by_load) {
        shares_in_proportion(members, count, shares);
        return;
    }
    struct balance_cursor cursor = {.next = 0};
    for (uint32_t i = 0; i < FORECAST_PICKS; i++) {
        uint32_t picked = pick_at(balancer, &cursor, i);
        if (picked == BALANCE_NONE)
            return;
        shares[picked]++;
    }
}

enum error forecast_moves(const struct balancer *balancer, const struct balance_member *members,
                          uint32_t count, struct siphash_key key, uint32_t leaver, uint32_t *moves)
{
    DCHECK(balancer->ops->by_hash && leaver < count);
    *moves = 0;
    // Where there is an order, a flow's member is the first of it that serves: that another one
    // does no more changes nothing.
    if (balancer->ops->rank)
        return ERROR_NONE;
    struct balance_member *without = malloc(count * sizeof(*without));
    if (!without)
        return ERROR_NO_MEMORY;
    memcpy(without, members, count * sizeof(*without));
    without[leaver].standing = balance_place(&members[leaver]);
    without[leaver].weight = 0;
    struct balancer *after;
    enum error error = balancer->ops->create(without, count, key, &after);
    free(without);
    if (error)
        return error;
    struct balance_cursor cursor = {.next = 0};
    for (uint32_t i = 0; i < FORECAST_PICKS; i++) {
        uint32_t old = pick_at(balancer, &cursor, i);
        *moves += old != leaver && old != pick_at(after, &cursor, i);
    }
    balancer_destroy(after);
    return ERROR_NONE;
}
