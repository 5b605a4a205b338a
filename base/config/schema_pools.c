// `pools`: servers, and how flows are shared among them and reach them.
#include "base/config/schema_table_priv.h"
#include "base/gue.h"

#define POOL_MEMBERS_MAX CONFIG_MEMBERS_MAX

const char *const schema_words_balancer[] = {"maglev",
                                             "round-robin",
                                             "weighted-round-robin",
                                             "least-connections",
                                             "two-choices",
                                             "source-hash",
                                             "ring",
                                             "failover",
                                             NULL};
const char *const schema_words_forward[] = {"nat", "direct", "ipip", "gre", "gue", "fullnat", NULL};
const char *const schema_words_client_address[] = {"none", "proxy-v2", "toa", NULL};
const char *const schema_words_member_state[] = {"active", "drain", NULL};

static const struct schema_field member_fields[] = {
    {.key = "name",
     .type = SCHEMA_NAME,
     AT(config_member, name),
     .absent = "its address",
     .help =
         "Unique in its pool, for people and commands. Flows, counters and the balancer's places "
         "go by the address and port: they survive another name."},
    {.key = "address",
     .type = SCHEMA_ADDRESS,
     AT(config_member, address),
     .required = true,
     .help = "On a port's network or behind a route; for `forward: direct`, on a port's network."},
    {.key = "port",
     .type = SCHEMA_COUNT,
     AT(config_member, port),
     .least = 1,
     .most = 65535,
     .absent = "the vip's",
     .help = "Only `forward: nat` and `fullnat` can send to another port than the vip's."},
    {.key = "weight",
     .type = SCHEMA_COUNT,
     AT(config_member, weight),
     .most = 65535,
     .initial = "1",
     .help = "Its share of new flows against the other members. 0: none."},
    {.key = "state",
     .type = SCHEMA_WORD,
     AT(config_member, state),
     .words = schema_words_member_state,
     .initial = "active",
     .help = "`drain`: established flows go on, new ones go elsewhere."},
};

static const struct schema_record member_record = {.name = "member",
                                                   .path = "pools[].members[]",
                                                   RECORD(config_member, member_fields),
                                                   .help = "A server."};

static const struct schema_field affinity_fields[] = {
    {.key = "timeout",
     .type = SCHEMA_DURATION,
     AT(config_affinity, timeout_ns),
     .required = true,
     .least = SECOND,
     .most = 7 * DAY,
     .help = "A client is forgotten after this time without a new flow."},
    {.key = "prefix-ipv4",
     .type = SCHEMA_COUNT,
     AT(config_affinity, prefix_ipv4),
     .least = 1,
     .most = 32,
     .initial = "32",
     .help = "Bits of an IPv4 address that make a client: 24 takes a network of 256 as one."},
    {.key = "prefix-ipv6",
     .type = SCHEMA_COUNT,
     AT(config_affinity, prefix_ipv6),
     .least = 1,
     .most = 128,
     .initial = "64",
     .help = "The same of an IPv6 address. A host's own addresses change within 64."},
};

static const struct schema_record affinity_record = {
    .name = "affinity",
    .path = "pools[].affinity",
    RECORD(config_affinity, affinity_fields),
    .help = "New flows of a client go to the member that its last one went to. Its first goes "
            "where the balancer has the client (not the flow), so that all workers and appliances "
            "agree. When members change, a worker keeps a client that it knows where it is; one "
            "that it does not know goes by the new members."};

static const struct schema_field pool_fields[] = {
    {.key = "name",
     .type = SCHEMA_NAME,
     AT(config_pool, name),
     .required = true,
     .help = "What vips call it."},
    {.key = "balancer",
     .type = SCHEMA_WORD,
     AT(config_pool, balancer),
     .words = schema_words_balancer,
     .initial = "maglev",
     .help = "Which member a new flow gets. By a hash with the key `hash-seed`, the same on every "
             "appliance that has the same one: `maglev` "
             "(of the flow; even shares, few moves when members change), `source-hash` (of the "
             "client: it stays with its member), `ring` (of the flow, on a consistent-hash ring: "
             "nobody moves but who must, shares are less even). In turn: `round-robin` and "
             "`weighted-round-robin`. By the flows that this worker gave each: `two-choices` (the "
             "better of two drawn by weight) and `least-connections` (the best of all, looked "
             "for among all: for up to some hundred members). `failover`: the first that takes "
             "new flows, in the order of the file."},
    {.key = "forward",
     .type = SCHEMA_WORD,
     AT(config_pool, forward),
     .words = schema_words_forward,
     .initial = "nat",
     .help = "How packets reach members. `nat`: destination rewritten, replies come back through "
             "the appliance, which is the members' gateway. `fullnat`: the source is rewritten, "
             "too, to "
             "one of the `local-addresses` of the port that leads to the member, so that replies "
             "come back from anywhere and members need to know nothing; IPv6 clients reach IPv4 "
             "members so, too. `direct`: only the MAC "
             "rewritten, the member has the vip on its "
             "loopback and answers the client itself. The same over any distance, in outer headers "
             "of the member's IP version that the member takes off: `ipip` (20 bytes over IPv4, 40 "
             "over IPv6), `gre` (4 more) and `gue` (UDP to port 6080, 12 more: spreads over the "
             "member's queues, and passes networks that route only UDP and TCP)."},
    {.key = "client-address",
     .type = SCHEMA_WORD,
     AT(config_pool, client_address),
     .words = schema_words_client_address,
     .initial = "none",
     .help = "Only with `forward: fullnat`, whose members see a local address: how they learn the "
             "client's. `proxy-v2`: the first bytes of each TCP connection are a header of the "
             "PROXY protocol, version 2, which the server must expect. Members are told before "
             "the client's first byte, also where the server speaks first; Fast Open and "
             "Multipath TCP are not offered to clients. `toa`: the segment that ends the "
             "handshake carries a TCP option (kind 254) with the client's address and port, which "
             "a module in the member's kernel shows to its servers; servers without it ignore "
             "it. A change counts for new connections."},
    {.key = "slow-start",
     .type = SCHEMA_DURATION,
     AT(config_pool, slow_start_ns),
     .least = SECOND,
     .most = DAY,
     .absent = "none",
     .help = "A member that returns (from drain, from weight 0, or new in the pool) begins with a "
             "sixteenth of its share, which grows in even steps to the whole over this time. Not "
             "with `round-robin` and `failover`, which do not go by weight."},
    {.key = "affinity",
     .type = SCHEMA_RECORD,
     AT(config_pool, affinity),
     .absent = "none",
     .record = &affinity_record,
     .help = "A client stays with its member."},
    {.key = "second-chance",
     .type = SCHEMA_COUNT,
     AT(config_pool, second_chance),
     .least = 1,
     .most = GUE_HOPS_MAX - 1,
     .absent = "none",
     .help =
         "Only with `forward: gue` and `balancer: ring`. A packet of a flow that this appliance "
         "does not know, and that begins no connection, tells its member so many others who "
         "may: drained ones whose flows it has now, and those who had them before it came. "
         "Members run weir-member (docs/members.md). IPv6 members: at most 6."},
    {.key = "members",
     .type = SCHEMA_RECORD,
     LIST_AT(config_pool, members, member_count),
     .items_max = POOL_MEMBERS_MAX,
     .absent = "none",
     .ordered = true,
     .record = &member_record,
     .help = "The servers. All pools together hold at most 16384."},
};

const struct schema_record schema_pool = {
    .name = "pool",
    .path = "pools[]",
    RECORD(config_pool, pool_fields),
    .help = "Servers that do the same work. A pool may serve several vips, or none yet."};
