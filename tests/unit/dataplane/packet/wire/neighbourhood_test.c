#include "dataplane/packet/wire/neighbourhood.h"

#include <netinet/in.h>
#include <stdlib.h>

#include "dataplane/packet/wire/checksum.h"
#include "tests/packet/frame.h"
#include "tests/test.h"

#define COUNT(array)  (sizeof(array) / sizeof((array)[0]))
#define SOLICITATION  .protocol = IPPROTO_ICMPV6, .icmp_type = 135
#define ADVERTISEMENT .protocol = IPPROTO_ICMPV6, .icmp_type = 136
#define IP            FRAME_IP_AT
#define ND            FRAME_IPV6_L4

static const uint8_t broadcast[] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff};
static const uint8_t all_nodes[] = {0x33, 0x33, 0, 0, 0, 1};
static const uint8_t solicited_node[] = {0x33, 0x33, 0xff, 0x01, 0x02, 0x03};

static struct frame frame;
static struct frame expected;

static struct ip_address address_of(const char *text)
{
    struct ip_address address;
    assert_int_equal(ip_parse(text, &address), ERROR_NONE);
    return address;
}

static struct wire_packet parse(void)
{
    struct wire_packet packet;
    struct span bytes = span_of(frame.bytes, frame.size);
    assert_int_equal(wire_parse(bytes, (uint32_t)frame.size, 0, &packet), DROP_NONE);
    return packet;
}

// From memory that ends where the frame does.
static enum drop_reason read_exactly(size_t size, const struct wire_packet *packet,
                                     struct neighbourhood_message *message)
{
    uint8_t *copy = malloc(size);
    assert_non_null(copy);
    memcpy(copy, frame.bytes, size);
    enum drop_reason reason = neighbourhood_read(span_of(copy, size), packet, message);
    free(copy);
    return reason;
}

static enum drop_reason read_frame(struct neighbourhood_message *message)
{
    struct wire_packet packet = parse();
    return read_exactly(frame.size, &packet, message);
}

struct told {
    const char *name;
    struct frame_spec spec;
    bool request, reply, sender_known, solicited, override;
    const char *sender;
    const char *target;
};

static const struct told told[] = {
    {.name = "an ARP request",
     .spec = {.arp_operation = 1, .source = "10.0.0.1", .destination = "10.0.0.2"},
     .request = true,
     .sender_known = true,
     .override = true,
     .sender = "10.0.0.1",
     .target = "10.0.0.2"},
    {.name = "an ARP reply in a padded frame",
     .spec =
         {.arp_operation = 2, .source = "10.0.0.1", .destination = "10.0.0.2", .padding_size = 18},
     .reply = true,
     .sender_known = true,
     .solicited = true,
     .override = true,
     .sender = "10.0.0.1",
     .target = "10.0.0.2"},
    {.name = "an ARP probe for duplicates",
     .spec = {.arp_operation = 1, .source = "0.0.0.0", .destination = "10.0.0.2"},
     .request = true,
     .override = true,
     .sender = "0.0.0.0",
     .target = "10.0.0.2"},
    {.name = "an operation that is neither",
     .spec = {.arp_operation = 9, .source = "10.0.0.1", .destination = "10.0.0.2"},
     .sender_known = true,
     .override = true,
     .sender = "10.0.0.1",
     .target = "10.0.0.2"},
    {.name = "a solicitation",
     .spec = {.source = "fe80::1",
              .destination = "ff02::1:ff00:2",
              SOLICITATION,
              .nd_target = "fe80::2"},
     .request = true,
     .sender_known = true,
     .sender = "fe80::1",
     .target = "fe80::2"},
    {.name = "a solicitation to one station that does not say where from",
     .spec = {.source = "fe80::1",
              .destination = "fe80::2",
              SOLICITATION,
              .nd_target = "fe80::2",
              .nd_without_option = true},
     .request = true,
     .sender = "fe80::1",
     .target = "fe80::2"},
    {.name = "a probe for duplicates",
     .spec = {.source = "::",
              .destination = "ff02::1:ff00:2",
              SOLICITATION,
              .nd_target = "fe80::2",
              .nd_without_option = true},
     .request = true,
     .sender = "::",
     .target = "fe80::2"},
    {.name = "an advertisement that answers",
     .spec = {.source = "fe80::9",
              .destination = "fe80::1",
              ADVERTISEMENT,
              .icmp_rest = 0x60000000,
              .nd_target = "fe80::2"},
     .reply = true,
     .sender_known = true,
     .solicited = true,
     .override = true,
     .sender = "fe80::2",
     .target = "fe80::2"},
    {.name = "an advertisement to all, of a router, without override",
     .spec = {.source = "fe80::2",
              .destination = "ff02::1",
              ADVERTISEMENT,
              .icmp_rest = 0x80000000,
              .nd_target = "2001:db8::2"},
     .reply = true,
     .sender_known = true,
     .sender = "2001:db8::2",
     .target = "2001:db8::2"},
    {.name = "an advertisement that does not say where",
     .spec = {.source = "fe80::2",
              .destination = "fe80::1",
              ADVERTISEMENT,
              .icmp_rest = 0x40000000,
              .nd_target = "fe80::2",
              .nd_without_option = true},
     .reply = true,
     .solicited = true,
     .sender = "fe80::2",
     .target = "fe80::2"},
};

static void reads_what_a_message_tells(void **state)
{
    for (size_t i = 0; i < COUNT(told); i++) {
        const struct told *row = &told[i];
        struct neighbourhood_message message;
        frame_build(&frame, &row->spec);
        enum drop_reason reason = read_frame(&message);
        struct ip_address sender = address_of(row->sender);
        struct ip_address target = address_of(row->target);
        if (reason || message.request != row->request || message.reply != row->reply ||
            message.sender_known != row->sender_known || message.solicited != row->solicited ||
            message.override != row->override || !ip_equal(&message.sender, &sender) ||
            !ip_equal(&message.target, &target))
            fail_msg("%s: %s", row->name, drop_name(reason));
        if (row->sender_known)
            assert_memory_equal(message.sender_mac, frame_mac_peers, sizeof(frame_mac_peers));
    }
}

static void leaves_router_advertisements_unread(void **state)
{
    struct neighbourhood_message message;
    frame_build(&frame, &(struct frame_spec){.source = "fe80::1",
                                             .destination = "ff02::1",
                                             .protocol = IPPROTO_ICMPV6,
                                             .icmp_type = 134,
                                             .payload_size = 8});
    assert_int_equal(read_frame(&message), DROP_NONE);
    assert_false(message.request || message.reply);
}

struct patch {
    size_t at;
    uint8_t value;
};

struct malformed {
    const char *name;
    struct frame_spec spec;
    struct patch patches[2]; // after the frame was built; at 0: none
    bool keep_checksums;
};

#define A_REQUEST          \
    {                      \
        .arp_operation = 1 \
    }
#define A_QUESTION .source = "fe80::1", .destination = "fe80::2", SOLICITATION
#define AN_ANSWER  .source = "fe80::2", .destination = "fe80::1", ADVERTISEMENT
#define FOR_FE80_2 .nd_target = "fe80::2"

static const struct malformed malformed[] = {
    {.name = "ARP not for Ethernet", .spec = A_REQUEST, .patches = {{IP + 1, 6}}},
    {.name = "ARP not for IPv4", .spec = A_REQUEST, .patches = {{IP + 2, 0x86}}},
    {.name = "ARP with MAC addresses of 8 bytes", .spec = A_REQUEST, .patches = {{IP + 4, 8}}},
    {.name = "ARP with IP addresses of 16 bytes", .spec = A_REQUEST, .patches = {{IP + 5, 16}}},
    {.name = "ARP from a multicast MAC", .spec = A_REQUEST, .patches = {{IP + 8, 0x03}}},
    {.name = "ARP from no MAC", .spec = A_REQUEST, .patches = {{IP + 8, 0}, {IP + 13, 0}}},
    {.name = "ARP from a multicast address", .spec = {.arp_operation = 1, .source = "224.0.0.1"}},
    {.name = "ARP from the broadcast address",
     .spec = {.arp_operation = 2, .source = "255.255.255.255"}},
    {.name = "an ARP reply from no address", .spec = {.arp_operation = 2, .source = "0.0.0.0"}},

    {.name = "a solicitation from behind a router", .spec = {A_QUESTION, FOR_FE80_2, .ttl = 254}},
    {.name = "a solicitation with a wrong checksum",
     .spec = {A_QUESTION, FOR_FE80_2},
     .patches = {{ND + 4, 1}},
     .keep_checksums = true},
    {.name = "a solicitation with a code", .spec = {A_QUESTION, FOR_FE80_2, .icmp_code = 1}},
    {.name = "a solicitation of 23 bytes", .spec = {A_QUESTION, .ttl = 255, .payload_size = 15}},
    {.name = "a solicitation for a multicast address",
     .spec = {A_QUESTION, .nd_target = "ff02::1"}},
    {.name = "a solicitation for no address", .spec = {A_QUESTION, .nd_target = "::"}},
    {.name = "a solicitation for an IPv4-mapped address",
     .spec = {A_QUESTION, .nd_target = "::ffff:10.0.0.1"}},
    {.name = "an option of no length", .spec = {A_QUESTION, FOR_FE80_2}, .patches = {{ND + 25, 0}}},
    {.name = "an unknown option of no length",
     .spec = {A_QUESTION, FOR_FE80_2},
     .patches = {{ND + 24, 99}, {ND + 25, 0}}},
    {.name = "an option longer than the message",
     .spec = {A_QUESTION, FOR_FE80_2},
     .patches = {{ND + 24, 99}, {ND + 25, 2}}},
    {.name = "an option from a multicast MAC",
     .spec = {A_QUESTION, FOR_FE80_2},
     .patches = {{ND + 26, 0x01}}},
    {.name = "a probe for duplicates to one station",
     .spec = {.source = "::",
              .destination = "fe80::2",
              SOLICITATION,
              FOR_FE80_2,
              .nd_without_option = true}},
    {.name = "a probe for duplicates that says where from",
     .spec = {.source = "::", .destination = "ff02::1:ff00:2", SOLICITATION, FOR_FE80_2}},
    {.name = "a solicitation with a fragment header",
     .spec = {A_QUESTION, FOR_FE80_2, .extensions = {IPPROTO_FRAGMENT}, .extension_count = 1}},

    {.name = "an advertisement from behind a router", .spec = {AN_ANSWER, FOR_FE80_2, .ttl = 64}},
    {.name = "an advertisement with a wrong checksum",
     .spec = {AN_ANSWER, FOR_FE80_2},
     .patches = {{ND + 27, 9}},
     .keep_checksums = true},
    {.name = "an advertisement with a code", .spec = {AN_ANSWER, FOR_FE80_2, .icmp_code = 1}},
    {.name = "an advertisement of 23 bytes", .spec = {AN_ANSWER, .ttl = 255, .payload_size = 15}},
    {.name = "an advertisement of a multicast address",
     .spec = {AN_ANSWER, .nd_target = "ff02::1"}},
    {.name = "an advertisement of an IPv4-mapped address",
     .spec = {AN_ANSWER, .nd_target = "::ffff:10.0.0.1"}},
    {.name = "an advertisement that answers all",
     .spec = {.source = "fe80::2",
              .destination = "ff02::1",
              ADVERTISEMENT,
              FOR_FE80_2,
              .icmp_rest = 0x40000000}},
    {.name = "an advertisement with an option of no length",
     .spec = {AN_ANSWER, FOR_FE80_2},
     .patches = {{ND + 25, 0}}},
};

static void refuses_what_it_must_not_believe(void **state)
{
    for (size_t i = 0; i < COUNT(malformed); i++) {
        const struct malformed *row = &malformed[i];
        frame_build(&frame, &row->spec);
        for (size_t j = 0; j < COUNT(row->patches) && row->patches[j].at > 0; j++)
            frame.bytes[row->patches[j].at] = row->patches[j].value;
        if (!row->keep_checksums)
            frame_fix_checksums(&frame);

        struct neighbourhood_message message;
        enum drop_reason reason = read_frame(&message);
        if (reason != (row->spec.arp_operation ? DROP_ARP_MALFORMED : DROP_ND_MALFORMED))
            fail_msg("%s: %s", row->name, drop_name(reason));
    }
}

// For ARP wire_parse() sees any length; of ND it has seen eight bytes, and the frame may lie in
// more than one piece.
static void refuses_messages_cut_short(void **state)
{
    frame_build(&frame, &(struct frame_spec)A_REQUEST);
    struct neighbourhood_message message;
    struct wire_packet packet = parse();
    for (size_t size = WIRE_ETHERNET_SIZE; size < frame.size; size++)
        assert_int_equal(read_exactly(size, &packet, &message), DROP_ARP_MALFORMED);
    frame_build(&frame, &(struct frame_spec){A_QUESTION, FOR_FE80_2});
    packet = parse();
    for (size_t size = ND + 8; size < frame.size; size++)
        assert_int_equal(read_exactly(size, &packet, &message), DROP_ND_MALFORMED);
}

// Among other options, which are skipped by their length.
static void finds_the_option_behind_others(void **state)
{
    uint8_t payload[16 + 16 + 8] = {0xfe, 0x80, [15] = 2};
    uint8_t *nonce = payload + 16;
    nonce[0] = 14;
    nonce[1] = 2;
    uint8_t *option = nonce + 16;
    option[0] = 1;
    option[1] = 1;
    memcpy(option + 2, frame_mac_peers, WIRE_MAC_SIZE);
    frame_build(&frame, &(struct frame_spec){A_QUESTION, .ttl = 255, .payload = payload,
                                             .payload_size = sizeof(payload)});
    struct neighbourhood_message message;
    assert_int_equal(read_frame(&message), DROP_NONE);
    assert_true(message.sender_known);
    assert_memory_equal(message.sender_mac, frame_mac_peers, WIRE_MAC_SIZE);
}

static const struct {
    const char *name;
    struct frame_spec question;
    struct frame_spec answer; // from frame_mac_ours
} answers[] = {
    {.name = "an ARP request",
     .question = {.arp_operation = 1,
                  .destination_mac = broadcast,
                  .source = "10.0.0.1",
                  .destination = "10.0.0.2"},
     .answer = {.arp_operation = 2,
                .destination_mac = frame_mac_peers,
                .source = "10.0.0.2",
                .destination = "10.0.0.1",
                .arp_target_mac = frame_mac_peers}},
    {.name = "an ARP probe for duplicates",
     .question = {.arp_operation = 1,
                  .destination_mac = broadcast,
                  .source = "0.0.0.0",
                  .destination = "10.0.0.2"},
     .answer = {.arp_operation = 2,
                .destination_mac = frame_mac_peers,
                .source = "10.0.0.2",
                .destination = "0.0.0.0",
                .arp_target_mac = frame_mac_peers}},
    {.name = "a solicitation",
     .question = {.source = "fe80::1",
                  .destination = "ff02::1:ff00:2",
                  SOLICITATION,
                  .traffic_class = 0xe0,
                  .nd_target = "2001:db8::2"},
     .answer = {.destination_mac = frame_mac_peers,
                .source = "2001:db8::2",
                .destination = "fe80::1",
                ADVERTISEMENT,
                .icmp_rest = 0xe0000000,
                .nd_target = "2001:db8::2"}},
    {.name = "a solicitation that does not say where from",
     .question = {.source = "fe80::1",
                  .destination = "fe80::2",
                  SOLICITATION,
                  .nd_target = "fe80::2",
                  .nd_without_option = true},
     .answer = {.destination_mac = frame_mac_peers,
                .source = "fe80::2",
                .destination = "fe80::1",
                ADVERTISEMENT,
                .icmp_rest = 0xe0000000,
                .nd_target = "fe80::2"}},
    {.name = "a probe for duplicates",
     .question = {.source = "::",
                  .destination = "ff02::1:ff00:2",
                  SOLICITATION,
                  .nd_target = "fe80::2",
                  .nd_without_option = true},
     .answer = {.destination_mac = all_nodes,
                .source = "fe80::2",
                .destination = "ff02::1",
                ADVERTISEMENT,
                .icmp_rest = 0xa0000000,
                .nd_target = "fe80::2"}},
};

static void answers_in_place(void **state)
{
    for (size_t i = 0; i < COUNT(answers); i++) {
        struct frame_spec spec = answers[i].answer;
        spec.source_mac = frame_mac_ours;
        frame_build(&expected, &spec);

        frame_build(&frame, &answers[i].question);
        struct wire_packet packet = parse();
        struct neighbourhood_message message;
        assert_int_equal(read_frame(&message), DROP_NONE);
        uint32_t size = neighbourhood_answer(frame.bytes, (uint32_t)expected.size, &packet,
                                             &message, frame_mac_ours);
        assert_int_equal(size, expected.size);
        if (memcmp(frame.bytes, expected.bytes, size) != 0)
            fail_msg("%s", answers[i].name);

        // One byte less than it takes, and nothing is written.
        frame_build(&frame, &answers[i].question);
        struct frame before = frame;
        assert_int_equal(neighbourhood_answer(frame.bytes, (uint32_t)expected.size - 1, &packet,
                                              &message, frame_mac_ours),
                         0);
        assert_memory_equal(frame.bytes, before.bytes, sizeof(before.bytes));
    }
}

static const struct {
    const char *target;
    const uint8_t *target_mac; // NULL: asked of all
    struct frame_spec question;
} questions[] = {
    {.target = "10.0.0.2",
     .question = {.arp_operation = 1,
                  .destination_mac = broadcast,
                  .source = "10.0.0.1",
                  .destination = "10.0.0.2"}},
    {.target = "10.0.0.2",
     .target_mac = frame_mac_peers,
     .question = {.arp_operation = 1,
                  .destination_mac = frame_mac_peers,
                  .source = "10.0.0.1",
                  .destination = "10.0.0.2"}},
    {.target = "2001:db8::4401:203",
     .question = {.destination_mac = solicited_node,
                  .source = "2001:db8::1",
                  .destination = "ff02::1:ff01:203",
                  SOLICITATION,
                  .nd_target = "2001:db8::4401:203"}},
    {.target = "2001:db8::4401:203",
     .target_mac = frame_mac_peers,
     .question = {.destination_mac = frame_mac_peers,
                  .source = "2001:db8::1",
                  .destination = "2001:db8::4401:203",
                  SOLICITATION,
                  .nd_target = "2001:db8::4401:203"}},
};

static void asks_one_or_all(void **state)
{
    for (size_t i = 0; i < COUNT(questions); i++) {
        struct frame_spec spec = questions[i].question;
        spec.source_mac = frame_mac_ours;
        frame_build(&expected, &spec);
        uint8_t out[NEIGHBOURHOOD_FRAME_MAX];
        struct ip_address target = address_of(questions[i].target);
        struct ip_address source = address_of(spec.source);
        uint32_t size =
            neighbourhood_request(out, &target, questions[i].target_mac, &source, frame_mac_ours);
        assert_int_equal(size, expected.size);
        assert_memory_equal(out, expected.bytes, size);
    }
}

static void announces_to_all(void **state)
{
    static const struct frame_spec specs[] = {
        {.arp_operation = 1,
         .destination_mac = broadcast,
         .source = "10.0.0.1",
         .destination = "10.0.0.1"},
        {.destination_mac = all_nodes,
         .source = "2001:db8::1",
         .destination = "ff02::1",
         ADVERTISEMENT,
         .icmp_rest = 0xa0000000,
         .nd_target = "2001:db8::1"},
    };
    for (size_t i = 0; i < COUNT(specs); i++) {
        struct frame_spec spec = specs[i];
        spec.source_mac = frame_mac_ours;
        frame_build(&expected, &spec);
        uint8_t out[NEIGHBOURHOOD_FRAME_MAX];
        struct ip_address address = address_of(spec.source);
        assert_int_equal(neighbourhood_announce(out, &address, frame_mac_ours), expected.size);
        assert_memory_equal(out, expected.bytes, expected.size);
    }
}

// As tshark shows it: the hop-by-hop header with the router alert, and one group, from which nobody
// is excluded.
static void tells_which_group_is_listened_to(void **state)
{
    static const uint8_t report[] = {
        0x33, 0x33, 0x00, 0x00, 0x00, 0x16, 0x02, 0x00, 0x00, 0x00, 0x00, 0x01, 0x86, 0xdd, 0x60,
        0x00, 0x00, 0x00, 0x00, 0x24, 0x00, 0x01, 0xfe, 0x80, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
        0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x01, 0xff, 0x02, 0x00, 0x00, 0x00, 0x00, 0x00,
        0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x16, 0x3a, 0x00, 0x05, 0x02, 0x00, 0x00,
        0x01, 0x00, 0x8f, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x01, 0x02, 0x00, 0x00, 0x00, 0xff,
        0x02, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x01, 0xff, 0x01, 0x02, 0x03,
    };
    static const uint8_t mac[6] = {2, 0, 0, 0, 0, 1};
    enum {
        SOURCE = 22,
        CHECKSUM = 64,
        MLD = 62
    };
    struct ip_address vip = address_of("2001:db8::4401:203"), own = address_of("fe80::1");
    struct ip_address routers = address_of("ff02::16"), none = address_of("::");
    const struct ip_address *sources[] = {&own, NULL};
    for (size_t i = 0; i < COUNT(sources); i++) {
        uint8_t out[NEIGHBOURHOOD_FRAME_MAX];
        assert_int_equal(neighbourhood_join(out, &vip, sources[i], mac), sizeof(report));
        const struct ip_address *from = sources[i] ? sources[i] : &none;
        assert_memory_equal(out + SOURCE, from->bytes, 16);
        uint64_t sum = checksum_pseudo(from, &routers, IPPROTO_ICMPV6, sizeof(report) - MLD);
        assert_int_equal(
            checksum_finish(checksum_add(sum, span_of(out + MLD, sizeof(report) - MLD))), 0);
        memcpy(out + SOURCE, report + SOURCE, 16);
        memset(out + CHECKSUM, 0, 2);
        assert_memory_equal(out, report, sizeof(report));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_what_a_message_tells),
        cmocka_unit_test(leaves_router_advertisements_unread),
        cmocka_unit_test(refuses_what_it_must_not_believe),
        cmocka_unit_test(refuses_messages_cut_short),
        cmocka_unit_test(finds_the_option_behind_others),
        cmocka_unit_test(answers_in_place),
        cmocka_unit_test(asks_one_or_all),
        cmocka_unit_test(announces_to_all),
        cmocka_unit_test(tells_which_group_is_listened_to),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
