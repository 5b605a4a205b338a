// What people are told of packets: whose drops they were.
#include <netinet/in.h>
#include <string.h>

#include "dataplane/packet/wire/parse.h"
#include "tests/packet/stage_configurations.h"
#include "tests/packet/stage_rig.h"
#include "tests/test.h"

#define FRONT 0
#define BACK  1

static const uint8_t front_mac[6] = {2, 0, 0, 0, 0, FRONT};
static const uint8_t client_mac[6] = {2, 0, 0, 0, 1, 1};
static const uint8_t member_mac[6] = {2, 0, 0, 0, 1, 2};

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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_drop_is_its_vips),
        cmocka_unit_test(stages_count_what_they_were_called_for),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
