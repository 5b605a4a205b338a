// How a device spreads packets over its queues: by a hash (RSS) with a key and a table of ours,
// where it takes both and says so when it is asked. A device that accepts what it does not do is
// no rare thing, so nothing is believed that was not read back.
#include <errno.h>
#include <rte_errno.h>
#include <rte_version.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/check.h"
#include "dataplane/packet/port/port_priv.h"

// Toeplitz reads 36 bytes of an IPv6 packet, and the key 32 bits beyond.
#define KEY_BYTES_MIN 40u

#define HASHED_BY_PORTS                                                                           \
    (RTE_ETH_RSS_NONFRAG_IPV4_TCP | RTE_ETH_RSS_NONFRAG_IPV4_UDP | RTE_ETH_RSS_NONFRAG_IPV6_TCP | \
     RTE_ETH_RSS_NONFRAG_IPV6_UDP)

const char *port_steering_text(enum port_steering steering)
{
    switch (steering) {
    case PORT_STEERING_SINGLE:
        return "single";
    case PORT_STEERING_RSS:
        return "rss";
    case PORT_STEERING_HANDOFF:
        break;
    }
    return "handoff";
}

__attribute__((format(printf, 2, 3))) static bool cannot(char *why, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(why, PORT_STEERING_WHY_SIZE, format, arguments);
    va_end(arguments);
    return false;
}

bool port_can_spread(const struct rte_eth_dev_info *info, uint32_t queues, uint32_t workers,
                     char *why)
{
    if (queues < workers)
        return cannot(why, "fewer receive queues (%u) than workers (%u)", queues, workers);
    if ((info->flow_type_rss_offloads & HASHED_BY_PORTS) != HASHED_BY_PORTS)
        return cannot(why, "the device does not hash TCP and UDP of IPv4 and IPv6 by ports");
    if (info->hash_key_size < KEY_BYTES_MIN || info->hash_key_size > PORT_RSS_KEY_BYTES)
        return cannot(why, "the device takes no hash key of %u to %u bytes", KEY_BYTES_MIN,
                      PORT_RSS_KEY_BYTES);
    uint32_t size = info->reta_size;
    if (size < workers || size < 2 || size > PORT_RSS_ENTRIES_MAX || (size & (size - 1)) != 0)
        return cannot(why, "the device's hash table of %u entries is no power of two from %u to %u",
                      size, workers, PORT_RSS_ENTRIES_MAX);
    return true;
}

static uint32_t groups_of(uint32_t size)
{
    return (size + RTE_ETH_RETA_GROUP_SIZE - 1) / RTE_ETH_RETA_GROUP_SIZE;
}

static uint16_t queue_of(uint32_t entry, uint32_t entries, uint32_t workers)
{
    return (uint16_t)(entry % entries % workers);
}

int port_rss_table_set(uint16_t id, uint32_t size, uint32_t entries, uint32_t workers)
{
    struct rte_eth_rss_reta_entry64 table[PORT_RSS_GROUPS];
    memset(table, 0, sizeof(table));
    CHECK(groups_of(size) <= PORT_RSS_GROUPS);
    for (uint32_t i = 0; i < size; i++) {
        struct rte_eth_rss_reta_entry64 *group = &table[i / RTE_ETH_RETA_GROUP_SIZE];
        group->mask |= 1ull << i % RTE_ETH_RETA_GROUP_SIZE;
        group->reta[i % RTE_ETH_RETA_GROUP_SIZE] = queue_of(i, entries, workers);
    }
    return rte_eth_dev_rss_reta_update(id, table, (uint16_t)size);
}

int port_rss_table_check(uint16_t id, uint32_t size, uint32_t entries, uint32_t workers)
{
    struct rte_eth_rss_reta_entry64 table[PORT_RSS_GROUPS];
    CHECK(groups_of(size) <= PORT_RSS_GROUPS);
    // A query that fills in nothing is found out.
    memset(table, 0xff, sizeof(table));
    int result = rte_eth_dev_rss_reta_query(id, table, (uint16_t)size);
    for (uint32_t i = 0; i < size && result == 0; i++) {
        if (table[i / RTE_ETH_RETA_GROUP_SIZE].reta[i % RTE_ETH_RETA_GROUP_SIZE] !=
            queue_of(i, entries, workers))
            result = -EBADMSG;
    }
    return result;
}

static int set_key(uint16_t id, const struct rte_eth_dev_info *info, const uint8_t *key)
{
    uint8_t copy[PORT_RSS_KEY_BYTES];
    memcpy(copy, key, sizeof(copy));
    struct rte_eth_rss_conf conf = {
        .rss_key = copy,
        .rss_key_len = info->hash_key_size,
        .rss_hf = info->flow_type_rss_offloads & PORT_RSS_HASHED,
    };
    return rte_eth_dev_rss_hash_update(id, &conf);
}

static bool is_toeplitz(const struct rte_eth_rss_conf *conf)
{
#if RTE_VERSION >= RTE_VERSION_NUM(23, 11, 0, 0)
    return conf->algorithm == RTE_ETH_HASH_FUNCTION_DEFAULT ||
           conf->algorithm == RTE_ETH_HASH_FUNCTION_TOEPLITZ;
#else
    (void)conf;
    return true; // the interface knows no other
#endif
}

static int check_key(uint16_t id, const struct rte_eth_dev_info *info, const uint8_t *key)
{
    uint8_t said[UINT8_MAX] = {0};
    struct rte_eth_rss_conf conf = {.rss_key = said, .rss_key_len = info->hash_key_size};
    int result = rte_eth_dev_rss_hash_conf_get(id, &conf);
    if (result != 0)
        return result;
    bool same = memcmp(said, key, info->hash_key_size) == 0 && is_toeplitz(&conf) &&
                (conf.rss_hf & HASHED_BY_PORTS) == HASHED_BY_PORTS;
    return same ? 0 : -EBADMSG;
}

uint32_t port_spread_entries(struct port *port, uint32_t workers)
{
    struct rte_eth_dev_info info;
    port->steering = workers == 1 ? PORT_STEERING_SINGLE : PORT_STEERING_HANDOFF;
    if (workers == 1) {
        cannot(port->steering_why, "there is one worker");
        return 0;
    }
    int result = rte_eth_dev_info_get(port->id, &info);
    if (result != 0)
        cannot(port->steering_why, "it does not describe itself: %s", rte_strerror(-result));
    bool can = result == 0 && port_can_spread(&info, port->rx_queues, workers, port->steering_why);
    return can ? info.reta_size : 0;
}

static const char *fault(int result)
{
    return result == -EBADMSG ? "it tells another than was set" : rte_strerror(-result);
}

// Asked again: what it said before may hold no longer.
static bool spread_device(uint16_t id, uint32_t queues, const uint8_t *key, uint32_t entries,
                          uint32_t workers, char *why)
{
    struct rte_eth_dev_info info;
    int result = rte_eth_dev_info_get(id, &info);
    if (result != 0)
        return cannot(why, "it does not describe itself: %s", rte_strerror(-result));
    if (!port_can_spread(&info, queues, workers, why))
        return false;
    if (entries > info.reta_size)
        return cannot(why, "the device's hash table has %u entries, not %u", info.reta_size,
                      entries);
    if ((result = set_key(id, &info, key)) || (result = check_key(id, &info, key)))
        return cannot(why, "the device's hash key: %s", fault(result));
    if ((result = port_rss_table_set(id, info.reta_size, entries, workers)) ||
        (result = port_rss_table_check(id, info.reta_size, entries, workers)))
        return cannot(why, "the device's hash table: %s", fault(result));
    return true;
}

bool port_spread(struct port *port, const uint8_t *key, uint32_t entries, uint32_t workers)
{
    CHECK(!port->carrier && workers <= entries);
    // A bond tells what it was told, not what its members do.
    bool bond = port->member_count > 0;
    const uint16_t *devices = bond ? port->members : &port->id;
    for (uint32_t i = 0; i < (bond ? port->member_count : 1); i++) {
        if (!spread_device(devices[i], port->rx_queues, key, entries, workers, port->steering_why))
            return false;
    }
    port->steering = PORT_STEERING_RSS;
    port->steering_why[0] = '\0';
    return true;
}

void port_spread_as_carrier(struct port *port)
{
    port->steering = port->carrier->steering;
    memcpy(port->steering_why, port->carrier->steering_why, sizeof(port->steering_why));
}
