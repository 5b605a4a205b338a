// What packets cannot wait for and the main thread does: neighbours, their questions and the
// packets that wait for the answers, announcements, and telling people what workers only count.
#include <inttypes.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "dataplane/packet/wire/neighbourhood.h"
#include "dataplane/packet/wire/rewrite.h"
#include "dataplane/worker/plane_priv.h"

#define CONTROL_BURST          256 // messages of one worker a turn
#define NEIGHBOUR_TICK_NS      (100ull * NANOSECONDS_PER_MILLISECOND)
#define LOOK_AFTER_INTERVAL_NS ((uint64_t)NANOSECONDS_PER_SECOND)

// The main thread has no queue of its own: a worker that has one sends for it.
static void transmit(struct plane *plane, uint32_t port, struct rte_mbuf *packet)
{
    struct handoff_message message = {
        .packet = packet, .port = (uint16_t)port, .type = HANDOFF_TRANSMIT};
    if (mailbox_send(plane->workers[0]->inboxes[plane->worker_count], &message))
        return;
    stats_add(&plane->counters.drops[DROP_HANDOFF_FULL], 1);
    rte_pktmbuf_free(packet);
}

static void transmit_copy(struct plane *plane, uint32_t port, const uint8_t *frame, uint32_t size)
{
    struct rte_mbuf *packet = rte_pktmbuf_alloc(plane->shared.ports[port]->buffers);
    if (!packet)
        return; // the neighbour is asked again
    memcpy(rte_pktmbuf_append(packet, (uint16_t)size), frame, size);
    transmit(plane, port, packet);
}

// Our address on a port from which to ask: of the target's version, in its network if there is one.
static const struct ip_address *source_for(const struct tables_port *port,
                                           const struct ip_address *target)
{
    const struct ip_address *any = NULL;
    for (uint32_t i = 0; i < port->address_count; i++) {
        const struct ip_prefix *own = &port->addresses[i];
        if (ip_is_v4(&own->address) != ip_is_v4(target))
            continue;
        if (ip_prefix_contains(own, target))
            return &own->address;
        any = &own->address;
    }
    return any;
}

static void ask(void *context, uint32_t port, const struct ip_address *address, const uint8_t *mac)
{
    struct plane *plane = context;
    // While the first tables are compiled there are no others, and no worker to send: the tick asks
    // again.
    if (!plane->tables)
        return;
    const struct ip_address *source = source_for(&plane->tables->ports[port], address);
    if (!source)
        return;
    uint8_t frame[NEIGHBOURHOOD_FRAME_MAX];
    uint32_t size = neighbourhood_request(frame, address, mac, source,
                                          plane->shared.ports[port]->mac.addr_bytes);
    transmit_copy(plane, port, frame, size);
}

static void send_held(void *context, uint32_t port, const uint8_t *mac, void *packet)
{
    struct plane *plane = context;
    wire_set_macs(rte_pktmbuf_mtod((struct rte_mbuf *)packet, uint8_t *), mac,
                  plane->shared.ports[port]->mac.addr_bytes);
    transmit(plane, port, packet);
}

static void drop_held(void *context, void *packet, bool failed)
{
    struct plane *plane = context;
    enum drop_reason reason = failed ? DROP_NEIGHBOUR_FAILED : DROP_NEIGHBOUR_PENDING;
    stats_add(&plane->counters.drops[reason], 1);
    rte_pktmbuf_free(packet);
}

struct neighbour_actions plane_neighbour_actions(struct plane *plane)
{
    return (struct neighbour_actions){
        .ask = ask, .send = send_held, .drop = drop_held, .context = plane};
}

// Tells the link where our addresses are, so that a restart on other hardware needs no waiting.
static void announce(struct plane *plane, uint32_t port, const struct ip_address *address)
{
    uint8_t frame[NEIGHBOURHOOD_FRAME_MAX];
    uint32_t size =
        neighbourhood_announce(frame, address, plane->shared.ports[port]->mac.addr_bytes);
    transmit_copy(plane, port, frame, size);
}

void plane_announce(struct plane *plane)
{
    const struct tables *tables = plane->tables;
    for (uint32_t p = 0; p < tables->port_count; p++) {
        for (uint32_t i = 0; i < tables->ports[p].address_count; i++)
            announce(plane, p, &tables->ports[p].addresses[i].address);
    }
    for (uint32_t slot = 1; slot < tables->service_limit; slot++) {
        const struct tables_service *service = &tables->services[slot];
        if (!service->used || service->removed)
            continue;
        const struct endpoint *vip = endpoint_find(tables->endpoints, &service->address, 0, 0);
        if (vip && vip->value != ENDPOINT_NO_PORT)
            announce(plane, vip->value, &service->address);
    }
}

static void handle_control(struct plane *plane, const struct control_message *message,
                           uint64_t now_ns)
{
    switch ((enum control_type)message->type) {
    case CONTROL_LEARN:
        neighbour_learn(plane->neighbours, message->port, &message->address, message->mac,
                        message->solicited, message->override, message->create, now_ns,
                        &plane->actions);
        break;
    case CONTROL_HOLD:
        neighbour_hold(plane->neighbours, message->port, &message->address, message->packet, now_ns,
                       &plane->actions);
        break;
    }
}

static void watch_links(struct plane *plane)
{
    for (uint32_t p = 0; p < plane->shared.port_count; p++) {
        const struct port *port = plane->shared.ports[p];
        uint32_t speed_mbps;
        bool up = port_link_up(port, &speed_mbps);
        if (up == plane->link_up[p])
            continue;
        plane->link_up[p] = up;
        if (up)
            log_info("link up", LOG_STRING("port", port->name), LOG_UINT("mbps", speed_mbps));
        else
            log_warning("link down", LOG_STRING("port", port->name));
    }
}

// Drops that mean a limit was reached: workers count them, and people should hear of them.
static void tell_drops(struct plane *plane)
{
    static const enum drop_reason limits[] = {
        DROP_FLOW_TABLE_FULL, DROP_NO_MEMBER,    DROP_NEIGHBOUR_FAILED,
        DROP_HANDOFF_FULL,    DROP_CONTROL_FULL, DROP_TX_FULL,
    };
    for (size_t i = 0; i < RTE_DIM(limits); i++) {
        uint64_t drops = stats_reader_sum(plane->reader, COUNTER_DROPS, limits[i]);
        uint64_t fresh = drops - plane->drops_told[limits[i]];
        plane->drops_told[limits[i]] = drops;
        if (fresh)
            log_warning("packets dropped", LOG_STRING("reason", drop_name(limits[i])),
                        LOG_UINT("packets", fresh), LOG_STRING("help", drop_help(limits[i])));
    }
}

void plane_turn(struct plane *plane, uint64_t now_ns)
{
    for (uint32_t w = 0; w < plane->worker_count; w++) {
        struct control_message message;
        for (int i = 0; i < CONTROL_BURST; i++) {
            if (!mailbox_receive(plane->workers[w]->stage.control, &message))
                break;
            handle_control(plane, &message, now_ns);
        }
    }
    if (now_ns - plane->neighbours_ticked_ns >= NEIGHBOUR_TICK_NS) {
        plane->neighbours_ticked_ns = now_ns;
        neighbour_tick(plane->neighbours, now_ns, &plane->actions);
        if (plane->graces_asked == plane->graces_passed) {
            plane->graces_asked++;
            epoch_retire(&plane->shared.epoch, plane_grace_passed, plane);
        }
    }
    epoch_reclaim(&plane->shared.epoch);
    if (now_ns - plane->looked_after_ns >= LOOK_AFTER_INTERVAL_NS) {
        plane->looked_after_ns = now_ns;
        watch_links(plane);
        tell_drops(plane);
    }
}
