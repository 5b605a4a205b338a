// What packets cannot wait for and the main thread does: neighbours, their questions and the
// packets that wait for the answers, announcements, and telling people what workers only count.
#include <inttypes.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "dataplane/packet/wire/neighbourhood.h"
#include "dataplane/packet/wire/rewrite.h"
#include "dataplane/worker/plane_priv.h"

#define CONTROL_BURST          256 // messages of a mailbox a turn
#define ANNOUNCE_BURST         16  // announcements a turn
#define ASK_BURST              256 // neighbours asked for a tick
#define ANNOUNCE_ROUNDS        3   // a second apart: a switch may not forward yet
#define JOIN_INTERVAL_NS       (60ull * NANOSECONDS_PER_SECOND)
#define NEIGHBOUR_TICK_NS      (100ull * NANOSECONDS_PER_MILLISECOND)
#define LOOK_AFTER_INTERVAL_NS ((uint64_t)NANOSECONDS_PER_SECOND)

// The main thread has no queue of its own: a worker that has one sends for it.
static bool transmit(struct plane *plane, uint32_t port, struct rte_mbuf *packet)
{
    struct handoff_message message = {
        .packet = packet, .port = (uint16_t)port, .type = HANDOFF_TRANSMIT};
    if (mailbox_send(plane->workers[0]->inboxes[plane->worker_count], &message))
        return true;
    stats_add(&plane->counters.drops[DROP_HANDOFF_FULL], 1);
    rte_pktmbuf_free(packet);
    return false;
}

static bool transmit_copy(struct plane *plane, uint32_t port, const uint8_t *frame, uint32_t size)
{
    struct rte_mbuf *packet = rte_pktmbuf_alloc(plane->shared.ports[port]->buffers);
    if (!packet)
        return false;
    memcpy(rte_pktmbuf_append(packet, (uint16_t)size), frame, size);
    return transmit(plane, port, packet);
}

// A thousand members at a start, or a scan, must not fill the inbox of the worker that sends.
static bool ask(void *context, uint32_t port, const struct ip_address *address, const uint8_t *mac)
{
    struct plane *plane = context;
    const struct config_port *config = &plane->config->ports[port];
    const struct ip_address *source =
        ip_source_towards(config->addresses, config->address_count, address);
    if (!source)
        return true; // nor would there be later
    if (plane->asked_of_tick == ASK_BURST)
        return false;
    plane->asked_of_tick++;
    uint8_t frame[NEIGHBOURHOOD_FRAME_MAX];
    uint32_t size = neighbourhood_request(frame, address, mac, source,
                                          plane->shared.ports[port]->mac.addr_bytes);
    return transmit_copy(plane, port, frame, size);
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

// Says which group is listened to, or a switch that snoops keeps the questions for our IPv6
// addresses from us.
static void join(struct plane *plane, uint32_t port, const struct ip_address *address)
{
    if (ip_is_v4(address))
        return;
    const struct config_port *config = &plane->config->ports[port];
    const struct ip_address *source = NULL;
    for (uint32_t i = 0; i < config->address_count; i++) {
        const struct ip_address *own = &config->addresses[i].address;
        if (ip_is_of_a_link(own))
            source = own;
    }
    uint8_t frame[NEIGHBOURHOOD_FRAME_MAX];
    uint32_t size =
        neighbourhood_join(frame, address, source, plane->shared.ports[port]->mac.addr_bytes);
    transmit_copy(plane, port, frame, size);
}

void plane_announce(struct plane *plane)
{
    plane->announced = 0;
    plane->joined = 0;
    plane->announce_rounds = ANNOUNCE_ROUNDS - 1;
}

static void announce_again(struct plane *plane)
{
    if (plane->announce_rounds == 0)
        return;
    plane->announce_rounds--;
    plane->announced = 0;
    plane->joined = 0;
}

// Who listens is forgotten after 260 s (RFC 3810 section 9.4), unless a router's question was
// answered: saying it again by ourselves needs no router that asks.
static void join_again(struct plane *plane, uint64_t now_ns)
{
    if (now_ns - plane->joined_ns < JOIN_INTERVAL_NS)
        return;
    plane->joined_ns = now_ns;
    plane->joined = 0;
}

// The address that is announced as number `index`, if there is one: ports' own come first, then
// local ones and vips by slot. False past the last.
static bool address_to_announce(const struct tables *tables, uint32_t index, uint32_t *port,
                                const struct ip_address **address)
{
    *address = NULL;
    for (uint32_t p = 0; p < tables->port_count; p++) {
        const struct tables_port *own = &tables->ports[p];
        if (index < own->address_count) {
            *port = p;
            *address = &own->addresses[index].address;
            return true;
        }
        index -= own->address_count;
    }
    if (index < tables->local_limit) {
        const struct tables_local *local = &tables->locals[index];
        *port = local->out_port;
        *address = local->used && !local->removed ? &local->address : NULL;
        return true;
    }
    index -= tables->local_limit;
    if (index >= tables->service_limit)
        return false;
    const struct tables_service *service = &tables->services[index];
    if (!service->used || service->removed)
        return true;
    const struct endpoint *vip = endpoint_find(tables->endpoints, &service->address, 0, 0);
    if (vip && vip->value != ENDPOINT_NO_PORT) {
        *port = vip->value;
        *address = &service->address;
    }
    return true;
}

// Tells of the next few of our addresses, from number `*done` on.
static void tell_some(struct plane *plane, uint32_t *done,
                      void (*tell)(struct plane *plane, uint32_t port,
                                   const struct ip_address *address))
{
    for (int i = 0; i < ANNOUNCE_BURST; i++) {
        uint32_t port;
        const struct ip_address *address;
        if (!address_to_announce(plane->tables, *done, &port, &address))
            return;
        (*done)++;
        if (address)
            tell(plane, port, address);
    }
}

static void tell_conflict(const struct plane *plane, const struct news_message *news)
{
    static struct log_limit limit = LOG_LIMIT(5, 10ull * NANOSECONDS_PER_SECOND);
    char address[IP_TEXT_SIZE], mac[RTE_ETHER_ADDR_FMT_SIZE];
    struct rte_ether_addr claimant;
    memcpy(claimant.addr_bytes, news->mac, sizeof(claimant.addr_bytes));
    rte_ether_format_addr(mac, sizeof(mac), &claimant);
    bool own =
        memcmp(news->mac, plane->shared.ports[news->port]->mac.addr_bytes, sizeof(news->mac)) == 0;
    log_limited(&limit, LOG_WARNING,
                own ? "our own frames come back, by a loop or a mirror"
                    : "another station claims our address",
                LOG_STRING("address", ip_format(&news->address, address)), LOG_STRING("mac", mac),
                LOG_STRING("port", plane->shared.ports[news->port]->name));
}

static void take_path(struct plane *plane, const struct news_message *news, uint64_t now_ns)
{
    static struct log_limit limit = LOG_LIMIT(5, 10ull * NANOSECONDS_PER_SECOND);
    if (!paths_learn(&plane->paths, &news->address, news->path_mtu, now_ns))
        return;
    plane->paths_changed = true;
    char address[IP_TEXT_SIZE];
    log_limited(&limit, LOG_INFO, "the way to a tunnelled member takes less than its port",
                LOG_STRING("member", ip_format(&news->address, address)),
                LOG_UINT("mtu", news->path_mtu));
}

static void take_news(struct plane *plane, const struct news_message *news, uint64_t now_ns)
{
    if (news->path_mtu)
        take_path(plane, news, now_ns);
    else if (news->conflict)
        tell_conflict(plane, news);
    else
        neighbour_learn(plane->neighbours, news->port, &news->address, news->mac, news->solicited,
                        news->override, news->create, now_ns, &plane->actions);
}

// News first: it may be what the held packets wait for. True if there is more.
static bool take_from_worker(struct plane *plane, struct worker *worker, uint64_t now_ns)
{
    int news_taken = 0, held_taken = 0;
    struct news_message news;
    while (news_taken < CONTROL_BURST && mailbox_receive(worker->stage.news, &news)) {
        take_news(plane, &news, now_ns);
        news_taken++;
    }
    struct hold_message held;
    while (held_taken < CONTROL_BURST && mailbox_receive(worker->stage.held, &held)) {
        neighbour_hold(plane->neighbours, held.port, &held.address, held.packet, now_ns,
                       &plane->actions);
        held_taken++;
    }
    return news_taken == CONTROL_BURST || held_taken == CONTROL_BURST;
}

// Drops that mean a limit was reached: workers count them, and people should hear of them.
static void tell_drops(struct plane *plane)
{
    static const enum drop_reason limits[] = {
        DROP_FLOW_TABLE_FULL, DROP_LOCAL_PORTS_FULL, DROP_NO_MEMBER, DROP_NEIGHBOUR_FAILED,
        DROP_HANDOFF_FULL,    DROP_CONTROL_FULL,     DROP_TX_FULL,   DROP_LINK_DOWN,
    };
    for (size_t i = 0; i < RTE_DIM(limits); i++) {
        uint64_t drops = stats_reader_sum(plane->reader, COUNTER_DROPS, limits[i]);
        uint64_t fresh = drops - plane->drops_told[limits[i]];
        plane->drops_told[limits[i]] = drops;
        if (fresh)
            log_warning("packets dropped", LOG_STRING("reason", drop_name(limits[i])),
                        LOG_UINT("packets", fresh), LOG_STRING("help", drop_help(limits[i])),
                        LOG_STRING("remedy", drop_remedy(limits[i])));
    }
}

static void count_neighbours(struct plane *plane)
{
    struct neighbour_counts counts = neighbour_table_counts(plane->neighbours);
    stats_set(plane->counters.neighbours, counts.dynamic);
    stats_set(plane->counters.neighbours_evicted, counts.evicted);
    stats_set(plane->counters.neighbours_refused, counts.refused);
}

static void tell_neighbours(struct plane *plane)
{
    static struct log_limit limit = LOG_LIMIT(1, 60ull * NANOSECONDS_PER_SECOND);
    struct neighbour_counts counts = neighbour_table_counts(plane->neighbours);
    uint64_t lost = counts.evicted + counts.refused, fresh = lost - plane->neighbours_told;
    plane->neighbours_told = lost;
    if (fresh)
        log_limited(&limit, LOG_WARNING, "more neighbours than there is room for",
                    LOG_UINT("room", counts.dynamic_max), LOG_UINT("forgotten", fresh),
                    LOG_STRING("remedy", "weirctl show neighbours tells if a network is "
                                         "scanned; put many clients behind a router"));
}

static void tell_stateless(const struct plane *plane, uint32_t slot, uint64_t before, uint64_t now)
{
    static struct log_limit limit = LOG_LIMIT(10, 60ull * NANOSECONDS_PER_SECOND);
    const char *vip = plane->tables->services[slot].name;
    if (now > 0 && before == 0)
        log_limited(&limit, LOG_WARNING,
                    "under pressure: new flows go by hash alone, without an entry",
                    LOG_STRING("vip", vip), LOG_UINT("workers", now));
    else if (now == 0 && before > 0)
        log_limited(&limit, LOG_INFO, "new flows have entries again", LOG_STRING("vip", vip));
}

// Which services workers stopped tracking, or track again.
static void watch_modes(struct plane *plane)
{
    for (uint32_t slot = 1; slot < plane->tables->service_limit; slot++) {
        uint64_t now = stats_reader_sum(plane->reader, COUNTER_VIP_STATELESS, slot);
        uint64_t before = plane->stateless_told[slot];
        plane->stateless_told[slot] = now;
        if (now != before)
            tell_stateless(plane, slot, before, now);
    }
}

// How busy each worker was since this was last called.
static void look_at_loads(struct plane *plane)
{
    for (uint32_t w = 0; w < plane->worker_count; w++) {
        struct plane_load *load = &plane->loads[w];
        uint64_t cycles = stats_reader_value(plane->reader, COUNTER_CYCLES, 0, w);
        uint64_t busy_cycles = stats_reader_value(plane->reader, COUNTER_BUSY_CYCLES, 0, w);
        uint64_t elapsed = cycles - load->cycles;
        load->busy_share =
            elapsed ? (double)(busy_cycles - load->busy_cycles) / (double)elapsed : 0;
        load->cycles = cycles;
        load->busy_cycles = busy_cycles;
    }
}

bool plane_turn(struct plane *plane, uint64_t now_ns)
{
    bool more = false;
    for (uint32_t w = 0; w < plane->worker_count; w++)
        more |= take_from_worker(plane, plane->workers[w], now_ns);
    if (now_ns - plane->neighbours_ticked_ns >= NEIGHBOUR_TICK_NS) {
        plane->neighbours_ticked_ns = now_ns;
        plane->asked_of_tick = 0;
        neighbour_tick(plane->neighbours, now_ns, &plane->actions);
        count_neighbours(plane);
        plane_watch_bonds(plane);
        if (plane->graces_asked == plane->graces_passed) {
            plane->graces_asked++;
            epoch_retire(&plane->shared.epoch, plane_grace_passed, plane);
        }
    }
    epoch_reclaim(&plane->shared.epoch);
    if (port_links_told())
        plane_watch_links(plane);
    tell_some(plane, &plane->announced, announce);
    tell_some(plane, &plane->joined, join);
    if (now_ns - plane->looked_after_ns >= LOOK_AFTER_INTERVAL_NS) {
        plane->looked_after_ns = now_ns;
        announce_again(plane);
        join_again(plane, now_ns);
        plane_watch_links(plane);
        look_at_loads(plane);
        plane_watch_turn(plane, now_ns);
        tell_drops(plane);
        tell_neighbours(plane);
        watch_modes(plane);
        plane_follow_time(plane, now_ns);
    }
    return more;
}
