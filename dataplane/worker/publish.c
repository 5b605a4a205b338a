// Changes of configuration: prepare, commit, retire. Main thread.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/check.h"
#include "base/clock.h"
#include "base/config/config.h"
#include "base/log.h"
#include "dataplane/worker/plane_priv.h"

#define GRACE_POLL_NS (100 * NANOSECONDS_PER_MICROSECOND)
#define GRACE_WAIT_NS (2ull * NANOSECONDS_PER_SECOND)

void plane_grace_passed(void *argument)
{
    struct plane *plane = argument;
    plane->graces_passed++;
    // Of two that pass together the first had no whole grace period to itself.
    if (plane->graces_passed == plane->graces_asked)
        neighbour_reclaim(plane->neighbours);
}

// Waits until every worker has let go of what was published before now.
static enum error wait_for_workers(struct plane *plane, char *why)
{
    struct epoch *epoch = &plane->shared.epoch;
    uint64_t awaited = ++plane->graces_asked;
    epoch_retire(epoch, plane_grace_passed, plane);
    uint64_t deadline_ns = clock_monotonic_ns() + GRACE_WAIT_NS;
    const struct timespec pause = {.tv_nsec = GRACE_POLL_NS};
    for (epoch_reclaim(epoch); plane->graces_passed < awaited; epoch_reclaim(epoch)) {
        if (clock_monotonic_ns() > deadline_ns) {
            snprintf(why, PLANE_WHY_SIZE,
                     "a worker is stuck: nothing was changed; see weirctl show workers");
            return ERROR_TIMEOUT;
        }
        nanosleep(&pause, NULL);
    }
    return ERROR_NONE;
}

static bool drained(void *context, const char *pool, const char *member)
{
    const struct plane *plane = context;
    return drains_has(&plane->drains, pool, member);
}

static uint64_t sum_of_workers(const struct plane *plane, enum counter family, uint32_t slot)
{
    return stats_reader_sum(plane->reader, family, slot);
}

static uint64_t member_flows(void *context, uint32_t slot)
{
    return sum_of_workers(context, COUNTER_MEMBER_FLOWS, slot);
}

static uint64_t service_flows(void *context, uint32_t slot)
{
    return sum_of_workers(context, COUNTER_VIP_FLOWS, slot);
}

static uint16_t path_mtu(void *context, const struct ip_address *member, uint64_t now_ns,
                         uint64_t *until_ns)
{
    const struct plane *plane = context;
    return paths_mtu(&plane->paths, member, now_ns, until_ns);
}

static uint64_t local_flows(void *context, uint32_t slot)
{
    return sum_of_workers(context, COUNTER_LOCAL_PORTS, slot);
}

// Counters are indexed by slot and read by name. A slot that begins a new life begins at zero: no
// worker knows it yet, so the main thread may write there.
static void relabel(struct plane *plane, const enum counter *families, size_t count, uint32_t slot,
                    bool was_used, bool used, const char *label)
{
    for (size_t i = 0; i < count; i++) {
        for (uint32_t w = 0; used && !was_used && w < plane->worker_count; w++)
            stats_set(stats_slot(plane->stats, families[i], w, slot), 0);
        stats_set_label(plane->stats, families[i], slot, used ? label : "");
    }
}

static void label_services(struct plane *plane, const struct tables *old, const struct tables *now)
{
    static const enum counter families[] = {COUNTER_VIP_PACKETS,       COUNTER_VIP_BYTES,
                                            COUNTER_VIP_FLOWS_CREATED, COUNTER_VIP_FLOWS,
                                            COUNTER_VIP_FLOWS_EARNED,  COUNTER_VIP_STATELESS};
    uint32_t old_limit = old ? old->service_limit : 0;
    for (uint32_t slot = 1; slot < RTE_MAX(old_limit, now->service_limit); slot++) {
        bool was_used = slot < old_limit && old->services[slot].used;
        bool used = slot < now->service_limit && now->services[slot].used;
        char label[STATS_LABEL_SIZE] = "";
        if (used)
            snprintf(label, sizeof(label), "vip=\"%s\"", now->services[slot].name);
        if (used || was_used)
            relabel(plane, families, RTE_DIM(families), slot, was_used, used, label);
        for (uint32_t w = 0; used && !was_used && w < plane->worker_count; w++)
            drops_forget(&plane->workers[w]->stage.drops, slot);
    }
}

static void label_members(struct plane *plane, const struct tables *old, const struct tables *now)
{
    static const enum counter families[] = {COUNTER_MEMBER_PACKETS, COUNTER_MEMBER_BYTES,
                                            COUNTER_MEMBER_FLOWS_CREATED, COUNTER_MEMBER_FLOWS};
    uint32_t old_limit = old ? old->member_limit : 0;
    for (uint32_t slot = 1; slot < RTE_MAX(old_limit, now->member_limit); slot++) {
        bool was_used = slot < old_limit && old->members[slot].used;
        bool used = slot < now->member_limit && now->members[slot].used;
        char label[STATS_LABEL_SIZE] = "";
        if (used)
            snprintf(label, sizeof(label), "pool=\"%s\",member=\"%s\"",
                     now->members[slot].pool_name, now->members[slot].name);
        if (used || was_used)
            relabel(plane, families, RTE_DIM(families), slot, was_used, used, label);
        for (uint32_t w = 0; used && !was_used && w < plane->worker_count; w++)
            handshakes_forget(&plane->workers[w]->stage.handshakes, slot);
    }
}

static void label_locals(struct plane *plane, const struct tables *old, const struct tables *now)
{
    static const enum counter families[] = {COUNTER_LOCAL_PORTS, COUNTER_LOCAL_REFUSALS};
    uint32_t old_limit = old ? old->local_limit : 0;
    for (uint32_t slot = 1; slot < RTE_MAX(old_limit, now->local_limit); slot++) {
        bool was_used = slot < old_limit && old->locals[slot].used;
        bool used = slot < now->local_limit && now->locals[slot].used;
        char label[STATS_LABEL_SIZE] = "", address[IP_TEXT_SIZE];
        if (used)
            snprintf(label, sizeof(label), "address=\"%s\"",
                     ip_format(&now->locals[slot].address, address));
        if (used || was_used)
            relabel(plane, families, RTE_DIM(families), slot, was_used, used, label);
    }
}

static bool counts_rule(const struct rules *rules, uint32_t slot)
{
    for (uint32_t i = 0; rules && i < rules->count; i++) {
        if (rules->items[i].slot == slot)
            return true;
    }
    return false;
}

// A slot's name never changes: it was acquired by that.
static void label_rules(struct plane *plane, const struct rules *old, const struct rules *now)
{
    static const enum counter families[] = {COUNTER_ACCESS_PACKETS};
    if (old == now)
        return;
    for (uint32_t i = 0; old && i < old->count; i++) {
        if (!counts_rule(now, old->items[i].slot))
            relabel(plane, families, RTE_DIM(families), old->items[i].slot, true, false, "");
    }
    for (uint32_t i = 0; now && i < now->count; i++) {
        char label[STATS_LABEL_SIZE];
        snprintf(label, sizeof(label), "rule=\"%s\"", now->items[i].name);
        uint32_t slot = now->items[i].slot;
        relabel(plane, families, RTE_DIM(families), slot, counts_rule(old, slot), true, label);
    }
}

static void label_counters(struct plane *plane, const struct tables *old, const struct tables *now)
{
    label_rules(plane, old ? old->rules : NULL, now->rules);
    label_services(plane, old, now);
    label_members(plane, old, now);
    label_locals(plane, old, now);
}

// The neighbours that these tables need count from now on; others are forgotten in time.
static void pin_hops(struct plane *plane, const struct tables *tables, uint64_t now_ns)
{
    neighbour_unpin_all(plane->neighbours);
    for (uint32_t i = 0; tables && i < tables->hop_count; i++) {
        const struct tables_hop *hop = &tables->hops[i];
        uint32_t slot;
        // It is in the table already, pinned while compiling: this cannot fail.
        neighbour_pin(plane->neighbours, hop->port, &hop->address, now_ns, &slot, &plane->actions);
    }
}

enum error plane_publish(struct plane *plane, const struct config *config, uint64_t revision,
                         char *why)
{
    enum error error = wait_for_workers(plane, why);
    if (error)
        return error;
    const struct tables *old = plane->tables;
    struct tables_context context = {
        .revision = revision,
        .previous = old,
        .services = plane->services,
        .pools = plane->pools,
        .members = plane->member_slots,
        .endpoints = plane->endpoints,
        .rules = plane->rules,
        .locals = plane->locals,
        .neighbours = plane->neighbours,
        .actions = &plane->actions,
        .steer = plane->steers ? &plane->steer : NULL,
        .now_ns = clock_monotonic_ns(),
        .drained = drained,
        .member_flows = member_flows,
        .service_flows = service_flows,
        .local_flows = local_flows,
        .path_mtu = path_mtu,
        .context = plane,
    };
    // New next hops are asked for at once, from the addresses that the ports have now.
    const struct config *config_before = plane->config;
    plane->config = config;
    struct tables *tables;
    error = tables_compile(config, &context, &tables, why);
    if (error) {
        plane->config = config_before;
        pin_hops(plane, old, context.now_ns);
        return error;
    }
    label_counters(plane, old, tables);
    pin_hops(plane, tables, context.now_ns);
    plane->tables = tables;
    plane->paths_changed = false;
    atomic_store_explicit(&plane->shared.tables, tables, memory_order_release);
    if (old)
        epoch_retire(&plane->shared.epoch, tables_destroy, (void *)(uintptr_t)old);
    stats_set_revision(plane->stats, tables->revision);
    return ERROR_NONE;
}

// Slots that only flows kept, and which have none any more.
static bool slots_are_idle(struct plane *plane)
{
    const struct tables *tables = plane->tables;
    for (uint32_t slot = 1; slot < tables->member_limit; slot++) {
        if (tables->members[slot].removed && member_flows(plane, slot) == 0)
            return true;
    }
    for (uint32_t slot = 1; slot < tables->service_limit; slot++) {
        if (tables->services[slot].removed && service_flows(plane, slot) == 0)
            return true;
    }
    for (uint32_t slot = 1; slot < tables->local_limit; slot++) {
        if (tables->locals[slot].removed && local_flows(plane, slot) == 0)
            return true;
    }
    return false;
}

void plane_follow_time(struct plane *plane, uint64_t now_ns)
{
    uint64_t step_ns = plane->tables->next_step_ns;
    bool due = plane->paths_changed || (step_ns > 0 && now_ns >= step_ns);
    if (!due && !slots_are_idle(plane))
        return;
    char why[PLANE_WHY_SIZE];
    if (plane_publish(plane, plane->config, plane->tables->revision, why) != ERROR_NONE)
        log_warning("members that left or warm up, and what ways take, stay as they are",
                    LOG_STRING("why", why));
}

static bool same_text(const char *a, const char *b)
{
    return strcmp(a, b) == 0;
}

// Names on their way into a sentence; those that no longer fit are counted.
struct key_list {
    char *text;
    size_t size;
    size_t used;
    uint32_t left_out;
};

#define KEYS_MORE_SIZE sizeof(" and 4294967295 more")

static void list_key(void *context, const char *path, const char *before, const char *after)
{
    struct key_list *list = context;
    size_t room = list->size - list->used - KEYS_MORE_SIZE;
    if (list->left_out > 0 || strlen(path) + sizeof(", ") > room) {
        list->left_out++;
        return;
    }
    list->used += (size_t)snprintf(list->text + list->used, room, "%s%s",
                                   list->text[list->used - 1] == ' ' ? "" : ", ", path);
}

// Devices, threads and memory are laid out once: the schema says by which keys.
static bool can_change(const struct config *from, const struct config *to, char *why)
{
    struct key_list list = {.text = why, .size = PLANE_WHY_SIZE};
    list.used = (size_t)snprintf(why, PLANE_WHY_SIZE, "only a restart can change ");
    uint32_t count = config_restart_diff(from, to, list_key, &list);
    if (list.left_out > 0)
        snprintf(why + list.used, PLANE_WHY_SIZE - list.used, " and %u more", list.left_out);
    return count == 0;
}

// The first `count` ports' punt interfaces get their addresses. On an error those before the port
// that failed have theirs back.
static enum error change_addresses(struct plane *plane, const struct config *from,
                                   const struct config *to, uint32_t count, char *why)
{
    for (uint32_t p = 0; p < count; p++) {
        enum error error =
            port_change_addresses(plane->shared.ports[p], &from->ports[p], &to->ports[p], why);
        if (error) {
            char ignored[PLANE_WHY_SIZE];
            change_addresses(plane, to, from, p, ignored);
            return error;
        }
    }
    return ERROR_NONE;
}

enum error plane_change(struct plane *plane, const struct config *config, char *why)
{
    const struct config *before = plane->config;
    if (!can_change(before, config, why))
        return ERROR_UNSUPPORTED;
    enum error error = change_addresses(plane, before, config, config->port_count, why);
    if (error)
        return error;
    error = plane_publish(plane, config, plane->tables->revision + 1, why);
    if (error) {
        char ignored[PLANE_WHY_SIZE];
        change_addresses(plane, config, before, before->port_count, ignored);
        return error;
    }
    drains_prune(&plane->drains, config);
    plane_announce(plane);
    return ERROR_NONE;
}

static bool member_exists(const struct config *config, const char *pool, const char *member,
                          char *why)
{
    for (uint32_t p = 0; p < config->pool_count; p++) {
        if (!same_text(config->pools[p].name, pool))
            continue;
        for (uint32_t m = 0; m < config->pools[p].member_count; m++) {
            if (same_text(config->pools[p].members[m].name, member))
                return true;
        }
        snprintf(why, PLANE_WHY_SIZE, "pool %s has no member %s", pool, member);
        return false;
    }
    snprintf(why, PLANE_WHY_SIZE, "there is no pool %s", pool);
    return false;
}

enum error plane_drain(struct plane *plane, const char *pool, const char *member, bool drain,
                       bool *changed, char *why)
{
    if (!member_exists(plane->config, pool, member, why))
        return ERROR_NOT_FOUND;
    *changed = drain != drains_has(&plane->drains, pool, member);
    if (!*changed)
        return ERROR_NONE;
    enum error error = drains_set(&plane->drains, pool, member, drain);
    if (error) {
        snprintf(why, PLANE_WHY_SIZE, "out of memory");
        return error;
    }
    error = plane_publish(plane, plane->config, plane->tables->revision + 1, why);
    if (error)
        drains_set(&plane->drains, pool, member, !drain); // there is room: it was there before
    return error;
}
