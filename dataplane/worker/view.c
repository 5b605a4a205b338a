// The packet plane told to people: copies, made by the main thread.
#include <rte_cycles.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/config/config.h"
#include "dataplane/balance/forecast.h"
#include "dataplane/worker/plane_priv.h"

#define PAGE_POLL_NS (100 * NANOSECONDS_PER_MICROSECOND)
#define PAGE_WAIT_NS (2ull * NANOSECONDS_PER_SECOND)

const struct plane_drop_text *plane_drop_reason(uint32_t index)
{
    static const struct plane_drop_text texts[] = {
#define DROP_TEXT(enumerator, drop, text, advice) \
    {.instance = enumerator, .name = drop, .help = text, .remedy = advice},
        DROP_LIST(DROP_TEXT)
#undef DROP_TEXT
    };
    uint32_t reason = index + 1; // DROP_NONE is none
    return reason < RTE_DIM(texts) ? &texts[reason] : NULL;
}

uint64_t plane_service_drops(const struct plane *plane, uint32_t slot, uint32_t reason,
                             uint32_t worker)
{
    return drops_of_service(&plane->workers[worker]->stage.drops, slot, (enum drop_reason)reason);
}

const struct plane_stage_text *plane_stage_text(uint32_t index)
{
    static const struct plane_stage_text texts[] = {
#define STAGE_TEXT(enumerator, stage, text) {.name = stage, .help = text},
        METER_LIST(STAGE_TEXT)
#undef STAGE_TEXT
    };
    return index < RTE_DIM(texts) ? &texts[index] : NULL;
}

uint64_t plane_revision(const struct plane *plane)
{
    return plane->tables->revision;
}

bool plane_huge_pages(const struct plane *plane)
{
    return plane->huge_pages;
}

int plane_stats_fd(const struct plane *plane)
{
    return stats_fd(plane->stats);
}

const struct stats_reader *plane_stats(const struct plane *plane)
{
    return plane->reader;
}

void plane_port_view(struct plane *plane, uint32_t index, struct plane_port_view *view)
{
    const struct port *port = plane->shared.ports[index];
    struct port_counters counters;
    port_read_counters(port, &counters);
    *view = (struct plane_port_view){
        .driver = port->driver,
        .rx_queues = port->rx_queues,
        .tx_queues = port->tx_queues,
        .steering = port_steering_text(port->steering),
        .steering_why = port->steering_why,
        .numa_node = port_numa_node(port),
        .bond = port->member_count > 0 ? config_bond_text(port->bond_mode) : NULL,
        .member_count = port->member_count,
        .punts = port->punts,
        .rx_checksum = port->rx_checks_ipv4,
        .tx_checksum = port->tx_ipv4_checksum,
        .rx_packets = counters.rx_packets,
        .rx_bytes = counters.rx_bytes,
        .tx_packets = counters.tx_packets,
        .tx_bytes = counters.tx_bytes,
        .rx_missed = counters.rx_missed,
        .rx_errors = counters.rx_errors,
        .tx_errors = counters.tx_errors,
        .rx_no_buffer = counters.rx_no_buffer,
    };
    // Of ports that share a device each has its own traffic.
    if (port->carrier || port->vlans) {
        view->rx_packets = stats_reader_sum(plane->reader, COUNTER_PORT_RX_PACKETS, index);
        view->rx_bytes = stats_reader_sum(plane->reader, COUNTER_PORT_RX_BYTES, index);
        view->tx_packets = stats_reader_sum(plane->reader, COUNTER_PORT_TX_PACKETS, index);
        view->tx_bytes = stats_reader_sum(plane->reader, COUNTER_PORT_TX_BYTES, index);
    }
    memcpy(view->mac, port->mac.addr_bytes, sizeof(view->mac));
    view->link_up = plane_look_at_link(plane, index, &view->speed_mbps);
}

struct offload_visit {
    void (*visit)(void *context, const struct plane_offload_view *view);
    void *context;
};

static void visit_offload(void *context, const struct port_offload *offload)
{
    const struct offload_visit *to = context;
    to->visit(to->context, &(struct plane_offload_view){.name = offload->name,
                                                        .offered = offload->offered,
                                                        .used = offload->used,
                                                        .why = offload->why});
}

void plane_walk_offloads(const struct plane *plane, uint32_t port,
                         void (*visit)(void *context, const struct plane_offload_view *view),
                         void *context)
{
    struct offload_visit to = {.visit = visit, .context = context};
    port_walk_offloads(plane->shared.ports[port], visit_offload, &to);
}

void plane_bond_view(const struct plane *plane, uint32_t index, uint32_t number,
                     struct plane_bond_view *view)
{
    struct port_member member;
    struct port_counters counters;
    port_member_look(plane->shared.ports[index], number, &member);
    port_member_read_counters(plane->shared.ports[index], number, &counters);
    *view = (struct plane_bond_view){
        .state = port_member_state_text(member.state),
        .speed_mbps = member.speed_mbps,
        .instance = index * CONFIG_BOND_MAX + number,
        .rx_packets = counters.rx_packets,
        .rx_bytes = counters.rx_bytes,
        .tx_packets = counters.tx_packets,
        .tx_bytes = counters.tx_bytes,
    };
    _Static_assert(sizeof(view->device) >= sizeof(member.name), "DPDK's names fit");
    memcpy(view->device, member.name, sizeof(member.name));
}

static const char *neighbour_text(enum neighbour_state state)
{
    switch (state) {
    case NEIGHBOUR_INCOMPLETE:
        return "incomplete";
    case NEIGHBOUR_REACHABLE:
        return "reachable";
    case NEIGHBOUR_FAILED:
        return "failed";
    case NEIGHBOUR_FREE:
        break;
    }
    return "unknown";
}

static const char *member_state(const struct tables_member *member)
{
    if (member->removed)
        return "removed";
    if (!member->active)
        return "drain";
    return member->held_back > 0 ? "slow-start" : "active";
}

void plane_walk_members(const struct plane *plane,
                        void (*visit)(void *context, const struct plane_member_view *view),
                        void *context)
{
    const struct tables *tables = plane->tables;
    for (uint32_t slot = 1; slot < tables->member_limit; slot++) {
        const struct tables_member *member = &tables->members[slot];
        if (!member->used)
            continue;
        struct neighbour_view hop = neighbour_view(plane->neighbours, member->neighbour);
        visit(context, &(struct plane_member_view){
                           .slot = slot,
                           .pool = member->pool_name,
                           .name = member->name,
                           .address = member->address,
                           .port = rte_be_to_cpu_16(member->port),
                           .weight = member->weight,
                           .state = member_state(member),
                           .next_hop = neighbour_text(hop.state),
                           .path_mtu = member->path_mtu,
                       });
    }
}

void plane_walk_locals(const struct plane *plane,
                       void (*visit)(void *context, const struct plane_local_view *view),
                       void *context)
{
    const struct tables *tables = plane->tables;
    for (uint32_t slot = 1; slot < tables->local_limit; slot++) {
        const struct tables_local *local = &tables->locals[slot];
        if (local->used)
            visit(context, &(struct plane_local_view){
                               .slot = slot,
                               .port = local->out_port,
                               .address = local->address,
                               .removed = local->removed,
                               .ports_per_member = local_ports_all(local->ports),
                           });
    }
}

struct plane_handshakes plane_handshakes(const struct plane *plane, uint32_t slot)
{
    uint64_t counts[HANDSHAKE_BUCKETS] = {0};
    struct plane_handshakes view = {.count = 0};
    for (uint32_t w = 0; w < plane->worker_count; w++)
        handshakes_add(&plane->workers[w]->stage.handshakes, slot, counts);
    double tick_us = 1e6 * (1u << HANDSHAKE_TICK_BITS) / (double)rte_get_tsc_hz();
    _Static_assert(PLANE_HANDSHAKE_BUCKETS == HANDSHAKE_BUCKETS, "one for each");
    for (uint32_t i = 0; i < HANDSHAKE_BUCKETS; i++) {
        if (counts[i] == 0)
            continue;
        view.count += counts[i];
        view.buckets[view.bucket_count].longest_us = tick_us * handshake_longest(i);
        view.buckets[view.bucket_count++].count = counts[i];
    }
    view.p50_us = tick_us * handshake_quantile(counts, 0.5);
    view.p90_us = tick_us * handshake_quantile(counts, 0.9);
    view.p99_us = tick_us * handshake_quantile(counts, 0.99);
    return view;
}

uint32_t plane_vip_slot(const struct plane *plane, const struct config_vip *vip)
{
    const struct tables *tables = plane->tables;
    for (uint32_t slot = 1; slot < tables->service_limit; slot++) {
        const struct tables_service *service = &tables->services[slot];
        if (service->used && !service->removed && strcmp(service->name, vip->name) == 0)
            return slot;
    }
    return 0;
}

static double part_of_picks(uint32_t picks)
{
    return (double)picks / FORECAST_PICKS;
}

static enum error visit_shares(const struct plane *plane, const struct tables_pool *pool,
                               bool moving,
                               void (*visit)(void *context, const struct plane_share_view *view),
                               void *context)
{
    const struct balancer *balancer = pool->balancer;
    if (!balancer) // no members
        return ERROR_NONE;
    uint32_t *shares = calloc(pool->member_count, sizeof(*shares));
    if (!shares)
        return ERROR_NO_MEMORY;
    enum error error = ERROR_NONE;
    moving = moving && balancer->ops->by_hash;
    forecast_shares(balancer, pool->weights, pool->member_count, shares);
    for (uint32_t i = 0; i < pool->member_count && !error; i++) {
        uint32_t moves = 0;
        if (moving)
            error = forecast_moves(balancer, pool->weights, pool->member_count,
                                   plane->tables->balance_key, i, &moves);
        if (error)
            break;
        visit(context, &(struct plane_share_view){
                           .pool = pool->name,
                           .balancer = balancer->ops->name,
                           .member = plane->tables->members[pool->members[i]].name,
                           .weight = pool->weights[i].weight,
                           .share = part_of_picks(shares[i]),
                           .moves = moving ? part_of_picks(moves) : -1,
                       });
    }
    free(shares);
    return error;
}

static bool is_asked(const struct tables_pool *pool, const char *name)
{
    return !name || strcmp(pool->name, name) == 0;
}

enum error plane_walk_shares(const struct plane *plane, const char *pool,
                             void (*visit)(void *context, const struct plane_share_view *view),
                             void *context)
{
    const struct tables *tables = plane->tables;
    uint32_t pools = 0, members = 0;
    for (uint32_t i = 0; i < tables->pool_count; i++) {
        if (is_asked(tables->pools[i], pool)) {
            pools++;
            members += tables->pools[i]->member_count;
        }
    }
    if (pool && pools == 0)
        return ERROR_NOT_FOUND;
    enum error error = ERROR_NONE;
    for (uint32_t i = 0; i < tables->pool_count && !error; i++) {
        if (is_asked(tables->pools[i], pool))
            error = visit_shares(plane, tables->pools[i], members <= PLANE_MOVES_MEMBERS, visit,
                                 context);
    }
    return error;
}

uint32_t plane_rules(const struct plane *plane)
{
    return plane->tables->rules ? plane->tables->rules->count : 0;
}

struct plane_rule_view plane_rule_view(const struct plane *plane, uint32_t index)
{
    const struct rule *rule = &plane->tables->rules->items[index];
    return (struct plane_rule_view){.slot = rule->slot, .name = rule->name, .denies = rule->denies};
}

uint32_t plane_workers(const struct plane *plane)
{
    return plane->worker_count;
}

void plane_worker_view(const struct plane *plane, uint32_t index, struct plane_worker_view *view)
{
    const struct worker *worker = plane->workers[index];
    *view = (struct plane_worker_view){.core = worker->core,
                                       .numa_node = plane->worker_nodes[index],
                                       .flow_capacity = flow_table_capacity(worker->stage.flows),
                                       .flow_bytes = flow_table_bytes(worker->stage.flows),
                                       .busy_share = plane->loads[index].busy_share};
}

const char *plane_flow_state_text(enum flow_state state)
{
    switch (state) {
    case FLOW_TCP_OPENING:
    case FLOW_TCP_ANSWERED:
    case FLOW_UDP_OPENING:
    case FLOW_UDP_ANSWERED:
        return "opening";
    case FLOW_TCP_PICKED_UP:
        return "picked-up";
    case FLOW_TCP_ESTABLISHED:
        return "established";
    case FLOW_TCP_CLIENT_CLOSED:
    case FLOW_TCP_MEMBER_CLOSED:
        return "half-closed";
    case FLOW_TCP_CLOSING:
        return "closing";
    case FLOW_TCP_RESET:
        return "reset";
    case FLOW_UDP:
    case FLOW_STATES:
        break;
    }
    return "udp";
}

static struct plane_flow_view view_of_flow(const struct plane *plane, uint32_t worker,
                                           const struct flow_view *flow, uint32_t now_ms)
{
    const struct tables *tables = plane->tables;
    const struct tables_service *service = &tables->services[flow->service];
    const struct tables_member *member = &tables->members[flow->member];
    int32_t left_ms = (int32_t)(flow->expires_ms - now_ms);
    return (struct plane_flow_view){
        .worker = worker,
        .protocol = service->protocol,
        .reply = flow->direction == FLOW_REPLY,
        .client = flow->client,
        .vip = service->address,
        .member = member->address,
        .client_port = rte_be_to_cpu_16(flow->client_port),
        .vip_port = rte_be_to_cpu_16(service->port),
        .vip_name = service->name,
        .pool = member->pool_name,
        .member_name = member->name,
        .state = plane_flow_state_text((enum flow_state)flow->state),
        .expires_ms = left_ms > 0 ? (uint32_t)left_ms : 0,
    };
}

// After an earlier time-out the worker may still be at it.
static bool is_asked_still(const _Atomic int *state)
{
    return atomic_load_explicit(state, memory_order_acquire) == WORKER_PAGE_ASKED;
}

// Asks a worker for the next page and waits for it: a worker turns at least every few milliseconds.
enum error plane_ask(_Atomic int *state)
{
    if (is_asked_still(state))
        return ERROR_TIMEOUT;
    atomic_store_explicit(state, WORKER_PAGE_ASKED, memory_order_release);
    const struct timespec pause = {.tv_nsec = PAGE_POLL_NS};
    uint64_t deadline_ns = clock_monotonic_ns() + PAGE_WAIT_NS;
    while (atomic_load_explicit(state, memory_order_acquire) != WORKER_PAGE_READY) {
        if (clock_monotonic_ns() > deadline_ns)
            return ERROR_TIMEOUT;
        nanosleep(&pause, NULL);
    }
    return ERROR_NONE;
}

enum error plane_walk_flows(struct plane *plane, struct plane_flow_place *place,
                            bool (*visit)(void *context, const struct plane_flow_view *view),
                            void *context)
{
    if (place->worker >= plane->worker_count)
        return ERROR_NONE;
    struct worker_page *page = plane->workers[place->worker]->page;
    if (is_asked_still(&page->state))
        return ERROR_TIMEOUT;
    page->position = place->position;
    enum error error = plane_ask(&page->state);
    if (error)
        return error;
    for (uint32_t i = 0; i < page->count; i++) {
        struct plane_flow_view view =
            view_of_flow(plane, place->worker, &page->flows[i], page->now_ms);
        if (!visit(context, &view))
            return ERROR_EMPTY;
    }
    place->position = page->more ? page->position : 0;
    place->worker += !page->more;
    return ERROR_NONE;
}

struct plane_neighbour_counts plane_neighbour_counts(const struct plane *plane)
{
    struct neighbour_counts counts = neighbour_table_counts(plane->neighbours);
    return (struct plane_neighbour_counts){.dynamic = counts.dynamic,
                                           .dynamic_max = counts.dynamic_max,
                                           .evicted = counts.evicted,
                                           .refused = counts.refused};
}

struct neighbour_visit {
    void (*visit)(void *context, const struct plane_neighbour_view *view);
    void *context;
};

static void visit_neighbour(void *context, const struct neighbour_entry *entry)
{
    const struct neighbour_visit *to = context;
    struct plane_neighbour_view view = {
        .port = entry->port,
        .address = entry->address,
        .state = neighbour_text(entry->state),
        .pinned = entry->pinned,
        .held = entry->held,
    };
    memcpy(view.mac, entry->mac, sizeof(view.mac));
    to->visit(to->context, &view);
}

void plane_walk_neighbours(const struct plane *plane,
                           void (*visit)(void *context, const struct plane_neighbour_view *view),
                           void *context)
{
    struct neighbour_visit to = {.visit = visit, .context = context};
    neighbour_walk(plane->neighbours, visit_neighbour, &to);
}
