#include "base/log.h"

#include <errno.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log_priv.h"

// `window_start_ns` while the thread that opened a new window resets its count.
#define WINDOW_OPENING UINT64_MAX

// Written by log_configure(), read by every thread that logs.
static _Atomic enum log_level configured_level = LOG_INFO;
static _Atomic bool configured_json;
static _Atomic int configured_fd = STDERR_FILENO;

void log_configure(enum log_level level, bool json, int fd)
{
    atomic_store_explicit(&configured_level, level, memory_order_relaxed);
    atomic_store_explicit(&configured_json, json, memory_order_relaxed);
    atomic_store_explicit(&configured_fd, fd, memory_order_relaxed);
}

bool log_enabled(enum log_level level)
{
    return level <= atomic_load_explicit(&configured_level, memory_order_relaxed);
}

bool log_limit_pass(struct log_limit *limit, uint64_t now_ns, uint64_t *suppressed)
{
    uint64_t start = atomic_load(&limit->window_start_ns);
    if (start != WINDOW_OPENING && now_ns >= start && now_ns - start >= limit->interval_ns &&
        atomic_compare_exchange_strong(&limit->window_start_ns, &start, WINDOW_OPENING)) {
        atomic_store(&limit->passed, 0);
        atomic_store(&limit->window_start_ns, now_ns);
        start = now_ns;
    }
    // The count stops at the burst, so it cannot wrap however long a window is.
    uint32_t passed = atomic_load(&limit->passed);
    while (start != WINDOW_OPENING && passed < limit->burst) {
        if (atomic_compare_exchange_weak(&limit->passed, &passed, passed + 1)) {
            *suppressed = atomic_exchange(&limit->suppressed, 0);
            return true;
        }
    }
    atomic_fetch_add(&limit->suppressed, 1);
    return false;
}

void log_write(struct log_limit *limit, enum log_level level, const char *event,
               const struct log_field *fields, size_t count)
{
    struct log_event line = {
        .time_ns = clock_realtime_ns(),
        .level = level,
        .name = event,
        .fields = fields,
        .field_count = count,
    };
    if (limit && !log_limit_pass(limit, clock_monotonic_ns(), &line.suppressed))
        return;
    char bytes[LOG_LINE_SIZE];
    size_t size =
        log_format(bytes, atomic_load_explicit(&configured_json, memory_order_relaxed), &line);
    int fd = atomic_load_explicit(&configured_fd, memory_order_relaxed);
    int saved_errno = errno; // a log line must not change what its caller is about to report
    ssize_t written;
    do {
        written = write(fd, bytes, size);
    } while (written < 0 && errno == EINTR);
    errno = saved_errno;
}
