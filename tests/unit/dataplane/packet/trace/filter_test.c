#include "dataplane/packet/trace/filter.h"

#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/packet/frame.h"
#include "tests/test.h"

static const char *const vips[] = {"web", "dns"}, *const ports[] = {"front", "back"},
                         *const reasons[] = {"ttl", "no-member"};
static const uint16_t slots[] = {7, 9}, indexes[] = {0, 1}, codes[] = {3, 4};
static const struct filter_context context = {
    .vips = {vips, slots, 2}, .ports = {ports, indexes, 2}, .reasons = {reasons, codes, 2}};

// The packets that questions are asked of.
enum asked {
    SYN4,
    UDP6,
    PING,
    ARP,
    ASKED
};

static void facts_of(enum asked which, struct facts *facts)
{
    static const struct frame_spec specs[ASKED] = {
        [SYN4] = {.source = "10.1.0.10",
                  .destination = "10.1.0.100",
                  .source_port = 40000,
                  .destination_port = 80,
                  .tcp_flags = 2},
        [UDP6] = {.source = "fd00:1::10",
                  .destination = "fd00:1::100",
                  .protocol = IPPROTO_UDP,
                  .source_port = 53,
                  .destination_port = 5353},
        [PING] = {.source = "10.1.0.10",
                  .destination = "10.1.0.1",
                  .protocol = IPPROTO_ICMP,
                  .icmp_type = 8},
        [ARP] = {.source = "10.1.0.10", .destination = "10.1.0.1", .arp_operation = 1},
    };
    static struct frame frame;
    frame_build(&frame, &specs[which]);
    *facts = (struct facts){.in_port = which == UDP6};
    facts_read(span_of(frame.bytes, frame.size), facts);
}

static void answers_for_each_packet(void **state)
{
    // A letter for each packet: y, n, or o: open.
    static const struct {
        const char *text, *undecided, *decided; // decided: web's, dropped for ttl
    } rows[] = {
        {"", "yyyy", "yyyy"},
        {"tcp", "ynnn", "ynnn"},
        {"udp", "nynn", "nynn"},
        {"icmp", "nnyn", "nnyn"},
        {"arp", "nnny", "nnny"},
        {"ip", "ynyn", "ynyn"},
        {"ip6", "nynn", "nynn"},
        {"host 10.1.0.10", "ynyy", "ynyy"},
        {"dst host 10.1.0.10", "nnnn", "nnnn"},
        {"src host fd00:1::10", "nynn", "nynn"},
        {"net 10.1.0.0/24", "ynyy", "ynyy"},
        {"dst net 10.1.0.0/26", "nnyy", "nnyy"},
        {"port 80", "ynnn", "ynnn"},
        {"src port 80", "nnnn", "nnnn"},
        {"port 50-60", "nynn", "nynn"},
        {"dst port 40000-65535", "nnnn", "nnnn"},
        {"on back", "nynn", "nynn"},
        {"vip web", "oooo", "yyyy"},
        {"vip dns", "oooo", "nnnn"},
        {"dropped", "oooo", "yyyy"},
        {"dropped ttl", "oooo", "yyyy"},
        {"dropped no-member", "oooo", "nnnn"},
        {"not tcp", "nyyy", "nyyy"},
        {"! tcp && ! udp", "nnyy", "nnyy"},
        {"!tcp&&!udp", "nnyy", "nnyy"},
        {"tcp or udp", "yynn", "yynn"},
        {"tcp or udp and ip6", "yynn", "yynn"},
        {"(tcp or udp) and ip6", "nynn", "nynn"},
        {"not (tcp or udp)", "nnyy", "nnyy"},
        {"tcp and vip web", "onnn", "ynnn"},
        {"tcp or vip web", "yooo", "yyyy"},
        {"not vip dns", "oooo", "yyyy"},
        {"dropped and tcp", "onnn", "ynnn"},
        {"(dropped)", "oooo", "yyyy"},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct filter filter;
        struct filter_fault fault;
        assert_int_equal(filter_parse(rows[i].text, &context, &filter, &fault), ERROR_NONE);
        for (enum asked asked = 0; asked < ASKED; asked++) {
            struct facts facts;
            facts_of(asked, &facts);
            if ("nyo"[filter_ask(&filter, &facts)] != rows[i].undecided[asked])
                fail_msg("`%s` of packet %d", rows[i].text, asked);
            facts.decided = true;
            facts.service = 7;
            facts.reason = 3;
            if ("nyo"[filter_ask(&filter, &facts)] != rows[i].decided[asked])
                fail_msg("`%s` of packet %d, decided", rows[i].text, asked);
        }
    }
}

static void a_fault_points_at_its_word(void **state)
{
    static const struct {
        const char *text;
        size_t at, length;
        const char *why, *remedy;
    } rows[] = {
        {"tcp and hots 10.1.0.1", 8, 4, "`hots` asks nothing", "did you mean host?"},
        {"host 10.1.0.x", 5, 8, "`host` takes an IPv4 or IPv6 address, not `10.1.0.x`", "as in"},
        {"net 10.1.0.1", 4, 8, "`net` takes a network", "192.0.2.0/24"},
        {"port 70000", 5, 5, "`port` takes a number from 0 to 65535", "as in"},
        {"port 80-70", 5, 5, "`port` takes", "as in"},
        {"port x", 5, 1, "`port` takes", "as in"},
        {"src tcp", 4, 3, "host, net or port must follow, not `tcp`", "as in"},
        {"vip wbe", 4, 3, "there is no vip `wbe`", "did you mean web?"},
        {"vip", 3, 0, "there is no vip ``", "weirctl show vips"},
        {"on zebra", 3, 5, "there is no port `zebra`", "weirctl show ports"},
        {"dropped tll", 8, 3, "there is no drop `tll`", "did you mean ttl?"},
        {"tcp and", 7, 0, "something must follow here", "as in"},
        {"tcp udp", 4, 3, "`udp` does not belong here", "join questions"},
        {"tcp )", 4, 1, "`)` does not belong here", "leave it out"},
        {"udp and (tcp or arp", 8, 1, "this parenthesis is not closed", "close it"},
        {"tcp & udp", 4, 1, "`&` does not belong here", "join"},
        {"not", 3, 0, "something must follow here", "as in"},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct filter filter;
        struct filter_fault fault;
        assert_int_equal(filter_parse(rows[i].text, &context, &filter, &fault), ERROR_INVALID);
        if (fault.at != rows[i].at || fault.length != rows[i].length ||
            !strstr(fault.why, rows[i].why) || !strstr(fault.remedy, rows[i].remedy))
            fail_msg("`%s`: %zu+%zu %s; %s", rows[i].text, fault.at, fault.length, fault.why,
                     fault.remedy);
    }
}

static void is_bounded(void **state)
{
    struct filter filter;
    struct filter_fault fault;
    char text[2 * FILTER_TEXT_MAX];
    // Depth.
    memset(text, '(', FILTER_DEPTH_MAX + 1);
    strcpy(text + FILTER_DEPTH_MAX + 1, "tcp");
    assert_int_equal(filter_parse(text, &context, &filter, &fault), ERROR_INVALID);
    assert_string_equal(fault.why, "the filter is too deep");
    memset(text, '!', FILTER_DEPTH_MAX);
    strcpy(text + FILTER_DEPTH_MAX, "tcp");
    assert_int_equal(filter_parse(text, &context, &filter, &fault), ERROR_INVALID);
    text[FILTER_DEPTH_MAX - 1] = ' ';
    assert_int_equal(filter_parse(text, &context, &filter, &fault), ERROR_NONE);
    // Nodes: n questions and n - 1 operators.
    strcpy(text, "tcp");
    for (int i = 1; i < FILTER_NODES_MAX / 2; i++)
        strcat(text, "||ip");
    assert_int_equal(filter_parse(text, &context, &filter, &fault), ERROR_NONE);
    strcat(text, "||ip");
    assert_int_equal(filter_parse(text, &context, &filter, &fault), ERROR_INVALID);
    assert_string_equal(fault.why, "the filter is too long");
    // Bytes.
    memset(text, ' ', FILTER_TEXT_MAX + 1);
    text[FILTER_TEXT_MAX + 1] = '\0';
    assert_int_equal(filter_parse(text, &context, &filter, &fault), ERROR_INVALID);
    text[FILTER_TEXT_MAX] = '\0';
    assert_int_equal(filter_parse(text, &context, &filter, &fault), ERROR_NONE);
    // A word.
    memset(text, 'a', 64);
    text[64] = '\0';
    assert_int_equal(filter_parse(text, &context, &filter, &fault), ERROR_INVALID);
    assert_string_equal(fault.why, "this word is too long");
}

static void facts_are_told_in_a_line(void **state)
{
    static const char *const lines[ASKED] = {
        [SYN4] = "10.1.0.10:40000 > 10.1.0.100:80 tcp SYN",
        [UDP6] = "[fd00:1::10]:53 > [fd00:1::100]:5353 udp",
        [PING] = "10.1.0.10 > 10.1.0.1 icmp type 8",
        [ARP] = "10.1.0.10 > 10.1.0.1 arp request",
    };
    char text[FACTS_TEXT_SIZE];
    for (enum asked asked = 0; asked < ASKED; asked++) {
        struct facts facts;
        facts_of(asked, &facts);
        assert_string_equal(facts_text(&facts, text), lines[asked]);
    }
    struct facts nothing = {.kind = FACTS_OTHER};
    facts_read(span_of("\0\0\0\0\0\0\0\0\0\0\0\0\x88\xcc", 14), &nothing);
    assert_string_equal(facts_text(&nothing, text), "EtherType 0x88cc");
}

// Whatever is cut off, what is there is told, and nothing else is read (the sanitizer looks on).
static void a_frame_may_end_anywhere(void **state)
{
    static struct frame frame;
    const struct frame_spec specs[] = {
        {.source = "10.1.0.10", .destination = "10.1.0.100", .source_port = 1},
        {.source = "fd00::1",
         .destination = "fd00::2",
         .source_port = 1,
         .extensions = {IPPROTO_HOPOPTS, IPPROTO_DSTOPTS},
         .extension_count = 2},
        {.source = "10.1.0.10", .destination = "10.1.0.1", .arp_operation = 1},
    };
    for (size_t i = 0; i < sizeof(specs) / sizeof(specs[0]); i++) {
        frame_build(&frame, &specs[i]);
        for (size_t size = 0; size <= frame.size; size++) {
            uint8_t *exact = malloc(size ? size : 1);
            memcpy(exact, frame.bytes, size);
            struct facts facts = {.kind = FACTS_OTHER};
            facts_read(span_of(exact, size), &facts);
            assert_true(!facts.has_ports || facts.source_port == 1);
            free(exact);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(answers_for_each_packet),
        cmocka_unit_test(a_fault_points_at_its_word),
        cmocka_unit_test(is_bounded),
        cmocka_unit_test(facts_are_told_in_a_line),
        cmocka_unit_test(a_frame_may_end_anywhere),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
