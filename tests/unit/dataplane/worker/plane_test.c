// A whole packet plane with two workers on devices without a kernel below, changed and looked at
// while packets pass. A callback of each receive queue gives the worker what lies in a mailbox of
// the test: the thread sanitizer sees what a mailbox orders, and would not see DPDK's rings do it.
// A process starts one plane: the tests share it, each begins with its own configuration.
#include "dataplane/worker/plane.h"

#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/config/config.h"
#include "base/log.h"
#include "dataplane/worker/plane_priv.h"
#include "tests/packet/frame.h"
#include "tests/packet/stations.h"
#include "tests/test.h"

#define WORKERS   2
#define WIRES     2 // ports
#define TALKS_MAX 8192
#define AWAIT_NS  (10ull * NANOSECONDS_PER_SECOND)

#define NODE(memory, opening)                                                  \
    "node: {name: test, cores: [0, 1], memory: " memory ", huge-pages: off,\n" \
    "       flows: {per-worker: 32768, affinities: 1024, tcp-opening: " opening "}}\n"
#define PORTS                                                            \
    "ports:\n"                                                           \
    "  - {name: front, device: 'net_null0,no-rx=1', descriptors: 128,\n" \
    "     addresses: [10.1.0.1/24]}\n"                                   \
    "  - {name: back, device: 'net_null1,no-rx=1', descriptors: 128,\n"  \
    "     addresses: [10.2.0.1/24]}\n"
#define POOL(members) "pools: [{name: p, members: [" members "]}]\n"
#define VIP           "vips: [{name: v, address: 10.1.0.100, port: 80, protocol: tcp, pool: p}]\n"
#define A             "{name: a, address: 10.2.0.11, port: 8080}"
#define B             "{name: b, address: 10.2.0.12, port: 8080}"
#define C             "{name: c, address: 10.2.0.13, port: 8080}"

enum setting {
    BOTH,       // members a and b
    ONLY_B,     //
    SHORT_B,    // the same; a flow that is not answered is forgotten soon
    B_AND_C,    //
    TOO_MUCH,   // a, b and c, and an access list that the compiler refuses
    MORE_SPACE, // takes a restart
    SETTINGS,
};

static const char *const texts[SETTINGS] = {
    [BOTH] = NODE("256MiB", "60s") PORTS POOL(A ", " B) VIP,
    [ONLY_B] = NODE("256MiB", "60s") PORTS POOL(B) VIP,
    [SHORT_B] = NODE("256MiB", "100ms") PORTS POOL(B) VIP,
    [B_AND_C] = NODE("256MiB", "60s") PORTS POOL(B ", " C) VIP,
    [TOO_MUCH] = NODE("256MiB", "60s") PORTS POOL(A ", " B ", " C) VIP,
    [MORE_SPACE] = NODE("512MiB", "60s") PORTS POOL(A ", " B) VIP,
};

static struct config *configs[SETTINGS]; // a plane borrows them
static struct plane *plane;
static char why[PLANE_WHY_SIZE];
static struct mailbox *wires[WIRES][WORKERS]; // of packets, by port and queue
static _Atomic bool holds[WORKERS];           // its next turn does not end; the test's
static _Atomic bool is_held[WORKERS];         // so it is; the worker's
static uint64_t syns;                         // sent so far
static uint16_t next_port = 1024;             // of clients: each flow is a new one

// More combinations of networks than an access list may have.
#define NETWORKS 512
static struct ip_prefix networks[NETWORKS];
static struct config_access_rule too_much = {
    .name = "much", .from = networks, .to = networks, .from_count = NETWORKS, .to_count = NETWORKS};

static void pause_ns(long ns)
{
    nanosleep(&(struct timespec){.tv_nsec = ns}, NULL);
}

static void turn(void)
{
    uint64_t now_ns = clock_monotonic_ns();
    while (plane_turn(plane, now_ns))
        ;
    plane_follow_time(plane, now_ns);
    pause_ns(100 * NANOSECONDS_PER_MICROSECOND);
}

// Workers have their own pace; a test that waits in vain is told which condition it was.
#define AWAIT(condition)                                            \
    do {                                                            \
        uint64_t deadline_ns = clock_monotonic_ns() + AWAIT_NS;     \
        while (!(condition)) {                                      \
            if (clock_monotonic_ns() > deadline_ns)                 \
                fail_msg("not within ten seconds: %s", #condition); \
            turn();                                                 \
        }                                                           \
    } while (0)

static uint16_t arrive(uint16_t device, uint16_t queue, struct rte_mbuf **packets, uint16_t count,
                       uint16_t room, void *wire)
{
    while (atomic_load(&holds[queue])) {
        atomic_store(&is_held[queue], true);
        pause_ns(100 * NANOSECONDS_PER_MICROSECOND);
    }
    atomic_store(&is_held[queue], false);
    while (count < room && mailbox_receive(wire, &packets[count]))
        count++;
    return count;
}

// Workers are already receiving: the mailboxes are older than they.
static void connect_wires(void)
{
    for (uint32_t p = 0; p < WIRES; p++) {
        assert_int_equal(plane->shared.ports[p]->rx_queues, WORKERS);
        for (uint16_t q = 0; q < WORKERS; q++)
            assert_non_null(
                rte_eth_add_rx_callback(plane->shared.ports[p]->id, q, arrive, wires[p][q]));
    }
}

static void send_frame(uint32_t worker, uint16_t port, const struct frame_spec *spec)
{
    struct frame_spec to_us = *spec;
    to_us.destination_mac = plane->shared.ports[port]->mac.addr_bytes;
    static struct frame frame;
    frame_build(&frame, &to_us);
    struct rte_mbuf *packet = rte_pktmbuf_alloc(plane->shared.ports[port]->buffers);
    assert_non_null(packet);
    memcpy(rte_pktmbuf_append(packet, (uint16_t)frame.size), frame.bytes, frame.size);
    AWAIT(mailbox_send(wires[port][worker], &packet));
}

struct flow_count {
    uint32_t of_worker[WORKERS];
    uint32_t of_a; // forward
    uint32_t forward;
};

static bool count_flow(void *context, const struct plane_flow_view *view)
{
    struct flow_count *count = context;
    count->of_worker[view->worker]++;
    count->forward += !view->reply;
    count->of_a += !view->reply && strcmp(view->member_name, "a") == 0;
    assert_string_equal(view->vip_name, "v");
    assert_string_equal(view->pool, "p");
    return true;
}

static struct flow_count walk_flows(void)
{
    struct flow_count count = {.forward = 0};
    struct plane_flow_place place = {.worker = 0};
    while (place.worker < plane_workers(plane))
        assert_int_equal(plane_walk_flows(plane, &place, count_flow, &count), ERROR_NONE);
    return count;
}

static void send_syn(uint32_t worker, const char *client, uint16_t port)
{
    syns++;
    send_frame(worker, FRONT,
               &(struct frame_spec){.source_mac = client_mac,
                                    .source = client,
                                    .destination = "10.1.0.100",
                                    .source_port = port,
                                    .destination_port = 80,
                                    .tcp_flags = 0x02});
}

static uint64_t of_vip(enum counter family)
{
    return stats_reader_sum(plane->reader, family, plane_vip_slot(plane, &plane->config->vips[0]));
}

// Nothing is on its way, and a walk ends between two turns of each worker: all is counted.
static struct flow_count settle(void)
{
    AWAIT(of_vip(COUNTER_VIP_PACKETS) == syns);
    return walk_flows();
}

// Of new flows, by both workers in turn.
static void send_syns(uint32_t count)
{
    for (uint32_t i = 0; i < count; i++)
        send_syn(i % WORKERS, "10.1.0.20", next_port++);
}

static void begin_flows(uint32_t count)
{
    uint64_t before = of_vip(COUNTER_VIP_FLOWS_CREATED);
    send_syns(count);
    settle();
    assert_int_equal(of_vip(COUNTER_VIP_FLOWS_CREATED), before + count);
}

struct member_search {
    const char *name;
    struct plane_member_view found;
};

static void compare_member(void *context, const struct plane_member_view *view)
{
    struct member_search *search = context;
    if (strcmp(view->name, search->name) == 0)
        search->found = *view;
}

// `slot` 0: there is none of that name.
static struct plane_member_view member(const char *name)
{
    struct member_search search = {.name = name, .found = {.state = "", .next_hop = ""}};
    plane_walk_members(plane, compare_member, &search);
    return search.found;
}

static bool is_in_state(const char *name, const char *state)
{
    return strcmp(member(name).state, state) == 0;
}

static uint64_t flows_created(const char *name)
{
    return stats_reader_sum(plane->reader, COUNTER_MEMBER_FLOWS_CREATED, member(name).slot);
}

static uint64_t flows_of(const char *name)
{
    return stats_reader_sum(plane->reader, COUNTER_MEMBER_FLOWS, member(name).slot);
}

// Members' answers to ARP, which the workers pass on.
static void answer_for(const char *name, const char *address)
{
    send_frame(0, BACK,
               &(struct frame_spec){.source_mac = member_mac,
                                    .source = address,
                                    .destination = "10.2.0.1",
                                    .arp_operation = 2,
                                    .arp_target_mac = plane->shared.ports[BACK]->mac.addr_bytes});
    AWAIT(strcmp(member(name).next_hop, "reachable") == 0);
}

// Nobody answers but here: a neighbour that is not heard of for long loses its packets.
static void answer_for_members(void)
{
    const struct config_pool *pool = &plane->config->pools[0];
    char address[IP_TEXT_SIZE];
    for (uint32_t m = 0; m < pool->member_count; m++)
        answer_for(pool->members[m].name, ip_format(&pool->members[m].address, address));
}

static void change(enum setting setting)
{
    enum error error = plane_change(plane, configs[setting], why);
    if (error)
        fail_msg("%s", why);
    answer_for_members();
}

static void flows_are_walked_and_counted_wherever_they_are(void **state)
{
    change(BOTH);
    assert_int_equal(plane_workers(plane), WORKERS);
    struct plane_port_view before, after;
    plane_port_view(plane, BACK, &before);
    begin_flows(300); // with replies more than a page
    struct flow_count count = walk_flows();
    assert_int_equal(count.forward, 300);
    assert_true(count.of_worker[0] > 0 && count.of_worker[1] > 0);
    assert_int_equal(flows_of("a") + flows_of("b"), 300);
    assert_int_equal(flows_of("a"), count.of_a);
    assert_true(count.of_a > 0 && count.of_a < 300);
    AWAIT((plane_port_view(plane, BACK, &after), after.tx_packets >= before.tx_packets + 300));
    assert_string_equal(after.driver, "net_null");
}

static bool want_no_more(void *context, const struct plane_flow_view *view)
{
    (*(uint32_t *)context)++;
    return false;
}

static void who_has_seen_enough_flows_says_so(void **state)
{
    struct plane_flow_place place = {.worker = 0};
    uint32_t seen = 0;
    assert_int_equal(plane_walk_flows(plane, &place, want_no_more, &seen), ERROR_EMPTY);
    assert_int_equal(seen, 1);
}

struct talker_search {
    const char *client;
    double share; // 0: not found
    double shares;
};

static void compare_talker(void *context, const struct plane_talker_view *view)
{
    struct talker_search *search = context;
    char text[IP_TEXT_SIZE];
    search->shares += view->packets_share;
    if (strcmp(ip_format(&view->client, text), search->client) == 0)
        search->share = view->packets_share;
}

// Workers look at some packets only: it takes as many as it takes.
static void who_talks_is_told_over_all_workers(void **state)
{
    change(BOTH);
    struct talker_search search = {.share = 0};
    for (uint32_t sent = 0; search.share == 0; sent++) {
        assert_true(sent < TALKS_MAX);
        send_syn(sent % WORKERS, "10.1.0.77", 1024);
        if (sent % 16 != 15)
            continue;
        turn();
        search = (struct talker_search){.client = "10.1.0.77"};
        assert_int_equal(plane_walk_talkers(plane, 128, compare_talker, &search), ERROR_NONE);
    }
    settle();
    assert_true(search.share <= 1);
    assert_true(search.shares > 0.999 && search.shares < 1.001);
}

static void a_member_that_left_keeps_its_flows_and_then_its_slot_is_anothers(void **state)
{
    change(BOTH);
    begin_flows(64);
    uint32_t slot = member("a").slot;
    uint64_t flows = flows_of("a"), created = flows_created("a");
    assert_true(flows > 0);
    change(ONLY_B);
    assert_true(is_in_state("a", "removed"));
    assert_int_equal(flows_of("a"), flows);
    assert_int_equal(walk_flows().of_a, flows);
    begin_flows(64);
    assert_int_equal(flows_created("a"), created); // no new ones

    // Each flow's last word; then all that is left of the member goes.
    change(SHORT_B);
    for (uint16_t port = 1024; port < next_port; port++)
        send_syn(port % WORKERS, "10.1.0.20", port);
    send_syn(0, "10.1.0.77", 1024);
    settle();
    AWAIT(member("a").slot == 0);
    AWAIT(flows_of("b") == 0);
    change(B_AND_C);
    assert_int_equal(member("c").slot, slot);
    assert_int_equal(flows_created("c"), 0);
    char label[STATS_LABEL_SIZE];
    assert_true(stats_reader_label(plane->reader, COUNTER_MEMBER_FLOWS, slot, label));
    assert_string_equal(label, "pool=\"p\",member=\"c\"");
}

struct neighbour_search {
    const char *address;
    bool found, pinned;
};

static void compare_neighbour(void *context, const struct plane_neighbour_view *view)
{
    struct neighbour_search *search = context;
    char text[IP_TEXT_SIZE];
    if (strcmp(ip_format(&view->address, text), search->address) != 0)
        return;
    search->found = true;
    search->pinned = view->pinned;
}

static struct neighbour_search find_neighbour(const char *address)
{
    struct neighbour_search search = {.address = address};
    plane_walk_neighbours(plane, compare_neighbour, &search);
    return search;
}

static bool is_pinned(const char *address)
{
    return find_neighbour(address).pinned;
}

static void a_neighbour_that_nobody_configured_is_counted(void **state)
{
    send_frame(1, FRONT,
               &(struct frame_spec){.source_mac = client_mac,
                                    .source = "10.1.0.99",
                                    .destination = "10.1.0.1",
                                    .arp_operation = 1,
                                    .arp_target_mac = broadcast_mac});
    AWAIT(find_neighbour("10.1.0.99").found);
    assert_false(find_neighbour("10.1.0.99").pinned);
    AWAIT(stats_reader_sum(plane->reader, COUNTER_NEIGHBOURS, 0) ==
          plane_neighbour_counts(plane).dynamic);
    assert_true(plane_neighbour_counts(plane).dynamic > 0);
    assert_int_equal(plane_neighbour_counts(plane).evicted, 0);
}

static void a_change_that_cannot_be_compiled_changes_nothing(void **state)
{
    change(BOTH);
    begin_flows(8);
    const struct tables *tables = plane->tables;
    uint64_t revision = plane_revision(plane), flows = flows_of("a") + flows_of("b");
    why[0] = '\0';
    assert_int_equal(plane_change(plane, configs[TOO_MUCH], why), ERROR_TOO_LARGE);
    assert_non_null(strstr(why, "combinations"));
    assert_ptr_equal(plane->tables, tables);
    assert_ptr_equal(plane->config, configs[BOTH]);
    assert_int_equal(plane_revision(plane), revision);
    assert_int_equal(stats_reader_revision(plane->reader), revision);
    assert_int_equal(member("c").slot, 0);
    assert_true(is_in_state("a", "active") && is_in_state("b", "active"));
    assert_true(is_pinned("10.2.0.11") && is_pinned("10.2.0.12"));
    assert_false(is_pinned("10.2.0.13")); // was, while compiling
    begin_flows(8);
    assert_int_equal(flows_of("a") + flows_of("b"), flows + 8);

    // Nor did the refused one keep a slot that the next change would miss.
    change(B_AND_C);
    assert_int_equal(plane_revision(plane), revision + 1);
    assert_true(is_in_state("c", "active"));
}

static void what_takes_a_restart_is_named_and_not_changed(void **state)
{
    change(BOTH);
    uint64_t revision = plane_revision(plane);
    assert_int_equal(plane_change(plane, configs[MORE_SPACE], why), ERROR_UNSUPPORTED);
    assert_string_equal(why, "only a restart can change node.memory");
    assert_ptr_equal(plane->config, configs[BOTH]);
    assert_int_equal(plane_revision(plane), revision);
}

static void a_drained_member_gets_no_new_flows_until_it_is_undone(void **state)
{
    change(BOTH);
    bool changed;
    assert_int_equal(plane_drain(plane, "p", "a", true, &changed, why), ERROR_NONE);
    assert_true(changed);
    assert_true(is_in_state("a", "drain"));
    uint64_t created = flows_created("a");
    begin_flows(32);
    assert_int_equal(flows_created("a"), created);
    uint64_t revision = plane_revision(plane);
    assert_int_equal(plane_drain(plane, "p", "a", true, &changed, why), ERROR_NONE);
    assert_false(changed);
    assert_int_equal(plane_revision(plane), revision);
    change(BOTH); // over reloads
    assert_true(is_in_state("a", "drain"));
    assert_int_equal(plane_drain(plane, "p", "a", false, &changed, why), ERROR_NONE);
    assert_true(changed);
    begin_flows(64);
    assert_true(flows_created("a") > created);

    assert_int_equal(plane_drain(plane, "p", "x", true, &changed, why), ERROR_NOT_FOUND);
    assert_string_equal(why, "pool p has no member x");
    assert_int_equal(plane_drain(plane, "q", "a", true, &changed, why), ERROR_NOT_FOUND);
    assert_string_equal(why, "there is no pool q");
}

static void refuse(struct config *config, bool refused)
{
    config->access_rules = refused ? &too_much : NULL;
    config->access_rule_count = refused;
}

static void a_drain_that_cannot_be_published_is_forgotten(void **state)
{
    change(BOTH);
    bool changed;
    refuse(configs[BOTH], true);
    enum error error = plane_drain(plane, "p", "a", true, &changed, why);
    refuse(configs[BOTH], false);
    assert_int_equal(error, ERROR_TOO_LARGE);
    assert_true(is_in_state("a", "active"));
    change(BOTH);
    assert_true(is_in_state("a", "active"));
}

static void hold_worker(uint32_t worker)
{
    atomic_store(&holds[worker], true);
    AWAIT(atomic_load(&is_held[worker]));
}

static uint64_t seconds_since(uint64_t then_ns)
{
    return (clock_monotonic_ns() - then_ns) / NANOSECONDS_PER_SECOND;
}

// It may still look at what would be freed: nothing is replaced until it lets go.
static void a_change_that_a_stuck_worker_hinders_changes_nothing(void **state)
{
    change(BOTH);
    begin_flows(8);
    const struct tables *tables = plane->tables;
    uint64_t revision = plane_revision(plane);
    hold_worker(1);
    bool changed;
    enum error change_error = plane_change(plane, configs[B_AND_C], why);
    enum error drain_error = plane_drain(plane, "p", "a", true, &changed, why);
    atomic_store(&holds[1], false);
    assert_int_equal(change_error, ERROR_TIMEOUT);
    assert_int_equal(drain_error, ERROR_TIMEOUT);
    assert_string_equal(why, "a worker is stuck: nothing was changed; see weirctl show workers");
    assert_ptr_equal(plane->tables, tables);
    assert_ptr_equal(plane->config, configs[BOTH]);
    assert_int_equal(plane_revision(plane), revision);
    assert_true(is_in_state("a", "active"));

    // Graces that ended late count: whoever comes next waits for his own alone.
    change(BOTH);
    assert_true(is_in_state("a", "active"));
    AWAIT(plane->graces_passed == plane->graces_asked);
    begin_flows(8);
}

static void what_came_too_late_is_no_part_of_the_next_answer(void **state)
{
    change(BOTH);
    begin_flows(2 * WORKER_FLOW_PAGE); // with replies two pages a worker, and more
    uint32_t flows = walk_flows().forward;
    struct flow_count count = {.forward = 0};
    struct plane_flow_place start = {.worker = 1}, place = start;
    hold_worker(1);
    enum error first = plane_walk_flows(plane, &place, count_flow, &count);
    uint64_t again_ns = clock_monotonic_ns();
    enum error second = plane_walk_flows(plane, &place, count_flow, &count);
    uint64_t waited_s = seconds_since(again_ns);
    atomic_store(&holds[1], false);
    assert_int_equal(first, ERROR_TIMEOUT);
    assert_int_equal(second, ERROR_TIMEOUT);
    assert_true(waited_s < 2); // it is asked already
    assert_memory_equal(&place, &start, sizeof(start));
    assert_int_equal(count.forward, 0);
    // The late page moved the worker's place on; who asks anew begins at the beginning.
    AWAIT(atomic_load(&plane->workers[1]->page->state) == WORKER_PAGE_READY);
    assert_int_equal(walk_flows().forward, flows);
}

static void count_watched(void *context, const struct plane_watch_view *view)
{
    uint32_t *of_worker = context;
    if (strcmp(view->verdict, "handed") == 0)
        return; // to the flow's owner, which is watched as well
    of_worker[view->worker]++;
    assert_string_equal(view->verdict, "sent");
    assert_string_equal(view->vip, "v");
    assert_true(view->out_size > 0 && view->step_count > 0);
}

static void a_watch_sees_what_all_workers_do_until_it_is_stopped(void **state)
{
    change(BOTH);
    const struct plane_watch_request request = {.filter = "vip v", .snap = 64, .rate = 1000};
    const struct plane_watch_request wrong = {.filter = "vip w", .snap = 64, .rate = 1000};
    struct plane_watch_fault fault;
    uint64_t number, second;
    assert_int_equal(plane_watch_start(plane, &wrong, &number, &fault), ERROR_INVALID);
    assert_string_equal(fault.why, "there is no vip `w`");
    assert_int_equal(plane_watch_start(plane, &request, &number, &fault), ERROR_NONE);
    assert_int_equal(plane_watch_start(plane, &request, &second, &fault), ERROR_EXISTS);
    // A worker takes its tap at its next turn, and which one owns a flow is random.
    struct plane_watch_counts counts;
    uint32_t of_worker[WORKERS] = {0};
    bool more;
    for (uint32_t w = 0; w < WORKERS; w++) {
        uint32_t tries = 0;
        while (of_worker[w] == 0) {
            assert_true(tries++ < 100);
            send_syn(w, "10.1.0.20", next_port++);
            settle();
            assert_int_equal(
                plane_watch_read(plane, number, 64, count_watched, of_worker, &more, &counts),
                ERROR_NONE);
        }
    }
    assert_int_equal(counts.lost + counts.limited, 0);
    assert_int_equal(plane_watch_stop(plane, number), ERROR_NONE);
    assert_int_equal(plane_watch_stop(plane, number), ERROR_NOT_FOUND);
    assert_int_equal(plane_watch_read(plane, number, 64, count_watched, of_worker, &more, &counts),
                     ERROR_NOT_FOUND);
}

static void ignore_watched(void *context, const struct plane_watch_view *view)
{
}

static void ignore_talker(void *context, const struct plane_talker_view *view)
{
}

static void look_at_everything(void)
{
    walk_flows();
    assert_int_equal(plane_walk_talkers(plane, 8, ignore_talker, NULL), ERROR_NONE);
    for (uint32_t p = 0; p < plane->shared.port_count; p++) {
        struct plane_port_view view;
        plane_port_view(plane, p, &view);
    }
    for (uint32_t w = 0; w < WORKERS; w++) {
        struct plane_worker_view view;
        plane_worker_view(plane, w, &view);
        assert_int_equal(plane_service_drops(plane, 1, DROP_NO_MEMBER, w), 0);
    }
    plane_handshakes(plane, member("b").slot);
}

#define ROUNDS      40
#define ROUND_FLOWS 8

static void all_of_it_at_once_loses_no_flow(void **state)
{
    static const enum setting settings[] = {BOTH, B_AND_C, TOO_MUCH}; // b is drained
    const struct plane_watch_request request = {.filter = "", .snap = 64, .rate = 1000000};
    uint32_t before = settle().forward;
    for (uint32_t round = 0; round < ROUNDS; round++) {
        struct plane_watch_fault fault;
        struct plane_watch_counts counts;
        uint64_t number;
        bool more, changed;
        send_syns(ROUND_FLOWS / 2); // on their way while the rest happens
        assert_int_equal(plane_watch_start(plane, &request, &number, &fault), ERROR_NONE);
        enum setting setting = settings[round % RTE_DIM(settings)];
        assert_int_equal(plane_change(plane, configs[setting], why),
                         setting == TOO_MUCH ? ERROR_TOO_LARGE : ERROR_NONE);
        answer_for_members();
        assert_int_equal(plane_drain(plane, "p", "b", round % 3 == 0, &changed, why), ERROR_NONE);
        turn();
        look_at_everything();
        assert_int_equal(plane_watch_read(plane, number, 64, ignore_watched, NULL, &more, &counts),
                         ERROR_NONE);
        send_syns(ROUND_FLOWS / 2);
        assert_int_equal(plane_watch_stop(plane, number), ERROR_NONE);
    }
    assert_int_equal(settle().forward, before + ROUNDS * ROUND_FLOWS);
}

static struct config *read_config(const char *text)
{
    struct config *config;
    struct config_problems problems;
    enum error error = config_read_text(span_of(text, strlen(text)), &config, &problems);
    config_problems_print(&problems, "test", stderr);
    config_problems_fini(&problems);
    assert_int_equal(error, ERROR_NONE);
    return config;
}

// The first cores that this process may use; of one both workers make do with that.
static void choose_cores(struct config *config)
{
    cpu_set_t allowed;
    assert_int_equal(sched_getaffinity(0, sizeof(allowed), &allowed), 0);
    uint32_t found = 0;
    for (uint32_t core = 0; core < CPU_SETSIZE && found < WORKERS; core++) {
        if (CPU_ISSET(core, &allowed))
            config->node.cores[found++] = core;
    }
    assert_true(found > 0);
    if (found < WORKERS)
        config->node.cores[1] = config->node.cores[0];
}

static int start(void **state)
{
    log_configure(LOG_ERROR, false, STDERR_FILENO);
    for (uint32_t i = 0; i < NETWORKS; i++)
        networks[i] = (struct ip_prefix){
            .address = ip_from_v4((const uint8_t[4]){10, 3, (uint8_t)(i >> 8), (uint8_t)i}),
            .length = 32};
    for (int i = 0; i < SETTINGS; i++) {
        configs[i] = read_config(texts[i]);
        choose_cores(configs[i]);
    }
    refuse(configs[TOO_MUCH], true);
    for (uint32_t i = 0; i < WIRES * WORKERS; i++)
        assert_int_equal(
            mailbox_create(1024, sizeof(struct rte_mbuf *), &wires[i / WORKERS][i % WORKERS]),
            ERROR_NONE);
    enum error error = plane_create(configs[BOTH], &plane, why);
    if (error)
        fail_msg("%s", why);
    connect_wires();
    return 0;
}

static int stop(void **state)
{
    plane_destroy(plane);
    for (int i = 0; i < SETTINGS; i++)
        config_destroy(configs[i]);
    for (uint32_t i = 0; i < WIRES * WORKERS; i++)
        mailbox_destroy(wires[i / WORKERS][i % WORKERS]);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(flows_are_walked_and_counted_wherever_they_are),
        cmocka_unit_test(who_has_seen_enough_flows_says_so),
        cmocka_unit_test(who_talks_is_told_over_all_workers),
        cmocka_unit_test(a_member_that_left_keeps_its_flows_and_then_its_slot_is_anothers),
        cmocka_unit_test(a_neighbour_that_nobody_configured_is_counted),
        cmocka_unit_test(a_change_that_cannot_be_compiled_changes_nothing),
        cmocka_unit_test(what_takes_a_restart_is_named_and_not_changed),
        cmocka_unit_test(a_drained_member_gets_no_new_flows_until_it_is_undone),
        cmocka_unit_test(a_drain_that_cannot_be_published_is_forgotten),
        cmocka_unit_test(a_change_that_a_stuck_worker_hinders_changes_nothing),
        cmocka_unit_test(what_came_too_late_is_no_part_of_the_next_answer),
        cmocka_unit_test(a_watch_sees_what_all_workers_do_until_it_is_stopped),
        cmocka_unit_test(all_of_it_at_once_loses_no_flow),
    };
    return cmocka_run_group_tests(tests, start, stop);
}
