// `node`: the machine itself.
#include "base/config/schema_table_priv.h"
#include "base/log.h"

#define SOCKET_PATH_MAX 107 // sun_path of unix(7)
#define CORE_MAX        1023
#define FLOWS_MAX       (1u << 27) // of one table

static const char *const words_poll[] = {"adaptive", "busy", NULL};
static const char *const words_huge_pages[] = {"auto", "on", "off", NULL};
static const char *const words_log_format[] = {"text", "json", NULL};
static const char *const words_log_level[] = {"error", "warning", "info", "debug", NULL};

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
    {.key = "affinities",
     .type = SCHEMA_COUNT,
     AT(config_flows, affinities),
     .least = 1024,
     .most = FLOWS_MAX,
     .initial = "65536",
     .restart = true,
     .help =
         "Clients whose member one worker can remember, for pools with `affinity`. One takes 16 "
         "bytes. Where there is no room, the one that would be forgotten first goes."},
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
             "so that each sends a flow to the same member. Who knows it, and the members, can "
             "work out connections that all go to one of them; the default everybody knows: where "
             "clients are strangers, write a random number of your own, as `od -An -N8 -tu8 "
             "/dev/urandom` prints one, and keep it to yourself. The start warns of the default "
             "where a pool has several members."},
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

const struct schema_record schema_node = {
    .name = "node",
    .path = "node",
    RECORD(config_node, node_fields),
    .help = "The machine itself: its workers, its memory, its local socket."};
