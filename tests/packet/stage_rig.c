#include "tests/packet/stage_rig.h"

#include <rte_eal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/clock.h"
#include "base/config/config.h"

void rig_start_dpdk(void)
{
    static bool started;
    if (started)
        return;
    started = true;
    char *arguments[] = {"packet-test", "--no-huge",      "--no-shconf",       "--no-pci", "-m",
                         "64",          "--no-telemetry", "--log-level=error", NULL};
    CHECK(rte_eal_init((int)(sizeof(arguments) / sizeof(arguments[0])) - 1, arguments) >= 0);
}

static bool no_ask(void *context, uint32_t port, const struct ip_address *address,
                   const uint8_t *mac)
{
    return true;
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
    const struct stage_rig *rig = context;
    char both[2 * CONFIG_NAME_SIZE];
    snprintf(both, sizeof(both), "%s/%s", pool, member);
    return rig->drained && strcmp(rig->drained, both) == 0;
}

static uint64_t member_flows(void *context, uint32_t slot)
{
    const struct stage_rig *rig = context;
    return rig->stage.counters.members[slot].flows;
}

static uint64_t service_flows(void *context, uint32_t slot)
{
    const struct stage_rig *rig = context;
    return rig->stage.counters.vips[slot].flows;
}

static uint64_t local_flows(void *context, uint32_t slot)
{
    const struct stage_rig *rig = context;
    return rig->stage.counters.local_ports[slot];
}

static uint16_t path_mtu(void *context, const struct ip_address *member, uint64_t now_ns,
                         uint64_t *until_ns)
{
    const struct stage_rig *rig = context;
    *until_ns = now_ns + 600 * NANOSECONDS_PER_SECOND;
    return rig->path_mtu;
}

static enum error try_compile(struct stage_rig *rig, const struct config *config,
                              struct tables **tables, char *why)
{
    struct tables_context context = {
        .revision = rig->tables ? rig->tables->revision + 1 : 1,
        .previous = rig->tables,
        .services = rig->services,
        .pools = rig->pools,
        .members = rig->members,
        .endpoints = rig->endpoints,
        .rules = rig->rules,
        .locals = rig->locals,
        .neighbours = rig->neighbours,
        .actions = &rig->actions,
        .steer = rig->steer,
        .now_ns = rig->now_ns,
        .drained = is_drained,
        .member_flows = member_flows,
        .service_flows = service_flows,
        .local_flows = local_flows,
        .path_mtu = path_mtu,
        .context = rig,
    };
    return tables_compile(config, &context, tables, why);
}

static void compile(struct stage_rig *rig)
{
    struct tables *tables;
    char why[256] = "";
    enum error error = try_compile(rig, rig->config, &tables, why);
    if (error)
        fprintf(stderr, "%s\n", why);
    CHECK(error == ERROR_NONE);
    tables_destroy(rig->tables);
    rig->tables = tables;
    rig->stage.tables = tables;
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

void rig_open(struct stage_rig *rig, const char *yaml)
{
    rig_open_worker(rig, yaml, 0, NULL);
}

void rig_open_worker(struct stage_rig *rig, const char *yaml, uint32_t worker,
                     const struct steer *steer)
{
    rig_start_dpdk();
    memset(rig, 0, sizeof(*rig));
    rig->steer = steer;
    rig->stage.worker = worker;
    rig->now_ns = NANOSECONDS_PER_SECOND;
    rig->config = read_config(yaml);
    rig->actions =
        (struct neighbour_actions){.ask = no_ask, .send = free_held, .drop = free_dropped};
    static uint32_t opened;
    char name[16];
    snprintf(name, sizeof(name), "rig%u", opened++);
    rig->pool = rte_pktmbuf_pool_create(name, 255, 0, 0, 2048 + RTE_PKTMBUF_HEADROOM, 0);
    CHECK(rig->pool);
    uint32_t workers = rig->config->node.core_count;
    CHECK(registry_create(16, &rig->services) == ERROR_NONE);
    CHECK(registry_create(16, &rig->pools) == ERROR_NONE);
    CHECK(registry_create(64, &rig->members) == ERROR_NONE);
    CHECK(registry_create(64, &rig->endpoints) == ERROR_NONE);
    CHECK(registry_create(64, &rig->rules) == ERROR_NONE);
    CHECK(registry_create(16, &rig->locals) == ERROR_NONE);
    CHECK(neighbour_table_create(256, 256, (struct siphash_key){5, 6}, &rig->neighbours) ==
          ERROR_NONE);
    CHECK(stats_create(counter_families, COUNTERS, 1, &rig->stats) == ERROR_NONE);

    for (uint32_t p = 0; p < rig->config->port_count; p++) {
        struct port *port = &rig->ports[p];
        port->mtu = (uint16_t)rig->config->ports[p].mtu;
        port->tx_queues = 1;
        port->punt_queues = 1;
        port->buffers = rig->pool;
        port->punts = rig->config->ports[p].punt.interface[0] != '\0';
        port->mac = (struct rte_ether_addr){{2, 0, 0, 0, 0, (uint8_t)p}};
        rig->port_list[p] = port;
    }
    struct stage *stage = &rig->stage;
    stage->neighbours = rig->neighbours;
    stage->ports = rig->port_list;
    stage->owner_key = (struct siphash_key){3, 4};
    stage->counters = counters_of(rig->stats, 0);
    stage->cursors = calloc(32, sizeof(*stage->cursors));
    stage->handoff = rig->handoff;
    CHECK(stage->cursors);
    CHECK(affinity_create(1024, &stage->affinities) == ERROR_NONE);
    CHECK(mailbox_create(64, sizeof(struct news_message), &stage->news) == ERROR_NONE);
    CHECK(mailbox_create(64, sizeof(struct hold_message), &stage->held) == ERROR_NONE);
    for (uint32_t w = 0; w < workers; w++) {
        if (w == worker)
            continue;
        CHECK(mailbox_create(64, sizeof(struct handoff_message), &rig->handoff[w]) == ERROR_NONE);
    }
    static const uint64_t secrets[FOLD_SECRETS] = {0x243f6a8885a308d3u, 0x13198a2e03707344u,
                                                   0xa4093822299f31d0u, 0x082efa98ec4e6c89u};
    CHECK(flow_table_create(rig->config->node.flows.per_worker, secrets, &stage->flows) ==
          ERROR_NONE);
    CHECK(stage_init(stage) == ERROR_NONE);
    compile(rig);
}

void rig_close(struct stage_rig *rig)
{
    stage_fini(&rig->stage);
    tables_destroy(rig->tables);
    config_destroy(rig->config);
    registry_destroy(rig->services);
    registry_destroy(rig->pools);
    registry_destroy(rig->members);
    registry_destroy(rig->endpoints);
    registry_destroy(rig->rules);
    registry_destroy(rig->locals);
    neighbour_table_destroy(rig->neighbours);
    stats_destroy(rig->stats);
    mailbox_destroy(rig->stage.news);
    mailbox_destroy(rig->stage.held);
    for (size_t w = 0; w < sizeof(rig->handoff) / sizeof(rig->handoff[0]); w++)
        mailbox_destroy(rig->handoff[w]);
    flow_table_destroy(rig->stage.flows);
    free(rig->stage.cursors);
    affinity_destroy(rig->stage.affinities);
    rte_mempool_free(rig->pool);
}

void rig_reload(struct stage_rig *rig, const char *yaml)
{
    struct config *old = rig->config;
    rig->config = read_config(yaml);
    compile(rig);
    config_destroy(old);
}

void rig_refuse(struct stage_rig *rig, const char *yaml, char *why)
{
    struct config *config = read_config(yaml);
    struct tables *tables;
    CHECK(try_compile(rig, config, &tables, why) != ERROR_NONE);
    config_destroy(config);
}

void rig_drain(struct stage_rig *rig, const char *drained)
{
    rig->drained = drained;
    compile(rig);
}

void rig_neighbour(struct stage_rig *rig, uint32_t port, const char *address, const uint8_t *mac)
{
    struct ip_address parsed;
    CHECK(ip_parse(address, &parsed) == ERROR_NONE);
    neighbour_learn(rig->neighbours, port, &parsed, mac, true, true, true, rig->now_ns,
                    &rig->actions);
}

void rig_at(struct stage_rig *rig, uint32_t now_ms)
{
    rig->stage.now_ms = now_ms;
    rig->now_ns = NANOSECONDS_PER_SECOND + (uint64_t)now_ms * NANOSECONDS_PER_MILLISECOND;
}

static void keep_frame(struct outcome *outcome, struct rte_mbuf *mbuf)
{
    CHECK(rte_pktmbuf_data_len(mbuf) <= FRAME_SIZE_MAX);
    outcome->frame.size = rte_pktmbuf_data_len(mbuf);
    memcpy(outcome->frame.bytes, rte_pktmbuf_mtod(mbuf, void *), outcome->frame.size);
    rte_pktmbuf_free(mbuf);
}

static uint32_t collect_boxes(struct stage_rig *rig, struct outcome *outcome)
{
    uint32_t found = 0;
    for (uint32_t p = 0; p < rig->tables->port_count; p++) {
        struct outbox *boxes[] = {&rig->stage.outboxes[p], &rig->stage.punts[p]};
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

static uint32_t collect_messages(struct stage_rig *rig, struct outcome *outcome)
{
    uint32_t found = 0;
    while (mailbox_receive(rig->stage.news, &outcome->news))
        outcome->learned = true;
    while (mailbox_receive(rig->stage.held, &outcome->held)) {
        if (!outcome->held.packet)
            continue; // a test filled the mailbox
        outcome->kind = OUTCOME_HELD;
        outcome->port = outcome->held.port;
        keep_frame(outcome, outcome->held.packet);
        found++;
    }
    for (uint32_t w = 0; w < RTE_DIM(rig->handoff); w++) {
        struct handoff_message handed;
        while (rig->handoff[w] && mailbox_receive(rig->handoff[w], &handed)) {
            if (!handed.packet)
                continue;
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

static struct rte_mbuf *mbuf_of(struct stage_rig *rig, const struct frame *frame)
{
    struct rte_mbuf *mbuf = rte_pktmbuf_alloc(rig->pool);
    CHECK(mbuf);
    char *room = rte_pktmbuf_append(mbuf, (uint16_t)frame->size);
    CHECK(room);
    memcpy(room, frame->bytes, frame->size);
    return mbuf;
}

// What has become of the one packet that went in after `before` was noted.
static void collect(struct stage_rig *rig, const uint64_t *before, struct outcome *outcome)
{
    uint32_t found = collect_boxes(rig, outcome) + collect_messages(rig, outcome);
    uint32_t dropped = collect_drops(before, rig->stage.counters.drops, outcome);
    // No packet is lost without a name, none is in two places.
    CHECK(rte_mempool_avail_count(rig->pool) == 255 - fragments_waiting(rig->stage.fragments));
    outcome->answered = found == 1 && dropped == 1;
    found += dropped - outcome->answered;
    CHECK(found <= 1);
    if (found == 0)
        outcome->kind = fragments_waiting(rig->stage.fragments) > rig->waiting ? OUTCOME_WAITS
                                                                               : OUTCOME_CONSUMED;
    rig->waiting = fragments_waiting(rig->stage.fragments);
}

// Before a packet: what was dropped until then, and an outcome of nothing yet.
static void begin(const struct stage_rig *rig, uint64_t *before, struct outcome *outcome)
{
    memcpy(before, rig->stage.counters.drops, DROP_REASONS * sizeof(*before));
    memset(outcome, 0, sizeof(*outcome));
}

void rig_packet(struct stage_rig *rig, uint16_t port, const struct frame *frame,
                struct outcome *outcome)
{
    uint64_t before[DROP_REASONS];
    begin(rig, before, outcome);
    struct rte_mbuf *mbuf = mbuf_of(rig, frame);
    stage_receive(&rig->stage, port, &mbuf, 1);
    collect(rig, before, outcome);
}

struct outcome rig_put(struct stage_rig *rig, uint16_t port, struct frame_spec spec)
{
    static struct frame frame;
    static struct outcome outcome;
    frame_build(&frame, &spec);
    rig_packet(rig, port, &frame, &outcome);
    return outcome;
}

void rig_tagged(struct stage_rig *rig, const struct port_vlans *vlans, const struct frame *frame,
                struct outcome *outcome)
{
    uint64_t before[DROP_REASONS];
    begin(rig, before, outcome);
    struct rte_mbuf *mbuf = mbuf_of(rig, frame);
    stage_receive_tagged(&rig->stage, vlans, &mbuf, 1);
    collect(rig, before, outcome);
}

void rig_pieces(struct stage_rig *rig, uint16_t port, const struct frame *frame, size_t piece,
                struct outcome *outcome)
{
    uint64_t before[DROP_REASONS];
    begin(rig, before, outcome);
    struct rte_mbuf *whole = NULL;
    for (size_t at = 0; at < frame->size; at += piece) {
        struct rte_mbuf *mbuf = rte_pktmbuf_alloc(rig->pool);
        CHECK(mbuf);
        uint16_t size = (uint16_t)RTE_MIN(piece, frame->size - at);
        char *room = rte_pktmbuf_append(mbuf, size);
        CHECK(room);
        memcpy(room, frame->bytes + at, size);
        if (!whole)
            whole = mbuf;
        else
            CHECK(rte_pktmbuf_chain(whole, mbuf) == 0);
    }
    stage_receive(&rig->stage, port, &whole, 1);
    collect(rig, before, outcome);
}

void rig_handed(struct stage_rig *rig, enum handoff_type type, uint16_t origin, uint16_t port,
                const struct frame *frame, struct outcome *outcome)
{
    uint64_t before[DROP_REASONS];
    begin(rig, before, outcome);
    const struct handoff_message message = {
        .packet = mbuf_of(rig, frame), .port = port, .type = (uint16_t)type, .origin = origin};
    stage_receive_handed(&rig->stage, &message, 1);
    collect(rig, before, outcome);
}

void rig_burst(struct stage_rig *rig, uint16_t port, const struct frame *frames, uint32_t count,
               struct sent *sent)
{
    struct rte_mbuf *mbufs[STAGE_BURST];
    for (uint32_t i = 0; i < count; i++)
        mbufs[i] = mbuf_of(rig, &frames[i]);
    stage_receive(&rig->stage, port, mbufs, count);
    sent->count = 0;
    for (uint32_t p = 0; p < rig->tables->port_count; p++) {
        struct outbox *box = &rig->stage.outboxes[p];
        for (uint32_t i = 0; i < box->count; i++) {
            static struct outcome outcome;
            memset(&outcome, 0, sizeof(outcome));
            keep_frame(&outcome, box->packets[i]);
            sent->packets[sent->count].port = p;
            sent->packets[sent->count++].frame = outcome.frame;
        }
        box->count = 0;
        for (uint32_t i = 0; i < rig->stage.punts[p].count; i++)
            rte_pktmbuf_free(rig->stage.punts[p].packets[i]);
        rig->stage.punts[p].count = 0;
    }
    struct outcome ignored;
    collect_messages(rig, &ignored);
    CHECK(rte_mempool_avail_count(rig->pool) == 255 - fragments_waiting(rig->stage.fragments));
    rig->waiting = fragments_waiting(rig->stage.fragments);
}

uint64_t rig_drops(const struct stage_rig *rig, enum drop_reason reason)
{
    return rig->stage.counters.drops[reason];
}
