#include "tests/packet/stage_bench.h"

#include <rte_eal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/clock.h"
#include "base/config/config.h"

void bench_start_dpdk(void)
{
    static bool started;
    if (started)
        return;
    started = true;
    char *arguments[] = {"packet-test", "--no-huge",      "--no-shconf",       "--no-pci", "-m",
                         "64",          "--no-telemetry", "--log-level=error", NULL};
    CHECK(rte_eal_init((int)(sizeof(arguments) / sizeof(arguments[0])) - 1, arguments) >= 0);
}

static void no_ask(void *context, uint32_t port, const struct ip_address *address,
                   const uint8_t *mac)
{
}

static void free_held(void *context, uint32_t port, const uint8_t *mac, void *packet)
{
    rte_pktmbuf_free(packet);
}

static void free_dropped(void *context, void *packet, bool failed)
{
    rte_pktmbuf_free(packet);
}

static bool is_drained(void *context, const char *pool, const char *member)
{
    const struct stage_bench *bench = context;
    char both[2 * CONFIG_NAME_SIZE];
    snprintf(both, sizeof(both), "%s/%s", pool, member);
    return bench->drained && strcmp(bench->drained, both) == 0;
}

static uint64_t member_flows(void *context, uint32_t slot)
{
    const struct stage_bench *bench = context;
    return bench->stage.counters.member_flows[slot];
}

static uint64_t service_flows(void *context, uint32_t slot)
{
    const struct stage_bench *bench = context;
    return bench->stage.counters.vip_flows[slot];
}

static void compile(struct stage_bench *bench)
{
    struct tables_context context = {
        .revision = bench->tables ? bench->tables->revision + 1 : 1,
        .previous = bench->tables,
        .services = bench->services,
        .pools = bench->pools,
        .members = bench->members,
        .neighbours = bench->neighbours,
        .actions = &bench->actions,
        .now_ns = bench->now_ns,
        .drained = is_drained,
        .member_flows = member_flows,
        .service_flows = service_flows,
        .context = bench,
    };
    struct tables *tables;
    char why[256] = "";
    enum error error = tables_compile(bench->config, &context, &tables, why);
    if (error)
        fprintf(stderr, "%s\n", why);
    CHECK(error == ERROR_NONE);
    tables_destroy(bench->tables);
    bench->tables = tables;
    bench->stage.tables = tables;
}

static struct config *read_config(const char *yaml)
{
    struct config *config;
    struct config_problems problems;
    enum error error = config_read_text(span_of(yaml, strlen(yaml)), &config, &problems);
    config_problems_print(&problems, "test", stderr);
    config_problems_fini(&problems);
    CHECK(error == ERROR_NONE);
    return config;
}

void bench_open(struct stage_bench *bench, const char *yaml)
{
    bench_start_dpdk();
    memset(bench, 0, sizeof(*bench));
    bench->now_ns = NANOSECONDS_PER_SECOND;
    bench->config = read_config(yaml);
    bench->actions =
        (struct neighbour_actions){.ask = no_ask, .send = free_held, .drop = free_dropped};
    bench->pool = rte_pktmbuf_pool_create("bench", 255, 0, 0, 2048 + RTE_PKTMBUF_HEADROOM, 0);
    CHECK(bench->pool);
    uint32_t workers = bench->config->node.core_count;
    CHECK(registry_create(16, &bench->services) == ERROR_NONE);
    CHECK(registry_create(16, &bench->pools) == ERROR_NONE);
    CHECK(registry_create(64, &bench->members) == ERROR_NONE);
    CHECK(neighbour_table_create(256, (struct siphash_key){5, 6}, &bench->neighbours) ==
          ERROR_NONE);
    CHECK(stats_create(counter_families, COUNTERS, 1, &bench->stats) == ERROR_NONE);

    for (uint32_t p = 0; p < bench->config->port_count; p++) {
        struct port *port = &bench->ports[p];
        port->mtu = (uint16_t)bench->config->ports[p].mtu;
        port->tx_queues = 1;
        port->punt_queues = 1;
        port->punts = bench->config->ports[p].punt.interface[0] != '\0';
        port->mac = (struct rte_ether_addr){{2, 0, 0, 0, 0, (uint8_t)p}};
        bench->port_list[p] = port;
    }
    struct stage *stage = &bench->stage;
    stage->neighbours = bench->neighbours;
    stage->ports = bench->port_list;
    stage->owner_key = (struct siphash_key){3, 4};
    stage->counters = counters_of(bench->stats, 0);
    stage->cursors = calloc(32, sizeof(*stage->cursors));
    stage->handoff = bench->handoff;
    CHECK(stage->cursors);
    CHECK(mailbox_create(64, sizeof(struct control_message), &stage->control) == ERROR_NONE);
    for (uint32_t w = 1; w < workers; w++)
        CHECK(mailbox_create(64, sizeof(struct handoff_message), &bench->handoff[w]) == ERROR_NONE);
    CHECK(flow_table_create(bench->config->node.flows.per_worker, (struct siphash_key){1, 2},
                            &stage->flows) == ERROR_NONE);
    stage_init(stage);
    compile(bench);
}

void bench_close(struct stage_bench *bench)
{
    tables_destroy(bench->tables);
    config_destroy(bench->config);
    registry_destroy(bench->services);
    registry_destroy(bench->pools);
    registry_destroy(bench->members);
    neighbour_table_destroy(bench->neighbours);
    stats_destroy(bench->stats);
    mailbox_destroy(bench->stage.control);
    for (size_t w = 0; w < sizeof(bench->handoff) / sizeof(bench->handoff[0]); w++)
        mailbox_destroy(bench->handoff[w]);
    flow_table_destroy(bench->stage.flows);
    free(bench->stage.cursors);
    rte_mempool_free(bench->pool);
}

void bench_reload(struct stage_bench *bench, const char *yaml)
{
    struct config *old = bench->config;
    bench->config = read_config(yaml);
    compile(bench);
    config_destroy(old);
}

void bench_drain(struct stage_bench *bench, const char *drained)
{
    bench->drained = drained;
    compile(bench);
}

void bench_neighbour(struct stage_bench *bench, uint32_t port, const char *address,
                     const uint8_t *mac)
{
    struct ip_address parsed;
    CHECK(ip_parse(address, &parsed) == ERROR_NONE);
    neighbour_learn(bench->neighbours, port, &parsed, mac, true, true, true, bench->now_ns,
                    &bench->actions);
}

void bench_at(struct stage_bench *bench, uint32_t now_ms)
{
    bench->stage.now_ms = now_ms;
    bench->now_ns = NANOSECONDS_PER_SECOND + (uint64_t)now_ms * NANOSECONDS_PER_MILLISECOND;
}

static void keep_frame(struct outcome *outcome, struct rte_mbuf *mbuf)
{
    CHECK(rte_pktmbuf_data_len(mbuf) <= FRAME_SIZE_MAX);
    outcome->frame.size = rte_pktmbuf_data_len(mbuf);
    memcpy(outcome->frame.bytes, rte_pktmbuf_mtod(mbuf, void *), outcome->frame.size);
    rte_pktmbuf_free(mbuf);
}

static uint32_t collect_boxes(struct stage_bench *bench, struct outcome *outcome)
{
    uint32_t found = 0;
    for (uint32_t p = 0; p < bench->tables->port_count; p++) {
        struct outbox *boxes[] = {&bench->stage.outboxes[p], &bench->stage.punts[p]};
        for (int b = 0; b < 2; b++) {
            if (boxes[b]->count == 0)
                continue;
            CHECK(boxes[b]->count == 1);
            boxes[b]->count = 0;
            outcome->kind = b == 0 ? OUTCOME_SENT : OUTCOME_PUNTED;
            outcome->port = p;
            keep_frame(outcome, boxes[b]->packets[0]);
            found++;
        }
    }
    return found;
}

static uint32_t collect_messages(struct stage_bench *bench, struct outcome *outcome)
{
    uint32_t found = 0;
    struct control_message control;
    while (mailbox_receive(bench->stage.control, &control)) {
        outcome->control = control;
        if (control.type == CONTROL_LEARN) {
            outcome->learned = true;
            continue;
        }
        outcome->kind = OUTCOME_HELD;
        outcome->port = control.port;
        keep_frame(outcome, control.packet);
        found++;
    }
    for (uint32_t w = 1; bench->handoff[w]; w++) {
        struct handoff_message handed;
        while (mailbox_receive(bench->handoff[w], &handed)) {
            outcome->kind = OUTCOME_HANDED;
            outcome->port = handed.port;
            outcome->worker = w;
            keep_frame(outcome, handed.packet);
            found++;
        }
    }
    return found;
}

static uint32_t collect_drops(const uint64_t *before, const uint64_t *after,
                              struct outcome *outcome)
{
    uint32_t found = 0;
    for (uint32_t reason = 0; reason < DROP_REASONS; reason++) {
        if (after[reason] == before[reason])
            continue;
        outcome->kind = OUTCOME_DROPPED;
        outcome->reason = (enum drop_reason)reason;
        found += (uint32_t)(after[reason] - before[reason]);
    }
    return found;
}

void bench_packet(struct stage_bench *bench, uint16_t port, const struct frame *frame,
                  struct outcome *outcome)
{
    uint64_t before[DROP_REASONS];
    memcpy(before, bench->stage.counters.drops, sizeof(before));
    memset(outcome, 0, sizeof(*outcome));
    struct rte_mbuf *mbuf = rte_pktmbuf_alloc(bench->pool);
    CHECK(mbuf);
    char *room = rte_pktmbuf_append(mbuf, (uint16_t)frame->size);
    CHECK(room);
    memcpy(room, frame->bytes, frame->size);
    stage_receive(&bench->stage, port, &mbuf, 1);
    uint32_t found = collect_boxes(bench, outcome) + collect_messages(bench, outcome) +
                     collect_drops(before, bench->stage.counters.drops, outcome);
    CHECK(found == 1); // no packet is lost without a name, none is in two places
    CHECK(rte_mempool_avail_count(bench->pool) == 255);
}

uint64_t bench_drops(const struct stage_bench *bench, enum drop_reason reason)
{
    return bench->stage.counters.drops[reason];
}
