// Traces and captures: a watch is started, read again and again by who started it, and stopped.
// Shapes are documented in docs/weirctl.md.
#include <stdlib.h>
#include <string.h>

#include "dataplane/daemon/daemon.h"
#include "dataplane/daemon/show_priv.h"
#include "dataplane/daemon/watch_request.h"

#define RECORDS_MAX 256 // of one answer

static void refuse_start(enum error error, const char *filter,
                         const struct plane_watch_fault *fault, struct ipc_reply *reply)
{
    const char *code = error == ERROR_INVALID  ? "invalid-filter"
                       : error == ERROR_EXISTS ? "busy"
                                               : "failed";
    ipc_reply_error(reply, code, fault->remedy, "%s", fault->why);
    if (error == ERROR_INVALID)
        reply->details = json_pack("{s:s, s:I, s:I}", "text", filter, "at", (json_int_t)fault->at,
                                   "length", (json_int_t)fault->length);
}

void trace_start(void *context, const json_t *arguments, struct ipc_reply *reply)
{
    struct daemon *daemon = context;
    struct plane_watch_request request;
    if (!watch_request_read(arguments, &request, reply))
        return;
    struct plane_watch_fault fault;
    uint64_t id;
    enum error error = plane_watch_start(daemon->plane, &request, &id, &fault);
    if (error) {
        refuse_start(error, request.filter, &fault, reply);
        return;
    }
    json_t *ports = json_array();
    for (uint32_t p = 0; p < daemon->config->port_count; p++)
        json_array_append_new(ports, json_string(daemon->config->ports[p].name));
    reply->result =
        json_pack("{s:o, s:s, s:o}", "id", number(id), "version", WEIR_VERSION, "ports", ports);
}

// Bytes as hexadecimal digits, NULL for none: JSON has no bytes.
static json_t *hex_of(const uint8_t *bytes, size_t size)
{
    static const char digits[] = "0123456789abcdef";
    char *text = bytes ? malloc(2 * size + 1) : NULL;
    if (!text)
        return json_null();
    for (size_t i = 0; i < size; i++) {
        text[2 * i] = digits[bytes[i] >> 4];
        text[2 * i + 1] = digits[bytes[i] & 15];
    }
    json_t *value = json_stringn(text, 2 * size);
    free(text);
    return value;
}

struct trace_reply {
    const struct daemon *daemon;
    bool bytes; // the frames are asked for
    json_t *packets;
};

static void add_packet(void *context, const struct plane_watch_view *view)
{
    const struct trace_reply *to = context;
    const struct config *config = to->daemon->config;
    json_t *steps = json_array();
    for (uint32_t i = 0; i < view->step_count; i++)
        json_array_append_new(steps, json_pack("{s:s, s:s}", "stage", view->steps[i].stage,
                                               "verdict", view->steps[i].verdict));
    json_t *item =
        json_pack("{s:o, s:i, s:s, s:b, s:o, s:s, s:s?, s:s?, s:s?, s:s?, s:o}", "time_ns",
                  number(view->time_ns), "worker", (int)view->worker, "port",
                  config->ports[view->in_port].name, "handed", view->handed, "packet",
                  ipc_text(view->packet), "verdict", view->verdict, "reason", view->reason, "vip",
                  view->vip, "pool", view->pool, "member", view->member, "steps", steps);
    if (view->out)
        json_object_set_new(item, "out_port", json_string(config->ports[view->out_port].name));
    if (to->bytes) {
        json_object_set_new(item, "in_size", number(view->in_size));
        json_object_set_new(item, "in", hex_of(view->in, view->in_bytes));
        json_object_set_new(item, "out_size", number(view->out_size));
        json_object_set_new(item, "out", hex_of(view->out, view->out_bytes));
    }
    json_array_append_new(to->packets, item);
}

static void refuse_ended(struct ipc_reply *reply)
{
    ipc_reply_error(reply, "not-found", "start another one",
                    "this trace has ended: nobody read it for some seconds");
}

void trace_read(void *context, const json_t *arguments, struct ipc_reply *reply)
{
    struct daemon *daemon = context;
    struct trace_reply to = {
        .daemon = daemon,
        .bytes = json_is_true(json_object_get(arguments, "bytes")),
        .packets = json_array(),
    };
    uint64_t id = watch_request_number(arguments);
    struct plane_watch_counts counts;
    bool more;
    if (plane_watch_read(daemon->plane, id, RECORDS_MAX, add_packet, &to, &more, &counts)) {
        json_decref(to.packets);
        refuse_ended(reply);
        return;
    }
    reply->result = json_pack("{s:o, s:b, s:o, s:o}", "packets", to.packets, "more", more, "lost",
                              number(counts.lost), "limited", number(counts.limited));
}

void trace_stop(void *context, const json_t *arguments, struct ipc_reply *reply)
{
    struct daemon *daemon = context;
    uint64_t id = watch_request_number(arguments);
    if (plane_watch_stop(daemon->plane, id))
        refuse_ended(reply);
    else
        reply->result = json_object();
}
