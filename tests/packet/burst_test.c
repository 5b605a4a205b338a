// Bursts in, packets out: what is particular to packets that come together.
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/random.h"
#include "dataplane/packet/wire/parse.h"
#include "tests/packet/stage_configurations.h"
#include "tests/packet/stage_rig.h"
#include "tests/packet/stations.h"
#include "tests/test.h"

#define SYN WIRE_TCP_SYN
#define ACK WIRE_TCP_ACK
#define FIN (WIRE_TCP_FIN | WIRE_TCP_ACK)
#define RST WIRE_TCP_RST

static const uint8_t other_mac[6] = {2, 0, 0, 0, 1, 3};

static void open_rig(struct stage_rig *rig)
{
    rig_open(rig, configuration);
    rig_neighbour(rig, FRONT, "10.1.0.10", client_mac);
    rig_neighbour(rig, FRONT, "fd00:1::10", client_mac);
    rig_neighbour(rig, FRONT, "10.1.0.21", member_mac);
    rig_neighbour(rig, BACK, "10.2.0.11", member_mac);
    rig_neighbour(rig, BACK, "fd00:2::11", member_mac);
    rig_neighbour(rig, BACK, "10.2.0.31", member_mac);
}

static struct frame_spec from_client(const char *vip, uint16_t port, uint8_t flags)
{
    return (struct frame_spec){
        .destination_mac = front_mac,
        .source_mac = client_mac,
        .source = strchr(vip, ':') ? "fd00:1::10" : "10.1.0.10",
        .destination = vip,
        .source_port = 40000,
        .destination_port = port,
        .tcp_flags = flags,
        .payload_size = 32,
    };
}

// With options that say nothing: such a packet walks the general stages.
static struct frame_spec generally(struct frame_spec spec)
{
    if (!strchr(spec.destination, ':')) {
        spec.ipv4_options = span_of("\x01\x01\x01\x01", 4);
        return spec;
    }
    spec.extensions[0] = IPPROTO_DSTOPTS;
    spec.extension_count = 1;
    return spec;
}

static void packets_of_a_flow_leave_in_their_order(void **state)
{
    // Which packets of the burst take the general way, new flow or known: by payload one can tell.
    static struct frame frames[STAGE_BURST];
    static struct sent sent;
    static struct stage_rig rig;
    open_rig(&rig);
    for (uint32_t pattern = 0; pattern < 64; pattern++) {
        for (uint32_t i = 0; i < 12; i++) {
            uint8_t payload[32] = {(uint8_t)i};
            struct frame_spec spec = from_client("10.1.0.100", 80, i == 0 ? SYN : ACK);
            spec.source_port = (uint16_t)(1000 + pattern);
            spec.payload = payload;
            if (pattern >> (i % 6) & 1)
                spec = generally(spec);
            frame_build(&frames[i], &spec);
        }
        rig_burst(&rig, FRONT, frames, 12, &sent);
        assert_int_equal(sent.count, 12);
        for (uint32_t i = 0; i < 12; i++) {
            const struct frame *frame = &sent.packets[i].frame;
            assert_int_equal(frame->bytes[frame->size - 32], i);
        }
    }
    assert_int_equal(rig.stage.counters.vips[1].flows_created, 64);
    rig_close(&rig);
}

// What is not plain is forwarded as what is plain: new or known, to a member or from one.
static void the_general_way_forwards_as_the_short_one(void **state)
{
    static const struct {
        const char *vip, *member;
        uint8_t protocol;
    } rows[] = {{"10.1.0.100", "10.2.0.11", IPPROTO_TCP},
                {"10.1.0.100", "10.2.0.11", IPPROTO_UDP},
                {"fd00:1::100", "fd00:2::11", IPPROTO_TCP}};
    static struct stage_rig rig;
    static struct frame frame, expected;
    static struct outcome outcome;
    open_rig(&rig);
    for (size_t i = 0; i < 2 * sizeof(rows) / sizeof(rows[0]); i++) {
        size_t row = i / 2;
        uint16_t port = rows[row].protocol == IPPROTO_TCP ? 80 : 53;
        struct frame_spec spec = from_client(rows[row].vip, port, SYN);
        spec.protocol = rows[row].protocol;
        spec = i % 2 ? spec : generally(spec); // begun by one, continued by the other
        frame_build(&frame, &spec);
        rig_packet(&rig, FRONT, &frame, &outcome);
        spec.destination_mac = member_mac;
        spec.source_mac = back_mac;
        spec.destination = rows[row].member;
        spec.destination_port = 8080;
        spec.ttl = 63;
        frame_build(&expected, &spec);
        assert_int_equal(outcome.kind, OUTCOME_SENT);
        assert_int_equal(outcome.frame.size, expected.size);
        assert_memory_equal(outcome.frame.bytes, expected.bytes, expected.size);

        spec = from_client(rows[row].vip, 0, SYN | ACK);
        spec.protocol = rows[row].protocol;
        spec.destination = spec.source;
        spec.source = rows[row].member;
        spec.destination_mac = back_mac;
        spec.source_port = 8080;
        spec.destination_port = 40000;
        spec = i % 2 ? generally(spec) : spec;
        frame_build(&frame, &spec);
        rig_packet(&rig, BACK, &frame, &outcome);
        spec.source = rows[row].vip;
        spec.source_port = port;
        spec.destination_mac = client_mac;
        spec.source_mac = front_mac;
        spec.ttl = 63;
        frame_build(&expected, &spec);
        assert_int_equal(outcome.kind, OUTCOME_SENT);
        assert_int_equal(outcome.frame.size, expected.size);
        assert_memory_equal(outcome.frame.bytes, expected.bytes, expected.size);
    }
    rig_close(&rig);
}

// A member also talks with the appliance itself, from the port it serves on: a health check of this
// machine's own kernel is answered so.
static void what_a_member_sends_to_the_appliance_itself_is_punted(void **state)
{
    static const char *const workers[] = {"cores: [0]", "cores: [0, 1]"};
    static struct stage_rig rig;
    static struct frame frame;
    static struct outcome outcome;
    for (size_t w = 0; w < 2; w++) {
        char yaml[1024];
        snprintf(yaml, sizeof(yaml),
                 "node: {name: test, %s, flows: {per-worker: 4096}}\n"
                 "ports:\n"
                 "  - {name: front, device: net_null0, addresses: [10.1.0.1/24]}\n"
                 "  - {name: back, device: net_null1, addresses: [10.2.0.1/24, 'fd00:2::1/64'],\n"
                 "     punt: {interface: punt1}}\n"
                 "pools: [{name: p, members: [{name: a, address: 10.2.0.11}]},\n"
                 "        {name: q, members: [{name: a, address: 'fd00:2::11'}]}]\n"
                 "vips: [{name: v, address: 10.1.0.100, port: 80, protocol: tcp, pool: p},\n"
                 "       {name: w, address: 'fd00:1::100', port: 80, protocol: tcp, pool: q}]\n",
                 workers[w]);
        rig_open(&rig, yaml);
        for (int i = 0; i < 4; i++) {
            bool v6 = i & 1;
            struct frame_spec spec = {.destination_mac = back_mac,
                                      .source_mac = member_mac,
                                      .source = v6 ? "fd00:2::11" : "10.2.0.11",
                                      .destination = v6 ? "fd00:2::1" : "10.2.0.1",
                                      .source_port = 80,
                                      .destination_port = 40000,
                                      .tcp_flags = SYN | ACK};
            spec = i & 2 ? generally(spec) : spec;
            frame_build(&frame, &spec);
            rig_packet(&rig, BACK, &frame, &outcome);
            assert_int_equal(outcome.kind, OUTCOME_PUNTED);
        }
        rig_close(&rig);
    }
}

static int compare_packets(const void *a, const void *b)
{
    return memcmp(a, b, sizeof(((struct sent *)NULL)->packets[0]));
}

// A packet of any kind that there is here, from a number.
static void some_frame(struct frame *frame, struct random *random)
{
    static const char *const vips[] = {"10.1.0.100", "10.1.0.101", "10.1.0.102", "10.1.0.105",
                                       "10.1.0.1",   "10.1.0.77",  "fd00:1::100"};
    static const uint8_t flags[] = {SYN, ACK, ACK, ACK, FIN, RST, SYN | ACK};
    memset(frame, 0, sizeof(*frame));
    struct frame_spec spec =
        from_client(vips[random_below(random, 7)], random_below(random, 8) ? 80 : 81,
                    flags[random_below(random, 7)]);
    spec.source_port = (uint16_t)(1000 + random_below(random, 4));
    spec.ttl = random_below(random, 10) ? 64 : 1;
    spec.payload_size = random_below(random, 20) ? 32 : 1480;
    switch (random_below(random, 12)) {
    case 0:
        spec = generally(spec);
        break;
    case 1:
        spec.protocol = IPPROTO_UDP;
        spec.destination_port = 53;
        break;
    case 2:
        spec.destination_mac = other_mac;
        break;
    case 3:
        spec.more_fragments = true;
        spec.payload_size = 28;
        spec.extensions[0] = strchr(spec.destination, ':') ? IPPROTO_FRAGMENT : 0;
        spec.extension_count = strchr(spec.destination, ':') ? 1 : 0;
        break;
    case 4:
        spec = (struct frame_spec){.destination_mac = broadcast_mac,
                                   .source_mac = client_mac,
                                   .source = "10.1.0.10",
                                   .destination = "10.1.0.100",
                                   .arp_operation = 1};
        break;
    default:
        break;
    }
    frame_build(frame, &spec);
    if (random_below(random, 20) == 0)
        frame->bytes[random_below(random, frame->size)] ^= 1;
}

// One burst of anything does what its packets do one by one.
static void a_burst_does_what_its_packets_do_one_by_one(void **state)
{
    static struct frame frames[STAGE_BURST];
    static struct sent together, apart, one;
    static struct stage_rig first, other;
    struct random random = random_from_seed(3);
    open_rig(&first);
    open_rig(&other);
    for (int round = 0; round < 200; round++) {
        for (uint32_t i = 0; i < STAGE_BURST; i++)
            some_frame(&frames[i], &random);
        memset(&together, 0, sizeof(together));
        memset(&apart, 0, sizeof(apart));
        rig_burst(&first, FRONT, frames, STAGE_BURST, &together);
        for (uint32_t i = 0; i < STAGE_BURST; i++) {
            rig_burst(&other, FRONT, &frames[i], 1, &one);
            for (uint32_t k = 0; k < one.count; k++)
                apart.packets[apart.count++] = one.packets[k];
        }
        assert_int_equal(together.count, apart.count);
        qsort(together.packets, together.count, sizeof(together.packets[0]), compare_packets);
        qsort(apart.packets, apart.count, sizeof(apart.packets[0]), compare_packets);
        assert_memory_equal(&together, &apart, sizeof(together));
        for (int reason = 0; reason < DROP_REASONS; reason++)
            assert_int_equal(first.stage.counters.drops[reason],
                             other.stage.counters.drops[reason]);
        assert_memory_equal(first.stage.counters.vips, other.stage.counters.vips,
                            10 * sizeof(struct tally));
        assert_int_equal(flow_table_used(first.stage.flows), flow_table_used(other.stage.flows));
    }
    rig_close(&first);
    rig_close(&other);
}

// A member without a port has an endpoint for each vip of its pool; the rig has numbers for 64.
static void too_many_member_endpoints_are_refused_by_name_and_leave_nothing(void **state)
{
    static struct stage_rig rig;
    open_rig(&rig);
    char yaml[8192], why[256] = "";
    int used = snprintf(yaml, sizeof(yaml), "%s", TWO_MEMBERS "pools: [{name: many, members: [");
    for (int i = 0; i < 33; i++)
        used += snprintf(yaml + used, sizeof(yaml) - (size_t)used, "%s{address: 10.2.0.%d}",
                         i ? ", " : "", 100 + i);
    used += snprintf(yaml + used, sizeof(yaml) - (size_t)used, "]}]\nvips:\n");
    for (int port = 80; port < 82; port++)
        used += snprintf(yaml + used, sizeof(yaml) - (size_t)used,
                         "  - {name: v%d, address: 10.1.0.100, port: %d, protocol: tcp, "
                         "pool: many}\n",
                         port, port);
    for (int i = 0; i < 3; i++) {
        rig_refuse(&rig, yaml, why);
        assert_non_null(strstr(why, "pool many: no number for member"));
    }
    // What the attempts took was given back, and the old configuration goes on.
    rig_reload(&rig, both_members);
    rig_reload(&rig, configuration);
    rig_close(&rig);
}

// The rig has room for 256.
static void too_many_next_hops_are_refused_with_a_remedy(void **state)
{
    static struct stage_rig rig;
    open_rig(&rig);
    char why[256] = "";
    uint32_t slot;
    for (int i = 0; i < 256; i++) {
        char text[IP_TEXT_SIZE];
        struct ip_address address;
        snprintf(text, sizeof(text), "198.51.100.%d", i);
        assert_int_equal(ip_parse(text, &address), ERROR_NONE);
        if (neighbour_pin(rig.neighbours, FRONT, &address, rig.now_ns, &slot, &rig.actions))
            break;
    }
    rig_refuse(&rig, TWO_MEMBERS "pools: [{name: one, members: [{address: 10.2.0.200}]}]\n", why);
    assert_string_equal(why, "no room for the neighbour 10.2.0.200: no free space: write fewer "
                             "members or routes; removed ones make room when their flows have "
                             "ended");
    rig_close(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(packets_of_a_flow_leave_in_their_order),
        cmocka_unit_test(the_general_way_forwards_as_the_short_one),
        cmocka_unit_test(what_a_member_sends_to_the_appliance_itself_is_punted),
        cmocka_unit_test(too_many_member_endpoints_are_refused_by_name_and_leave_nothing),
        cmocka_unit_test(too_many_next_hops_are_refused_with_a_remedy),
        cmocka_unit_test(a_burst_does_what_its_packets_do_one_by_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
