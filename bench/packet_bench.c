// A packet's walk through the stages: cycles from a received burst to packets ready to send,
// without a device. Frames are 64-byte TCP as a device delivers them (IPv4 header checksum checked
// by it), flows are asked for in random order. `parse` is the frame parser alone; `new` is packets
// that each begin a flow. `beside` is one burst of established flows in ten: the others, which are
// not in the figure, are of established flows as well, or SYNs from everywhere.
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/byteorder.h"
#include "base/check.h"
#include "base/random.h"
#include "bench/shim/shim.h"
#include "dataplane/packet/wire/parse.h"
#include "tests/packet/stage_rig.h"

#define BURSTS  16u
#define PACKETS (BURSTS * STAGE_BURST) // of a turn

#define ESTABLISHED_CAPACITY 2097152u

// Written into a template, then each packet's own.
#define CLIENT_AT (FRAME_IP_AT + 12)
#define PORT_AT   FRAME_IPV4_L4
#define FLAGS_AT  (FRAME_IPV4_L4 + 13)

// Handshakes at once, while flows are established.
#define HANDSHAKES 512u

// A new flow lives so long: how often bursts come says how many would be half open, were all of
// them allowed to. NEW_OVER are more than an eighth of the table's entries, so that each makes
// another one go; NEW_UNDER, a quarter of that eighth, find their places free, or of flows that are
// over.
#define NEW_LIFE_MS  10000u
#define NEW_CAPACITY 262144u
#define NEW_OVER     64000
#define NEW_UNDER    8000

static const uint8_t member_mac[6] = {2, 0, 0, 0, 1, 2};
static const uint8_t client_mac[6] = {2, 0, 0, 0, 1, 1};
static const uint8_t front_mac[6] = {2, 0, 0, 0, 0, 0};
static const uint8_t back_mac[6] = {2, 0, 0, 0, 0, 1};

static const char configuration[] =
    "node: {name: bench, cores: [0], flows: {per-worker: %u, tcp-opening: 10s}}\n"
    "ports:\n"
    "  - {name: front, device: net_null0, addresses: [10.1.0.1/16], gateway: [10.1.0.254]}\n"
    "  - {name: back, device: net_null1, addresses: [10.2.0.1/24], local-addresses: [\n"
    "     10.2.0.200, 10.2.0.201, 10.2.0.202, 10.2.0.203, 10.2.0.204, 10.2.0.205, 10.2.0.206,\n"
    "     10.2.0.207, 10.2.0.208, 10.2.0.209, 10.2.0.210, 10.2.0.211, 10.2.0.212, 10.2.0.213]}\n"
    "pools:\n"
    "  - {name: nat, forward: nat, members: [{address: 10.2.0.11, port: 8080}]}\n"
    "  - {name: fullnat, forward: fullnat, members: [{address: 10.2.0.11, port: 8081}]}\n"
    "  - {name: direct, forward: direct, members: [{address: 10.2.0.12}]}\n"
    "  - {name: ipip, forward: ipip, members: [{address: 10.2.0.13}]}\n"
    "  - {name: gre, forward: gre, members: [{address: 10.2.0.13}]}\n"
    "  - {name: gue, forward: gue, members: [{address: 10.2.0.13}]}\n"
    "  - {name: chances, forward: gue, balancer: ring, second-chance: 2,\n"
    "     members: [{address: 10.2.0.11}, {address: 10.2.0.12}, {address: 10.2.0.13}]}\n"
    "vips:\n"
    "  - {name: nat, address: 10.1.0.100, port: 80, protocol: tcp, pool: nat}\n"
    "  - {name: direct, address: 10.1.0.101, port: 80, protocol: tcp, pool: direct}\n"
    "  - {name: ipip, address: 10.1.0.102, port: 80, protocol: tcp, pool: ipip}\n"
    "  - {name: gre, address: 10.1.0.103, port: 80, protocol: tcp, pool: gre}\n"
    "  - {name: gue, address: 10.1.0.104, port: 80, protocol: tcp, pool: gue}\n"
    "  - {name: chances, address: 10.1.0.105, port: 80, protocol: tcp, pool: chances}\n"
    "  - {name: fullnat, address: 10.1.0.106, port: 80, protocol: tcp, pool: fullnat}\n";

// Where FullNAT's replies go, as it lies in a packet.
struct local {
    uint32_t address;
    uint16_t port;
};

struct run {
    struct stage_rig rig;
    struct rte_mempool *pool;
    struct rte_mbuf *packets[PACKETS];
    struct frame_spec request;
    struct frame template;
    bool replies;         // the template is a member's, and goes to the client
    struct local *locals; // FullNAT: by flow; else NULL
    struct random random;
};

// `steer`: as a device spreads packets by a hash of ours; NULL: it does not.
static void open_run(struct run *run, const char *vip, uint8_t tcp_flags, uint32_t capacity,
                     const struct steer *steer)
{
    char yaml[4096];
    snprintf(yaml, sizeof(yaml), configuration, capacity);
    memset(run, 0, sizeof(*run));
    rig_open_worker(&run->rig, yaml, 0, steer);
    rig_neighbour(&run->rig, 0, "10.1.0.254", client_mac);
    for (int host = 11; host <= 13; host++) {
        char address[16];
        snprintf(address, sizeof(address), "10.2.0.%d", host);
        rig_neighbour(&run->rig, 1, address, member_mac);
    }
    run->pool = rte_pktmbuf_pool_create("packets", PACKETS * 2 - 1, 0, 0, RTE_MBUF_DEFAULT_BUF_SIZE,
                                        SOCKET_ID_ANY);
    CHECK(run->pool && rte_pktmbuf_alloc_bulk(run->pool, run->packets, PACKETS) == 0);
    run->request = (struct frame_spec){
        .destination_mac = front_mac,
        .source_mac = client_mac,
        .source = "10.1.0.10",
        .destination = vip,
        .destination_port = 80,
        .tcp_flags = tcp_flags,
        .payload_size = 10, // 64 bytes
        .dont_fragment = true,
    };
    frame_build(&run->template, &run->request);
    run->random = random_from_seed(1);
}

static void close_run(struct run *run)
{
    rte_mempool_free(run->pool);
    rig_close(&run->rig);
}

// As a device would hand it over: flow `number`'s packet in a buffer of its own.
static void fill(const struct run *run, struct rte_mbuf *packet, uint32_t number)
{
    packet->data_off = RTE_PKTMBUF_HEADROOM;
    packet->data_len = (uint16_t)run->template.size;
    packet->pkt_len = (uint32_t)run->template.size;
    packet->ol_flags = RTE_MBUF_F_RX_IP_CKSUM_GOOD;
    uint8_t *frame = rte_pktmbuf_mtod(packet, uint8_t *);
    memcpy(frame, run->template.bytes, run->template.size);
    if (run->replies && run->locals) {
        memcpy(frame + CLIENT_AT + 4, &run->locals[number].address, 4);
        memcpy(frame + PORT_AT + 2, &run->locals[number].port, 2);
        return;
    }
    store_be32(frame + CLIENT_AT + (run->replies ? 4 : 0), 0x0b000000u + (number >> 8));
    store_be16(frame + PORT_AT + (run->replies ? 2 : 0), (uint16_t)(1024 + (number & 0xff)));
}

// What was sent comes back to be filled again.
static void take_back(struct run *run)
{
    struct stage *stage = &run->rig.stage;
    uint32_t sent = stage->outboxes[0].count + stage->outboxes[1].count;
    CHECK(sent == STAGE_BURST);
    stage->outboxes[0].count = 0;
    stage->outboxes[1].count = 0;
}

static void receive(struct run *run, uint32_t burst)
{
    stage_receive(&run->rig.stage, run->replies ? 1 : 0, &run->packets[burst * STAGE_BURST],
                  STAGE_BURST);
    take_back(run);
}

// From where the flows of a burst, which was sent last, reach their members.
static void learn_locals(struct run *run, uint32_t number)
{
    const struct outbox *box = &run->rig.stage.outboxes[1];
    for (uint32_t i = 0; i < STAGE_BURST; i++) {
        const uint8_t *frame = rte_pktmbuf_mtod(box->packets[i], uint8_t *);
        memcpy(&run->locals[number + i].address, frame + CLIENT_AT, 4);
        memcpy(&run->locals[number + i].port, frame + PORT_AT, 2);
    }
}

// Flows `first` to `end` send one segment each.
static void all_send(struct run *run, uint32_t first, uint32_t end, uint8_t tcp_flags)
{
    run->template.bytes[FLAGS_AT] = tcp_flags;
    for (uint32_t number = first; number < end; number += STAGE_BURST) {
        for (uint32_t i = 0; i < STAGE_BURST; i++)
            fill(run, run->packets[i], number + i);
        receive(run, 0);
        if (run->locals && tcp_flags == WIRE_TCP_SYN)
            learn_locals(run, number);
    }
}

static const struct frame_spec answer = {
    .destination_mac = back_mac,
    .source_mac = member_mac,
    .source = "10.2.0.11",
    .destination = "10.1.0.10",
    .source_port = 8080,
    .tcp_flags = WIRE_TCP_ACK,
    .payload_size = 10,
};

static void turn_round(struct run *run, bool replies)
{
    run->replies = replies;
    struct frame_spec reply = answer;
    reply.source_port = run->locals ? 8081 : 8080;
    frame_build(&run->template, replies ? &reply : &run->request);
}

// The handshake of every flow, of some at a time: there is room for so many that are half open.
static void establish(struct run *run, uint32_t flows, bool two_way)
{
    for (uint32_t first = 0; first < flows; first += HANDSHAKES) {
        uint32_t end = flows - first < HANDSHAKES ? flows : first + HANDSHAKES;
        all_send(run, first, end, WIRE_TCP_SYN);
        if (two_way) {
            turn_round(run, true);
            all_send(run, first, end, WIRE_TCP_SYN | WIRE_TCP_ACK);
            turn_round(run, false);
        }
        all_send(run, first, end, WIRE_TCP_ACK);
    }
}

#define FULLNAT_VIP "10.1.0.106"

static void established(struct bench_state *state, const char *vip, int64_t flows, bool two_way,
                        bool replies)
{
    static struct run run;
    open_run(&run, vip, WIRE_TCP_ACK, ESTABLISHED_CAPACITY, NULL);
    if (strcmp(vip, FULLNAT_VIP) == 0) {
        run.locals = calloc((size_t)flows, sizeof(*run.locals));
        CHECK(run.locals);
    }
    establish(&run, (uint32_t)flows, two_way);
    turn_round(&run, replies);
    while (bench_next(state)) {
        bench_pause(state);
        rig_at(&run.rig, run.rig.stage.now_ms + 1);
        for (uint32_t i = 0; i < PACKETS; i++)
            fill(&run, run.packets[i], (uint32_t)random_below(&run.random, (uint64_t)flows));
        bench_resume(state);
        for (uint32_t burst = 0; burst < BURSTS; burst++)
            receive(&run, burst);
    }
    bench_items(state, PACKETS, "packet");
    free(run.locals);
    close_run(&run);
}

static void established_fullnat(struct bench_state *state, int64_t flows)
{
    established(state, FULLNAT_VIP, flows, true, false);
}

static void established_fullnat_reply(struct bench_state *state, int64_t flows)
{
    established(state, FULLNAT_VIP, flows, true, true);
}

static void established_nat(struct bench_state *state, int64_t flows)
{
    established(state, "10.1.0.100", flows, true, false);
}

static void established_reply(struct bench_state *state, int64_t flows)
{
    established(state, "10.1.0.100", flows, true, true);
}

static void established_direct(struct bench_state *state, int64_t flows)
{
    established(state, "10.1.0.101", flows, false, false);
}

static void established_ipip(struct bench_state *state, int64_t flows)
{
    established(state, "10.1.0.102", flows, false, false);
}

static void established_gre(struct bench_state *state, int64_t flows)
{
    established(state, "10.1.0.103", flows, false, false);
}

static void established_gue(struct bench_state *state, int64_t flows)
{
    established(state, "10.1.0.104", flows, false, false);
}

#define BESIDE_BURSTS 10u

// A flood comes so fast: a packet each so many nanoseconds, a million a second.
#define BESIDE_PACKET_NS 1000u

static void fill_burst(struct run *run, uint32_t burst, uint8_t tcp_flags, uint32_t first,
                       uint64_t flows)
{
    run->template.bytes[FLAGS_AT] = tcp_flags;
    for (uint32_t i = 0; i < STAGE_BURST; i++)
        fill(run, run->packets[burst * STAGE_BURST + i],
             first + (uint32_t)random_below(&run->random, flows));
}

// `stateless`: the flooded service may go so.
static void beside(struct bench_state *state, const char *vip, int64_t flows, bool two_way,
                   bool flood, bool stateless)
{
    static struct run run;
    open_run(&run, vip, WIRE_TCP_ACK, ESTABLISHED_CAPACITY, NULL);
    establish(&run, (uint32_t)flows, two_way);
    uint64_t now_ns = (uint64_t)run.rig.stage.now_ms * 1000000;
    while (bench_next(state)) {
        bench_pause(state);
        fill_burst(&run, 0, WIRE_TCP_ACK, 0, (uint64_t)flows);
        for (uint32_t burst = 1; burst < BESIDE_BURSTS; burst++) {
            if (flood)
                fill_burst(&run, burst, WIRE_TCP_SYN, 1u << 24, 1u << 31);
            else
                fill_burst(&run, burst, WIRE_TCP_ACK, 0, (uint64_t)flows);
            receive(&run, burst);
        }
        now_ns += BESIDE_BURSTS * STAGE_BURST * BESIDE_PACKET_NS;
        rig_at(&run.rig, (uint32_t)(now_ns / 1000000));
        if (stateless)
            stage_expire(&run.rig.stage);
        bench_resume(state);
        receive(&run, 0);
    }
    bench_items(state, STAGE_BURST, "packet");
    close_run(&run);
}

static void beside_established_direct(struct bench_state *state, int64_t flows)
{
    beside(state, "10.1.0.101", flows, false, false, false);
}

static void beside_flood_direct(struct bench_state *state, int64_t flows)
{
    beside(state, "10.1.0.101", flows, false, true, false);
}

static void beside_stateless_direct(struct bench_state *state, int64_t flows)
{
    beside(state, "10.1.0.101", flows, false, true, true);
}

static void beside_established_nat(struct bench_state *state, int64_t flows)
{
    beside(state, "10.1.0.100", flows, true, false, false);
}

static void beside_flood_nat(struct bench_state *state, int64_t flows)
{
    beside(state, "10.1.0.100", flows, true, true, false);
}

static void next_burst(struct run *run, uint32_t burst, uint32_t after_ms)
{
    struct stage *stage = &run->rig.stage;
    rig_at(&run->rig, stage->now_ms + after_ms);
    receive(run, burst);
    // As many buckets as a worker must sweep to keep up with these arrivals.
    flow_sweep(stage->flows, flow_table_buckets(stage->flows) / 2000 + 1, stage->now_ms);
}

static void begins(struct bench_state *state, const char *vip, uint8_t tcp_flags, int64_t half_open,
                   const struct steer *steer)
{
    static struct run run;
    open_run(&run, vip, tcp_flags, NEW_CAPACITY, steer);
    uint32_t number = 0, after_ms = NEW_LIFE_MS * STAGE_BURST / (uint32_t)half_open;
    for (uint32_t warm_ms = 0; warm_ms < 5 * NEW_LIFE_MS; warm_ms += after_ms) {
        for (uint32_t i = 0; i < STAGE_BURST; i++)
            fill(&run, run.packets[i], number++);
        next_burst(&run, 0, after_ms);
    }
    while (bench_next(state)) {
        bench_pause(state);
        for (uint32_t i = 0; i < PACKETS; i++)
            fill(&run, run.packets[i], number++);
        bench_resume(state);
        for (uint32_t burst = 0; burst < BURSTS; burst++)
            next_burst(&run, burst, after_ms);
    }
    bench_items(state, PACKETS, "packet");
    close_run(&run);
}

static void new_nat(struct bench_state *state, int64_t half_open)
{
    begins(state, "10.1.0.100", WIRE_TCP_SYN, half_open, NULL);
}

static void new_fullnat(struct bench_state *state, int64_t half_open)
{
    begins(state, FULLNAT_VIP, WIRE_TCP_SYN, half_open, NULL);
}

// From ports whose replies a device brings back to this worker.
static void new_fullnat_steered(struct bench_state *state, int64_t half_open)
{
    static struct steer steer;
    struct random random = random_from_seed(1);
    uint8_t key[STEER_KEY_BYTES];
    for (size_t i = 0; i < sizeof(key); i++)
        key[i] = (uint8_t)random_next(&random);
    steer_key_fit(key);
    steer_init(&steer, key, 128, 1);
    begins(state, FULLNAT_VIP, WIRE_TCP_SYN, half_open, &steer);
}

static void new_direct(struct bench_state *state, int64_t half_open)
{
    begins(state, "10.1.0.101", WIRE_TCP_SYN, half_open, NULL);
}

// Of connections that began elsewhere: each packet takes the stages, and a list.
static void unknown_gue(struct bench_state *state, int64_t flows)
{
    begins(state, "10.1.0.105", WIRE_TCP_ACK, flows, NULL);
}

static void parse(struct bench_state *state, int64_t unused)
{
    static struct run run;
    open_run(&run, "10.1.0.100", WIRE_TCP_ACK, NEW_CAPACITY, NULL);
    for (uint32_t i = 0; i < PACKETS; i++)
        fill(&run, run.packets[i], i);
    while (bench_next(state)) {
        for (uint32_t i = 0; i < PACKETS; i++) {
            struct wire_packet packet;
            struct span frame = span_of(rte_pktmbuf_mtod(run.packets[i], uint8_t *), 64);
            bench_keep(wire_parse(frame, 64, WIRE_KNOWN_IPV4_CHECKSUM_GOOD, &packet));
            bench_keep(packet.l4_offset);
        }
    }
    bench_items(state, PACKETS, "packet");
    close_run(&run);
}

int main(int argc, char **argv)
{
    static const int64_t flows[] = {1 << 10, 1 << 16, 1 << 20};
    bench_add("packet_parse", parse, 64);
    for (int i = 0; i < 3; i++)
        bench_add("packet_established_direct", established_direct, flows[i]);
    for (int i = 0; i < 3; i++)
        bench_add("packet_established_ipip", established_ipip, flows[i]);
    bench_add("packet_established_gre", established_gre, flows[0]);
    bench_add("packet_established_gue", established_gue, flows[0]);
    for (int i = 0; i < 3; i++)
        bench_add("packet_established_nat", established_nat, flows[i] / 2); // two entries each
    for (int i = 0; i < 3; i++)
        bench_add("packet_established_nat_reply", established_reply, flows[i] / 2);
    for (int i = 0; i < 3; i++)
        bench_add("packet_established_fullnat", established_fullnat, flows[i] / 2);
    for (int i = 0; i < 3; i++)
        bench_add("packet_established_fullnat_reply", established_fullnat_reply, flows[i] / 2);
    bench_add("packet_beside_established_direct", beside_established_direct, flows[1]);
    bench_add("packet_beside_flood_direct", beside_flood_direct, flows[1]);
    bench_add("packet_beside_stateless_direct", beside_stateless_direct, flows[1]);
    bench_add("packet_beside_established_nat", beside_established_nat, flows[1] / 2);
    bench_add("packet_beside_flood_nat", beside_flood_nat, flows[1] / 2);
    static const int64_t half_open[] = {NEW_UNDER, NEW_OVER};
    for (int i = 0; i < 2; i++) {
        bench_add("packet_new_direct", new_direct, half_open[i]);
        bench_add("packet_new_nat", new_nat, half_open[i]);
        bench_add("packet_new_fullnat", new_fullnat, half_open[i]);
        bench_add("packet_new_fullnat_steered", new_fullnat_steered, half_open[i]);
    }
    bench_add("packet_unknown_gue", unknown_gue, NEW_UNDER);
    return bench_main(argc, argv);
}
