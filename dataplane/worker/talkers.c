// Who talks most, summed up over the workers. Main thread.
#include <stdlib.h>
#include <string.h>

#include "dataplane/worker/plane_priv.h"

static int by_client(const void *a, const void *b)
{
    return memcmp(&((const struct talker *)a)->client, &((const struct talker *)b)->client,
                  sizeof(struct ip_address));
}

static int by_weight(const void *a, const void *b)
{
    uint64_t first = ((const struct talker *)a)->packets;
    uint64_t second = ((const struct talker *)b)->packets;
    return (first < second) - (first > second);
}

// One item a client. Returns how many there are.
static uint32_t sum_up(struct talker *items, uint32_t count)
{
    uint32_t kept = 0;
    qsort(items, count, sizeof(*items), by_client);
    for (uint32_t i = 0; i < count; i++) {
        if (kept && ip_equal(&items[kept - 1].client, &items[i].client)) {
            items[kept - 1].packets += items[i].packets;
            items[kept - 1].bytes += items[i].bytes;
            items[kept - 1].too_high += items[i].too_high;
        } else {
            items[kept++] = items[i];
        }
    }
    qsort(items, kept, sizeof(*items), by_weight);
    return kept;
}

static double share(uint64_t part, uint64_t whole)
{
    return whole ? (double)part / (double)whole : 0;
}

enum error plane_walk_talkers(struct plane *plane, uint32_t limit,
                              void (*visit)(void *context, const struct plane_talker_view *view),
                              void *context)
{
    struct talker *items = calloc((size_t)plane->worker_count * TALKERS, sizeof(*items));
    if (!items)
        return ERROR_NO_MEMORY;
    uint32_t count = 0;
    uint64_t packets = 0, bytes = 0;
    for (uint32_t w = 0; w < plane->worker_count; w++) {
        struct worker_talkers *told = &plane->workers[w]->told;
        enum error error = plane_ask(&told->state);
        if (error) {
            free(items);
            return error;
        }
        memcpy(items + count, told->talkers.items, told->talkers.count * sizeof(*items));
        count += told->talkers.count;
        packets += told->talkers.packets;
        bytes += told->talkers.bytes;
    }
    count = sum_up(items, count);
    for (uint32_t i = 0; i < RTE_MIN(count, limit); i++)
        visit(context,
              &(struct plane_talker_view){.client = items[i].client,
                                          .packets_share = share(items[i].packets, packets),
                                          .bytes_share = share(items[i].bytes, bytes),
                                          .too_high = share(items[i].too_high, packets)});
    free(items);
    return ERROR_NONE;
}
