#include "bench/pktgen/receiver.h"

#include "bench/pktgen/frames.h"
#include "dataplane/packet/wire/neighbourhood.h"
#include "tests/test.h"
#include "tests/unit/bench/pktgen/addresses.h"

#define TRIAL 5
#define SENT  (RECEIVER_WINDOW * 4)

static struct frames frames;

static int set_up(void **state)
{
    static const uint8_t from[4] = {10, 0, 0, 1}, to[4] = {10, 1, 2, 3};
    const struct profile profile = {.from = ip_from_v4(from),
                                    .to = ip_from_v4(to),
                                    .port = 80,
                                    .destination_mac = {2},
                                    .flows = 3,
                                    .size = 64};
    frames_init(&frames, &profile);
    return 0;
}

static struct receiver start(void)
{
    struct receiver receiver = receiver_start(TRIAL);
    receiver.sent = SENT;
    return receiver;
}

static enum received take(struct receiver *receiver, uint64_t sequence, uint16_t trial)
{
    uint8_t frame[FRAMES_SIZE_MAX];
    struct wire_packet packet;
    uint16_t size = frames_write(&frames, sequence, trial, 1000, frame);
    return receiver_take(receiver, span_of(frame, size), 1000 + 51200, &packet);
}

static void what_comes_in_order_is_received_and_timed(void **state)
{
    struct receiver receiver = start();
    for (uint64_t sequence = 0; sequence < SENT; sequence++)
        assert_int_equal(take(&receiver, sequence, TRIAL), RECEIVED_PACKET);
    assert_int_equal(receiver.received, SENT);
    assert_int_equal(receiver.duplicates + receiver.reordered + receiver.foreign, 0);
    assert_int_equal(receiver.latency.count, SENT);
    assert_int_equal(receiver.latency.least, 51200);
    assert_int_equal(receiver.latency.most, 51200);
}

static void duplicates_are_not_received_twice(void **state)
{
    struct receiver receiver = start();
    take(&receiver, 0, TRIAL);
    take(&receiver, 0, TRIAL);
    take(&receiver, 100, TRIAL);
    take(&receiver, 0, TRIAL);
    assert_int_equal(receiver.received, 2);
    assert_int_equal(receiver.duplicates, 2);
    // A slot of the window used before is free again, for one that comes late too.
    take(&receiver, RECEIVER_WINDOW + 100, TRIAL);
    take(&receiver, RECEIVER_WINDOW, TRIAL);
    assert_int_equal(receiver.received, 4);
    assert_int_equal(receiver.duplicates, 2);
}

static void a_late_packet_is_reordered_and_not_lost(void **state)
{
    struct receiver receiver = start();
    take(&receiver, 1, TRIAL);
    take(&receiver, 0, TRIAL);
    assert_int_equal(receiver.received, 2);
    assert_int_equal(receiver.reordered, 1);
    take(&receiver, RECEIVER_WINDOW * 3, TRIAL);
    take(&receiver, 7, TRIAL);
    assert_int_equal(receiver.received, 4);
    assert_int_equal(receiver.reordered, 2);
}

static void packets_of_others_do_not_count(void **state)
{
    struct receiver receiver = start();
    assert_int_equal(take(&receiver, 0, TRIAL - 1), RECEIVED_FOREIGN);
    assert_int_equal(take(&receiver, SENT, TRIAL), RECEIVED_FOREIGN);
    assert_int_equal(receiver.foreign, 2);
    assert_int_equal(receiver.received, 0);
}

// The other end's questions and answers are told apart from what is counted.
static void neighbours_are_not_foreign(void **state)
{
    static const uint8_t mac[WIRE_MAC_SIZE] = {2, 0, 0, 0, 0, 9};
    static const char *const addresses[][2] = {{"10.0.0.1", "10.1.2.3"}, {"fd00::1", "fd00::2"}};
    for (size_t i = 0; i < 2; i++) {
        struct receiver receiver = start();
        struct ip_address from = address_of(addresses[i][0]), target = address_of(addresses[i][1]);
        uint8_t frame[NEIGHBOURHOOD_FRAME_MAX];
        struct wire_packet packet;
        uint32_t size = neighbourhood_request(frame, &target, NULL, &from, mac);
        assert_int_equal(receiver_take(&receiver, span_of(frame, size), 0, &packet),
                         RECEIVED_NEIGHBOUR);
        struct neighbourhood_message message;
        assert_int_equal(neighbourhood_read(span_of(frame, size), &packet, &message), DROP_NONE);
        assert_true(message.request && ip_equal(&message.target, &target));
        size = neighbourhood_answer(frame, sizeof(frame), &packet, &message, mac);
        assert_int_equal(receiver_take(&receiver, span_of(frame, size), 0, &packet),
                         RECEIVED_NEIGHBOUR);
        assert_int_equal(receiver.foreign + receiver.received, 0);
    }
}

static void sequences_go_on_beyond_32_bits(void **state)
{
    struct receiver receiver = start();
    for (uint64_t sequence = UINT32_MAX - 5u; sequence < UINT32_MAX + UINT64_C(5); sequence++) {
        receiver.sent = sequence + 3;
        assert_int_equal(take(&receiver, sequence, TRIAL), RECEIVED_PACKET);
    }
    assert_int_equal(receiver.received, 10);
    assert_int_equal(receiver.next, UINT32_MAX + UINT64_C(5));
    assert_int_equal(receiver.reordered, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_comes_in_order_is_received_and_timed),
        cmocka_unit_test(duplicates_are_not_received_twice),
        cmocka_unit_test(a_late_packet_is_reordered_and_not_lost),
        cmocka_unit_test(packets_of_others_do_not_count),
        cmocka_unit_test(neighbours_are_not_foreign),
        cmocka_unit_test(sequences_go_on_beyond_32_bits),
    };
    return cmocka_run_group_tests(tests, set_up, NULL);
}
