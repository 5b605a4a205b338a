// Changing to the file as it is now: by SIGHUP and by the local request `reload`.
#include <string.h>

#include "base/log.h"
#include "dataplane/daemon/daemon.h"

#define REFUSED_REMEDY "the running configuration goes on unchanged"

static void add_change(void *context, const char *path, const char *before, const char *after)
{
    json_array_append_new(
        context, json_pack("{s:s, s:s?, s:s?}", "path", path, "before", before, "after", after));
}

static void log_problem(const char *file, const struct config_problem *problem)
{
    if (problem->line == 0) // of the file as a whole
        log_error("configuration refused", LOG_STRING("file", file),
                  LOG_STRING("problem", problem->message), LOG_STRING("words", problem->words),
                  LOG_STRING("remedy", problem->remedy));
    else
        log_error("configuration refused", LOG_STRING("file", file),
                  LOG_UINT("line", problem->line), LOG_UINT("column", problem->column),
                  LOG_STRING("problem", problem->message), LOG_STRING("words", problem->words),
                  LOG_STRING("remedy", problem->remedy));
}

static json_t *problem_object(const char *file, const struct config_problem *problem)
{
    return json_pack("{s:o, s:i, s:i, s:o, s:o, s:o}", "file", ipc_text(file), "line",
                     (int)problem->line, "column", (int)problem->column, "words",
                     ipc_text(problem->words), "message", ipc_text(problem->message), "remedy",
                     ipc_text(problem->remedy));
}

// Log and asker get every problem.
static void report_problems(const struct daemon *daemon, const struct config_problems *problems,
                            struct ipc_reply *reply)
{
    const char *file = daemon->config_path;
    json_t *items = json_array();
    for (uint32_t i = 0; i < problems->count; i++) {
        log_problem(file, &problems->items[i]);
        json_array_append_new(items, problem_object(file, &problems->items[i]));
    }
    uint32_t count = problems->count + problems->left_out;
    if (count == 0) {
        log_error("configuration refused", LOG_STRING("file", file),
                  LOG_STRING("problem", "out of memory"), LOG_STRING("remedy", REFUSED_REMEDY));
        ipc_reply_error(reply, "invalid-configuration", REFUSED_REMEDY, "no memory to read %s",
                        file);
    } else {
        ipc_reply_error(reply, "invalid-configuration", REFUSED_REMEDY, "%u problem%s in %s%s",
                        count, count == 1 ? "" : "s", file,
                        problems->left_out ? ", the first of which are told" : "");
    }
    reply->details = json_pack("{s:o}", "problems", items);
}

static void apply(struct daemon *daemon, struct config *config, json_t *changes,
                  struct ipc_reply *reply)
{
    char why[PLANE_WHY_SIZE];
    enum error error = plane_change(daemon->plane, config, why);
    if (error) {
        log_error("reload refused", LOG_STRING("why", why));
        ipc_reply_error(reply, "refused",
                        error == ERROR_UNSUPPORTED ? REFUSED_REMEDY
                            "; restart weir-dataplane to take these over"
                                                   : REFUSED_REMEDY,
                        "%s", why);
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

static void reload(struct daemon *daemon, struct ipc_reply *reply)
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

void daemon_reload(struct daemon *daemon, struct ipc_reply *reply)
{
    reload(daemon, reply);
    if (reply->code)
        daemon->reloads_refused++;
}
