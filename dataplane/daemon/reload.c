// Changing to the file as it is now: by SIGHUP and by the local request `reload`.
#include <string.h>

#include "base/log.h"
#include "dataplane/daemon/daemon.h"

static void add_change(void *context, const char *path, const char *before, const char *after)
{
    json_array_append_new(
        context, json_pack("{s:s, s:s?, s:s?}", "path", path, "before", before, "after", after));
}

// Every problem goes to the log; the asker gets the first and how many there are.
static void report_problems(const struct daemon *daemon, const struct config_problems *problems,
                            struct ipc_reply *reply)
{
    for (uint32_t i = 0; i < problems->count; i++) {
        const struct config_problem *problem = &problems->items[i];
        log_error("configuration refused", LOG_STRING("file", daemon->config_path),
                  LOG_UINT("line", problem->line), LOG_UINT("column", problem->column),
                  LOG_STRING("problem", problem->message),
                  LOG_STRING("remedy", problem->remedy ? problem->remedy : ""));
    }
    if (problems->count == 0) {
        ipc_reply_error(reply, "invalid-configuration", "", "%s cannot be read",
                        daemon->config_path);
        return;
    }
    const struct config_problem *first = &problems->items[0];
    ipc_reply_error(reply, "invalid-configuration", first->remedy ? first->remedy : "",
                    "%s:%u:%u: %s (the first of %u problems; weir-dataplane --check lists all)",
                    daemon->config_path, first->line, first->column, first->message,
                    problems->count + problems->left_out);
}

static void apply(struct daemon *daemon, struct config *config, json_t *changes,
                  struct ipc_reply *reply)
{
    char why[PLANE_WHY_SIZE];
    enum error error = plane_change(daemon->plane, config, why);
    if (error) {
        log_error("reload refused", LOG_STRING("why", why));
        ipc_reply_error(reply, "refused", "the running configuration goes on unchanged", "%s", why);
        config_destroy(config);
        json_decref(changes);
        return;
    }
    config_destroy(daemon->config);
    daemon->config = config;
    log_configure((enum log_level)config->node.log_level,
                  config->node.log_format == CONFIG_LOG_JSON, 2);
    log_info("reloaded", LOG_UINT("revision", plane_revision(daemon->plane)),
             LOG_UINT("changes", json_array_size(changes)));
    reply->result = json_pack("{s:I, s:o}", "revision", (json_int_t)plane_revision(daemon->plane),
                              "changes", changes);
}

void daemon_reload(struct daemon *daemon, struct ipc_reply *reply)
{
    struct config *config;
    struct config_problems problems;
    if (config_read_file(daemon->config_path, &config, &problems) != ERROR_NONE) {
        report_problems(daemon, &problems, reply);
        config_problems_fini(&problems);
        return;
    }
    config_problems_fini(&problems);
    json_t *changes = json_array();
    if (config_diff(daemon->config, config, add_change, changes) > 0) {
        apply(daemon, config, changes, reply);
        return;
    }
    config_destroy(config);
    log_info("reload changed nothing", LOG_UINT("revision", plane_revision(daemon->plane)));
    reply->result = json_pack("{s:I, s:o}", "revision", (json_int_t)plane_revision(daemon->plane),
                              "changes", changes);
}
