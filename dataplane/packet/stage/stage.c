#include "dataplane/packet/stage/stage.h"

#include <rte_ethdev.h>

#include "base/check.h"
#include "base/random.h"
#include "dataplane/packet/stage/stage_priv.h"

#define PUNT_BURST_MIN 32

// The share of the flow table's entries that flows on probation may be, TCP's as well as UDP's;
// NAT's two a flow: a quarter.
#define PROBATION_SHARE 8u

// Called by the flow table for a flow that ends.
static void flow_ended(void *context, uint16_t service, uint16_t member,
                       const struct flow_pair *pair)
{
    struct stage *stage = context;
    stats_add(&stage->counters.vips[service].flows, UINT64_MAX);
    stats_add(&stage->counters.members[member].flows, UINT64_MAX);
    if (pair && is_fullnat(pair))
        fullnat_give_back(stage, pair->member_endpoint, pair->local, pair->local_number);
}

enum error stage_init(struct stage *stage)
{
    flow_table_on_free(stage->flows, flow_ended, stage);
    random_os_bytes(stage->identifications, sizeof(stage->identifications));
    meter_init(&stage->meter, stage->counters.stages);
    const struct fragments_actions actions = {
        .follow = fragment_release, .drop = fragment_give_up, .context = stage};
    struct siphash_key key;
    random_os_bytes(&key, sizeof(key));
    enum error error = fragments_create(key, actions, &stage->fragments);
    if (error || (error = drops_init(&stage->drops)))
        return error;
    uint32_t slots = flow_table_capacity(stage->flows) / PROBATION_SHARE;
    for (int set = 0; set < PROBATION_SETS && !error; set++)
        error = probation_create(slots, &stage->probations[set]);
    if (error || (error = pressure_init(&stage->pressure)))
        return error;
    return handshakes_init(&stage->handshakes);
}

void stage_fini(struct stage *stage)
{
    fragments_destroy(stage->fragments);
    drops_fini(&stage->drops);
    for (int set = 0; set < PROBATION_SETS; set++)
        probation_destroy(stage->probations[set]);
    pressure_fini(&stage->pressure);
    handshakes_fini(&stage->handshakes);
}

void stage_expire(struct stage *stage)
{
    fragments_expire(stage->fragments, stage->now_ms);
    stats_set(stage->counters.fragment_datagrams, fragments_datagrams(stage->fragments));
    stats_set(stage->counters.fragments_waiting, fragments_waiting(stage->fragments));
    pressure_turn(stage);
}

void stage_drop_of(struct stage *stage, struct rte_mbuf *packet, enum drop_reason reason,
                   uint16_t service)
{
    stage->last_drop = reason;
    stats_add(&stage->counters.drops[reason], 1);
    drops_count(&stage->drops, service, reason);
    rte_pktmbuf_free(packet);
}

void stage_drop(struct stage *stage, struct rte_mbuf *packet, enum drop_reason reason)
{
    stage_drop_of(stage, packet, reason, 0);
}

static void send_to_worker(struct stage *stage, uint16_t worker,
                           const struct handoff_message *message)
{
    if (mailbox_send(stage->handoff[worker], message))
        stats_add(stage->counters.handoffs, 1);
    else
        stage_drop(stage, message->packet, DROP_HANDOFF_FULL);
}

void stage_hand_off(struct stage *stage, struct rte_mbuf *packet, uint16_t worker, uint16_t port,
                    enum handoff_type type)
{
    struct handoff_message message = {.packet = packet, .port = port, .type = (uint16_t)type};
    send_to_worker(stage, worker, &message);
}

static uint64_t bytes_of(struct rte_mbuf *const *packets, uint32_t count)
{
    uint64_t bytes = 0;
    for (uint32_t i = 0; i < count; i++)
        bytes += rte_pktmbuf_pkt_len(packets[i]);
    return bytes;
}

// A device may have fewer queues than there are workers: then another one's queue sends for us.
static void hand_over_box(struct stage *stage, struct outbox *box, uint16_t port, uint16_t queues,
                          enum handoff_type type)
{
    uint16_t sender = (uint16_t)(stage->worker % queues);
    for (uint32_t i = 0; i < box->count; i++)
        stage_hand_off(stage, box->packets[i], sender, port, type);
    box->count = 0;
}

static enum drop_reason why_refused(const struct port *port)
{
    bool down = atomic_load_explicit(&port->link_down, memory_order_relaxed);
    return down ? DROP_LINK_DOWN : DROP_TX_FULL;
}

void stage_flush_port(struct stage *stage, uint16_t index)
{
    struct outbox *box = &stage->outboxes[index];
    const struct port *port = stage->ports[index];
    if (stage->worker >= port->tx_queues) {
        hand_over_box(stage, box, index, port->tx_queues, HANDOFF_TRANSMIT);
        return;
    }
    uint32_t tag_size = port->vlan ? vlan_tag(stage, port, box) : 0;
    // Sent packets are the device's: their bytes are counted before, and tags not at all.
    uint64_t bytes = bytes_of(box->packets, box->count);
    uint32_t sent =
        rte_eth_tx_burst(port->id, (uint16_t)stage->worker, box->packets, (uint16_t)box->count);
    bytes -= bytes_of(box->packets + sent, box->count - sent) + (uint64_t)sent * tag_size;
    stats_add(&stage->counters.port_tx_packets[index], sent);
    stats_add(&stage->counters.port_tx_bytes[index], bytes);
    for (uint32_t i = sent; i < box->count; i++)
        stage_drop(stage, box->packets[i], why_refused(port));
    box->count = 0;
}

static void flush_punt(struct stage *stage, uint16_t index)
{
    struct outbox *box = &stage->punts[index];
    const struct port *port = stage->ports[index];
    if (stage->worker >= port->punt_queues) {
        hand_over_box(stage, box, index, port->punt_queues, HANDOFF_PUNT);
        return;
    }
    uint32_t sent = rte_eth_tx_burst(port->punt_id, (uint16_t)stage->worker, box->packets,
                                     (uint16_t)box->count);
    stats_add(&stage->counters.port_punted[index], sent);
    for (uint32_t i = sent; i < box->count; i++)
        stage_drop(stage, box->packets[i], DROP_PUNT_FULL);
    box->count = 0;
}

void stage_flush(struct stage *stage)
{
    for (uint32_t p = 0; p < stage->tables->port_count; p++) {
        uint32_t to_send = stage->outboxes[p].count, to_punt = stage->punts[p].count;
        if (to_send) {
            stage_flush_port(stage, (uint16_t)p);
            meter_lap(&stage->meter, METER_TX, 1, to_send);
        }
        if (to_punt) {
            flush_punt(stage, (uint16_t)p);
            meter_lap(&stage->meter, METER_PUNT, 1, to_punt);
        }
    }
}

void stage_transmit(struct stage *stage, uint16_t port, struct rte_mbuf *packet)
{
    outbox_add(stage, port, packet);
}

bool budget_take(struct budget *budget, uint64_t rate, uint64_t burst, uint32_t now_ms)
{
    uint32_t elapsed_ms = RTE_MIN(now_ms - budget->emptied_ms, 1000u);
    uint64_t emptied = elapsed_ms * rate * 1000;
    budget->used_millionths -= RTE_MIN(budget->used_millionths, emptied);
    budget->emptied_ms = now_ms;
    if (budget->used_millionths + 1000000 > burst * 1000000)
        return false;
    budget->used_millionths += 1000000;
    return true;
}

// A tenth of a second's worth fits at once.
static bool punt_allowed(const struct stage *stage, uint16_t port, struct budget *budget)
{
    uint64_t rate = stage->tables->ports[port].punt_rate;
    uint64_t burst = RTE_MAX(rate / 10, (uint64_t)PUNT_BURST_MIN);
    return budget_take(budget, rate, burst, stage->now_ms);
}

static void enqueue_punt(struct stage *stage, uint16_t port, struct rte_mbuf *packet)
{
    struct outbox *box = &stage->punts[port];
    box->packets[box->count++] = packet;
    if (box->count == RTE_DIM(box->packets))
        flush_punt(stage, port);
}

// What stations say to everybody is no loss, whoever sends it to us alone may miss an answer.
static enum drop_reason why_not_punted(const struct packet *packet)
{
    return is_group_mac(packet->frame) ? DROP_MULTICAST_UNJOINED : DROP_PUNT_DISABLED;
}

static void punt(struct stage *stage, const struct packet *packet, struct budget *budgets)
{
    uint16_t port = packet->in_port;
    if (!stage->ports[port]->punts)
        stage_drop(stage, packet->mbuf, why_not_punted(packet));
    else if (!punt_allowed(stage, port, &budgets[port]))
        stage_drop(stage, packet->mbuf, DROP_PUNT_RATE);
    else
        enqueue_punt(stage, port, packet->mbuf);
}

static void hold(struct stage *stage, const struct packet *packet)
{
    struct hold_message message = {
        .packet = packet->mbuf,
        .port = packet->out_port,
        .address = packet->next_hop,
    };
    if (!mailbox_send(stage->held, &message))
        stage_drop_of(stage, packet->mbuf, DROP_CONTROL_FULL, packet->service);
}

static void hand_off(struct stage *stage, const struct packet *packet)
{
    struct handoff_message message = {
        .packet = packet->mbuf,
        .port = packet->in_port,
        .type = packet->searched ? HANDOFF_SEARCH : HANDOFF_PROCESS,
        .origin = packet->origin,
    };
    send_to_worker(stage, packet->owner, &message);
}

void stage_dispatch(struct stage *stage, const struct packet *packet)
{
    switch ((enum verdict)packet->verdict) {
    case VERDICT_SEND:
        stage_transmit(stage, packet->out_port, packet->mbuf);
        break;
    case VERDICT_HOLD:
        hold(stage, packet);
        break;
    case VERDICT_FOLLOW:
        fragment_follow(stage, packet);
        break;
    case VERDICT_SPLIT:
        stage_split(stage, packet);
        break;
    case VERDICT_HANDOFF:
        hand_off(stage, packet);
        break;
    case VERDICT_DROP:
        stage_drop_of(stage, packet->mbuf, (enum drop_reason)packet->reason, packet->service);
        break;
    case VERDICT_CONSUMED:
        rte_pktmbuf_free(packet->mbuf);
        break;
    case VERDICT_PUNT_NEIGHBOUR:
        punt(stage, packet, stage->neighbour_budgets);
        break;
    case VERDICT_NONE: // no stage claimed it: not ours
    case VERDICT_PUNT:
        punt(stage, packet, stage->punt_budgets);
        break;
    }
}

void packet_init(struct packet *packet, struct rte_mbuf *mbuf, uint16_t port, bool handed)
{
    packet->mbuf = mbuf;
    packet->frame = rte_pktmbuf_mtod(mbuf, uint8_t *);
    packet->verdict = VERDICT_NONE;
    packet->handed = handed;
    packet->followed = false;
    packet->reply = false;
    packet->crosses = false;
    packet->searched = false;
    packet->in_port = port;
    packet->out_port = 0;
    packet->owner = 0;
    packet->size_max = 0;
    packet->identification = 0;
    packet->about = NULL;
    packet->chances = NULL;
    packet->pair = NULL;
    packet->local = 0;
    packet->service = 0;
    packet->member = 0;
}

void burst_add(struct burst *burst, struct rte_mbuf *mbuf, uint16_t port, bool handed)
{
    DCHECK(burst->count < STAGE_BURST);
    packet_init(&burst->packets[burst->count++], mbuf, port, handed);
}

// What follows a first fragment goes right behind it.
static void dispatch(struct stage *stage, struct burst *burst)
{
    for (uint32_t i = 0; i < burst->count; i++) {
        struct packet *packet = &burst->packets[i];
        if (burst->tap)
            observe_leaving(stage, burst, i);
        stage_dispatch(stage, packet);
        if (burst->tap)
            observe_left(stage, burst, i);
        if (__builtin_expect(packet->followed, 0))
            fragment_decided(stage, packet);
    }
}

// A stage is done with a burst: its cost is counted, and of packets that are watched its verdict is
// written down.
static void stage_ended(struct stage *stage, struct burst *burst, enum meter_stage ended,
                        uint32_t packets)
{
    meter_lap(&stage->meter, ended, 1, packets);
    if (burst->tap)
        observe_stage_ended(stage, burst, ended);
}

void stage_walk(struct stage *stage, struct burst *burst)
{
    meter_lap(&stage->meter, METER_SHORT_PATH, 0, 0);
    burst->key_count = 0;
    stage_classify(stage, burst);
    stage_ended(stage, burst, METER_CLASSIFY, burst->count);
    stage_established(stage, burst);
    stage_ended(stage, burst, METER_ESTABLISHED, burst->key_count);
    stage_icmp_errors(stage, burst);
    stage_ended(stage, burst, METER_ICMP_ERRORS, burst->count);
    stage_local(stage, burst);
    stage_ended(stage, burst, METER_LOCAL, burst->count);
    stage_admit(stage, burst);
    stage_ended(stage, burst, METER_ADMIT, burst->key_count);
    dispatch(stage, burst);
    meter_lap(&stage->meter, METER_DISPATCH, 1, burst->count);
    burst->count = 0;
}

static void take(struct stage *stage, uint16_t port, struct rte_mbuf **packets, uint32_t count,
                 bool handed)
{
    if (__builtin_expect(stage->tap != NULL, 0)) {
        stage_observe(stage, port, packets, count, handed);
        meter_lap(&stage->meter, METER_OBSERVE, 1, count);
        return;
    }
    stage_short_path(stage, port, packets, count, handed);
    meter_lap(&stage->meter, METER_SHORT_PATH, 1, count);
}

void stage_receive(struct stage *stage, uint16_t port, struct rte_mbuf **packets, uint32_t count)
{
    stats_add(&stage->counters.port_rx_packets[port], count);
    stats_add(&stage->counters.port_rx_bytes[port], bytes_of(packets, count));
    if (__builtin_expect(stage->meter.weight != 0, 0))
        stage_sample(stage, packets, count);
    take(stage, port, packets, count, false);
}

// Packets that were received on one port go together.
static void process_handed(struct stage *stage, const struct handoff_message *messages,
                           uint32_t count)
{
    struct rte_mbuf *packets[STAGE_BURST];
    uint32_t taken = 0;
    for (uint32_t i = 0; i < count; i++) {
        packets[taken++] = messages[i].packet;
        bool last = i + 1 == count || messages[i + 1].type != HANDOFF_PROCESS ||
                    messages[i + 1].port != messages[i].port;
        if (!last)
            continue;
        take(stage, messages[i].port, packets, taken, true);
        taken = 0;
    }
}

static void search_handed(struct stage *stage, const struct handoff_message *message)
{
    struct burst burst = {.count = 0};
    burst_add(&burst, message->packet, message->port, true);
    burst.packets[0].searched = true;
    burst.packets[0].origin = message->origin;
    stage_walk(stage, &burst);
}

void stage_receive_handed(struct stage *stage, const struct handoff_message *messages,
                          uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        const struct handoff_message *message = &messages[i];
        switch ((enum handoff_type)message->type) {
        case HANDOFF_PROCESS: {
            uint32_t end = i + 1;
            while (end < count && messages[end].type == HANDOFF_PROCESS)
                end++;
            process_handed(stage, message, end - i);
            i = end - 1;
            break;
        }
        case HANDOFF_SEARCH:
            search_handed(stage, message);
            break;
        case HANDOFF_TRANSMIT:
            stage_transmit(stage, message->port, message->packet);
            break;
        case HANDOFF_PUNT:
            enqueue_punt(stage, message->port, message->packet);
            break;
        }
    }
}
