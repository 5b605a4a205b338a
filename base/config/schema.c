#include "base/config/schema_priv.h"

#include <string.h>

#include "base/check.h"
#include "base/config/model.h"
#include "base/log.h"

#define KIBI               1024ull
#define MEBI               (1024 * KIBI)
#define TEBI               (1024 * 1024 * MEBI)
#define MICROSECOND        1000ull
#define MILLISECOND        (1000 * MICROSECOND)
#define SECOND             (1000 * MILLISECOND)
#define DAY                (86400 * SECOND)
#define SOCKET_PATH_MAX    107 // sun_path of unix(7)
#define INTERFACE_NAME_MAX 15  // IFNAMSIZ with its terminator is 16
#define DEVICE_TEXT_MAX    255
#define CORE_MAX           1023
#define POOL_MEMBERS_MAX   CONFIG_MEMBERS_MAX
#define PUNT_RATE_MAX      10000000
#define FLOWS_MAX          (1u << 27) // of one table
#define RULE_ITEMS_MAX     256        // of one list of an access rule

// Binds a field of the table to a field of the model.
#define AT(type, member) \
    .offset = offsetof(struct type, member), .size = sizeof(((struct type *)0)->member)
#define LIST_AT(type, member, count)                       \
    .list = true, .offset = offsetof(struct type, member), \
    .size = sizeof(*((struct type *)0)->member), .count_offset = offsetof(struct type, count)
#define RECORD(type, table)                                                         \
    .size = sizeof(struct type), .field_count = sizeof(table) / sizeof((table)[0]), \
    .fields = (table)

static const char *const words_poll[] = {"adaptive", "busy", NULL};
static const char *const words_huge_pages[] = {"auto", "on", "off", NULL};
static const char *const words_log_format[] = {"text", "json", NULL};
static const char *const words_log_level[] = {"error", "warning", "info", "debug", NULL};
const char *const schema_words_protocol[] = {"tcp", "udp", NULL};
const char *const schema_words_balancer[] = {"maglev",
                                             "round-robin",
                                             "weighted-round-robin",
                                             "least-connections",
                                             "two-choices",
                                             "source-hash",
                                             "ring",
                                             "failover",
                                             NULL};
const char *const schema_words_forward[] = {"nat", "direct", "ipip", NULL};
const char *const schema_words_member_state[] = {"active", "drain", NULL};
const char *const schema_words_access_action[] = {"allow", "deny", NULL};
const char *const schema_words_access_protocol[] = {"any", "tcp", "udp", "icmp", NULL};

_Static_assert(LOG_ERROR == 0 && LOG_WARNING == 1 && LOG_INFO == 2 && LOG_DEBUG == 3,
               "words_log_level follows enum log_level");
_Static_assert(sizeof(enum config_poll) == sizeof(uint32_t), "SCHEMA_WORD is 32 bits");

static const struct schema_field log_fields_table[] = {
    {.key = "level",
     .type = SCHEMA_WORD,
     AT(config_node, log_level),
     .words = words_log_level,
     .initial = "info",
     .help = "What is written: this level and the graver ones."},
    {.key = "format",
     .type = SCHEMA_WORD,
     AT(config_node, log_format),
     .words = words_log_format,
     .initial = "text",
     .help = "`text` for people, `json` (one object a line) for programs."},
};

static const struct schema_record log_record = {.name = "log",
                                                .path = "node.log",
                                                RECORD(config_node, log_fields_table),
                                                .help = "Messages to standard error."};

static const struct schema_field flows_fields[] = {
    {.key = "per-worker",
     .type = SCHEMA_COUNT,
     AT(config_flows, per_worker),
     .least = 1024,
     .most = FLOWS_MAX,
     .initial = "262144",
     .restart = true,
     .help = "Flows one worker can hold. A NAT flow takes two, one a direction. One takes 26 bytes "
             "(IPv6: 52), with NAT 32 more. The memory must be there at start, and is taken as "
             "flows come."},
    {.key = "tcp-opening",
     .type = SCHEMA_DURATION,
     AT(config_flows, tcp_opening_ns),
     .least = 100 * MILLISECOND,
     .most = 7 * DAY,
     .initial = "10s",
     .help =
         "A TCP flow whose handshake is not finished, or that began in the middle, is forgotten "
         "after this time without a packet."},
    {.key = "tcp-established",
     .type = SCHEMA_DURATION,
     AT(config_flows, tcp_established_ns),
     .least = 100 * MILLISECOND,
     .most = 7 * DAY,
     .initial = "15m",
     .help = "The same for a TCP flow whose handshake is finished. Longer than the services' "
             "keep-alive interval."},
    {.key = "tcp-closing",
     .type = SCHEMA_DURATION,
     AT(config_flows, tcp_closing_ns),
     .least = 100 * MILLISECOND,
     .most = 7 * DAY,
     .initial = "30s",
     .help = "The same for a TCP flow that both ends have closed (direct return and tunnels: the "
             "client), and after a RST."},
    {.key = "udp",
     .type = SCHEMA_DURATION,
     AT(config_flows, udp_ns),
     .least = 100 * MILLISECOND,
     .most = 7 * DAY,
     .initial = "60s",
     .help = "The same for a UDP flow."},
};

static const struct schema_record flows_record = {
    .name = "flows",
    .path = "node.flows",
    RECORD(config_flows, flows_fields),
    .help = "How each worker remembers which member a flow belongs to."};

static const struct schema_field node_fields[] = {
    {.key = "name",
     .type = SCHEMA_NAME,
     AT(config_node, name),
     .required = true,
     .help = "This machine, as logs and statistics call it."},
    {.key = "cores",
     .type = SCHEMA_CORES,
     LIST_AT(config_node, cores, core_count),
     .required = true,
     .items_max = CONFIG_WORKERS_MAX,
     .most = CORE_MAX,
     .restart = true,
     .help = "Processors that carry packets, one worker on each: numbers and ranges, "
             "`[1, 4-7]`. Leave core 0 to the kernel where you can."},
    {.key = "poll",
     .type = SCHEMA_WORD,
     AT(config_node, poll),
     .words = words_poll,
     .initial = "adaptive",
     .help = "`busy`: workers never sleep, lowest latency, a full core each. `adaptive`: they "
             "sleep longer the longer nothing comes."},
    {.key = "sleep-max",
     .type = SCHEMA_DURATION,
     AT(config_node, sleep_max_ns),
     .least = MICROSECOND,
     .most = 100 * MILLISECOND,
     .initial = "200us",
     .help = "The longest sleep of an idle worker under `poll: adaptive`: what the first packet "
             "after silence may wait."},
    {.key = "memory",
     .type = SCHEMA_SIZE,
     AT(config_node, memory_bytes),
     .least = 64 * MEBI,
     .most = TEBI,
     .initial = "512MiB",
     .restart = true,
     .help = "DPDK's memory: packet buffers and queues."},
    {.key = "huge-pages",
     .type = SCHEMA_WORD,
     AT(config_node, huge_pages),
     .words = words_huge_pages,
     .initial = "auto",
     .restart = true,
     .help = "`on`: refuse to start without enough of them. `auto`: use them if there are enough, "
             "else ordinary memory and a warning. `off`: ordinary memory."},
    {.key = "socket",
     .type = SCHEMA_PATH,
     AT(config_node, socket),
     .most = SOCKET_PATH_MAX,
     .initial = "/run/weir/dataplane.sock",
     .restart = true,
     .help = "The local socket `weirctl` talks to."},
    {.key = "hash-seed",
     .type = SCHEMA_COUNT,
     AT(config_node, hash_seed),
     .most = UINT64_MAX,
     .initial = "0",
     .help = "Seed of the balancers' hash. Appliances that share a virtual address give the same, "
             "so that each sends a flow to the same member."},
    {.key = "log",
     .type = SCHEMA_RECORD,
     .record = &log_record,
     .help = "Messages to standard error."},
    {.key = "flows",
     .type = SCHEMA_RECORD,
     AT(config_node, flows),
     .record = &flows_record,
     .help = "How each worker remembers flows."},
};

static const struct schema_record node_record = {
    .name = "node",
    .path = "node",
    RECORD(config_node, node_fields),
    .help = "The machine itself: its workers, its memory, its local socket."};

static const struct schema_field route_fields[] = {
    {.key = "to",
     .type = SCHEMA_NETWORK,
     AT(config_route, to),
     .required = true,
     .help = "The network behind the router. `0.0.0.0/0` and `::/0` are everything else."},
    {.key = "via",
     .type = SCHEMA_ADDRESS,
     AT(config_route, via),
     .required = true,
     .help = "The router: in a network of this port, of the same IP version."},
};

static const struct schema_record route_record = {
    .name = "route",
    .path = "ports[].routes[]",
    RECORD(config_route, route_fields),
    .help = "A network that is reached through a router on this port."};

static const struct schema_field punt_fields[] = {
    {.key = "interface",
     .type = SCHEMA_INTERFACE,
     AT(config_punt, interface),
     .required = true,
     .most = INTERFACE_NAME_MAX,
     .restart = true,
     .help = "The TAP interface that is made for it."},
    {.key = "rate",
     .type = SCHEMA_RATE,
     AT(config_punt, rate_per_second),
     .least = 1,
     .most = PUNT_RATE_MAX,
     .initial = "10000/s",
     .help = "Packets a worker hands over at most; more are dropped and counted."},
};

static const struct schema_record punt_record = {
    .name = "punt",
    .path = "ports[].punt",
    RECORD(config_punt, punt_fields),
    .help = "The kernel's share of a port. What comes for the port's own addresses and is neither "
            "balanced nor answered goes to a TAP interface and back, so that SSH, BGP or a health "
            "check of the machine itself go on working."};

static const struct schema_field port_fields[] = {
    {.key = "name",
     .type = SCHEMA_NAME,
     AT(config_port, name),
     .required = true,
     .restart = true,
     .help = "The port in statistics, commands and logs."},
    {.key = "device",
     .type = SCHEMA_DEVICE,
     AT(config_port, device),
     .required = true,
     .most = DEVICE_TEXT_MAX,
     .restart = true,
     .help = "A PCI address (`0000:01:00.0`) or a DPDK device string "
             "(`net_af_xdp0,iface=eth1`)."},
    {.key = "queues",
     .type = SCHEMA_COUNT,
     AT(config_port, queues),
     .least = 1,
     .most = CONFIG_WORKERS_MAX,
     .absent = "one a worker",
     .restart = true,
     .help = "Receive queues."},
    {.key = "descriptors",
     .type = SCHEMA_COUNT,
     AT(config_port, descriptors),
     .least = 64,
     .most = 32768,
     .initial = "1024",
     .restart = true,
     .help = "Packets each queue can hold."},
    {.key = "mtu",
     .type = SCHEMA_COUNT,
     AT(config_port, mtu),
     .least = 68,
     .most = 9000,
     .initial = "1500",
     .restart = true,
     .help = "Bytes of an IP packet, without Ethernet's header."},
    {.key = "addresses",
     .type = SCHEMA_OWN,
     LIST_AT(config_port, addresses, address_count),
     .items_max = CONFIG_ADDRESSES_MAX,
     .absent = "none",
     .help = "Own addresses, each with the length of its network: `10.1.0.1/24`."},
    {.key = "gateway",
     .type = SCHEMA_ADDRESS,
     LIST_AT(config_port, routes, route_count),
     .shorthand = true,
     .items_max = 2,
     .absent = "none",
     .help = "The router for everything else, at most one of each IP version: short for routes to "
             "`0.0.0.0/0` and `::/0`."},
    {.key = "routes",
     .type = SCHEMA_RECORD,
     LIST_AT(config_port, routes, route_count),
     .items_max = CONFIG_ROUTES_MAX,
     .absent = "none",
     .record = &route_record,
     .help = "Networks behind other routers on this port."},
    {.key = "punt",
     .type = SCHEMA_RECORD,
     AT(config_port, punt),
     .record = &punt_record,
     .absent = "such packets are dropped by name",
     .help = "Hand what is not ours to the kernel."},
};

static const struct schema_record port_record = {.name = "port",
                                                 .path = "ports[]",
                                                 RECORD(config_port, port_fields),
                                                 .help = "A network device that carries packets."};

static const struct schema_field member_fields[] = {
    {.key = "name",
     .type = SCHEMA_NAME,
     AT(config_member, name),
     .absent = "its address",
     .help = "Unique in its pool. Flows and counters survive a reload by it, and Maglev places the "
             "member by it."},
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
     .help = "Only `forward: nat` can send to another port than the vip's."},
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
     .help = "Which member a new flow gets. By a keyed hash, the same on every appliance: `maglev` "
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
             "the appliance. `direct`: only the MAC rewritten, the member has the vip on its "
             "loopback and answers the client itself. `ipip`: the same over any distance, in an "
             "outer IP header."},
    {.key = "members",
     .type = SCHEMA_RECORD,
     LIST_AT(config_pool, members, member_count),
     .items_max = POOL_MEMBERS_MAX,
     .absent = "none",
     .record = &member_record,
     .help = "The servers. All pools together hold at most 16384."},
};

static const struct schema_record pool_record = {
    .name = "pool",
    .path = "pools[]",
    RECORD(config_pool, pool_fields),
    .help = "Servers that do the same work. A pool may serve several vips, or none yet."};

static const struct schema_field vip_fields[] = {
    {.key = "name",
     .type = SCHEMA_NAME,
     AT(config_vip, name),
     .required = true,
     .help = "The service in statistics, commands and logs."},
    {.key = "address",
     .type = SCHEMA_ADDRESS,
     AT(config_vip, address),
     .required = true,
     .help = "The address clients connect to. Not one of the ports' own."},
    {.key = "port",
     .type = SCHEMA_COUNT,
     AT(config_vip, port),
     .required = true,
     .least = 1,
     .most = 65535,
     .help = "The port clients connect to."},
    {.key = "protocol",
     .type = SCHEMA_WORD,
     AT(config_vip, protocol),
     .required = true,
     .words = schema_words_protocol,
     .help = "The transport."},
    {.key = "pool",
     .type = SCHEMA_POOL,
     AT(config_vip, pool),
     .required = true,
     .help = "The name of the pool that serves it."},
};

static const struct schema_record vip_record = {
    .name = "vip",
    .path = "vips[]",
    RECORD(config_vip, vip_fields),
    .help = "A virtual address: one service as clients see it."};

static const struct schema_field access_fields[] = {
    {.key = "name",
     .type = SCHEMA_NAME,
     AT(config_access_rule, name),
     .required = true,
     .help = "The rule in statistics and commands."},
    {.key = "action",
     .type = SCHEMA_WORD,
     AT(config_access_rule, action),
     .required = true,
     .words = schema_words_access_action,
     .help = "What becomes of a packet that matches."},
    {.key = "protocol",
     .type = SCHEMA_WORD,
     AT(config_access_rule, protocol),
     .words = schema_words_access_protocol,
     .initial = "any",
     .help = "`icmp` is ICMP over IPv4 and ICMPv6 over IPv6."},
    {.key = "from",
     .type = SCHEMA_NETWORK,
     LIST_AT(config_access_rule, from, from_count),
     .items_max = RULE_ITEMS_MAX,
     .absent = "any, of both versions",
     .help = "Networks that the source is in."},
    {.key = "to",
     .type = SCHEMA_NETWORK,
     LIST_AT(config_access_rule, to, to_count),
     .items_max = RULE_ITEMS_MAX,
     .absent = "any, of both versions",
     .help = "Networks that the destination is in; a vip as `192.0.2.1/32`."},
    {.key = "source-ports",
     .type = SCHEMA_PORTS,
     LIST_AT(config_access_rule, source_ports, source_port_count),
     .items_max = RULE_ITEMS_MAX,
     .most = 65535,
     .absent = "any",
     .help = "Ports, and ranges of them, that the packet comes from. Only with `tcp` or `udp`."},
    {.key = "ports",
     .type = SCHEMA_PORTS,
     LIST_AT(config_access_rule, ports, port_count),
     .items_max = RULE_ITEMS_MAX,
     .most = 65535,
     .absent = "any",
     .help = "The same of the port it goes to."},
};

static const struct schema_record access_record = {
    .name = "access-rule",
    .path = "access[]",
    RECORD(config_access_rule, access_fields),
    .help = "Who may begin to talk to us. The first rule that matches a packet decides; what none "
            "matches is allowed, so that a list of who may ends with a rule that denies the rest. "
            "Packets of established flows are not asked again, but a list that changes is held "
            "against them once. ARP and neighbour discovery always pass."};

// Pools before vips: a vip's pool is looked up while the vip is read.
static const struct schema_field root_fields[] = {
    {.key = "node",
     .type = SCHEMA_RECORD,
     AT(config, node),
     .required = true,
     .record = &node_record,
     .help = "The machine itself."},
    {.key = "ports",
     .type = SCHEMA_RECORD,
     LIST_AT(config, ports, port_count),
     .required = true,
     .items_max = CONFIG_PORTS_MAX,
     .record = &port_record,
     .restart = true,
     .help = "Network devices that carry packets."},
    {.key = "pools",
     .type = SCHEMA_RECORD,
     LIST_AT(config, pools, pool_count),
     .items_max = CONFIG_POOLS_MAX,
     .absent = "none",
     .record = &pool_record,
     .help = "Servers that do the same work."},
    {.key = "vips",
     .type = SCHEMA_RECORD,
     LIST_AT(config, vips, vip_count),
     .items_max = CONFIG_VIPS_MAX,
     .absent = "none",
     .record = &vip_record,
     .help = "Virtual addresses: services as clients see them."},
    {.key = "access",
     .type = SCHEMA_RECORD,
     LIST_AT(config, access_rules, access_rule_count),
     .items_max = CONFIG_RULES_MAX,
     .absent = "all may",
     .record = &access_record,
     .help = "Who may begin to talk to us."},
};

const struct schema_record schema_root = {.name = "configuration",
                                          .path = "",
                                          RECORD(config, root_fields),
                                          .help = "The configuration of one Weir appliance."};

const void *schema_at(const struct schema_field *field, const void *base)
{
    return (const uint8_t *)base + field->offset;
}

uint32_t schema_count(const struct schema_field *field, const void *base)
{
    uint32_t count;
    memcpy(&count, (const uint8_t *)base + field->count_offset, sizeof(count));
    return count;
}

const void *schema_item(const struct schema_field *field, const void *base, uint32_t index)
{
    DCHECK(field->list && index < schema_count(field, base));
    const uint8_t *items;
    memcpy(&items, schema_at(field, base), sizeof(items));
    return items + (size_t)index * field->size;
}

static bool record_is_absent(const struct schema_record *record, const void *base)
{
    for (uint16_t i = 0; i < record->field_count; i++) {
        if (record->fields[i].required && schema_is_absent(&record->fields[i], base))
            return true;
    }
    return false;
}

bool schema_is_absent(const struct schema_field *field, const void *base)
{
    static const uint8_t zeros[sizeof(uint64_t)];
    const void *at = schema_at(field, base);
    if (field->shorthand)
        return true;
    if (field->list)
        return schema_count(field, base) == 0;
    switch (field->type) {
    case SCHEMA_NAME:
    case SCHEMA_INTERFACE:
        return *(const char *)at == '\0';
    case SCHEMA_COUNT: // 0 is out of the range of those that may be left out
        return field->absent && memcmp(at, zeros, field->size) == 0;
    case SCHEMA_RECORD:
        return record_is_absent(field->record, at);
    case SCHEMA_PATH:
    case SCHEMA_DEVICE:
    case SCHEMA_CORES:
    case SCHEMA_DURATION:
    case SCHEMA_SIZE:
    case SCHEMA_RATE:
    case SCHEMA_WORD:
    case SCHEMA_ADDRESS:
    case SCHEMA_OWN:
    case SCHEMA_NETWORK:
    case SCHEMA_PORTS:
    case SCHEMA_POOL:
        return false;
    }
    return false;
}
