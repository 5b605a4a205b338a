#include "dataplane/packet/trace/talkers.h"

// The client's own item, else a free one, else the least, whose count it inherits as its error.
static struct talker *item_of(struct talkers *talkers, const struct ip_address *client)
{
    struct talker *least = &talkers->items[0];
    for (uint32_t i = 0; i < talkers->count; i++) {
        struct talker *item = &talkers->items[i];
        if (ip_equal(&item->client, client))
            return item;
        if (item->packets < least->packets)
            least = item;
    }
    if (talkers->count < TALKERS) {
        least = &talkers->items[talkers->count++];
        *least = (struct talker){.packets = 0};
    }
    least->client = *client;
    least->too_high = least->packets;
    return least;
}

void talkers_add(struct talkers *talkers, const struct ip_address *client, uint64_t packets,
                 uint64_t bytes)
{
    struct talker *item = item_of(talkers, client);
    item->packets += packets;
    item->bytes += bytes;
    talkers->packets += packets;
    talkers->bytes += bytes;
}

void talkers_halve(struct talkers *talkers)
{
    uint32_t kept = 0;
    for (uint32_t i = 0; i < talkers->count; i++) {
        struct talker item = talkers->items[i];
        item.packets /= 2;
        item.bytes /= 2;
        item.too_high /= 2;
        if (item.packets)
            talkers->items[kept++] = item;
    }
    talkers->count = kept;
    talkers->packets /= 2;
    talkers->bytes /= 2;
}
