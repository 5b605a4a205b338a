#include "dataplane/packet/stage/rules.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/siphash.h"
#include "dataplane/packet/stage/registry.h"
#include "dataplane/packet/stage/stage.h"

#define RECHECK_FLOWS 32 // a turn

// Rules come from the configuration, which nobody forges: the key need not be secret.
static const struct siphash_key digest_key = {0x77656972, 0x72756c65};

static uint64_t digest_bytes(uint64_t digest, const void *bytes, size_t size)
{
    struct siphash_key key = {digest_key.k0 ^ digest, digest_key.k1 ^ size};
    return siphash24(key, bytes, size);
}

static uint64_t digest_rule(uint64_t digest, const struct config_access_rule *rule)
{
    const uint32_t words[] = {rule->action,   rule->protocol,          rule->from_count,
                              rule->to_count, rule->source_port_count, rule->port_count};
    digest = digest_bytes(digest, rule->name, sizeof(rule->name));
    digest = digest_bytes(digest, words, sizeof(words));
    digest = digest_bytes(digest, rule->from, rule->from_count * sizeof(*rule->from));
    digest = digest_bytes(digest, rule->to, rule->to_count * sizeof(*rule->to));
    digest = digest_bytes(digest, rule->source_ports,
                          rule->source_port_count * sizeof(*rule->source_ports));
    return digest_bytes(digest, rule->ports, rule->port_count * sizeof(*rule->ports));
}

static enum error compile_items(const struct config *config, struct registry *slots,
                                struct rules *rules, char *why)
{
    rules->items = calloc(config->access_rule_count, sizeof(*rules->items));
    if (!rules->items) {
        snprintf(why, ACCESS_WHY_SIZE, "access: out of memory");
        return ERROR_NO_MEMORY;
    }
    for (uint32_t i = 0; i < config->access_rule_count; i++) {
        const struct config_access_rule *from = &config->access_rules[i];
        struct rule *rule = &rules->items[i];
        rule->denies = from->action == CONFIG_ACCESS_DENY;
        memcpy(rule->name, from->name, sizeof(rule->name));
        enum error error = registry_acquire(slots, from->name, strlen(from->name) + 1, &rule->slot);
        if (error) {
            snprintf(why, ACCESS_WHY_SIZE, "access: no slot for rule %s: %s: write fewer rules",
                     from->name, error_text(error));
            return error;
        }
        rules->count++;
    }
    return ERROR_NONE;
}

enum error rules_compile(const struct config *config, struct rules *previous,
                         struct registry *slots, struct rules **rules, char *why)
{
    *rules = NULL;
    if (config->access_rule_count == 0)
        return ERROR_NONE;
    uint64_t digest = 0;
    for (uint32_t i = 0; i < config->access_rule_count; i++)
        digest = digest_rule(digest, &config->access_rules[i]);
    if (previous && previous->digest == digest) {
        previous->references++;
        *rules = previous;
        return ERROR_NONE;
    }
    struct rules *made = calloc(1, sizeof(*made));
    if (!made) {
        snprintf(why, ACCESS_WHY_SIZE, "access: out of memory");
        return ERROR_NO_MEMORY;
    }
    made->references = 1;
    made->digest = digest;
    *rules = made; // the caller releases it and its slots on an error, too
    enum error error = compile_items(config, slots, made, why);
    if (error)
        return error;
    return access_list_create(config->access_rules, config->access_rule_count, &made->list, why);
}

static bool has_slot(const struct rules *rules, uint32_t slot)
{
    for (uint32_t i = 0; rules && i < rules->count; i++) {
        if (rules->items[i].slot == slot)
            return true;
    }
    return false;
}

void rules_release_slots(const struct rules *a, const struct rules *b, struct registry *slots)
{
    for (uint32_t i = 0; a && a != b && i < a->count; i++) {
        if (!has_slot(b, a->items[i].slot))
            registry_release(slots, a->items[i].slot);
    }
}

void rules_release(struct rules *rules)
{
    if (!rules || --rules->references > 0)
        return;
    access_list_destroy(rules->list);
    free(rules->items);
    free(rules);
}

const struct rule *rules_decide(const struct rules *rules, const struct access_key *key)
{
    if (!rules)
        return NULL;
    uint32_t index;
    access_match(rules->list, key, 1, &index);
    return index == ACCESS_NO_RULE ? NULL : &rules->items[index];
}

bool rules_apply(struct stage *stage, const struct rule *rule)
{
    if (!rule)
        return true;
    stats_add(&stage->counters.access_packets[rule->slot], 1);
    return !rule->denies;
}

static bool is_denied(const struct tables *tables, const struct flow_view *flow)
{
    if (flow->direction != FLOW_FORWARD)
        return false;
    const struct tables_service *service = &tables->services[flow->service];
    const struct access_key key = {
        .protocol = service->protocol,
        .source = flow->client,
        .destination = service->address,
        .source_port = flow->client_port,
        .destination_port = service->port,
    };
    const struct rule *rule = rules_decide(tables->rules, &key);
    return rule && rule->denies;
}

// Flows that may not be, found on a walk which must not change the table.
struct denied {
    const struct tables *tables;
    struct flow_key keys[RECHECK_FLOWS];
    uint32_t count;
};

static bool collect(void *context, const struct flow_view *flow)
{
    struct denied *denied = context;
    if (is_denied(denied->tables, flow))
        denied->keys[denied->count++] = (struct flow_key){
            .peer = flow->client, .port = flow->client_port, .endpoint = flow->service};
    return true;
}

// An insert may move a flow to where the walk has been: then it goes round once more. Each round
// leaves few of those that the last one left.
static void note_moved(void *context, const struct flow_view *flow)
{
    struct stage *stage = context;
    stage->recheck_again |= is_denied(stage->tables, flow);
}

static void end_flows(struct stage *stage, const struct denied *denied)
{
    for (uint32_t i = 0; i < denied->count; i++) {
        const struct flow_key *key = &denied->keys[i];
        uint64_t hash = flow_hash(stage->flows, key);
        struct flow *flow = flow_find(stage->flows, key, hash, stage->now_ms);
        if (flow)
            flow_remove(stage->flows, flow);
    }
}

void rules_recheck(struct stage *stage)
{
    const struct rules *rules = stage->tables->rules;
    uint64_t digest = rules ? rules->digest : 0;
    if (digest != stage->rules_held) {
        stage->rules_held = digest;
        stage->recheck_position = 0;
        stage->recheck_again = false;
        stage->rechecking = rules != NULL;
        flow_table_on_move(stage->flows, rules ? note_moved : NULL, stage);
    }
    if (!stage->rechecking)
        return;
    struct denied denied = {.tables = stage->tables, .count = 0};
    bool more = flow_walk(stage->flows, &stage->recheck_position, RECHECK_FLOWS, stage->now_ms,
                          collect, &denied);
    end_flows(stage, &denied);
    if (more)
        return;
    stage->rechecking = stage->recheck_again;
    stage->recheck_position = 0;
    stage->recheck_again = false;
    if (!stage->rechecking)
        flow_table_on_move(stage->flows, NULL, NULL);
}
