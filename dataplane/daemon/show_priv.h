// What the files that show share: numbers and texts as JSON, counts out of the statistics segment.
// Private to dataplane/daemon.
#pragma once

#include "base/stats.h"
#include "dataplane/daemon/daemon.h"

static inline json_t *number(uint64_t value)
{
    return json_integer((json_int_t)value);
}

static inline json_t *address_text(const struct ip_address *address)
{
    char text[IP_TEXT_SIZE];
    return json_string(ip_format(address, text));
}

static inline size_t family_named(const struct stats_reader *stats, const char *name)
{
    size_t family = 0;
    return stats_reader_find(stats, name, &family) == ERROR_NONE ? family : 0;
}

// The count of one worker, of a family with one instance.
static inline uint64_t of_worker(const struct daemon *daemon, const char *family, uint32_t worker)
{
    const struct stats_reader *stats = plane_stats(daemon->plane);
    return stats_reader_value(stats, family_named(stats, family), 0, worker);
}

// Tells why what the workers were to tell is not there.
static inline void show_failure(enum error error, struct ipc_reply *reply)
{
    if (error == ERROR_TIMEOUT)
        ipc_reply_error(reply, "timeout", "see weirctl show workers",
                        "a worker did not answer in time");
    else
        ipc_reply_error(reply, "failed", "try again", "%s", error_text(error));
}

// show_stages.c: show.drops by vip; `vip` NULL: all of them, and what is nobody's.
void show_vip_drops(const struct daemon *daemon, const char *vip, struct ipc_reply *reply);
