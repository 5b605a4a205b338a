#include "member/decide.h"

#include <netinet/in.h>

#include "tests/packet/frame.h"
#include "tests/test.h"

#define SYN 0x02
#define ACK 0x10
#define V6  .source = "2001:db8::1", .destination = "2001:db8::2"

static const char *const hops4[] = {"10.0.0.1", "10.0.0.2", "10.0.0.3"};
static const char *const hops6[] = {"fd00::1", "fd00::2", "fd00::3"};

static bool kernel_knows;
static uint32_t questions;
static struct connection asked;

static bool knows_tcp(void *context, const struct connection *connection)
{
    questions++;
    asked = *connection;
    return kernel_knows;
}

static struct decide deciding = {.knows_tcp = knows_tcp};
static uint8_t datagram[FRAME_SIZE_MAX];
static size_t datagram_size;

static int open_flows(void **state)
{
    kernel_knows = false;
    questions = 0;
    return flows_create(64, 1000, (struct siphash_key){1, 2}, &deciding.udp);
}

static int close_flows(void **state)
{
    flows_destroy(deciding.udp);
    return 0;
}

static void make(const struct frame_spec *spec, const char *const *hops, uint32_t count)
{
    static struct frame frame;
    frame_build(&frame, spec);
    uint32_t list = 0;
    bool v4 = frame.bytes[FRAME_IP_AT] >> 4 == 4;
    if (count > 0) {
        struct ip_address addresses[3];
        for (uint32_t i = 0; i < count; i++)
            assert_int_equal(ip_parse(hops[i], &addresses[i]), ERROR_NONE);
        gue_write_hops(datagram + GUE_SIZE, addresses, count);
        list = gue_hops_size(count, ip_is_v4(&addresses[0]));
    }
    datagram[0] = (uint8_t)(list / 4);
    datagram[1] = v4 ? 4 : 41;
    datagram[2] = datagram[3] = 0;
    memcpy(datagram + GUE_SIZE + list, frame.bytes + FRAME_IP_AT, frame.size - FRAME_IP_AT);
    datagram_size = GUE_SIZE + list + frame.size - FRAME_IP_AT;
}

static struct decided put(uint32_t now_ms)
{
    return decide(&deciding, span_of(datagram, datagram_size), now_ms);
}

static void assert_passed_to(struct decided decided, const char *hop)
{
    char text[IP_TEXT_SIZE];
    assert_int_equal(decided.decision, DECISION_PASS_ON);
    assert_string_equal(ip_format(&decided.hop, text), hop);
    gue_advance(datagram);
}

static void segments_go_where_their_connection_is(void **state)
{
    const struct frame_spec specs[] = {
        {.source_port = 4000, .destination_port = 80, .tcp_flags = ACK},
        {V6, .source_port = 4000, .destination_port = 80, .tcp_flags = ACK},
        {.source_port = 4000,
         .destination_port = 80,
         .ipv4_options = {(const uint8_t[4]){1, 1, 1, 1}, 4}},
    };
    for (size_t i = 0; i < sizeof(specs) / sizeof(specs[0]); i++) {
        make(&specs[i], hops4, 3);
        kernel_knows = false;
        assert_passed_to(put(0), "10.0.0.1");
        assert_int_equal(asked.client_port, htons(4000));
        assert_int_equal(asked.service_port, htons(80));
        assert_int_equal(ip_is_v4(&asked.client), specs[i].source == NULL);
        assert_passed_to(put(0), "10.0.0.2");
        kernel_knows = true;
        assert_int_equal(put(0).decision, DECISION_DELIVER);
        kernel_knows = false;
        assert_passed_to(put(0), "10.0.0.3");
        // Nobody is left: it is for the last, whose kernel refuses it.
        assert_int_equal(put(0).decision, DECISION_DELIVER);
    }
}

static void what_begins_or_has_no_list_is_delivered_unasked(void **state)
{
    static const struct frame_spec syn = {.tcp_flags = SYN};
    static const struct frame_spec segment = {.tcp_flags = ACK};
    make(&syn, hops4, 3);
    assert_int_equal(put(0).decision, DECISION_DELIVER);
    make(&segment, NULL, 0);
    assert_int_equal(put(0).decision, DECISION_DELIVER);
    assert_int_equal(questions, 0);
}

static void udp_goes_to_who_had_it_and_a_new_flow_to_the_last(void **state)
{
    static const struct frame_spec spec = {V6, .protocol = IPPROTO_UDP, .source_port = 9};
    make(&spec, hops6, 1);
    assert_passed_to(put(0), "fd00::1");
    assert_int_equal(put(0).decision, DECISION_DELIVER); // came round: it is ours
    make(&spec, hops6, 1);
    assert_int_equal(put(999).decision, DECISION_DELIVER);
    make(&spec, hops6, 1);
    assert_int_equal(put(1998).decision, DECISION_DELIVER); // 999 ms after the last
    make(&spec, hops6, 1);
    assert_passed_to(put(2998), "fd00::1");
    assert_int_equal(questions, 0);
    // What came without a list is remembered as well: its appliance knows whose it is.
    make(&spec, NULL, 0);
    assert_int_equal(put(3000).decision, DECISION_DELIVER);
    make(&spec, hops6, 1);
    assert_int_equal(put(3001).decision, DECISION_DELIVER);
    // Another client's is another flow.
    struct frame_spec other = spec;
    other.source_port = 10;
    make(&other, hops6, 1);
    assert_passed_to(put(3001), "fd00::1");
}

static void what_cannot_be_told_is_delivered(void **state)
{
    static const struct frame_spec specs[] = {
        {.protocol = IPPROTO_ICMP, .icmp_type = 3},
        {.more_fragments = true, .payload_size = 28},
        {.fragment_offset = 48},
        {V6, .extensions = {IPPROTO_DSTOPTS}, .extension_count = 1},
    };
    for (size_t i = 0; i < sizeof(specs) / sizeof(specs[0]); i++) {
        make(&specs[i], hops4, 3);
        assert_int_equal(put(0).decision, DECISION_DELIVER);
    }
    assert_int_equal(questions, 0);
}

static void what_is_no_packet_is_dropped(void **state)
{
    static const struct frame_spec spec = {.tcp_flags = ACK};
    make(&spec, hops4, 1);
    datagram[1] = 41; // says IPv6
    assert_int_equal(put(0).decision, DECISION_MALFORMED);
    make(&spec, hops4, 1);
    datagram_size = GUE_SIZE + 8 + 19; // less than an IP header
    assert_int_equal(put(0).decision, DECISION_MALFORMED);
    datagram_size = 2;
    assert_int_equal(put(0).decision, DECISION_MALFORMED);
    make(&spec, NULL, 0);
    datagram[0] = 0x20;
    assert_int_equal(put(0).decision, DECISION_UNSUPPORTED);
}

// A header cut short behind IP's is the kernel's to judge, not to be sent about.
static void a_packet_cut_short_stays_here(void **state)
{
    static const struct frame_spec spec = {.tcp_flags = ACK};
    make(&spec, hops4, 1);
    datagram_size = GUE_SIZE + 8 + 20 + 13;
    assert_int_equal(put(0).decision, DECISION_DELIVER);
    datagram_size++;
    assert_int_equal(put(0).decision, DECISION_PASS_ON);
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, open_flows, close_flows)
    const struct CMUnitTest tests[] = {
        CASE(segments_go_where_their_connection_is),
        CASE(what_begins_or_has_no_list_is_delivered_unasked),
        CASE(udp_goes_to_who_had_it_and_a_new_flow_to_the_last),
        CASE(what_cannot_be_told_is_delivered),
        CASE(what_is_no_packet_is_dropped),
        CASE(a_packet_cut_short_stays_here),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
