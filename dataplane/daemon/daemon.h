// The daemon's one struct: what runs, from which file, and who may ask about it. Main thread only.
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/config/config.h"
#include "base/ipc/ipc.h"
#include "dataplane/worker/plane.h"

struct daemon {
    const char *config_path;
    const char *socket_path; // of --socket, or the configuration's
    struct config *config;   // what runs; owned
    struct plane *plane;
    struct ipc_server *server;
    uint64_t started_ns;
    uint64_t reloads_refused; // changes of the file that were not taken over
};

// Reads the file again and changes to it. Fills `reply` as the request "reload" is answered:
// {"revision": N, "changes": [{"path", "before", "after"}]}, or an error. Logs what it did.
void daemon_reload(struct daemon *daemon, struct ipc_reply *reply);

// Answers local requests: requests.c has the table, show.c what they show.
extern const struct ipc_method daemon_methods[];

void show_status(void *daemon, const json_t *arguments, struct ipc_reply *reply);
void show_config(void *daemon, const json_t *arguments, struct ipc_reply *reply);
void show_ports(void *daemon, const json_t *arguments, struct ipc_reply *reply);
void show_vips(void *daemon, const json_t *arguments, struct ipc_reply *reply);
void show_pools(void *daemon, const json_t *arguments, struct ipc_reply *reply);
void show_flows(void *daemon, const json_t *arguments, struct ipc_reply *reply);
void show_drops(void *daemon, const json_t *arguments, struct ipc_reply *reply);
void show_balance(void *daemon, const json_t *arguments, struct ipc_reply *reply);
void show_access(void *daemon, const json_t *arguments, struct ipc_reply *reply);
void show_locals(void *daemon, const json_t *arguments, struct ipc_reply *reply);
void show_stages(void *daemon, const json_t *arguments, struct ipc_reply *reply);
void show_talkers(void *daemon, const json_t *arguments, struct ipc_reply *reply);
void show_handshakes(void *daemon, const json_t *arguments, struct ipc_reply *reply);
void show_workers(void *daemon, const json_t *arguments, struct ipc_reply *reply);
void show_counters(void *daemon, const json_t *arguments, struct ipc_reply *reply);
void show_neighbours(void *daemon, const json_t *arguments, struct ipc_reply *reply);

// watch.c: packets that people follow.
void trace_start(void *daemon, const json_t *arguments, struct ipc_reply *reply);
void trace_read(void *daemon, const json_t *arguments, struct ipc_reply *reply);
void trace_stop(void *daemon, const json_t *arguments, struct ipc_reply *reply);
