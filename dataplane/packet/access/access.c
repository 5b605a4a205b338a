#include "dataplane/packet/access/access.h"

#include <netinet/in.h>
#include <rte_acl.h>
#include <rte_lcore.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/byteorder.h"
#include "base/check.h"

// The fields of a key in the order of the trie: it begins with the one of a single byte, then takes
// four bytes at a time.
#define PROTOCOL      0
#define ADDRESSES     1
#define V4_WORDS      1 // of one address
#define V6_WORDS      4
#define FIELDS(words) (1u + 2u * (words) + 2u)
#define FIELDS_MAX    FIELDS(V6_WORDS)

// A trie grows with the combinations of ranges; this is far above what real lists take.
#define TRIE_BYTES_MAX ((size_t)256 << 20)

RTE_ACL_RULE_DEF(trie_rule, FIELDS_MAX);

struct access_list {
    struct rte_acl_ctx *v4; // owned; NULL where no rule speaks of that version
    struct rte_acl_ctx *v6; // owned
};

// Builds the trie of one version.
struct builder {
    const struct config_access_rule *rules;
    uint32_t count;
    uint32_t words; // of an address
    struct trie_rule *made;
    uint32_t made_count;
};

static bool is_v4(const struct builder *builder)
{
    return builder->words == V4_WORDS;
}

// Items of a list that are of the builder's version. An empty list matches all: one item.
static uint32_t count_prefixes(const struct builder *builder, const struct ip_prefix *prefixes,
                               uint32_t count)
{
    uint32_t of_version = 0;
    for (uint32_t i = 0; i < count; i++)
        of_version += ip_is_v4(&prefixes[i].address) == is_v4(builder);
    return count == 0 ? 1 : of_version;
}

static uint64_t count_combinations(const struct builder *builder)
{
    uint64_t sum = 0;
    for (uint32_t i = 0; i < builder->count; i++) {
        const struct config_access_rule *rule = &builder->rules[i];
        uint64_t sources = count_prefixes(builder, rule->from, rule->from_count);
        uint64_t destinations = count_prefixes(builder, rule->to, rule->to_count);
        sum += sources * destinations * (rule->source_port_count ? rule->source_port_count : 1) *
               (rule->port_count ? rule->port_count : 1);
    }
    return sum;
}

static void set_protocol(const struct builder *builder, const struct config_access_rule *rule,
                         struct rte_acl_field *field)
{
    static const uint8_t numbers[] = {[CONFIG_ACCESS_ANY] = 0,
                                      [CONFIG_ACCESS_TCP] = IPPROTO_TCP,
                                      [CONFIG_ACCESS_UDP] = IPPROTO_UDP};
    bool icmp = rule->protocol == CONFIG_ACCESS_ICMP;
    field->value.u8 = !icmp            ? numbers[rule->protocol]
                      : is_v4(builder) ? IPPROTO_ICMP
                                       : IPPROTO_ICMPV6;
    field->mask_range.u8 = rule->protocol == CONFIG_ACCESS_ANY ? 0 : 0xff;
}

// Prefix NULL: any.
static void set_address(const struct builder *builder, const struct ip_prefix *prefix,
                        struct rte_acl_field *fields)
{
    uint32_t skipped_bits = is_v4(builder) ? 96 : 0;
    uint32_t left = prefix ? prefix->length - skipped_bits : 0;
    for (uint32_t i = 0; i < builder->words; i++) {
        uint32_t bits = left < 32 ? left : 32;
        left -= bits;
        fields[i].value.u32 =
            prefix ? load_be32(prefix->address.bytes + skipped_bits / 8 + 4 * i) : 0;
        fields[i].mask_range.u32 = bits;
    }
}

// Range NULL: any.
static void set_ports(const struct config_port_range *range, struct rte_acl_field *field)
{
    field->value.u16 = range ? range->first : 0;
    field->mask_range.u16 = range ? range->last : UINT16_MAX;
}

// Item `index` of a list of the rule, counting those of the version only.
static const struct ip_prefix *prefix_at(const struct builder *builder,
                                         const struct ip_prefix *prefixes, uint32_t count,
                                         uint32_t index)
{
    for (uint32_t i = 0; i < count; i++) {
        if (ip_is_v4(&prefixes[i].address) == is_v4(builder) && index-- == 0)
            return &prefixes[i];
    }
    return NULL;
}

static void add_ports(struct builder *builder, const struct config_access_rule *rule,
                      const struct trie_rule *addresses)
{
    uint32_t first = ADDRESSES + 2 * builder->words;
    for (uint32_t s = 0; s < (rule->source_port_count ? rule->source_port_count : 1); s++) {
        for (uint32_t d = 0; d < (rule->port_count ? rule->port_count : 1); d++) {
            struct trie_rule *made = &builder->made[builder->made_count++];
            *made = *addresses;
            set_ports(rule->source_port_count ? &rule->source_ports[s] : NULL, &made->field[first]);
            set_ports(rule->port_count ? &rule->ports[d] : NULL, &made->field[first + 1]);
        }
    }
}

static void add_rule(struct builder *builder, uint32_t index)
{
    const struct config_access_rule *rule = &builder->rules[index];
    struct trie_rule made = {
        // The earlier a rule, the higher its priority; a result of 0 is that of no match.
        .data = {.category_mask = 1,
                 .priority = (int32_t)(RTE_ACL_MAX_PRIORITY - index),
                 .userdata = index + 1},
    };
    set_protocol(builder, rule, &made.field[PROTOCOL]);
    uint32_t sources = count_prefixes(builder, rule->from, rule->from_count);
    uint32_t destinations = count_prefixes(builder, rule->to, rule->to_count);
    for (uint32_t s = 0; s < sources; s++) {
        set_address(builder, prefix_at(builder, rule->from, rule->from_count, s),
                    &made.field[ADDRESSES]);
        for (uint32_t d = 0; d < destinations; d++) {
            set_address(builder, prefix_at(builder, rule->to, rule->to_count, d),
                        &made.field[ADDRESSES + builder->words]);
            add_ports(builder, rule, &made);
        }
    }
}

// Where the trie finds its fields in a struct access_key.
static void describe(uint32_t words, struct rte_acl_config *config)
{
    uint32_t skipped_bytes = words == V4_WORDS ? 12 : 0;
    config->num_categories = 1;
    config->num_fields = FIELDS(words);
    config->max_size = TRIE_BYTES_MAX;
    config->defs[PROTOCOL] =
        (struct rte_acl_field_def){.type = RTE_ACL_FIELD_TYPE_BITMASK,
                                   .size = 1,
                                   .offset = offsetof(struct access_key, protocol)};
    for (uint32_t i = 0; i < 2 * words; i++) {
        size_t address = i < words ? offsetof(struct access_key, source)
                                   : offsetof(struct access_key, destination);
        config->defs[ADDRESSES + i] = (struct rte_acl_field_def){
            .type = RTE_ACL_FIELD_TYPE_MASK,
            .size = 4,
            .field_index = (uint8_t)(ADDRESSES + i),
            .input_index = (uint8_t)(ADDRESSES + i),
            .offset = (uint32_t)address + skipped_bytes + 4 * (i % words)};
    }
    // Both ports are one input of four bytes.
    for (uint32_t i = 0; i < 2; i++) {
        uint8_t field = (uint8_t)(ADDRESSES + 2 * words + i);
        config->defs[field] = (struct rte_acl_field_def){
            .type = RTE_ACL_FIELD_TYPE_RANGE,
            .size = 2,
            .field_index = field,
            .input_index = (uint8_t)(ADDRESSES + 2 * words),
            .offset = (uint32_t)offsetof(struct access_key, source_port) + 2 * i};
    }
}

static enum error fail(int result, uint32_t combinations, char *why)
{
    snprintf(why, ACCESS_WHY_SIZE,
             "access: %u combinations of networks and ports do not fit: %s; raise node.memory, or "
             "write fewer ranges",
             combinations, strerror(-result));
    return result == -ENOMEM ? ERROR_NO_MEMORY : ERROR_TOO_LARGE;
}

static enum error build_trie(const struct builder *builder, struct rte_acl_ctx **trie, char *why)
{
    static unsigned made; // DPDK knows tries by name, and the last list's is still in use
    char name[RTE_ACL_NAMESIZE];
    snprintf(name, sizeof(name), "access%u", made++);
    struct rte_acl_param param = {.name = name,
                                  .socket_id = SOCKET_ID_ANY,
                                  .rule_size = RTE_ACL_RULE_SZ(FIELDS_MAX),
                                  .max_rule_num = builder->made_count};
    _Static_assert(sizeof(struct trie_rule) == RTE_ACL_RULE_SZ(FIELDS_MAX), "no padding");
    struct rte_acl_ctx *created = rte_acl_create(&param);
    if (!created)
        return fail(-ENOMEM, builder->made_count, why);
    static struct rte_acl_config config; // 1.5 KiB, main thread only
    memset(&config, 0, sizeof(config));
    describe(builder->words, &config);
    int result =
        rte_acl_add_rules(created, (const struct rte_acl_rule *)builder->made, builder->made_count);
    if (result == 0)
        result = rte_acl_build(created, &config);
    if (result != 0) {
        rte_acl_free(created);
        return fail(result, builder->made_count, why);
    }
    *trie = created;
    return ERROR_NONE;
}

static enum error create_trie(const struct config_access_rule *rules, uint32_t count,
                              uint32_t words, struct rte_acl_ctx **trie, char *why)
{
    struct builder builder = {.rules = rules, .count = count, .words = words};
    uint64_t combinations = count_combinations(&builder);
    if (combinations == 0)
        return ERROR_NONE;
    if (combinations > CONFIG_COMBINATIONS_MAX) {
        snprintf(why, ACCESS_WHY_SIZE,
                 "access: the rules stand for %llu combinations of networks and ports, at most %u "
                 "fit: join networks, or write fewer ranges",
                 (unsigned long long)combinations, CONFIG_COMBINATIONS_MAX);
        return ERROR_TOO_LARGE;
    }
    builder.made = calloc(combinations, sizeof(*builder.made));
    if (!builder.made) {
        snprintf(why, ACCESS_WHY_SIZE, "access: out of memory");
        return ERROR_NO_MEMORY;
    }
    for (uint32_t i = 0; i < count; i++)
        add_rule(&builder, i);
    CHECK(builder.made_count == combinations);
    enum error error = build_trie(&builder, trie, why);
    free(builder.made);
    return error;
}

enum error access_list_create(const struct config_access_rule *rules, uint32_t count,
                              struct access_list **list, char *why)
{
    *list = NULL;
    if (count == 0)
        return ERROR_NONE;
    struct access_list *created = calloc(1, sizeof(*created));
    if (!created) {
        snprintf(why, ACCESS_WHY_SIZE, "access: out of memory");
        return ERROR_NO_MEMORY;
    }
    enum error error = create_trie(rules, count, V4_WORDS, &created->v4, why);
    if (!error)
        error = create_trie(rules, count, V6_WORDS, &created->v6, why);
    if (error) {
        access_list_destroy(created);
        return error;
    }
    *list = created;
    return ERROR_NONE;
}

void access_list_destroy(struct access_list *list)
{
    if (!list)
        return;
    rte_acl_free(list->v4); // NULL is allowed
    rte_acl_free(list->v6);
    free(list);
}

// The keys of one version go through its trie together.
static void match_version(const struct rte_acl_ctx *trie, const struct access_key *keys,
                          const uint8_t *which, uint32_t count, uint32_t *rules)
{
    const uint8_t *data[ACCESS_BURST_MAX];
    uint32_t results[ACCESS_BURST_MAX] = {0};
    for (uint32_t i = 0; i < count; i++)
        data[i] = (const uint8_t *)&keys[which[i]];
    if (trie && count > 0)
        CHECK(rte_acl_classify(trie, data, results, count, 1) == 0);
    for (uint32_t i = 0; i < count; i++)
        rules[which[i]] = results[i] - 1; // 0, no match, becomes ACCESS_NO_RULE
}

void access_match(const struct access_list *list, const struct access_key *keys, uint32_t count,
                  uint32_t *rules)
{
    DCHECK(count <= ACCESS_BURST_MAX);
    uint8_t v4[ACCESS_BURST_MAX], v6[ACCESS_BURST_MAX];
    uint32_t v4_count = 0, v6_count = 0;
    for (uint32_t i = 0; i < count; i++) {
        if (ip_is_v4(&keys[i].source))
            v4[v4_count++] = (uint8_t)i;
        else
            v6[v6_count++] = (uint8_t)i;
    }
    match_version(list->v4, keys, v4, v4_count, rules);
    match_version(list->v6, keys, v6, v6_count, rules);
}
