#include "dataplane/packet/stage/observe.h"

#include <rte_cycles.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "dataplane/packet/stage/stage_priv.h"

// Records lie in the mailbox in pieces, as many as hold what was kept: those of small packets take
// one, whatever may be kept of large ones.
#define PIECE_BYTES 256u
#define PIECES      8192u // of one worker: 2 MiB

static uint32_t pieces_of(size_t frame_bytes)
{
    return (uint32_t)((sizeof(struct observe_record) + frame_bytes + PIECE_BYTES - 1) /
                      PIECE_BYTES);
}

size_t observe_record_size(uint32_t snap)
{
    return (size_t)pieces_of(2 * (size_t)snap) * PIECE_BYTES;
}

static bool send_record(struct observe_tap *tap, const struct observe_record *record)
{
    uint32_t pieces = pieces_of((size_t)record->in_bytes + record->out_bytes);
    return mailbox_send_many(tap->records, record, pieces);
}

bool observe_receive(struct observe_tap *tap, struct observe_record *record)
{
    if (!mailbox_receive(tap->records, record))
        return false;
    uint32_t pieces = pieces_of((size_t)record->in_bytes + record->out_bytes);
    uint8_t *bytes = (uint8_t *)record;
    for (uint32_t i = 1; i < pieces; i++)
        CHECK(mailbox_receive(tap->records, bytes + (size_t)i * PIECE_BYTES));
    return true;
}

enum error observe_tap_create(const struct filter *filter, uint32_t snap, uint32_t rate,
                              struct observe_tap **tap)
{
    size_t size = observe_record_size(snap);
    struct observe_tap *made =
        calloc(1, sizeof(*made) + STAGE_BURST * sizeof(struct observe_record *));
    if (!made)
        return ERROR_NO_MEMORY;
    made->filter = filter;
    made->snap = snap;
    made->rate = rate;
    uint8_t *pending = calloc(STAGE_BURST, size);
    made->pending[0] = (struct observe_record *)pending;
    if (!pending || mailbox_create(PIECES, PIECE_BYTES, &made->records) != ERROR_NONE) {
        observe_tap_destroy(made);
        return ERROR_NO_MEMORY;
    }
    for (uint32_t i = 1; i < STAGE_BURST; i++)
        made->pending[i] = (struct observe_record *)(pending + i * size);
    *tap = made;
    return ERROR_NONE;
}

void observe_tap_destroy(struct observe_tap *tap)
{
    if (!tap)
        return;
    mailbox_destroy(tap->records);
    free(tap->pending[0]);
    free(tap);
}

// A leaky bucket in thousandths of a record, of a tenth of a second's worth, at least one burst's.
static bool may_tell(struct observe_tap *tap, uint32_t now_ms)
{
    uint64_t room = (uint64_t)RTE_MAX(tap->rate / 10, (uint32_t)STAGE_BURST) * 1000;
    uint64_t emptied = (uint64_t)(now_ms - tap->emptied_ms) * tap->rate;
    tap->used_thousandths -= RTE_MIN(tap->used_thousandths, emptied);
    tap->emptied_ms = now_ms;
    return tap->used_thousandths + 1000 <= room;
}

static void facts_of(const struct rte_mbuf *mbuf, uint16_t port, struct facts *facts)
{
    *facts = (struct facts){.in_port = port};
    facts_read(span_of(rte_pktmbuf_mtod(mbuf, const uint8_t *), rte_pktmbuf_data_len(mbuf)), facts);
}

// Whether a packet has to be watched: it is wanted, or may be.
static bool is_wanted(struct stage *stage, const struct rte_mbuf *mbuf, uint16_t port)
{
    struct observe_tap *tap = stage->tap;
    struct facts facts;
    facts_of(mbuf, port, &facts);
    enum filter_answer answer = filter_ask(tap->filter, &facts);
    // What depends on the stages has to be watched, or a flood would hide the one that is sought.
    if (answer != FILTER_YES || may_tell(tap, stage->now_ms))
        return answer != FILTER_NO;
    stats_add(&tap->limited, 1);
    return false;
}

// Copies the first bytes of a frame that may be in several pieces.
static uint16_t keep(const struct rte_mbuf *mbuf, uint32_t snap, uint8_t *out)
{
    uint32_t size = RTE_MIN(rte_pktmbuf_pkt_len(mbuf), snap);
    const void *bytes = rte_pktmbuf_read(mbuf, 0, size, out);
    if (bytes != out)
        memcpy(out, bytes, size);
    return (uint16_t)size;
}

static void begin(struct stage *stage, struct burst *burst, struct rte_mbuf *mbuf, uint16_t port,
                  bool handed, uint64_t now_tsc)
{
    struct observe_record *record = burst->tap->pending[burst->count];
    *record = (struct observe_record){
        .tsc = now_tsc,
        .worker = (uint16_t)stage->worker,
        .in_port = port,
        .handed = handed,
        .in_size = rte_pktmbuf_pkt_len(mbuf),
    };
    record->in_bytes = keep(mbuf, burst->tap->snap, record->bytes);
    burst_add(burst, mbuf, port, handed);
}

void stage_observe(struct stage *stage, uint16_t port, struct rte_mbuf **packets, uint32_t count,
                   bool handed)
{
    struct burst burst;
    burst.count = 0;
    burst.tap = stage->tap;
    uint64_t now_tsc = rte_rdtsc();
    uint32_t plain = 0; // where those that nobody watches begin
    for (uint32_t i = 0; i < count; i++) {
        if (!is_wanted(stage, packets[i], port)) {
            if (burst.count)
                stage_walk(stage, &burst);
            continue;
        }
        if (plain < i)
            stage_short_path(stage, port, packets + plain, i - plain, handed);
        begin(stage, &burst, packets[i], port, handed, now_tsc);
        plain = i + 1;
    }
    if (burst.count)
        stage_walk(stage, &burst);
    if (plain < count)
        stage_short_path(stage, port, packets + plain, count - plain, handed);
}

// The state of the flow that a packet's key leads to.
static uint8_t state_of(struct stage *stage, const struct burst *burst, uint32_t index)
{
    for (uint32_t k = 0; k < burst->key_count; k++) {
        if (burst->packet_of[k] != index)
            continue;
        struct flow *flow =
            flow_find(stage->flows, &burst->keys[k], burst->hashes[k], stage->now_ms);
        return flow ? (uint8_t)flow_state_of(stage->flows, flow) : FLOW_STATES;
    }
    return FLOW_STATES;
}

static enum observe_verdict verdict_of(const struct packet *packet)
{
    switch ((enum verdict)packet->verdict) {
    case VERDICT_SEND:
        return OBSERVE_SENT;
    case VERDICT_HOLD:
        return OBSERVE_HELD;
    case VERDICT_PUNT:
    case VERDICT_PUNT_NEIGHBOUR:
        return OBSERVE_PUNTED;
    case VERDICT_FOLLOW:
        return OBSERVE_FOLLOWS;
    case VERDICT_SPLIT:
        return OBSERVE_SPLIT;
    case VERDICT_CONSUMED:
        return OBSERVE_CONSUMED;
    case VERDICT_HANDOFF:
        return OBSERVE_HANDED;
    case VERDICT_DROP:
        return OBSERVE_DROPPED;
    case VERDICT_NONE:
        break;
    }
    return OBSERVE_ON;
}

void observe_stage_ended(struct stage *stage, struct burst *burst, enum meter_stage ended)
{
    for (uint32_t i = 0; i < burst->count; i++) {
        const struct packet *packet = &burst->packets[i];
        struct observe_record *record = burst->tap->pending[i];
        // A stage has a say as long as none before it has decided.
        if (record->verdict != OBSERVE_ON || record->step_count == OBSERVE_STEPS_MAX - 1)
            continue;
        record->verdict = (uint8_t)verdict_of(packet);
        record->steps[record->step_count++] = (struct observe_step){
            .stage = (uint8_t)ended,
            .verdict = record->verdict,
            .reason = packet->verdict == VERDICT_DROP ? packet->reason : DROP_NONE,
            .state = state_of(stage, burst, i),
        };
    }
}

void observe_leaving(struct stage *stage, struct burst *burst, uint32_t index)
{
    const struct packet *packet = &burst->packets[index];
    struct observe_tap *tap = burst->tap;
    struct observe_record *record = tap->pending[index];
    record->out_port = packet->out_port;
    record->owner = packet->owner;
    record->service = packet->service;
    record->member = packet->member;
    record->leaves = packet->verdict == VERDICT_SEND || packet->verdict == VERDICT_HOLD;
    if (record->leaves) {
        record->out_size = rte_pktmbuf_pkt_len(packet->mbuf);
        record->out_bytes = keep(packet->mbuf, tap->snap, record->bytes + record->in_bytes);
    }
    stage->last_drop = DROP_NONE;
}

void observe_left(struct stage *stage, struct burst *burst, uint32_t index)
{
    struct observe_tap *tap = burst->tap;
    struct observe_record *record = tap->pending[index];
    // Sending may have emptied the outbox: what a full device dropped then was not this packet.
    if (stage->last_drop != DROP_TX_FULL && stage->last_drop != DROP_LINK_DOWN)
        record->reason = (uint8_t)stage->last_drop;
    if (record->verdict == OBSERVE_ON) // no stage claimed it: not ours
        record->verdict = OBSERVE_PUNTED;
    if (record->reason != DROP_NONE)
        record->verdict = OBSERVE_DROPPED;
    record->leaves &= record->reason == DROP_NONE;
    record->steps[record->step_count++] = (struct observe_step){
        .stage = METER_DISPATCH,
        .verdict = record->verdict,
        .reason = record->reason,
        .state = FLOW_STATES,
    };
    struct facts facts = {.in_port = record->in_port,
                          .decided = true,
                          .service = record->service,
                          .reason = record->reason};
    facts_read(span_of(record->bytes, record->in_bytes), &facts);
    if (filter_ask(tap->filter, &facts) != FILTER_YES)
        return;
    if (!may_tell(tap, stage->now_ms)) {
        stats_add(&tap->limited, 1);
        return;
    }
    tap->used_thousandths += 1000;
    stats_add(send_record(tap, record) ? &tap->told : &tap->lost, 1);
}
