// What shows where packets were dropped, where cycles go, who talks most, and what else was
// counted.
#include <string.h>

#include "base/stats.h"
#include "dataplane/daemon/daemon.h"
#include "dataplane/daemon/show_priv.h"

#define TALKERS_LIMIT_DEFAULT 20

// How many packets of a vip (slot) were dropped for a reason, and by which workers.
static uint64_t add_vip_drops(const struct daemon *daemon, const char *vip, uint32_t slot,
                              const struct plane_drop_text *reason, json_t *drops)
{
    uint64_t sum = 0, packets[CONFIG_WORKERS_MAX];
    uint32_t workers = plane_workers(daemon->plane);
    for (uint32_t w = 0; w < workers; w++) {
        packets[w] = plane_service_drops(daemon->plane, slot, reason->instance, w);
        sum += packets[w];
    }
    if (sum == 0)
        return 0;
    json_t *by_worker = json_array();
    for (uint32_t w = 0; w < workers; w++)
        json_array_append_new(by_worker, number(packets[w]));
    json_array_append_new(drops,
                          json_pack("{s:s, s:s, s:s, s:s, s:o, s:o}", "vip", vip, "reason",
                                    reason->name, "help", reason->help, "remedy", reason->remedy,
                                    "packets", number(sum), "workers", by_worker));
    return sum;
}

// What is no configured vip's: of no service, of one that was removed, or dropped where nobody
// knows any more whose it was.
static void add_other_drops(const struct daemon *daemon, const struct plane_drop_text *reason,
                            uint64_t of_vips, json_t *drops)
{
    const struct stats_reader *stats = plane_stats(daemon->plane);
    uint64_t all =
        stats_reader_sum(stats, family_named(stats, "weir_drops_packets_total"), reason->instance);
    if (all > of_vips)
        json_array_append_new(drops, json_pack("{s:n, s:s, s:s, s:s, s:o}", "vip", "reason",
                                               reason->name, "help", reason->help, "remedy",
                                               reason->remedy, "packets", number(all - of_vips)));
}

void show_vip_drops(const struct daemon *daemon, const char *vip, struct ipc_reply *reply)
{
    const struct config *config = daemon->config;
    json_t *drops = json_array();
    bool known = !vip;
    static uint32_t slots[CONFIG_VIPS_MAX]; // main thread
    for (uint32_t v = 0; v < config->vip_count; v++)
        slots[v] = plane_vip_slot(daemon->plane, &config->vips[v]);
    for (uint32_t i = 0; plane_drop_reason(i); i++) {
        const struct plane_drop_text *reason = plane_drop_reason(i);
        uint64_t of_vips = 0;
        for (uint32_t v = 0; v < config->vip_count; v++) {
            const char *name = config->vips[v].name;
            if (vip && strcmp(vip, name) != 0)
                continue;
            known = true;
            of_vips += add_vip_drops(daemon, name, slots[v], reason, drops);
        }
        if (!vip)
            add_other_drops(daemon, reason, of_vips, drops);
    }
    if (!known) {
        json_decref(drops);
        ipc_reply_error(reply, "not-found", "weirctl show vips lists them",
                        "there is no virtual address %s", vip);
        return;
    }
    reply->result = json_pack("{s:o}", "drops", drops);
}

static json_t *stages_of(const struct daemon *daemon, uint32_t worker)
{
    const struct stats_reader *stats = plane_stats(daemon->plane);
    size_t calls = family_named(stats, "weir_stage_calls_total");
    size_t packets = family_named(stats, "weir_stage_packets_total");
    size_t cycles = family_named(stats, "weir_stage_cycles_total");
    json_t *stages = json_array();
    for (uint32_t i = 0; plane_stage_text(i); i++) {
        const struct plane_stage_text *text = plane_stage_text(i);
        json_array_append_new(
            stages, json_pack("{s:s, s:s, s:o, s:o, s:o}", "stage", text->name, "help", text->help,
                              "calls", number(stats_reader_value(stats, calls, i, worker)),
                              "packets", number(stats_reader_value(stats, packets, i, worker)),
                              "cycles", number(stats_reader_value(stats, cycles, i, worker))));
    }
    return stages;
}

void show_stages(void *context, const json_t *arguments, struct ipc_reply *reply)
{
    const struct daemon *daemon = context;
    json_t *workers = json_array();
    for (uint32_t w = 0; w < plane_workers(daemon->plane); w++) {
        struct plane_worker_view view;
        plane_worker_view(daemon->plane, w, &view);
        json_array_append_new(
            workers,
            json_pack("{s:i, s:i, s:o, s:o, s:o}", "worker", (int)w, "core", (int)view.core,
                      "cycles", number(of_worker(daemon, "weir_worker_cycles_total", w)),
                      "busy_cycles", number(of_worker(daemon, "weir_worker_busy_cycles_total", w)),
                      "stages", stages_of(daemon, w)));
    }
    reply->result = json_pack("{s:o}", "workers", workers);
}

static void add_talker(void *context, const struct plane_talker_view *view)
{
    json_array_append_new(
        context, json_pack("{s:o, s:f, s:f, s:f}", "client", address_text(&view->client),
                           "packets_percent", 100 * view->packets_share, "bytes_percent",
                           100 * view->bytes_share, "too_high_percent", 100 * view->too_high));
}

void show_talkers(void *context, const json_t *arguments, struct ipc_reply *reply)
{
    const struct daemon *daemon = context;
    const json_t *limit = json_object_get(arguments, "limit");
    json_int_t most = limit ? json_integer_value(limit) : TALKERS_LIMIT_DEFAULT;
    if (most < 1 || most > IPC_FLOWS_MAX) {
        ipc_reply_error(reply, "invalid-arguments", "ask for fewer",
                        "`limit` must lie between 1 and %d", IPC_FLOWS_MAX);
        return;
    }
    json_t *talkers = json_array();
    enum error error = plane_walk_talkers(daemon->plane, (uint32_t)most, add_talker, talkers);
    if (error) {
        json_decref(talkers);
        show_failure(error, reply);
        return;
    }
    reply->result = json_pack("{s:o}", "talkers", talkers);
}

struct handshakes_reply {
    const struct daemon *daemon;
    json_t *members;
};

static void add_handshakes(void *context, const struct plane_member_view *view)
{
    const struct handshakes_reply *to = context;
    struct plane_handshakes took = plane_handshakes(to->daemon->plane, view->slot);
    json_t *item = json_pack("{s:s, s:s, s:o}", "pool", view->pool, "member", view->name,
                             "handshakes", number(took.count));
    if (took.count) {
        json_object_set_new(item, "p50_us", json_real(took.p50_us));
        json_object_set_new(item, "p90_us", json_real(took.p90_us));
        json_object_set_new(item, "p99_us", json_real(took.p99_us));
        json_t *buckets = json_array();
        for (uint32_t i = 0; i < took.bucket_count; i++)
            json_array_append_new(buckets, json_pack("[f, o]", took.buckets[i].longest_us,
                                                     number(took.buckets[i].count)));
        json_object_set_new(item, "histogram_us", buckets);
    }
    json_array_append_new(to->members, item);
}

void show_handshakes(void *context, const json_t *arguments, struct ipc_reply *reply)
{
    const struct daemon *daemon = context;
    struct handshakes_reply to = {.daemon = daemon, .members = json_array()};
    plane_walk_members(daemon->plane, add_handshakes, &to);
    reply->result = json_pack("{s:o}", "members", to.members);
}

void show_counters(void *context, const json_t *arguments, struct ipc_reply *reply)
{
    const struct daemon *daemon = context;
    const struct stats_reader *stats = plane_stats(daemon->plane);
    json_t *counters = json_array();
    for (size_t family = 0; family < stats_reader_family_count(stats); family++) {
        struct stats_family of = stats_reader_family(stats, family);
        // What has instances is shown with what they are of: ports, members, drops, ...
        if (of.capacity != 1)
            continue;
        json_t *by_worker = json_array();
        for (uint32_t w = 0; w < stats_reader_writers(stats); w++)
            json_array_append_new(by_worker, number(stats_reader_value(stats, family, 0, w)));
        json_array_append_new(
            counters, json_pack("{s:s, s:s, s:o, s:o}", "name", of.name, "help", of.help, "value",
                                number(stats_reader_sum(stats, family, 0)), "workers", by_worker));
    }
    reply->result = json_pack("{s:o}", "counters", counters);
}
