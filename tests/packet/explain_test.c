// What people are told of packets: whose drops they were, and what each stage decided.
#include <netinet/in.h>
#include <string.h>

#include "dataplane/packet/wire/parse.h"
#include "tests/packet/stage_configurations.h"
#include "tests/packet/stage_rig.h"
#include "tests/packet/stations.h"
#include "tests/test.h"

static struct frame_spec from_client(uint16_t port, uint8_t flags)
{
    return (struct frame_spec){.destination_mac = front_mac,
                               .source_mac = client_mac,
                               .source = "10.1.0.10",
                               .destination = "10.1.0.100",
                               .source_port = 40000,
                               .destination_port = port,
                               .tcp_flags = flags,
                               .payload_size = 32};
}

static void open_rig(struct stage_rig *rig)
{
    rig_open(rig, configuration);
    rig_neighbour(rig, FRONT, "10.1.0.10", client_mac);
    rig_neighbour(rig, BACK, "10.2.0.11", member_mac);
}

static uint16_t slot_of(const struct stage_rig *rig, const char *name)
{
    for (uint16_t slot = 1; slot < rig->tables->service_limit; slot++) {
        if (strcmp(rig->tables->services[slot].name, name) == 0)
            return slot;
    }
    fail_msg("there is no vip %s", name);
    return 0;
}

// Plain packets and others alike.
static void a_drop_is_its_vips(void **state)
{
    struct row {
        struct frame_spec spec;
        enum drop_reason reason;
        const char *vip; // NULL: nobody's
    } rows[] = {
        {from_client(80, WIRE_TCP_RST), DROP_NO_FLOW, "nat"},
        {from_client(80, WIRE_TCP_RST), DROP_NO_FLOW, "nat"},
        {from_client(80, WIRE_TCP_SYN), DROP_TTL, "nat"},
        {from_client(81, WIRE_TCP_SYN), DROP_NO_SERVICE, NULL},
    };
    rows[1].spec.ipv4_options = span_of("\x01\x01\x01\x01", 4);
    rows[2].spec.ttl = 1;
    static struct stage_rig rig;
    static struct frame frame;
    static struct outcome outcome;
    open_rig(&rig);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        uint32_t service = rows[i].vip ? slot_of(&rig, rows[i].vip) : 0;
        uint64_t before = drops_of_service(&rig.stage.drops, service, rows[i].reason);
        frame_build(&frame, &rows[i].spec);
        rig_packet(&rig, FRONT, &frame, &outcome);
        assert_int_equal(outcome.kind, OUTCOME_DROPPED);
        assert_int_equal(outcome.reason, rows[i].reason);
        assert_int_equal(drops_of_service(&rig.stage.drops, service, rows[i].reason),
                         before + (rows[i].vip != NULL));
    }
    drops_forget(&rig.stage.drops, slot_of(&rig, "nat"));
    assert_int_equal(drops_of_service(&rig.stage.drops, slot_of(&rig, "nat"), DROP_NO_FLOW), 0);
    rig_close(&rig);
}

// Packets that walk the stages are counted there, the others on the short path.
static void stages_count_what_they_were_called_for(void **state)
{
    static struct stage_rig rig;
    static struct frame frames[3];
    static struct sent sent;
    open_rig(&rig);
    for (int i = 0; i < 3; i++) {
        struct frame_spec spec = from_client(80, i ? WIRE_TCP_ACK : WIRE_TCP_SYN);
        if (i == 2)
            spec.ipv4_options = span_of("\x01\x01\x01\x01", 4);
        frame_build(&frames[i], &spec);
    }
    meter_turn(&rig.stage.meter, 0, 0);
    rig_burst(&rig, FRONT, frames, 3, &sent);
    assert_int_equal(sent.count, 3);
    static const struct {
        enum meter_stage stage;
        uint64_t calls, packets;
    } rows[] = {{METER_SHORT_PATH, 1, 3}, {METER_CLASSIFY, 1, 1}, {METER_ESTABLISHED, 1, 1},
                {METER_LOCAL, 1, 1},      {METER_ADMIT, 1, 1},    {METER_DISPATCH, 1, 1},
                {METER_HANDED, 0, 0}};
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const struct meter_tally *tally = &rig.stage.counters.stages[rows[i].stage];
        assert_int_equal(tally->calls, rows[i].calls);
        assert_int_equal(tally->packets, rows[i].packets);
        assert_int_equal(tally->cycles > 0, rows[i].calls > 0);
    }
    rig_close(&rig);
}

// A watch with a filter that every packet may match only once it is decided.
static void watch(struct stage_rig *rig, struct filter *filter, const char *text, uint32_t rate)
{
    const char *vips[16];
    uint16_t slots[16];
    struct filter_context context = {.vips = {vips, slots, 0}};
    for (uint16_t slot = 1; slot < rig->tables->service_limit; slot++) {
        vips[context.vips.count] = rig->tables->services[slot].name;
        slots[context.vips.count++] = slot;
    }
    struct filter_fault fault;
    assert_int_equal(filter_parse(text, &context, filter, &fault), ERROR_NONE);
    assert_int_equal(observe_tap_create(filter, 2048, rate, &rig->stage.tap), ERROR_NONE);
}

static void end_watch(struct stage_rig *rig)
{
    observe_tap_destroy(rig->stage.tap);
    rig->stage.tap = NULL;
}

static union {
    struct observe_record record;
    uint8_t bytes[8192];
} told;

static const struct observe_record *next_record(const struct stage_rig *rig)
{
    assert_true(observe_record_size(2048) <= sizeof(told));
    return observe_receive(rig->stage.tap, &told.record) ? &told.record : NULL;
}

struct watch_row {
    const char *destination;
    uint16_t port;
    uint8_t flags;
    bool arp, from_member;
    enum observe_verdict verdict;
    enum drop_reason reason;
    enum meter_stage decided_by; // the last stage before dispatch
    uint8_t state;               // of the flow, at the stage that decided
    bool is_nats;                // vip nat, member n1
};

static void assert_told(const struct stage_rig *rig, const struct watch_row *row,
                        const struct frame *frame, const struct outcome *outcome)
{
    const struct observe_record *record = next_record(rig);
    assert_non_null(record);
    assert_int_equal(record->verdict, row->verdict);
    assert_int_equal(record->reason, row->reason);
    assert_int_equal(record->in_port, row->from_member ? BACK : FRONT);
    const struct observe_step *last = &record->steps[record->step_count - 1];
    const struct observe_step *decided = last - 1;
    assert_int_equal(record->steps[0].stage, METER_CLASSIFY);
    assert_int_equal(last->stage, METER_DISPATCH);
    assert_int_equal(last->verdict, row->verdict);
    assert_int_equal(decided->stage, row->decided_by);
    assert_int_equal(decided->verdict, row->verdict);
    assert_int_equal(decided->state, row->state);
    if (row->is_nats) {
        assert_int_equal(record->service, slot_of(rig, "nat"));
        assert_string_equal(rig->tables->members[record->member].name, "n1");
    }
    // The frame as it came, and as it left.
    assert_int_equal(record->in_bytes, frame->size);
    assert_memory_equal(record->bytes, frame->bytes, frame->size);
    assert_int_equal(record->leaves, row->verdict == OBSERVE_SENT || row->verdict == OBSERVE_HELD);
    if (row->verdict == OBSERVE_SENT) {
        assert_int_equal(outcome->kind, OUTCOME_SENT);
        assert_int_equal(record->out_bytes, outcome->frame.size);
        assert_memory_equal(record->bytes + record->in_bytes, outcome->frame.bytes,
                            outcome->frame.size);
        assert_int_equal(record->out_port, outcome->port);
    }
}

// What becomes of packets is the same, watched or not, and each stage's verdict is written down.
static void a_watched_packet_is_told_stage_by_stage(void **state)
{
    static const struct watch_row rows[] = {
        {"10.1.0.100", 80, WIRE_TCP_SYN, false, false, OBSERVE_SENT, DROP_NONE, METER_ADMIT,
         FLOW_TCP_OPENING, true},
        {"10.1.0.10", 40000, WIRE_TCP_SYN | WIRE_TCP_ACK, false, true, OBSERVE_SENT, DROP_NONE,
         METER_ESTABLISHED, FLOW_TCP_ANSWERED, true},
        {"10.1.0.100", 80, WIRE_TCP_ACK, false, false, OBSERVE_SENT, DROP_NONE, METER_ESTABLISHED,
         FLOW_TCP_ESTABLISHED, true},
        {"10.1.0.100", 81, WIRE_TCP_SYN, false, false, OBSERVE_DROPPED, DROP_NO_SERVICE,
         METER_LOCAL, FLOW_STATES, false},
        {"10.1.0.105", 80, WIRE_TCP_SYN, false, false, OBSERVE_DROPPED, DROP_NO_MEMBER, METER_ADMIT,
         FLOW_STATES, false},
        {"10.1.0.104", 80, WIRE_TCP_SYN, false, false, OBSERVE_HELD, DROP_NONE, METER_ADMIT,
         FLOW_TCP_OPENING, false},
        {"10.1.0.1", 22, WIRE_TCP_SYN, false, false, OBSERVE_PUNTED, DROP_NONE, METER_LOCAL,
         FLOW_STATES, false},
        {"10.1.0.100", 0, 0, true, false, OBSERVE_SENT, DROP_NONE, METER_LOCAL, FLOW_STATES, false},
    };
    static struct stage_rig rig;
    static struct frame frame;
    static struct outcome outcome;
    static struct filter filter;
    open_rig(&rig);
    watch(&rig, &filter, "dropped or not dropped", 1000000);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const struct watch_row *row = &rows[i];
        struct frame_spec spec = from_client(row->port, row->flags);
        spec.destination = row->destination;
        if (row->from_member) {
            spec.source = "10.2.0.11";
            spec.source_port = 8080;
            spec.destination_mac = back_mac;
        }
        spec.arp_operation = row->arp;
        frame_build(&frame, &spec);
        rig_packet(&rig, row->from_member ? BACK : FRONT, &frame, &outcome);
        assert_told(&rig, row, &frame, &outcome);
        assert_null(next_record(&rig));
    }
    end_watch(&rig);
    rig_close(&rig);
}

// Only what the filter wants is told; the rest of the burst goes as ever, and in order.
static void a_burst_is_told_in_part_and_stays_in_order(void **state)
{
    static struct stage_rig rig;
    static struct frame frames[8];
    static struct sent sent;
    static struct filter filter;
    open_rig(&rig);
    watch(&rig, &filter, "src port 40001 and vip nat", 1000000);
    for (int i = 0; i < 8; i++) {
        struct frame_spec spec = from_client(80, i < 2 ? WIRE_TCP_SYN : WIRE_TCP_ACK);
        uint8_t payload[32] = {(uint8_t)i};
        spec.payload = payload;
        spec.source_port = (uint16_t)(40000 + (i & 1));
        frame_build(&frames[i], &spec);
    }
    rig_burst(&rig, FRONT, frames, 8, &sent);
    assert_int_equal(sent.count, 8);
    for (int i = 0; i < 8; i++)
        assert_int_equal(sent.packets[i].frame.bytes[sent.packets[i].frame.size - 32], i);
    for (int i = 1; i < 8; i += 2) {
        const struct observe_record *record = next_record(&rig);
        assert_non_null(record);
        assert_int_equal(record->bytes[record->in_bytes - 32], i);
    }
    assert_null(next_record(&rig));
    assert_int_equal(rig.stage.tap->told, 4);
    end_watch(&rig);
    rig_close(&rig);
}

// What is over the rate, or finds the mailbox full, goes its way and is counted.
static void what_is_not_told_is_counted(void **state)
{
    static struct stage_rig rig;
    static struct frame frames[STAGE_BURST];
    static struct sent sent;
    static struct filter filter;
    open_rig(&rig);
    for (int i = 0; i < STAGE_BURST; i++) {
        struct frame_spec spec = from_client(80, WIRE_TCP_SYN);
        spec.source_port = (uint16_t)(1000 + i);
        frame_build(&frames[i], &spec);
    }
    watch(&rig, &filter, "tcp", 10); // a burst fits the bucket, and 10 a second more
    for (int burst = 0; burst < 3; burst++) {
        rig_burst(&rig, FRONT, frames, STAGE_BURST, &sent);
        assert_int_equal(sent.count, STAGE_BURST);
    }
    assert_int_equal(rig.stage.tap->told, STAGE_BURST);
    assert_int_equal(rig.stage.tap->limited, 2 * STAGE_BURST);
    rig_at(&rig, 1000);
    rig_burst(&rig, FRONT, frames, STAGE_BURST, &sent);
    assert_int_equal(rig.stage.tap->told, STAGE_BURST + 10);
    end_watch(&rig);

    watch(&rig, &filter, "tcp", 1000000);
    uint32_t sent_in_all = 0;
    while (!rig.stage.tap->lost && sent_in_all < 16384) {
        rig_burst(&rig, FRONT, frames, STAGE_BURST, &sent);
        assert_int_equal(sent.count, STAGE_BURST);
        sent_in_all += sent.count;
    }
    assert_int_equal(rig.stage.tap->told + rig.stage.tap->lost, sent_in_all);
    assert_true(rig.stage.tap->lost > 0);
    // Small packets take little of the mailbox, though much of large ones would be kept.
    assert_true(rig.stage.tap->told >= 8192);
    while (next_record(&rig))
        sent_in_all--;
    assert_int_equal(sent_in_all, rig.stage.tap->lost);
    end_watch(&rig);
    rig_close(&rig);
}

// A record of many pieces between small ones, over several laps of the mailbox.
static void large_packets_are_told_whole(void **state)
{
    static struct stage_rig rig;
    static struct frame frames[3];
    static struct sent sent;
    static struct filter filter;
    open_rig(&rig);
    for (int i = 0; i < 3; i++) {
        struct frame_spec spec = from_client(80, WIRE_TCP_SYN);
        spec.source_port = (uint16_t)(1000 + i);
        spec.payload_size = i == 1 ? 1400 : 8;
        frame_build(&frames[i], &spec);
    }
    watch(&rig, &filter, "tcp", 1000000);
    for (int lap = 0; lap < 2000; lap++) {
        rig_burst(&rig, FRONT, frames, 3, &sent);
        for (int i = 0; i < 3; i++) {
            const struct observe_record *record = next_record(&rig);
            assert_non_null(record);
            assert_int_equal(record->in_bytes, frames[i].size);
            assert_memory_equal(record->bytes, frames[i].bytes, frames[i].size);
            assert_int_equal(record->out_bytes, sent.packets[i].frame.size);
            assert_memory_equal(record->bytes + record->in_bytes, sent.packets[i].frame.bytes,
                                record->out_bytes);
        }
        assert_null(next_record(&rig));
    }
    end_watch(&rig);
    rig_close(&rig);
}

// Clients' packets and members' answers are the client's; nobody's are others.
static void a_sampled_burst_is_its_clients(void **state)
{
    static struct stage_rig rig;
    static struct frame frames[4];
    static struct sent sent;
    static const struct row {
        const char *source, *destination;
        uint16_t source_port, destination_port;
        const char *client; // NULL: nobody's
    } rows[] = {{"10.1.0.10", "10.1.0.100", 40000, 80, "10.1.0.10"},
                {"10.2.0.11", "10.1.0.10", 8080, 40000, "10.1.0.10"},
                {"10.2.0.11", "10.1.0.10", 9090, 40000, NULL},
                {"10.1.0.10", "10.1.0.1", 40000, 22, NULL}};
    open_rig(&rig);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct frame_spec spec = from_client(rows[i].destination_port, WIRE_TCP_SYN);
        spec.source = rows[i].source;
        spec.destination = rows[i].destination;
        spec.source_port = rows[i].source_port;
        for (int k = 0; k < 4; k++)
            frame_build(&frames[k], &spec);
        rig.stage.talkers = (struct talkers){.count = 0};
        rig_burst(&rig, FRONT, frames, 4, &sent); // not measured
        assert_int_equal(rig.stage.talkers.count, 0);
        rig.stage.meter.weight = METER_INTERVAL;
        rig_burst(&rig, FRONT, frames, 4, &sent);
        rig.stage.meter.weight = 0;
        assert_int_equal(rig.stage.talkers.count, rows[i].client ? 1 : 0);
        if (!rows[i].client)
            continue;
        struct ip_address client;
        assert_int_equal(ip_parse(rows[i].client, &client), ERROR_NONE);
        assert_true(ip_equal(&rig.stage.talkers.items[0].client, &client));
        assert_int_equal(rig.stage.talkers.packets, 4 * METER_INTERVAL);
        assert_int_equal(rig.stage.talkers.bytes, 4 * METER_INTERVAL * frames[0].size);
    }
    rig_close(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_drop_is_its_vips),
        cmocka_unit_test(stages_count_what_they_were_called_for),
        cmocka_unit_test(a_watched_packet_is_told_stage_by_stage),
        cmocka_unit_test(a_burst_is_told_in_part_and_stays_in_order),
        cmocka_unit_test(what_is_not_told_is_counted),
        cmocka_unit_test(large_packets_are_told_whole),
        cmocka_unit_test(a_sampled_burst_is_its_clients),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
