// Structured logging to standard error: one line an event, an event name that never varies and
// typed fields beside it, as text for people or JSON for programs. Any thread may log; a line is
// written by one write(2). Never on a packet's path: workers count, and the main thread tells.
//
//   log_info("port ready", LOG_STRING("port", name), LOG_UINT("queues", queues));
//   static struct log_limit limit = LOG_LIMIT(1, NANOSECONDS_PER_SECOND);
//   log_limited(&limit, LOG_WARNING, "flow table full", LOG_UINT("worker", worker));
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum log_level {
    LOG_ERROR,
    LOG_WARNING,
    LOG_INFO,
    LOG_DEBUG,
};

enum log_field_type {
    LOG_FIELD_STRING,
    LOG_FIELD_UINT,
    LOG_FIELD_INT,
};

struct log_field {
    const char *name;
    enum log_field_type type;
    union {
        const char *string;
        uint64_t u;
        int64_t i;
    } value;
};

#define LOG_STRING(field, text)                                           \
    {                                                                     \
        .name = (field), .type = LOG_FIELD_STRING, .value.string = (text) \
    }
#define LOG_UINT(field, number)                                      \
    {                                                                \
        .name = (field), .type = LOG_FIELD_UINT, .value.u = (number) \
    }
#define LOG_INT(field, number)                                      \
    {                                                               \
        .name = (field), .type = LOG_FIELD_INT, .value.i = (number) \
    }

// At most `burst` lines an interval pass; the next line that passes tells how many did not.
struct log_limit {
    uint32_t burst;
    uint64_t interval_ns;
    _Atomic uint64_t window_start_ns;
    _Atomic uint32_t passed;
    _Atomic uint64_t suppressed;
};
#define LOG_LIMIT(lines, nanoseconds)                  \
    {                                                  \
        .burst = (lines), .interval_ns = (nanoseconds) \
    }

// Process-wide: lines above `level` are not written. `json`: one object a line.
void log_configure(enum log_level level, bool json, int fd);

bool log_enabled(enum log_level level);

void log_write(struct log_limit *limit, enum log_level level, const char *event,
               const struct log_field *fields, size_t count);

#define log_fields(limit, level, event, ...)                                        \
    do {                                                                            \
        if (log_enabled(level)) {                                                   \
            const struct log_field log_fields_[] = {{.name = NULL}, ##__VA_ARGS__}; \
            log_write(limit, level, event, log_fields_ + 1,                         \
                      sizeof(log_fields_) / sizeof(log_fields_[0]) - 1);            \
        }                                                                           \
    } while (0)

#define log_error(event, ...)                 log_fields(NULL, LOG_ERROR, event, ##__VA_ARGS__)
#define log_warning(event, ...)               log_fields(NULL, LOG_WARNING, event, ##__VA_ARGS__)
#define log_info(event, ...)                  log_fields(NULL, LOG_INFO, event, ##__VA_ARGS__)
#define log_debug(event, ...)                 log_fields(NULL, LOG_DEBUG, event, ##__VA_ARGS__)
#define log_limited(limit, level, event, ...) log_fields(limit, level, event, ##__VA_ARGS__)
