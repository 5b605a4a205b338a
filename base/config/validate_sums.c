// What all of a list's items stand for together, and the tables of the packet plane must hold: what
// a start or a reload would refuse is refused here, with its place.
#include <inttypes.h>
#include <string.h>

#include "base/config/validate_priv.h"
#include "base/siphash.h"

static uint64_t count_prefixes(const struct ip_prefix *prefixes, uint32_t count, bool v4)
{
    uint64_t of_version = 0;
    for (uint32_t i = 0; i < count; i++)
        of_version += ip_is_v4(&prefixes[i].address) == v4;
    return count == 0 ? 1 : of_version; // an empty list is one item: any
}

// A rule stands for every combination of its lists' items, once for each IP version.
static uint64_t combinations(const struct config_access_rule *rule, bool v4)
{
    uint64_t ports = rule->port_count ? rule->port_count : 1;
    uint64_t source_ports = rule->source_port_count ? rule->source_port_count : 1;
    return count_prefixes(rule->from, rule->from_count, v4) *
           count_prefixes(rule->to, rule->to_count, v4) * ports * source_ports;
}

static void check_combinations(struct reader *reader, bool v4)
{
    const struct config *config = reader->config;
    uint64_t sum = 0;
    for (uint32_t i = 0; i < config->access_rule_count; i++) {
        const struct config_access_rule *rule = &config->access_rules[i];
        uint64_t own = combinations(rule, v4);
        sum += own;
        if (sum <= CONFIG_COMBINATIONS_MAX)
            continue;
        complain(reader, validate_node_of(reader, rule->name, rule),
                 "too many combinations of %s networks and ports: %" PRIu64
                 " of this rule, %" PRIu64
                 " up to here\nall rules together hold at most %u: join networks, or write fewer "
                 "ranges",
                 v4 ? "IPv4" : "IPv6", own, sum, CONFIG_COMBINATIONS_MAX);
        return;
    }
}

// Where a member of a NAT or FullNAT pool is asked and answers.
struct endpoint_key {
    struct ip_address address;
    uint16_t port;     // 0: of echo
    uint16_t protocol; // from 1 on, 0: the key is free
};

#define SET_ROOM (4 * 65536u) // a power of two, well above CONFIG_ENDPOINTS_MAX

struct endpoint_key_set {
    struct endpoint_key *keys;
    uint32_t count;
};

static void add_key(struct endpoint_key_set *set, const struct endpoint_key *key)
{
    static const struct siphash_key any = {0};
    uint32_t at = (uint32_t)siphash24(any, key, sizeof(*key)) % SET_ROOM;
    while (set->keys[at].protocol != 0) {
        if (memcmp(&set->keys[at], key, sizeof(*key)) == 0)
            return;
        at = (at + 1) % SET_ROOM;
    }
    set->keys[at] = *key;
    set->count++;
}

static bool counts(struct reader *reader, const struct config_vip *vip)
{
    if (vip->pool == UINT32_MAX || validate_is_bad(reader, &vip->port) ||
        validate_is_bad(reader, &vip->protocol))
        return false;
    const struct config_pool *pool = &reader->config->pools[vip->pool];
    return config_forward_two_way(pool->forward) && !validate_is_bad(reader, &pool->forward);
}

// Whether a vip before this one brought its pool's members to the same ports.
static bool is_repeated(const struct config *config, uint32_t vip_index)
{
    const struct config_vip *vip = &config->vips[vip_index];
    for (uint32_t i = 0; i < vip_index; i++) {
        const struct config_vip *other = &config->vips[i];
        if (other->pool == vip->pool && other->port == vip->port &&
            other->protocol == vip->protocol)
            return true;
    }
    return false;
}

static void add_members(struct reader *reader, const struct config_vip *vip,
                        struct endpoint_key_set *set)
{
    const struct config_pool *pool = &reader->config->pools[vip->pool];
    for (uint32_t i = 0; i < pool->member_count && set->count <= CONFIG_ENDPOINTS_MAX; i++) {
        const struct config_member *member = &pool->members[i];
        if (validate_is_bad(reader, &member->address) || validate_is_bad(reader, &member->port))
            continue;
        uint16_t port = member->port && vip->port ? member->port : vip->port;
        add_key(set, &(struct endpoint_key){.address = member->address,
                                            .port = port,
                                            .protocol = (uint16_t)(vip->protocol + 1)});
    }
}

static void check_endpoints(struct reader *reader)
{
    const struct config *config = reader->config;
    uint64_t most = 0;
    for (uint32_t i = 0; i < config->vip_count; i++) {
        if (counts(reader, &config->vips[i]))
            most += config->pools[config->vips[i].pool].member_count;
    }
    if (most <= CONFIG_ENDPOINTS_MAX)
        return;
    struct endpoint_key_set set = {
        .keys = arena_take(reader->scratch, SET_ROOM * sizeof(struct endpoint_key))};
    for (uint32_t i = 0; i < config->vip_count; i++) {
        const struct config_vip *vip = &config->vips[i];
        if (!counts(reader, vip) || is_repeated(config, i))
            continue;
        add_members(reader, vip, &set);
        if (set.count <= CONFIG_ENDPOINTS_MAX)
            continue;
        complain(reader, validate_node_of(reader, &vip->pool, vip),
                 "too many addresses and ports of members of `nat` and `fullnat` pools\nat most %u "
                 "are told apart, and a member without `port` has one for each port of its pool's "
                 "vips: use fewer members or vips, or a tunnel as `forward: ipip`",
                 CONFIG_ENDPOINTS_MAX);
        return;
    }
}

void validate_sums(struct reader *reader)
{
    check_combinations(reader, true);
    check_combinations(reader, false);
    check_endpoints(reader);
}
