#include "controlplane/cli/view.h"

#include <stdlib.h>
#include <string.h>

#include "tests/test.h"

struct view_case {
    const char *json;
    const char *out;
    const char *notes;
    bool all;
};

static enum error print(view_function *view, const char *json, bool all, char **out, char **notes)
{
    json_error_t error;
    json_t *result = json_loads(json, JSON_DECODE_ANY, &error);
    if (!result)
        fail_msg("%s at %d: %s", error.text, error.position, json);
    size_t out_size;
    size_t notes_size;
    FILE *out_stream = open_memstream(out, &out_size);
    FILE *notes_stream = open_memstream(notes, &notes_size);
    enum error outcome = view(result, all, out_stream, notes_stream);
    fclose(out_stream);
    fclose(notes_stream);
    json_decref(result);
    return outcome;
}

static void assert_view(view_function *view, const struct view_case *expected)
{
    char *out = NULL;
    char *notes = NULL;
    assert_int_equal(print(view, expected->json, expected->all, &out, &notes), ERROR_NONE);
    assert_string_equal(out, expected->out);
    assert_string_equal(notes, expected->notes);
    free(out);
    free(notes);
}

static void shows_the_status_line_by_line(void **state)
{
    static const struct view_case cases[] = {
        {
            .json = "{\"name\":\"lb1\",\"version\":\"0.1.0\",\"pid\":4711,\"uptime_s\":273906,"
                    "\"revision\":3,\"reloads_refused\":1,\"config\":\"/etc/weir/"
                    "weir.yaml\",\"workers\":2,"
                    "\"poll\":\"adaptive\",\"huge_pages\":false,\"clients_accepted\":12,"
                    "\"clients_refused\":1,\"clients_malformed\":2,\"clients_stalled\":3}",
            .out = "node               lb1\n"
                   "version            0.1.0\n"
                   "pid                4711\n"
                   "uptime             3d 4h\n"
                   "configuration      /etc/weir/weir.yaml\n"
                   "revision           3\n"
                   "reloads refused    1\n"
                   "workers            2\n"
                   "poll               adaptive\n"
                   "huge pages         no\n"
                   "clients            12\n"
                   "clients refused    1\n"
                   "clients malformed  2\n"
                   "clients stalled    3\n",
            .notes = "",
        },
        {
            .json = "{\"version\":\"0.2.0\",\"uptime_s\":59,\"huge_pages\":true}", // less is known
            .out = "node               -\n"
                   "version            0.2.0\n"
                   "pid                -\n"
                   "uptime             59s\n"
                   "configuration      -\n"
                   "revision           -\n"
                   "reloads refused    -\n"
                   "workers            -\n"
                   "poll               -\n"
                   "huge pages         yes\n"
                   "clients            -\n"
                   "clients refused    -\n"
                   "clients malformed  -\n"
                   "clients stalled    -\n",
            .notes = "",
        },
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        assert_view(view_status, &cases[i]);
}

static void shows_ports_as_traffic_and_devices(void **state)
{
    static const struct view_case cases[] = {
        {
            .json =
                "{\"ports\":[{\"name\":\"wan\",\"vlan\":4094,\"device\":\"0000:01:00.0\","
                "\"driver\":\"net_ice\","
                "\"link\":\"up\",\"link_downs\":3,\"speed_mbps\":25000,"
                "\"mac\":\"02:00:00:00:00:01\",\"mtu\":1500,"
                "\"rx_queues\":2,\"tx_queues\":2,\"addresses\":[\"192.0.2.1/24\",\"2001:db8::1/"
                "64\"],\"punt\":\"weir-punt0\",\"rx_checksum\":true,\"tx_checksum\":true,"
                "\"rx_packets\":123456,\"rx_bytes\":98765432,\"tx_packets\":7,\"tx_bytes\":512,"
                "\"rx_missed\":1,\"rx_errors\":2,\"tx_errors\":3,\"rx_no_buffer\":4,"
                "\"numa_node\":1,\"steering\":\"rss\",\"steering_why\":\"\"},"
                "{\"name\":\"lan\",\"vlan\":null,\"device\":\"net_null0\",\"driver\":\"net_null\","
                "\"link\":\"down\",\"link_downs\":0,\"speed_mbps\":0,"
                "\"mac\":\"02:00:00:00:00:02\",\"mtu\":9000,"
                "\"rx_queues\":1,\"tx_queues\":1,\"addresses\":[],\"punt\":null,\"rx_checksum\":"
                "false,\"tx_checksum\":false,\"rx_packets\":0,\"rx_bytes\":0,\"tx_packets\":0,"
                "\"tx_bytes\":0,\"rx_missed\":0,\"rx_errors\":0,\"tx_errors\":0,"
                "\"rx_no_buffer\":0,\"steering\":\"handoff\","
                "\"steering_why\":\"fewer receive queues (1) than workers (2)\"}]}",
            .out =
                "NAME  LINK  LINK-DOWNS  SPEED  RX-PACKETS  RX-BYTES  TX-PACKETS  TX-BYTES  "
                "RX-MISSED  RX-NO-BUFFER  RX-ERRORS  TX-ERRORS\n"
                "wan   up             3    25G      123456  94.2 MiB           7     512 B  "
                "        1             4          2          3\n"
                "lan   down           0      -           0       0 B           0       0 B  "
                "        0             0          0          0\n"
                "\n"
                "NAME  DEVICE        VLAN  DRIVER    MAC                 MTU  RXQ  TXQ  CHECKSUMS  "
                "PUNT        ADDRESSES\n"
                "wan   0000:01:00.0  4094  net_ice   02:00:00:00:00:01  1500    2    2  rx+tx      "
                "weir-punt0  192.0.2.1/24,2001:db8::1/64\n"
                "lan   net_null0        -  net_null  02:00:00:00:00:02  9000    1    1  software   "
                "-           -\n"
                "\n"
                "NAME  NUMA  STEERING  WHY\n"
                "wan      1  rss       -\n"
                "lan      -  handoff   fewer receive queues (1) than workers (2)\n",
            .notes = "",
        },
        {.json = "{\"ports\":[]}", .out = "", .notes = "no ports\n"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        assert_view(view_ports, &cases[i]);
}

static void shows_the_devices_of_bonds(void **state)
{
    static const struct view_case view = {
        .json = "{\"ports\":[{\"name\":\"wan\",\"bond\":\"active-backup\",\"failovers\":2,"
                "\"members\":[{\"device\":\"0000:01:00.0\",\"state\":\"down\",\"speed_mbps\":"
                "0,\"link_downs\":3,\"rx_packets\":1,\"rx_bytes\":64,\"tx_packets\":2,"
                "\"tx_bytes\":128},{\"device\":\"0000:01:00.1\",\"state\":\"active\","
                "\"speed_mbps\":10000,\"link_downs\":0,\"rx_packets\":5,\"rx_bytes\":320,"
                "\"tx_packets\":6,\"tx_bytes\":384}]},"
                "{\"name\":\"lan\",\"bond\":null,\"failovers\":0,\"members\":[]}]}",
        .out = "NAME  LINK  LINK-DOWNS  SPEED  RX-PACKETS  RX-BYTES  TX-PACKETS  TX-BYTES  "
               "RX-MISSED  RX-NO-BUFFER  RX-ERRORS  TX-ERRORS\n"
               "wan   -              -      -           -         -           -         -  "
               "        -             -          -          -\n"
               "lan   -              -      -           -         -           -         -  "
               "        -             -          -          -\n"
               "\n"
               "NAME  DEVICE  VLAN  DRIVER  MAC  MTU  RXQ  TXQ  CHECKSUMS  PUNT  ADDRESSES\n"
               "wan   -          -  -       -      -    -    -  -          -     -\n"
               "lan   -          -  -       -      -    -    -  -          -     -\n"
               "\n"
               "NAME  NUMA  STEERING  WHY\n"
               "wan      -  -         -\n"
               "lan      -  -         -\n"
               "\n"
               "NAME  BOND           FAILOVERS  MEMBER        STATE   SPEED  LINK-DOWNS  "
               "RX-PACKETS  RX-BYTES  TX-PACKETS  TX-BYTES\n"
               "wan   active-backup          2  0000:01:00.0  down        -           3  "
               "         1      64 B           2     128 B\n"
               "wan   active-backup          2  0000:01:00.1  active    10G           0  "
               "         5     320 B           6     384 B\n",
        .notes = "",
    };
    assert_view(view_ports, &view);
}

static void shows_what_devices_do_and_why_not(void **state)
{
    static const struct view_case view = {
        .json =
            "{\"ports\":[{\"name\":\"wan\",\"offloads\":["
            "{\"offload\":\"rx-ipv4-cksum\",\"offered\":true,\"used\":true,\"why\":\"\"},"
            "{\"offload\":\"rx-scatter\",\"offered\":true,\"used\":false,\"why\":\"no need\"}]},"
            "{\"name\":\"lan\",\"offloads\":[]}]}",
        .out = "PORT  OFFLOAD        OFFERED  USED  WHY-NOT\n"
               "wan   rx-ipv4-cksum  yes      yes   -\n"
               "wan   rx-scatter     yes      no    no need\n"
               "lan   -              -        -     -\n",
        .notes = "",
    };
    assert_view(view_offloads, &view);
}

static void shows_vips(void **state)
{
    static const struct view_case cases[] = {
        {
            .json = "{\"vips\":[{\"name\":\"web\",\"address\":\"198.51.100.1\",\"port\":80,"
                    "\"protocol\":\"tcp\",\"pool\":\"web\",\"forward\":\"nat\",\"balancer\":"
                    "\"maglev\",\"mode\":\"tracking\",\"stateless_workers\":0,\"flows\":2,"
                    "\"packets\":10,\"bytes\":2048,\"flows_created\":3,\"flows_earned\":1},"
                    "{\"name\":\"dns6\",\"address\":\"2001:db8::53\",\"port\":53,\"protocol\":"
                    "\"udp\",\"pool\":\"dns\",\"forward\":\"direct\",\"balancer\":\"round-robin\","
                    "\"mode\":\"stateless\",\"stateless_workers\":2,"
                    "\"packets\":0,\"bytes\":0,\"flows_created\":0,\"flows_earned\":0}]}",
            .out =
                "NAME  ADDRESS            PROTOCOL  POOL  FORWARD  BALANCER     MODE       FLOWS  "
                "PACKETS    BYTES  FLOWS-CREATED  FLOWS-EARNED\n"
                "web   198.51.100.1:80    tcp       web   nat      maglev       tracking       2  "
                "     10  2.0 KiB              3             1\n"
                "dns6  [2001:db8::53]:53  udp       dns   direct   round-robin  stateless      -  "
                "      0      0 B              0             0\n",
            .notes = "",
        },
        {.json = "{\"vips\":[]}", .out = "", .notes = "no vips\n"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        assert_view(view_vips, &cases[i]);
}

static void shows_a_row_a_member_and_one_for_an_empty_pool(void **state)
{
    static const struct view_case cases[] = {
        {
            .json =
                "{\"pools\":[{\"name\":\"web\",\"balancer\":\"maglev\",\"forward\":\"nat\","
                "\"client_address\":\"none\",\"members\":[{\"name\":\"s1\",\"address\":\"10.0.0."
                "1\",\"port\":8080,"
                "\"weight\":1,\"state\":\"active\",\"next_hop\":\"reachable\","
                "\"path_mtu\":1480,\"flows\":12,"
                "\"packets\":400,\"bytes\":1024,\"flows_created\":13},{\"name\":\"s2\","
                "\"address\":\"10.0.0.2\",\"port\":0,\"weight\":10,\"state\":\"drain\","
                "\"next_hop\":\"failed\",\"path_mtu\":null,\"flows\":0,\"packets\":0,\"bytes\":0,"
                "\"flows_created\":0}]},{\"name\":\"idle\",\"balancer\":\"round-robin\","
                "\"forward\":\"ipip\",\"members\":[]}]}",
            .out = "POOL  FORWARD  BALANCER     MEMBER  ADDRESS        WEIGHT  STATE   NEXT-HOP   "
                   "PATH-MTU  FLOWS  FLOWS-CREATED  PACKETS    BYTES\n"
                   "web   nat      maglev       s1      10.0.0.1:8080       1  active  reachable  "
                   "    1480     12             13      400  1.0 KiB\n"
                   "web   nat      maglev       s2      10.0.0.2           10  drain   failed     "
                   "       -      0              0        0      0 B\n"
                   "idle  ipip     round-robin  -       -                   -  -       -          "
                   "       -      -              -        -        -\n",
            .notes = "",
        },
        {
            .json = "{\"pools\":[{\"name\":\"web\",\"balancer\":\"ring\",\"forward\":\"fullnat\","
                    "\"client_address\":\"toa\",\"members\":[]},{\"name\":\"idle\",\"balancer\":"
                    "\"maglev\",\"forward\":\"nat\",\"client_address\":\"none\",\"members\":[]},"
                    "{\"name\":\"gone\",\"balancer\":null,\"forward\":null,"
                    "\"client_address\":null,\"members\":[]}]}",
            .out = "POOL  FORWARD  CLIENT-ADDRESS  BALANCER  MEMBER  ADDRESS  WEIGHT  STATE  "
                   "NEXT-HOP  "
                   "PATH-MTU  FLOWS  FLOWS-CREATED  PACKETS  BYTES\n"
                   "web   fullnat  toa             ring      -       -             -  -      -     "
                   "    "
                   "       -      -              -        -      -\n"
                   "idle  nat      none            maglev    -       -             -  -      -     "
                   "    "
                   "       -      -              -        -      -\n"
                   "gone  -        -               -         -       -             -  -      -     "
                   "    "
                   "       -      -              -        -      -\n",
            .notes = "",
        },
        {.json = "{\"pools\":[]}", .out = "", .notes = "no pools\n"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        assert_view(view_pools, &cases[i]);
}

static void shows_flows_and_remarks_what_is_left_out(void **state)
{
    static const struct view_case cases[] = {
        {
            .json = "{\"flows\":[{\"worker\":1,\"protocol\":\"tcp\",\"client\":\"2001:db8::9\","
                    "\"client_port\":40000,\"vip_name\":\"web\",\"vip\":\"2001:db8::80\","
                    "\"vip_port\":80,\"pool\":\"web\",\"member\":\"s1\",\"member_address\":"
                    "\"2001:db8:1::1\",\"state\":\"established\",\"direction\":\"forward\","
                    "\"expires_ms\":299950}],\"used\":2,\"capacity\":131072,\"more\":true}",
            .out = "PROTOCOL  CLIENT               VIP  VIP-ADDRESS        POOL  MEMBER  "
                   "MEMBER-ADDRESS  STATE        DIRECTION  EXPIRES  WORKER\n"
                   "tcp       [2001:db8::9]:40000  web  [2001:db8::80]:80  web   s1      "
                   "2001:db8:1::1   established  forward     299.9s       1\n",
            .notes = "2 of 131072 flow entries in use\n"
                     "there are more flows: raise --limit, or ask for less with --vip, --pool, "
                     "--member or --client\n",
        },
        {
            .json = "{\"flows\":[],\"used\":0,\"capacity\":131072,\"more\":false}",
            .out = "",
            .notes = "no such flows\n0 of 131072 flow entries in use\n",
        },
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        assert_view(view_flows, &cases[i]);
}

static void shows_only_reasons_that_dropped_unless_asked_for_all(void **state)
{
#define DROPS                                                                                    \
    "{\"drops\":[{\"reason\":\"ttl\",\"help\":\"TTL ran out\",\"packets\":0,\"workers\":[0,0]}," \
    "{\"reason\":\"no-service\",\"help\":\"no such port\",\"packets\":42,\"workers\":[0,42]}]}"
    static const struct view_case cases[] = {
        {
            .json = DROPS,
            .out = "REASON      PACKETS  BY-WORKER  MEANING\n"
                   "no-service       42  1:42       no such port\n",
            .notes = "",
        },
        {
            .json = DROPS,
            .all = true,
            .out = "REASON      PACKETS  BY-WORKER  MEANING\n"
                   "ttl               0  -          TTL ran out\n"
                   "no-service       42  1:42       no such port\n",
            .notes = "",
        },
        {
            .json = "{\"drops\":[{\"reason\":\"ttl\",\"help\":\"x\",\"packets\":0}]}",
            .out = "",
            .notes = "no packet was dropped; --all lists the reasons there are\n",
        },
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        assert_view(view_drops, &cases[i]);
}

static void shows_whose_packets_were_dropped(void **state)
{
    static const struct view_case cases[] = {
        {
            .json = "{\"drops\":[{\"vip\":\"web\",\"reason\":\"no-member\",\"help\":\"none\","
                    "\"packets\":5,\"workers\":[2,3]},{\"vip\":null,\"reason\":\"ttl\",\"help\":"
                    "\"ran out\",\"packets\":1}]}",
            .out = "VIP  REASON     PACKETS  BY-WORKER  MEANING\n"
                   "web  no-member        5  0:2 1:3    none\n"
                   "-    ttl              1  -          ran out\n",
            .notes = "",
        },
        {.json = "{\"drops\":[]}", .out = "", .notes = "no packet was dropped there\n"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        assert_view(view_vip_drops, &cases[i]);
}

static void shows_stages_and_how_busy_workers_are(void **state)
{
    static const struct view_case expected = {
        .json = "{\"stages\":[{\"stage\":\"rx\",\"help\":\"takes\",\"calls\":4,\"packets\":10,"
                "\"packets_per_call\":2.5,\"cycles_per_packet\":30.0,\"share_percent\":3.0},"
                "{\"stage\":\"local\",\"help\":\"answers\",\"calls\":0,\"packets\":0}],"
                "\"workers\":[{\"worker\":0,\"core\":2,\"busy_percent\":7.25}]}",
        .out = "STAGE  CALLS  PACKETS  PACKETS/CALL  CYCLES/PACKET  SHARE  WHAT-IT-DOES\n"
               "rx         4       10           2.5           30.0   3.0%  takes\n"
               "\n"
               "WORKER  CORE  BUSY\n"
               "     0     2  7.2%\n",
        .notes = "",
    };
    assert_view(view_stages, &expected);
}

static void shows_who_talks_most(void **state)
{
    static const struct view_case cases[] = {
        {
            .json = "{\"talkers\":[{\"client\":\"10.1.0.10\",\"packets_percent\":75.04,"
                    "\"bytes_percent\":9.5,\"too_high_percent\":0.4}]}",
            .out = "CLIENT     PACKETS  BYTES  LESS-AT-MOST\n"
                   "10.1.0.10    75.0%   9.5%          0.4%\n",
            .notes = "",
        },
        {.json = "{\"talkers\":[]}", .out = "", .notes = "no client has talked of late\n"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        assert_view(view_talkers, &cases[i]);
}

static void shows_how_long_handshakes_take(void **state)
{
    static const struct view_case expected = {
        .json =
            "{\"members\":[{\"pool\":\"web\",\"member\":\"s1\",\"handshakes\":12,\"p50_us\":101.26,"
            "\"p90_us\":200,\"p99_us\":1000.5},{\"pool\":\"web\",\"member\":\"s2\","
            "\"handshakes\":0}]}",
        .out = "POOL  MEMBER  HANDSHAKES  P50-US  P90-US  P99-US\n"
               "web   s1              12   101.3   200.0  1000.5\n"
               "web   s2               0       -       -       -\n",
        .notes = "",
    };
    assert_view(view_handshakes, &expected);
}

static void shows_workers(void **state)
{
    static const struct view_case expected = {
        .json = "{\"workers\":[{\"worker\":0,\"core\":3,\"numa_node\":1,\"busy_percent\":12.54,"
                "\"busy_now_"
                "percent\":99,\"turns\":1000,"
                "\"empty_turns\":900,\"sleeps\":80,\"packets\":5000,\"cycles_per_packet\":210,"
                "\"flows\":12,\"flow_capacity\":65536,\"flow_bytes\":7182080,"
                "\"handoffs\":9,\"fullnat_handoffs\":2,\"probation_evictions\":34,"
                "\"news_lost\":7}]}",
        .out =
            "WORKER  CORE  NUMA   BUSY  BUSY-NOW  PACKETS  CYCLES/PACKET  FLOWS  FLOW-CAPACITY  "
            "FLOW-BYTES  PROBATION-EVICTIONS  "
            "HANDOFFS  FULLNAT-HANDOFFS  NEWS-LOST  TURNS  EMPTY-TURNS  SLEEPS\n"
            "     0     3     1  12.5%     99.0%     5000            210     12          65536     "
            "7182080                   34  "
            "       9                 2          7   1000          900      80\n",
        .notes = "",
    };
    assert_view(view_workers, &expected);
}

static void shows_a_configuration_as_it_is(void **state)
{
    static const struct view_case cases[] = {
        {
            .json = "{\"revision\":3,\"config\":\"node:\\n  name: \\\"n\\\"\\n\"}",
            .out = "node:\n  name: \"n\"\n",
            .notes = "",
        },
    };
    assert_view(view_config, &cases[0]);
}

static void shows_neighbours(void **state)
{
    static const struct view_case cases[] = {
        {
            .json = "{\"neighbours\":[{\"port\":\"lan\",\"address\":\"10.0.0.1\",\"mac\":"
                    "\"02:00:00:00:00:09\",\"state\":\"reachable\",\"pinned\":true,\"held\":0},"
                    "{\"port\":\"lan\",\"address\":\"fe80::1\",\"mac\":null,\"state\":"
                    "\"incomplete\",\"pinned\":false,\"held\":3}]}",
            .out = "PORT  ADDRESS   MAC                STATE       PINNED  HELD\n"
                   "lan   10.0.0.1  02:00:00:00:00:09  reachable   yes        0\n"
                   "lan   fe80::1   -                  incomplete  no         3\n",
            .notes = "",
        },
        {
            .json = "{\"neighbours\":[],\"dynamic\":0,\"dynamic_max\":4096,\"evicted\":0,"
                    "\"refused\":0}",
            .out = "",
            .notes = "no neighbours\n0 of 4096 that are not pinned\n",
        },
        {
            .json = "{\"neighbours\":[],\"dynamic\":4096,\"dynamic_max\":4096,\"evicted\":12,"
                    "\"refused\":3}",
            .out = "",
            .notes = "no neighbours\n4096 of 4096 that are not pinned; for want of room 12 were "
                     "forgotten early, 3 refused\n",
        },
        {.json = "{\"neighbours\":[]}", .out = "", .notes = "no neighbours\n"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        assert_view(view_neighbours, &cases[i]);
}

static void shows_a_line_a_change(void **state)
{
    static const struct view_case cases[] = {
        {
            .json = "{\"revision\":4,\"changes\":["
                    "{\"path\":\"pools.web.members.s1.weight\",\"before\":\"1\",\"after\":\"5\"},"
                    "{\"path\":\"pools.web.members.s2\",\"before\":null,\"after\":\"10.0.0.2\"},"
                    "{\"path\":\"vips.old\",\"before\":\"198.51.100.1\",\"after\":null}]}",
            .out = "revision 4\n"
                   "~ pools.web.members.s1.weight  1 -> 5\n"
                   "+ pools.web.members.s2         10.0.0.2\n"
                   "- vips.old                     198.51.100.1\n",
            .notes = "",
        },
        {
            .json = "{\"revision\":4,\"changes\":[]}",
            .out = "nothing changed; still revision 4\n",
            .notes = "",
        },
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        assert_view(view_changes, &cases[i]);
}

static void shows_what_was_counted_and_what_it_means(void **state)
{
#define COUNTERS                                                                                   \
    "{\"counters\":[{\"name\":\"weir_split_packets_total\",\"help\":\"Sent in fragments.\","       \
    "\"value\":7,\"workers\":[3,4,0]},{\"name\":\"weir_worker_sleeps_total\",\"help\":\"Slept.\"," \
    "\"value\":0,\"workers\":[0,0,0]}]}"
    static const struct view_case cases[] = {
        {
            .json = COUNTERS,
            .out = "COUNTER                   VALUE  BY-WORKER  MEANING\n"
                   "weir_split_packets_total      7  0:3 1:4    Sent in fragments.\n",
            .notes = "",
        },
        {
            .json = COUNTERS,
            .all = true,
            .out = "COUNTER                   VALUE  BY-WORKER  MEANING\n"
                   "weir_split_packets_total      7  0:3 1:4    Sent in fragments.\n"
                   "weir_worker_sleeps_total      0  -          Slept.\n",
            .notes = "",
        },
        {
            .json = "{\"counters\":[]}",
            .out = "",
            .notes = "nothing was counted yet; --all lists the counters there are\n",
        },
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        assert_view(view_counters, &cases[i]);
}

static void refuses_answers_of_another_shape(void **state)
{
    static view_function *const views[] = {
        view_status, view_ports,   view_vips,       view_pools,      view_flows,
        view_drops,  view_workers, view_neighbours, view_changes,    view_vip_drops,
        view_config, view_stages,  view_talkers,    view_handshakes, view_counters,
    };
    static const char *const answers[] = {
        "{}",
        "[]",
        "7",
        ("{\"ports\":{},\"vips\":1,\"pools\":null,\"flows\":\"\",\"drops\":{},\"workers\":2,"
         "\"neighbours\":true,\"changes\":{}}"),
    };
    for (size_t i = 0; i < sizeof(views) / sizeof(views[0]); i++) {
        for (size_t j = 0; j < sizeof(answers) / sizeof(answers[0]); j++) {
            char *out = NULL;
            char *notes = NULL;
            assert_int_equal(print(views[i], answers[j], false, &out, &notes), ERROR_INVALID);
            free(out);
            free(notes);
        }
    }
}

static void survives_rows_of_another_shape(void **state)
{
    static const struct view_case expected = {
        .json = "{\"neighbours\":[7,{\"port\":1,\"address\":[],\"held\":\"x\",\"pinned\":3}]}",
        .out = "PORT  ADDRESS  MAC  STATE  PINNED  HELD\n"
               "-     -        -    -      -          -\n"
               "-     -        -    -      -          -\n",
        .notes = "",
    };
    assert_view(view_neighbours, &expected);
}

static void shows_problems_as_check_does(void **state)
{
    json_t *problems = json_loads(
        "[{\"file\":\"/a.yaml\",\"line\":0,\"column\":0,\"words\":\"/a.yaml\",\"message\":\"cannot "
        "open the file\",\"remedy\":\"name "
        "another\"},{\"file\":\"/a.yaml\",\"line\":2,\"column\":7,"
        "\"words\":\"\",\"message\":\"no `name`\",\"remedy\":\"add it\"}]",
        0, NULL);
    assert_non_null(problems);
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);
    view_problems(problems, out);
    fclose(out);
    assert_string_equal(text, "/a.yaml: cannot open the file: `/a.yaml`\n  name another\n"
                              "/a.yaml:2:7: no `name`\n  add it\n");
    free(text);
    json_decref(problems);
}

#define FILE_SIZE_MAX (1u << 20)

// The whole of a file; the caller frees it.
static char *contents(const char *path)
{
    FILE *file = fopen(path, "r");
    char *text = malloc(FILE_SIZE_MAX);
    if (!file || !text)
        fail_msg("cannot read %s", path);
    size_t size = fread(text, 1, FILE_SIZE_MAX - 1, file);
    assert_true(feof(file));
    fclose(file);
    text[size] = '\0';
    return text;
}

// The next string literal from `*at` on into `out`, and `*at` behind it. False: none on this line.
static bool next_literal(const char **at, char *out, size_t size)
{
    size_t before = strcspn(*at, "\"\n");
    if ((*at)[before] != '"')
        return false;
    const char *start = *at + before + 1;
    size_t length = strcspn(start, "\"");
    assert_true(length < size);
    memcpy(out, start, length);
    out[length] = '\0';
    *at = start + length + 1;
    return true;
}

static void assert_documented(const char *page, const char *key)
{
    char quoted[160];
    snprintf(quoted, sizeof(quoted), "`%s`", key[0] == '^' ? key + 1 : key);
    if (!strstr(page, quoted))
        fail_msg("nothing about the key %s", quoted);
}

// view.c itself is read: a column is {"HEADING", "key", VIEW_..., "second key" or NULL}, all else
// goes through json_object_get(), text_of() and `rows`.
static void the_reference_page_names_every_key_that_is_read(void **state)
{
    char *page = contents(getenv("WEIRCTL_PAGE"));
    char *source = contents(getenv("WEIRCTL_VIEW"));
    const char *json = strstr(page, "\n## JSON\n");
    assert_non_null(json);
    size_t keys = 0;
    char text[128], key[128];
    for (const char *at = source; (at = strstr(at, "{\"")); keys++) {
        if (!next_literal(&at, text, sizeof(text)) || !next_literal(&at, key, sizeof(key)))
            fail_msg("not a column: %s", text);
        assert_documented(json, key);
        if (next_literal(&at, key, sizeof(key)))
            assert_documented(json, key);
    }
    static const char *const readers[] = {"json_object_get(", "text_of(", ".rows = ", ".nested = "};
    for (size_t i = 0; i < sizeof(readers) / sizeof(readers[0]); i++) {
        for (const char *at = source; (at = strstr(at, readers[i]));) {
            at += strlen(readers[i]);
            if (next_literal(&at, key, sizeof(key))) {
                assert_documented(json, key);
                keys++;
            }
        }
    }
    assert_true(keys > 80); // the source was understood
    free(page);
    free(source);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(shows_the_status_line_by_line),
        cmocka_unit_test(shows_ports_as_traffic_and_devices),
        cmocka_unit_test(shows_the_devices_of_bonds),
        cmocka_unit_test(shows_what_devices_do_and_why_not),
        cmocka_unit_test(shows_vips),
        cmocka_unit_test(shows_a_row_a_member_and_one_for_an_empty_pool),
        cmocka_unit_test(shows_flows_and_remarks_what_is_left_out),
        cmocka_unit_test(shows_only_reasons_that_dropped_unless_asked_for_all),
        cmocka_unit_test(shows_whose_packets_were_dropped),
        cmocka_unit_test(shows_stages_and_how_busy_workers_are),
        cmocka_unit_test(shows_who_talks_most),
        cmocka_unit_test(shows_how_long_handshakes_take),
        cmocka_unit_test(shows_workers),
        cmocka_unit_test(shows_a_configuration_as_it_is),
        cmocka_unit_test(shows_neighbours),
        cmocka_unit_test(shows_a_line_a_change),
        cmocka_unit_test(shows_what_was_counted_and_what_it_means),
        cmocka_unit_test(refuses_answers_of_another_shape),
        cmocka_unit_test(survives_rows_of_another_shape),
        cmocka_unit_test(shows_problems_as_check_does),
        cmocka_unit_test(the_reference_page_names_every_key_that_is_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
