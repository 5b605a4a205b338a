// The packet plane's life: DPDK, ports, workers, and their end. Main thread.
#include "dataplane/worker/plane.h"

#include <rte_launch.h>
#include <rte_lcore.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/random.h"
#include "dataplane/packet/port/port.h"
#include "dataplane/worker/numa.h"
#include "dataplane/worker/plane_priv.h"

#define NEWS_SLOTS         4096
#define HELD_SLOTS         512
#define HANDOFF_SLOTS      1024
#define NEIGHBOURS_DYNAMIC 4096 // besides a next hop for each slot of a member
#define GATEWAYS           (CONFIG_PORTS_MAX * CONFIG_ROUTES_MAX)
#define NEIGHBOURS         (TABLES_MEMBER_SLOTS + 2 * GATEWAYS + NEIGHBOURS_DYNAMIC)
_Static_assert(NEIGHBOUR_SLOTS(NEIGHBOURS) < 1u << STAGE_NEIGHBOUR_BITS,
               "a flow remembers its neighbour's slot");

static enum error fail(char *why, enum error error, const char *what)
{
    snprintf(why, PLANE_WHY_SIZE, "cannot make %s: %s%s", what, error_text(error),
             error == ERROR_NO_MEMORY ? ": lower node.flows, or end what else holds memory" : "");
    return error;
}

static enum error create_registries(struct plane *plane, char *why)
{
    enum error error;
    // Twice as many slots as names: removed ones stay while their flows last.
    if ((error = registry_create(TABLES_SERVICE_SLOTS - 1, &plane->services)) ||
        (error = registry_create(TABLES_POOL_SLOTS - 1, &plane->pools)) ||
        (error = registry_create(TABLES_MEMBER_SLOTS - 1, &plane->member_slots)) ||
        (error = registry_create(TABLES_RULE_SLOTS - 1, &plane->rules)) ||
        (error = registry_create(TABLES_LOCAL_SLOTS - 1, &plane->locals)) ||
        (error = registry_create(ENDPOINT_NUMBERS, &plane->endpoints)))
        return fail(why, error, "the slots");
    return ERROR_NONE;
}

static void label_bonds(const struct plane *plane)
{
    char label[STATS_LABEL_SIZE];
    for (uint32_t p = 0; p < plane->config->port_count; p++) {
        const struct config_port *port = &plane->config->ports[p];
        for (uint32_t i = 0; i < port->bond.member_count; i++) {
            const char *device = port->bond.members[i];
            snprintf(label, sizeof(label), "port=\"%s\",device=\"%.*s\"", port->name,
                     (int)RTE_MIN(strcspn(device, ","), (size_t)RTE_ETH_NAME_MAX_LEN), device);
            stats_set_label(plane->stats, COUNTER_BOND_LINK_DOWNS, p * CONFIG_BOND_MAX + i, label);
        }
    }
}

static enum error create_statistics(struct plane *plane, char *why)
{
    enum error error =
        stats_create(counter_families, COUNTERS, plane->worker_count + 1, &plane->stats);
    if (error)
        return fail(why, error, "the statistics segment");
    error = stats_reader_open(stats_fd(plane->stats), &plane->reader);
    if (error)
        return fail(why, error, "the statistics segment's own view");
    plane->counters = counters_of(plane->stats, plane->worker_count);
    char label[STATS_LABEL_SIZE];
    for (uint32_t reason = 1; reason < DROP_REASONS; reason++) {
        snprintf(label, sizeof(label), "reason=\"%s\"", drop_name(reason));
        stats_set_label(plane->stats, COUNTER_DROPS, reason, label);
    }
    for (uint32_t p = 0; p < plane->config->port_count; p++) {
        snprintf(label, sizeof(label), "port=\"%s\"", plane->config->ports[p].name);
        for (enum counter family = COUNTER_PORT_RX_PACKETS; family <= COUNTER_PORT_INJECTED;
             family++)
            stats_set_label(plane->stats, family, p, label);
    }
    label_bonds(plane);
    for (enum meter_stage stage = 0; stage < METER_STAGES; stage++) {
        snprintf(label, sizeof(label), "stage=\"%s\"", meter_stage_name(stage));
        for (enum counter family = COUNTER_STAGE_CALLS; family <= COUNTER_STAGE_CYCLES; family++)
            stats_set_label(plane->stats, family, stage, label);
    }
    for (enum counter family = COUNTER_UNTRACKED; family < COUNTERS; family++)
        stats_set_label(plane->stats, family, 0, "plane=\"packet\"");
    return ERROR_NONE;
}

// Mbufs of one port that may be elsewhere than in queues of devices. A worker has a burst in hand
// and bursts for each port and punt interface; it empties all inboxes a little each turn, so that
// few are full at once.
static uint32_t count_extra_buffers(const struct plane *plane)
{
    const uint32_t outbox = RTE_DIM(((struct outbox *)NULL)->packets);
    uint32_t in_hand = STAGE_BURST + plane->config->port_count * 2 * outbox;
    uint32_t full_inboxes = RTE_MIN(plane->worker_count, 2u);
    return plane->worker_count *
               (in_hand + full_inboxes * HANDOFF_SLOTS + HELD_SLOTS + FRAGMENTS_HELD) +
           NEIGHBOUR_HELD_TOTAL_MAX;
}

static enum error open_ports(struct plane *plane, char *why)
{
    const struct config *config = plane->config;
    for (uint32_t p = 0; p < config->port_count; p++) {
        struct port *port;
        uint32_t carrier = port_carrier_of(config, p), workers = plane->worker_count;
        enum error error =
            carrier == p ? port_open(config, p, workers, count_extra_buffers(plane), &port, why)
                         : port_share(config, p, workers, plane->shared.ports[carrier], &port, why);
        if (error)
            return error;
        plane->shared.ports[plane->shared.port_count++] = port;
        error = port_start(port, why);
        if (error)
            return error;
        plane_note_link(plane, p);
    }
    plane_choose_steering(plane);
    return ERROR_NONE;
}

// Mailboxes towards this worker, from all others and the main thread.
static enum error create_inboxes(struct worker *worker)
{
    uint32_t workers = worker->shared->workers;
    worker->inboxes = calloc(workers + 1, sizeof(struct mailbox *));
    if (!worker->inboxes)
        return ERROR_NO_MEMORY;
    for (uint32_t from = 0; from <= workers; from++) {
        if (from == worker->index)
            continue;
        enum error error =
            mailbox_create(HANDOFF_SLOTS, sizeof(struct handoff_message), &worker->inboxes[from]);
        if (error)
            return error;
    }
    return ERROR_NONE;
}

static enum error create_worker(struct plane *plane, uint32_t index, struct siphash_key owner_key)
{
    struct worker *worker = aligned_alloc(64, (sizeof(*worker) + 63) / 64 * 64);
    if (!worker)
        return ERROR_NO_MEMORY;
    memset(worker, 0, sizeof(*worker));
    plane->workers[index] = worker;
    worker->index = index;
    worker->core = plane->config->node.cores[index];
    worker->shared = &plane->shared;
    struct stage *stage = &worker->stage;
    stage->worker = index;
    stage->neighbours = plane->neighbours;
    stage->ports = plane->shared.ports;
    stage->owner_key = owner_key;
    stage->counters = counters_of(plane->stats, index);

    uint64_t flow_secrets[FOLD_SECRETS];
    random_os_bytes(flow_secrets, sizeof(flow_secrets));
    stage->cursors = calloc(TABLES_POOL_SLOTS, sizeof(*stage->cursors));
    stage->handoff = calloc(plane->worker_count, sizeof(struct mailbox *));
    worker->page = calloc(1, sizeof(*worker->page));
    if (!stage->cursors || !stage->handoff || !worker->page)
        return ERROR_NO_MEMORY;
    enum error error;
    if ((error = mailbox_create(NEWS_SLOTS, sizeof(struct news_message), &stage->news)) ||
        (error = mailbox_create(HELD_SLOTS, sizeof(struct hold_message), &stage->held)) ||
        (error = create_inboxes(worker)) ||
        (error = affinity_create(plane->config->node.flows.affinities, &stage->affinities)) ||
        (error =
             flow_table_create(plane->config->node.flows.per_worker, flow_secrets, &stage->flows)))
        return error;
    return stage_init(stage);
}

static enum error create_workers(struct plane *plane, char *why)
{
    struct siphash_key owner_key;
    random_os_bytes(&owner_key, sizeof(owner_key));
    for (uint32_t i = 0; i < plane->worker_count; i++) {
        int node = numa_node_of_core(NUMA_DIRECTORY, plane->config->node.cores[i]);
        plane->worker_nodes[i] = node;
        numa_prefer(node);
        enum error error = create_worker(plane, i, owner_key);
        numa_prefer(NUMA_NONE);
        if (error)
            return fail(why, error, "a worker");
    }
    for (uint32_t from = 0; from < plane->worker_count; from++) {
        for (uint32_t to = 0; to < plane->worker_count; to++)
            plane->workers[from]->stage.handoff[to] = plane->workers[to]->inboxes[from];
    }
    return ERROR_NONE;
}

// A worker that is far from a port reaches over to the other node for every packet of it.
static void tell_far_workers(const struct plane *plane, const struct port *port)
{
    char far[NUMA_TEXT_SIZE], near[NUMA_TEXT_SIZE];
    int node = port_numa_node(port);
    numa_far_workers(plane->worker_nodes, plane->worker_count, node, far);
    if (!port->carrier && far[0])
        log_warning("workers on another NUMA node than their port", LOG_STRING("port", port->name),
                    LOG_INT("node", node), LOG_STRING("workers", far),
                    LOG_STRING("remedy", "for node.cores take processors of that node"),
                    LOG_STRING("processors", numa_cores_text(NUMA_DIRECTORY, node, near)));
}

// Pages of a flow table are taken as flows come: there must be as many.
static enum error reserve_flows(const struct plane *plane, char *why)
{
    uint64_t bytes = 0;
    for (uint32_t i = 0; i < plane->worker_count; i++)
        bytes += flow_table_bytes(plane->workers[i]->stage.flows);
    return port_system_reserve(bytes, "flow tables (node.flows.per-worker)", why);
}

static enum error launch_workers(struct plane *plane, char *why)
{
    plane->running = true;
    for (uint32_t i = 0; i < plane->worker_count; i++) {
        if (rte_eal_remote_launch(worker_run, plane->workers[i], i + 1) != 0) {
            snprintf(why, PLANE_WHY_SIZE,
                     "cannot start the worker of core %u: DPDK's thread there is not idle; leave "
                     "that core out of node.cores",
                     plane->workers[i]->core);
            return ERROR_SYSTEM;
        }
    }
    return ERROR_NONE;
}

enum error plane_create(const struct config *config, struct plane **plane, char *why)
{
    struct plane *created = aligned_alloc(64, (sizeof(*created) + 63) / 64 * 64);
    if (!created)
        return fail(why, ERROR_NO_MEMORY, "the packet plane");
    memset(created, 0, sizeof(*created));
    created->config = config;
    created->worker_count = config->node.core_count;
    created->shared.workers = created->worker_count;
    created->actions = plane_neighbour_actions(created);
    epoch_init(&created->shared.epoch, created->worker_count);

    enum error error = port_system_start(config, why);
    if (error) {
        epoch_fini(&created->shared.epoch);
        free(created);
        return error;
    }
    created->huge_pages = rte_eal_has_hugepages();
    if ((error = create_registries(created, why)) || (error = create_statistics(created, why)))
        goto failed;
    struct siphash_key neighbour_key;
    random_os_bytes(&neighbour_key, sizeof(neighbour_key));
    error =
        neighbour_table_create(NEIGHBOURS, NEIGHBOURS_DYNAMIC, neighbour_key, &created->neighbours);
    if (error) {
        fail(why, error, "the neighbour table");
        goto failed;
    }
    if ((error = open_ports(created, why)) || (error = create_workers(created, why)) ||
        (error = reserve_flows(created, why)) || (error = plane_publish(created, config, 1, why)) ||
        (error = launch_workers(created, why)))
        goto failed;
    for (uint32_t p = 0; p < created->shared.port_count; p++)
        tell_far_workers(created, created->shared.ports[p]);
    plane_announce(created);
    created->looked_after_ns = clock_monotonic_ns();
    *plane = created;
    return ERROR_NONE;

failed:
    plane_destroy(created);
    return error;
}

// Packets that lie in a mailbox when its worker is gone.
static void drain_inbox(struct mailbox *inbox)
{
    struct handoff_message message;
    while (inbox && mailbox_receive(inbox, &message))
        rte_pktmbuf_free(message.packet);
    mailbox_destroy(inbox);
}

static void destroy_worker(struct worker *worker)
{
    if (!worker)
        return;
    struct hold_message held;
    while (worker->stage.held && mailbox_receive(worker->stage.held, &held))
        rte_pktmbuf_free(held.packet);
    mailbox_destroy(worker->stage.held);
    mailbox_destroy(worker->stage.news);
    for (uint32_t from = 0; worker->inboxes && from <= worker->shared->workers; from++)
        drain_inbox(worker->inboxes[from]);
    stage_fini(&worker->stage);
    flow_table_destroy(worker->stage.flows);
    free(worker->inboxes);
    free(worker->stage.handoff);
    affinity_destroy(worker->stage.affinities);
    free(worker->stage.cursors);
    free(worker->page);
    free(worker);
}

void plane_destroy(struct plane *plane)
{
    if (!plane)
        return;
    atomic_store(&plane->shared.stop, true);
    if (plane->running)
        rte_eal_mp_wait_lcore();
    if (plane->watch)
        plane_watch_stop(plane, plane->watches_started);
    epoch_fini(&plane->shared.epoch);
    neighbour_table_destroy(plane->neighbours);
    for (uint32_t i = 0; i < plane->worker_count; i++)
        destroy_worker(plane->workers[i]);
    for (uint32_t p = 0; p < plane->shared.port_count; p++)
        port_stop(plane->shared.ports[p]);
    for (uint32_t p = 0; p < plane->shared.port_count; p++)
        port_close(plane->shared.ports[p]);
    tables_destroy((void *)(uintptr_t)plane->tables);
    registry_destroy(plane->services);
    registry_destroy(plane->pools);
    registry_destroy(plane->member_slots);
    registry_destroy(plane->endpoints);
    registry_destroy(plane->rules);
    registry_destroy(plane->locals);
    stats_reader_close(plane->reader);
    stats_destroy(plane->stats);
    drains_fini(&plane->drains);
    free(plane);
    port_system_stop();
}
