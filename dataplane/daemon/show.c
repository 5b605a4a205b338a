// What a running data plane shows of itself, as JSON. Shapes are documented in docs/weirctl.md.
#include <inttypes.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/stats.h"
#include "dataplane/daemon/daemon.h"
#include "dataplane/daemon/show_priv.h"

#define FLOWS_LIMIT_DEFAULT 100
#define FLOWS_OF_ANSWER     4096     // rows: about 8 MiB until it is sent
#define FLOWS_BUDGET_NS     50000000 // of the main thread's time

static json_t *mac_text(const uint8_t *mac)
{
    char text[18];
    snprintf(text, sizeof(text), "%02x:%02x:%02x:%02x:%02x:%02x", mac[0], mac[1], mac[2], mac[3],
             mac[4], mac[5]);
    return json_string(text);
}

// The sum of all workers' counts of one instance.
static json_t *counted(const struct daemon *daemon, const char *family, uint32_t instance)
{
    const struct stats_reader *stats = plane_stats(daemon->plane);
    return number(stats_reader_sum(stats, family_named(stats, family), instance));
}

void show_status(void *context, const json_t *arguments, struct ipc_reply *reply)
{
    const struct daemon *daemon = context;
    const struct config_node *node = &daemon->config->node;
    uint64_t uptime_s = (clock_monotonic_ns() - daemon->started_ns) / NANOSECONDS_PER_SECOND;
    struct ipc_server_counts clients = ipc_server_counts(daemon->server);
    json_t *status =
        json_pack("{s:s, s:s, s:i, s:o, s:o, s:s, s:i, s:s, s:b}", "name", node->name, "version",
                  WEIR_VERSION, "pid", (int)getpid(), "uptime_s", number(uptime_s), "revision",
                  number(plane_revision(daemon->plane)), "config", daemon->config_path, "workers",
                  (int)plane_workers(daemon->plane), "poll",
                  node->poll == CONFIG_POLL_BUSY ? "busy" : "adaptive", "huge_pages",
                  plane_huge_pages(daemon->plane));
    json_object_set_new(status, "reloads_refused", number(daemon->reloads_refused));
    json_object_set_new(status, "clients_accepted", number(clients.accepted));
    json_object_set_new(status, "clients_refused", number(clients.refused));
    json_object_set_new(status, "clients_malformed", number(clients.malformed));
    json_object_set_new(status, "clients_stalled", number(clients.stalled));
    reply->result = status;
}

void show_config(void *context, const json_t *arguments, struct ipc_reply *reply)
{
    const struct daemon *daemon = context;
    char *text = NULL;
    size_t size;
    FILE *out = open_memstream(&text, &size);
    if (out)
        config_print(daemon->config, out);
    if (!out || fclose(out) != 0)
        show_failure(ERROR_NO_MEMORY, reply);
    else
        reply->result = json_pack("{s:o, s:s#}", "revision", number(plane_revision(daemon->plane)),
                                  "config", text, (int)size);
    free(text);
}

static json_t *port_addresses(const struct config_port *port)
{
    json_t *addresses = json_array();
    char text[IP_TEXT_SIZE];
    for (uint32_t i = 0; i < port->address_count; i++)
        json_array_append_new(addresses, json_string(ip_prefix_format(&port->addresses[i], text)));
    return addresses;
}

static json_t *bond_devices(const struct daemon *daemon, uint32_t port, uint32_t count)
{
    json_t *devices = json_array();
    for (uint32_t i = 0; i < count; i++) {
        struct plane_bond_view view;
        plane_bond_view(daemon->plane, port, i, &view);
        json_array_append_new(
            devices,
            json_pack("{s:s, s:s, s:i, s:o, s:o, s:o, s:o, s:o}", "device", view.device, "state",
                      view.state, "speed_mbps", (int)view.speed_mbps, "rx_packets",
                      number(view.rx_packets), "rx_bytes", number(view.rx_bytes), "tx_packets",
                      number(view.tx_packets), "tx_bytes", number(view.tx_bytes), "link_downs",
                      counted(daemon, "weir_bond_link_downs_total", view.instance)));
    }
    return devices;
}

static json_t *node_number(int node)
{
    return node >= 0 ? json_integer(node) : json_null();
}

static void add_offload(void *context, const struct plane_offload_view *view)
{
    json_array_append_new(context,
                          json_pack("{s:s, s:b, s:b, s:s}", "offload", view->name, "offered",
                                    view->offered, "used", view->used, "why", view->why));
}

static json_t *port_offloads(const struct daemon *daemon, uint32_t port)
{
    json_t *offloads = json_array();
    plane_walk_offloads(daemon->plane, port, add_offload, offloads);
    return offloads;
}

void show_ports(void *context, const json_t *arguments, struct ipc_reply *reply)
{
    const struct daemon *daemon = context;
    json_t *ports = json_array();
    for (uint32_t p = 0; p < daemon->config->port_count; p++) {
        const struct config_port *port = &daemon->config->ports[p];
        struct plane_port_view view;
        plane_port_view(daemon->plane, p, &view);
        json_t *item =
            json_pack("{s:s, s:s, s:s, s:s, s:i, s:o, s:i, s:i, s:i, s:o, s:s?, s:b, s:b}", "name",
                      port->name, "device", port->device, "driver", view.driver, "link",
                      view.link_up ? "up" : "down", "speed_mbps", (int)view.speed_mbps, "mac",
                      mac_text(view.mac), "mtu", (int)port->mtu, "rx_queues", (int)view.rx_queues,
                      "tx_queues", (int)view.tx_queues, "addresses", port_addresses(port), "punt",
                      view.punts ? port->punt.interface : NULL, "rx_checksum", view.rx_checksum,
                      "tx_checksum", view.tx_checksum);
        json_object_set_new(item, "steering", json_string(view.steering));
        json_object_set_new(item, "steering_why", json_string(view.steering_why));
        json_object_set_new(item, "vlan", port->vlan > 0 ? json_integer(port->vlan) : json_null());
        json_object_set_new(item, "numa_node", node_number(view.numa_node));
        json_object_set_new(item, "offloads", port_offloads(daemon, p));
        json_object_set_new(item, "bond", view.bond ? json_string(view.bond) : json_null());
        json_object_set_new(item, "members", bond_devices(daemon, p, view.member_count));
        json_object_set_new(item, "failovers", counted(daemon, "weir_port_failovers_total", p));
        json_object_set_new(item, "rx_packets", number(view.rx_packets));
        json_object_set_new(item, "rx_bytes", number(view.rx_bytes));
        json_object_set_new(item, "tx_packets", number(view.tx_packets));
        json_object_set_new(item, "tx_bytes", number(view.tx_bytes));
        json_object_set_new(item, "rx_missed", number(view.rx_missed));
        json_object_set_new(item, "rx_errors", number(view.rx_errors));
        json_object_set_new(item, "tx_errors", number(view.tx_errors));
        json_object_set_new(item, "rx_no_buffer", number(view.rx_no_buffer));
        json_object_set_new(item, "link_downs", counted(daemon, "weir_port_link_downs_total", p));
        json_array_append_new(ports, item);
    }
    reply->result = json_pack("{s:o}", "ports", ports);
}

void show_vips(void *context, const json_t *arguments, struct ipc_reply *reply)
{
    const struct daemon *daemon = context;
    json_t *vips = json_array();
    for (uint32_t i = 0; i < daemon->config->vip_count; i++) {
        const struct config_vip *vip = &daemon->config->vips[i];
        const struct config_pool *pool = &daemon->config->pools[vip->pool];
        uint32_t slot = plane_vip_slot(daemon->plane, vip);
        json_t *stateless = counted(daemon, "weir_vip_stateless_workers", slot);
        const char *mode = json_integer_value(stateless) > 0 ? "stateless" : "tracking";
        json_array_append_new(
            vips,
            json_pack("{s:s, s:o, s:i, s:s, s:s, s:s, s:s, s:s, s:o, s:o, s:o, s:o, s:o, s:o}",
                      "name", vip->name, "address", address_text(&vip->address), "port",
                      (int)vip->port, "protocol", config_protocol_text(vip->protocol), "pool",
                      pool->name, "forward", config_forward_text(pool->forward), "balancer",
                      config_balancer_text(pool->balancer), "mode", mode, "stateless_workers",
                      stateless, "packets", counted(daemon, "weir_vip_packets_total", slot),
                      "bytes", counted(daemon, "weir_vip_bytes_total", slot), "flows",
                      counted(daemon, "weir_vip_flows", slot), "flows_created",
                      counted(daemon, "weir_vip_flows_created_total", slot), "flows_earned",
                      counted(daemon, "weir_vip_flows_earned_total", slot)));
    }
    reply->result = json_pack("{s:o}", "vips", vips);
}

struct pools_reply {
    const struct daemon *daemon;
    json_t *by_name; // pool name -> its object, borrowed by it
    json_t *pools;
};

static json_t *pool_object(struct pools_reply *to, const char *name, const struct config_pool *pool)
{
    json_t *known = json_object_get(to->by_name, name);
    if (known)
        return known;
    json_t *item =
        json_pack("{s:s, s:s?, s:s?, s:s?, s:[]}", "name", name, "balancer",
                  pool ? config_balancer_text(pool->balancer) : NULL, "forward",
                  pool ? config_forward_text(pool->forward) : NULL, "client_address",
                  pool ? config_client_address_text(pool->client_address) : NULL, "members");
    json_array_append(to->pools, item);
    json_object_set_new(to->by_name, name, item);
    return item;
}

static const struct config_pool *pool_named(const struct config *config, const char *name)
{
    for (uint32_t i = 0; i < config->pool_count; i++) {
        if (strcmp(config->pools[i].name, name) == 0)
            return &config->pools[i];
    }
    return NULL;
}

static void add_member(void *context, const struct plane_member_view *view)
{
    struct pools_reply *to = context;
    const struct daemon *daemon = to->daemon;
    json_t *flows = counted(daemon, "weir_member_flows", view->slot);
    if (strcmp(view->state, "removed") == 0 && json_integer_value(flows) == 0) {
        json_decref(flows);
        return; // gone, but for its slot
    }
    const struct config_pool *pool = pool_named(daemon->config, view->pool);
    json_t *item =
        json_pack("{s:s, s:o, s:i, s:i, s:s, s:s, s:o, s:o, s:o, s:o, s:o}", "name", view->name,
                  "address", address_text(&view->address), "port", (int)view->port, "weight",
                  (int)view->weight, "state", view->state, "next_hop", view->next_hop, "path_mtu",
                  view->path_mtu ? json_integer(view->path_mtu) : json_null(), "flows", flows,
                  "packets", counted(daemon, "weir_member_packets_total", view->slot), "bytes",
                  counted(daemon, "weir_member_bytes_total", view->slot), "flows_created",
                  counted(daemon, "weir_member_flows_created_total", view->slot));
    json_array_append_new(json_object_get(pool_object(to, view->pool, pool), "members"), item);
}

void show_pools(void *context, const json_t *arguments, struct ipc_reply *reply)
{
    struct daemon *daemon = context;
    struct pools_reply to = {.daemon = daemon, .by_name = json_object(), .pools = json_array()};
    for (uint32_t i = 0; i < daemon->config->pool_count; i++)
        pool_object(&to, daemon->config->pools[i].name, &daemon->config->pools[i]);
    plane_walk_members(daemon->plane, add_member, &to);
    json_decref(to.by_name);
    reply->result = json_pack("{s:o}", "pools", to.pools);
}

// What is asked of show.flows; NULL: any.
struct flows_reply {
    const char *vip, *pool, *member, *client;
    json_int_t limit;
    json_t *flows;
    bool more;
};

static bool wanted(const char *filter, const char *value)
{
    return !filter || strcmp(filter, value) == 0;
}

static const char *protocol_text(uint8_t protocol)
{
    return config_protocol_text(protocol == IPPROTO_TCP   ? CONFIG_PROTOCOL_TCP
                                : protocol == IPPROTO_UDP ? CONFIG_PROTOCOL_UDP
                                                          : CONFIG_PROTOCOL_ICMP);
}

static bool add_flow(void *context, const struct plane_flow_view *view)
{
    struct flows_reply *to = context;
    char client[IP_TEXT_SIZE];
    if (!wanted(to->vip, view->vip_name) || !wanted(to->pool, view->pool) ||
        !wanted(to->member, view->member_name) ||
        !wanted(to->client, ip_format(&view->client, client)))
        return true;
    if ((json_int_t)json_array_size(to->flows) >= to->limit) {
        to->more = true;
        return false;
    }
    json_array_append_new(
        to->flows,
        json_pack("{s:i, s:s, s:s, s:i, s:s, s:o, s:i, s:s, s:s, s:o, s:s, s:s, s:i}", "worker",
                  (int)view->worker, "protocol", protocol_text(view->protocol), "client", client,
                  "client_port", (int)view->client_port, "vip_name", view->vip_name, "vip",
                  address_text(&view->vip), "vip_port", (int)view->vip_port, "pool", view->pool,
                  "member", view->member_name, "member_address", address_text(&view->member),
                  "state", view->state, "direction", view->reply ? "reply" : "forward",
                  "expires_ms", (int)view->expires_ms));
    return true;
}

// Where the walk begins: an earlier answer's `next`, or the start.
static struct plane_flow_place flow_place(const json_t *arguments)
{
    json_int_t worker = json_integer_value(json_object_get(arguments, "worker"));
    json_int_t position = json_integer_value(json_object_get(arguments, "position"));
    bool whole = worker >= 0 && worker <= UINT32_MAX && position >= 0 && position <= UINT32_MAX;
    return whole ? (struct plane_flow_place){.worker = (uint32_t)worker,
                                             .position = (uint32_t)position}
                 : (struct plane_flow_place){0};
}

// Walks on until all was seen, or the answer is large enough, or its time is over: the rest is
// another request's.
static enum error collect_flows(const struct daemon *daemon, struct plane_flow_place *place,
                                struct flows_reply *to)
{
    uint64_t end_ns = clock_monotonic_ns() + FLOWS_BUDGET_NS;
    enum error error;
    do {
        error = plane_walk_flows(daemon->plane, place, add_flow, to);
    } while (!error && place->worker < plane_workers(daemon->plane) &&
             json_array_size(to->flows) < FLOWS_OF_ANSWER && clock_monotonic_ns() < end_ns);
    return error == ERROR_EMPTY ? ERROR_NONE : error;
}

void show_flows(void *context, const json_t *arguments, struct ipc_reply *reply)
{
    struct daemon *daemon = context;
    struct flows_reply to = {
        .vip = json_string_value(json_object_get(arguments, "vip")),
        .pool = json_string_value(json_object_get(arguments, "pool")),
        .member = json_string_value(json_object_get(arguments, "member")),
        .client = json_string_value(json_object_get(arguments, "client")),
        .limit = FLOWS_LIMIT_DEFAULT,
        .flows = json_array(),
    };
    const json_t *limit = json_object_get(arguments, "limit");
    if (limit)
        to.limit = json_integer_value(limit);
    if (to.limit < 1 || to.limit > IPC_FLOWS_MAX) {
        json_decref(to.flows);
        ipc_reply_error(reply, "invalid-arguments", "ask for fewer, or filter",
                        "`limit` must lie between 1 and %d", IPC_FLOWS_MAX);
        return;
    }
    struct plane_flow_place place = flow_place(arguments);
    enum error error = collect_flows(daemon, &place, &to);
    if (error) {
        json_decref(to.flows);
        show_failure(error, reply);
        return;
    }
    uint64_t used = 0, capacity = 0;
    for (uint32_t w = 0; w < plane_workers(daemon->plane); w++) {
        struct plane_worker_view worker;
        plane_worker_view(daemon->plane, w, &worker);
        used += of_worker(daemon, "weir_worker_flows", w);
        capacity += worker.flow_capacity;
    }
    json_int_t left = to.limit - (json_int_t)json_array_size(to.flows);
    bool unseen = !to.more && place.worker < plane_workers(daemon->plane);
    reply->result =
        json_pack("{s:o, s:o, s:o, s:b}", "flows", to.flows, "used", number(used), "capacity",
                  number(capacity), "more", to.more || (unseen && left == 0));
    if (unseen && left > 0)
        json_object_set_new(reply->result, "next",
                            json_pack("{s:I, s:I, s:I}", "worker", (json_int_t)place.worker,
                                      "position", (json_int_t)place.position, "limit", left));
}

void show_drops(void *context, const json_t *arguments, struct ipc_reply *reply)
{
    const struct daemon *daemon = context;
    const char *vip = json_string_value(json_object_get(arguments, "vip"));
    if (vip || json_is_true(json_object_get(arguments, "by_vip"))) {
        show_vip_drops(daemon, vip, reply);
        return;
    }
    const struct stats_reader *stats = plane_stats(daemon->plane);
    size_t family = family_named(stats, "weir_drops_packets_total");
    json_t *drops = json_array();
    // The main thread, which drops what waited in vain for a neighbour, is the last writer.
    uint32_t writers = stats_reader_writers(stats);
    for (uint32_t reason = 0; plane_drop_reason(reason); reason++) {
        const struct plane_drop_text *text = plane_drop_reason(reason);
        json_t *by_worker = json_array();
        for (uint32_t w = 0; w < writers; w++)
            json_array_append_new(by_worker,
                                  number(stats_reader_value(stats, family, text->instance, w)));
        json_array_append_new(drops,
                              json_pack("{s:s, s:s, s:s, s:o, s:o}", "reason", text->name, "help",
                                        text->help, "remedy", text->remedy, "packets",
                                        number(stats_reader_sum(stats, family, text->instance)),
                                        "workers", by_worker));
    }
    reply->result = json_pack("{s:o}", "drops", drops);
}

static void add_share(void *context, const struct plane_share_view *view)
{
    json_t *member = json_pack("{s:s, s:s, s:s, s:i, s:f}", "pool", view->pool, "balancer",
                               view->balancer, "member", view->member, "weight", (int)view->weight,
                               "share_percent", 100 * view->share);
    if (view->moves >= 0)
        json_object_set_new(member, "moves_percent", json_real(100 * view->moves));
    json_array_append_new(context, member);
}

void show_balance(void *context, const json_t *arguments, struct ipc_reply *reply)
{
    const struct daemon *daemon = context;
    const char *pool = json_string_value(json_object_get(arguments, "pool"));
    json_t *members = json_array();
    enum error error = plane_walk_shares(daemon->plane, pool, add_share, members);
    if (error) {
        json_decref(members);
        if (error == ERROR_NOT_FOUND)
            ipc_reply_error(reply, "not-found", "weirctl show pools lists pools",
                            "there is no pool %s", pool);
        else
            show_failure(error, reply);
        return;
    }
    reply->result = json_pack("{s:o}", "members", members);
}

void show_access(void *context, const json_t *arguments, struct ipc_reply *reply)
{
    const struct daemon *daemon = context;
    json_t *rules = json_array();
    for (uint32_t i = 0; i < plane_rules(daemon->plane); i++) {
        struct plane_rule_view rule = plane_rule_view(daemon->plane, i);
        json_array_append_new(rules,
                              json_pack("{s:s, s:s, s:o}", "name", rule.name, "action",
                                        rule.denies ? "deny" : "allow", "packets",
                                        counted(daemon, "weir_access_packets_total", rule.slot)));
    }
    reply->result = json_pack("{s:o}", "rules", rules);
}

struct locals_reply {
    const struct daemon *daemon;
    json_t *locals;
};

static void add_local(void *context, const struct plane_local_view *view)
{
    struct locals_reply *to = context;
    json_t *used = counted(to->daemon, "weir_local_ports", view->slot);
    if (view->removed && json_integer_value(used) == 0) {
        json_decref(used);
        return; // gone, but for its slot
    }
    json_array_append_new(to->locals,
                          json_pack("{s:s, s:o, s:s, s:o, s:i, s:o}", "port",
                                    to->daemon->config->ports[view->port].name, "address",
                                    address_text(&view->address), "state",
                                    view->removed ? "removed" : "active", "ports_used", used,
                                    "ports_per_member", (int)view->ports_per_member, "refused",
                                    counted(to->daemon, "weir_local_refusals_total", view->slot)));
}

void show_locals(void *context, const json_t *arguments, struct ipc_reply *reply)
{
    const struct daemon *daemon = context;
    struct locals_reply to = {.daemon = daemon, .locals = json_array()};
    plane_walk_locals(daemon->plane, add_local, &to);
    reply->result = json_pack("{s:o}", "locals", to.locals);
}

void show_workers(void *context, const json_t *arguments, struct ipc_reply *reply)
{
    const struct daemon *daemon = context;
    json_t *workers = json_array();
    for (uint32_t w = 0; w < plane_workers(daemon->plane); w++) {
        struct plane_worker_view view;
        plane_worker_view(daemon->plane, w, &view);
        uint64_t cycles = of_worker(daemon, "weir_worker_cycles_total", w);
        uint64_t busy = of_worker(daemon, "weir_worker_busy_cycles_total", w);
        uint64_t packets = of_worker(daemon, "weir_worker_packets_total", w);
        json_array_append_new(
            workers,
            json_pack(
                "{s:i, s:i, s:o, s:f, s:f, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, "
                "s:o, s:o}",
                "worker", (int)w, "core", (int)view.core, "numa_node", node_number(view.numa_node),
                "busy_percent", cycles ? 100.0 * (double)busy / (double)cycles : 0.0,
                "busy_now_percent", 100.0 * view.busy_share, "turns",
                number(of_worker(daemon, "weir_worker_turns_total", w)), "empty_turns",
                number(of_worker(daemon, "weir_worker_empty_turns_total", w)), "sleeps",
                number(of_worker(daemon, "weir_worker_sleeps_total", w)), "packets",
                number(packets), "cycles_per_packet", number(packets ? busy / packets : 0), "flows",
                number(of_worker(daemon, "weir_worker_flows", w)), "flow_capacity",
                number(view.flow_capacity), "flow_bytes", number(view.flow_bytes), "handoffs",
                number(of_worker(daemon, "weir_worker_handoffs_total", w)), "fullnat_handoffs",
                number(of_worker(daemon, "weir_worker_fullnat_handoffs_total", w)),
                "probation_evictions",
                number(of_worker(daemon, "weir_probation_evictions_total", w)), "news_lost",
                number(of_worker(daemon, "weir_news_lost_total", w))));
    }
    reply->result = json_pack("{s:o}", "workers", workers);
}

struct neighbours_reply {
    const struct daemon *daemon;
    json_t *neighbours;
};

static void add_neighbour(void *context, const struct plane_neighbour_view *view)
{
    struct neighbours_reply *to = context;
    json_array_append_new(
        to->neighbours, json_pack("{s:s, s:o, s:o, s:s, s:b, s:i}", "port",
                                  to->daemon->config->ports[view->port].name, "address",
                                  address_text(&view->address), "mac", mac_text(view->mac), "state",
                                  view->state, "pinned", view->pinned, "held", (int)view->held));
}

void show_neighbours(void *context, const json_t *arguments, struct ipc_reply *reply)
{
    const struct daemon *daemon = context;
    struct neighbours_reply to = {.daemon = daemon, .neighbours = json_array()};
    plane_walk_neighbours(daemon->plane, add_neighbour, &to);
    struct plane_neighbour_counts counts = plane_neighbour_counts(daemon->plane);
    reply->result = json_pack("{s:o, s:o, s:o, s:o, s:o}", "neighbours", to.neighbours, "dynamic",
                              number(counts.dynamic), "dynamic_max", number(counts.dynamic_max),
                              "evicted", number(counts.evicted), "refused", number(counts.refused));
}
