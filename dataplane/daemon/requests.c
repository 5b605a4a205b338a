// What can be asked of a running data plane over its local socket.
#include <string.h>

#include "base/log.h"
#include "dataplane/daemon/daemon.h"

static void reload(void *context, const json_t *arguments, struct ipc_reply *reply)
{
    daemon_reload(context, reply);
}

static void set_drain(struct daemon *daemon, const json_t *arguments, bool drain,
                      struct ipc_reply *reply)
{
    const char *pool = json_string_value(json_object_get(arguments, "pool"));
    const char *member = json_string_value(json_object_get(arguments, "member"));
    if (!pool || !member) {
        ipc_reply_error(reply, "invalid-arguments", "give both as strings",
                        "`pool` and `member` are needed");
        return;
    }
    bool changed;
    char why[PLANE_WHY_SIZE];
    enum error error = plane_drain(daemon->plane, pool, member, drain, &changed, why);
    if (error) {
        bool unknown = error == ERROR_NOT_FOUND;
        ipc_reply_error(reply, unknown ? "not-found" : "failed",
                        unknown ? "weirctl show pools lists pools and their members"
                                : "weirctl show workers tells how they do; try again",
                        "%s", why);
        return;
    }
    if (changed)
        log_info(drain ? "member drained" : "member undrained", LOG_STRING("pool", pool),
                 LOG_STRING("member", member));
    reply->result = json_pack("{s:b}", "changed", changed);
}

static void drain(void *context, const json_t *arguments, struct ipc_reply *reply)
{
    set_drain(context, arguments, true, reply);
}

static void undrain(void *context, const json_t *arguments, struct ipc_reply *reply)
{
    set_drain(context, arguments, false, reply);
}

static void statistics(void *context, const json_t *arguments, struct ipc_reply *reply)
{
    const struct daemon *daemon = context;
    reply->result = json_object();
    reply->fd = plane_stats_fd(daemon->plane);
}

const struct ipc_method daemon_methods[] = {
    {"show.status", show_status},
    {"show.config", show_config},
    {"show.ports", show_ports},
    {"show.vips", show_vips},
    {"show.pools", show_pools},
    {"show.flows", show_flows},
    {"show.drops", show_drops},
    {"show.balance", show_balance},
    {"show.access", show_access},
    {"show.locals", show_locals},
    {"show.stages", show_stages},
    {"show.counters", show_counters},
    {"show.talkers", show_talkers},
    {"show.handshakes", show_handshakes},
    {"show.workers", show_workers},
    {"show.neighbours", show_neighbours},
    {"trace.start", trace_start},
    {"trace.read", trace_read},
    {"trace.stop", trace_stop},
    {"reload", reload},
    {"drain", drain},
    {"undrain", undrain},
    {"statistics", statistics},
    {NULL, NULL},
};
