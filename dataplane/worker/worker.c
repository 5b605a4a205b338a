#include "dataplane/worker/worker.h"

#include <rte_cycles.h>
#include <rte_ethdev.h>
#include <rte_pause.h>
#include <sys/prctl.h>
#include <time.h>

#include "dataplane/worker/idle.h"
#include "dataplane/worker/sweep.h"

#define PUNT_BURST     STAGE_BURST
#define SWEEP_BUCKETS  8 // besides what is due: an idle turn costs nobody anything
#define TIMER_SLACK_NS 1000

static uint32_t receive_port(struct worker *worker, uint16_t index)
{
    const struct port *port = worker->shared->ports[index];
    if (port->carrier || worker->index >= port->rx_queues)
        return 0;
    struct rte_mbuf *packets[STAGE_BURST];
    uint16_t count = rte_eth_rx_burst(port->id, (uint16_t)worker->index, packets, STAGE_BURST);
    // DPDK's bond sends what it has to say to the other end when it is given something to send.
    if (port->speaks_lacp && worker->index == 0)
        rte_eth_tx_burst(port->id, 0, NULL, 0);
    meter_lap(&worker->stage.meter, METER_RX, 1, count);
    if (count && port->vlans)
        stage_receive_tagged(&worker->stage, port->vlans, packets, count);
    else if (count)
        stage_receive(&worker->stage, index, packets, count);
    return count;
}

// What the kernel sends through a TAP interface goes out as it is.
static uint32_t receive_punt(struct worker *worker, uint16_t index)
{
    const struct port *port = worker->shared->ports[index];
    if (!port->punts || worker->index >= port->punt_queues)
        return 0;
    struct rte_mbuf *packets[PUNT_BURST];
    uint16_t count = rte_eth_rx_burst(port->punt_id, (uint16_t)worker->index, packets, PUNT_BURST);
    for (uint16_t i = 0; i < count; i++)
        stage_transmit(&worker->stage, index, packets[i]);
    if (count)
        stats_add(&worker->stage.counters.port_injected[index], count);
    meter_lap(&worker->stage.meter, METER_INJECT, 1, count);
    return count;
}

static uint32_t receive_handed(struct worker *worker, struct mailbox *inbox)
{
    struct handoff_message messages[STAGE_BURST];
    uint32_t count = 0;
    while (count < STAGE_BURST && mailbox_receive(inbox, &messages[count]))
        count++;
    meter_lap(&worker->stage.meter, METER_HANDED, 1, count);
    if (count)
        stage_receive_handed(&worker->stage, messages, count);
    return count;
}

static bool copy_flow(void *context, const struct flow_view *flow)
{
    struct worker_page *page = context;
    page->flows[page->count++] = *flow;
    return true;
}

static void serve_page(struct worker *worker)
{
    struct worker_page *page = worker->page;
    if (atomic_load_explicit(&page->state, memory_order_acquire) != WORKER_PAGE_ASKED)
        return;
    page->count = 0;
    page->now_ms = worker->stage.now_ms;
    page->more = flow_walk(worker->stage.flows, &page->position, WORKER_FLOW_PAGE,
                           worker->stage.now_ms, copy_flow, page);
    atomic_store_explicit(&page->state, WORKER_PAGE_READY, memory_order_release);
}

static void serve_talkers(struct worker *worker)
{
    struct worker_talkers *told = &worker->told;
    if (atomic_load_explicit(&told->state, memory_order_acquire) != WORKER_PAGE_ASKED)
        return;
    stage_age_talkers(&worker->stage);
    told->talkers = worker->stage.talkers;
    atomic_store_explicit(&told->state, WORKER_PAGE_READY, memory_order_release);
}

static void sweep(struct worker *worker, uint32_t packets)
{
    struct stage *stage = &worker->stage;
    uint32_t elapsed_ms = stage->now_ms - worker->swept_ms;
    if (packets > 0 && elapsed_ms == 0)
        return;
    worker->swept_ms = stage->now_ms;
    uint32_t buckets = SWEEP_BUCKETS + sweep_due(flow_table_buckets(stage->flows), elapsed_ms);
    flow_sweep(stage->flows, buckets, stage->now_ms);
    affinity_sweep(stage->affinities, buckets, stage->now_ms);
}

uint32_t worker_turn(struct worker *worker)
{
    struct worker_shared *shared = worker->shared;
    struct stage *stage = &worker->stage;

    epoch_quiescent(&shared->epoch, worker->index);
    stage->tables = atomic_load_explicit(&shared->tables, memory_order_acquire);
    stage->tap = atomic_load_explicit(&worker->tap, memory_order_acquire);
    uint64_t now_tsc = rte_rdtsc();
    stage->now_ms = (uint32_t)((now_tsc - worker->started_tsc) / worker->cycles_per_ms);
    stage->now_ticks = (uint32_t)(now_tsc >> HANDSHAKE_TICK_BITS);
    meter_turn(&stage->meter, now_tsc, worker->turn_packets);

    uint32_t packets = 0;
    for (uint32_t p = 0; p < shared->port_count; p++) {
        packets += receive_port(worker, (uint16_t)p);
        packets += receive_punt(worker, (uint16_t)p);
    }
    for (uint32_t from = 0; from <= shared->workers; from++) {
        if (worker->inboxes[from])
            packets += receive_handed(worker, worker->inboxes[from]);
    }
    stage_expire(stage);
    stage_flush(stage);

    sweep(worker, packets);
    rules_recheck(stage);
    meter_lap(&stage->meter, METER_UPKEEP, 1, 0);
    serve_page(worker);
    serve_talkers(worker);
    worker->turn_packets = packets;
    return packets;
}

static void account(struct worker *worker, uint64_t began_tsc, uint32_t packets)
{
    struct counters *counters = &worker->stage.counters;
    uint64_t now_tsc = rte_rdtsc();
    stats_add(counters->turns, 1);
    stats_set(counters->cycles, now_tsc - worker->started_tsc);
    stats_set(counters->flows, flow_table_used(worker->stage.flows));
    if (packets == 0) {
        stats_add(counters->empty_turns, 1);
        return;
    }
    stats_add(counters->packets, packets);
    stats_add(counters->busy_cycles, now_tsc - began_tsc);
}

static void rest(struct worker *worker)
{
    const struct tables *tables = worker->stage.tables;
    uint64_t sleep_ns = idle_sleep_ns(worker->idle_turns, tables->busy_poll, tables->sleep_max_ns);
    if (sleep_ns == 0) {
        rte_pause();
        return;
    }
    struct timespec pause = {.tv_nsec = (long)sleep_ns}; // the schema keeps it below a second
    stats_add(worker->stage.counters.sleeps, 1);
    epoch_offline(&worker->shared->epoch, worker->index);
    nanosleep(&pause, NULL);
}

int worker_run(void *argument)
{
    struct worker *worker = argument;
    struct worker_shared *shared = worker->shared;
    // The kernel may round sleeps up by 50 us otherwise.
    prctl(PR_SET_TIMERSLACK, TIMER_SLACK_NS);
    worker->started_tsc = rte_rdtsc();
    worker->cycles_per_ms = rte_get_tsc_hz() / 1000;
    while (!atomic_load_explicit(&shared->stop, memory_order_relaxed)) {
        uint64_t began_tsc = rte_rdtsc();
        uint32_t packets = worker_turn(worker);
        account(worker, began_tsc, packets);
        worker->idle_turns = packets ? 0 : worker->idle_turns + (worker->idle_turns < UINT32_MAX);
        if (!packets)
            rest(worker);
    }
    epoch_offline(&shared->epoch, worker->index);
    return 0;
}
