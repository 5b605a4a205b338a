// What workers tell the main thread, while it does not listen: its mailbox is full. What does not
// fit is counted, the packet goes on all the same, and it is told when it comes again.
#include <netinet/in.h>

#include "tests/packet/one_rig.h"
#include "tests/packet/outcomes.h"

static const char configuration[] =
    "node: {name: test, cores: [0], flows: {per-worker: 1024}}\n"
    "ports:\n"
    "  - {name: front, device: net_null0, addresses: [10.1.0.1/24, fd00:1::1/64]}\n"
    "  - {name: back, device: net_null1, addresses: [10.2.0.1/24]}\n"
    "pools: [{name: p, forward: ipip, members: [{address: 10.2.0.31}]}]\n"
    "vips: [{name: v, address: 10.1.0.100, port: 80, protocol: tcp, pool: p}]\n";

static int open_rig(void **state)
{
    rig_open(&rig, configuration);
    rig_neighbour(&rig, FRONT, "10.1.0.10", client_mac);
    rig_neighbour(&rig, BACK, "10.2.0.31", member_mac);
    return 0;
}

// The packet's news are lost, and those of the next one like it are not: the rig listens after
// each.
static void assert_counted_and_told_again(uint16_t port, struct frame_spec spec)
{
    static const struct news_message other = {.port = UINT16_MAX};
    uint64_t lost = *rig.stage.counters.news_lost;
    while (mailbox_send(rig.stage.news, &other))
        ;
    struct outcome outcome = rig_put(&rig, port, spec);
    assert_int_equal(outcome.kind, OUTCOME_SENT);
    assert_int_equal(outcome.news.port, UINT16_MAX);
    assert_int_equal(*rig.stage.counters.news_lost, lost + 1);
    outcome = rig_put(&rig, port, spec);
    assert_int_equal(outcome.kind, OUTCOME_SENT);
    assert_true(outcome.learned);
    assert_int_not_equal(outcome.news.port, UINT16_MAX);
    assert_int_equal(*rig.stage.counters.news_lost, lost + 1);
}

static void of_neighbours(void **state)
{
    assert_counted_and_told_again(FRONT, (struct frame_spec){
                                             .destination_mac = broadcast_mac,
                                             .source_mac = client_mac,
                                             .source = "10.1.0.77",
                                             .destination = "10.1.0.1",
                                             .arp_operation = 1,
                                         });
    assert_counted_and_told_again(FRONT, (struct frame_spec){
                                             .destination_mac = front_mac,
                                             .source_mac = client_mac,
                                             .source = "fd00:1::77",
                                             .destination = "fd00:1::1",
                                             .protocol = IPPROTO_ICMPV6,
                                             .icmp_type = 135,
                                             .nd_target = "fd00:1::1",
                                         });
}

static void of_what_a_way_takes(void **state)
{
    struct outcome sent = rig_put(&rig, FRONT,
                                  (struct frame_spec){
                                      .destination_mac = front_mac,
                                      .source_mac = client_mac,
                                      .source = "10.1.0.10",
                                      .destination = "10.1.0.100",
                                      .source_port = 40000,
                                      .destination_port = 80,
                                      .dont_fragment = true,
                                      .payload_size = 1440,
                                  });
    assert_int_equal(sent.kind, OUTCOME_SENT);
    assert_counted_and_told_again(BACK, (struct frame_spec){
                                            .destination_mac = back_mac,
                                            .source_mac = member_mac,
                                            .source = "10.2.0.77",
                                            .destination = "10.2.0.1",
                                            .protocol = IPPROTO_ICMP,
                                            .icmp_type = 3,
                                            .icmp_code = 4,
                                            .icmp_rest = 1400,
                                            .payload = sent.frame.bytes + FRAME_IP_AT,
                                            .payload_size = 600,
                                        });
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, open_rig, close_rig)
    const struct CMUnitTest tests[] = {
        CASE(of_neighbours),
        CASE(of_what_a_way_takes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
