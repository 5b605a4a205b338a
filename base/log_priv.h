// The pure half of the log: a line from its parts, and the decision whether it may be written.
#pragma once

#include "base/log.h"

// A line is one write(2) and no longer than PIPE_BUF, so lines of several threads do not mix even
// in a pipe. What does not fit is left out, and the line says so: cut=true.
#define LOG_LINE_SIZE 4096

// What one line says.
struct log_event {
    uint64_t time_ns; // since 1970-01-01 UTC
    enum log_level level;
    const char *name;
    const struct log_field *fields;
    size_t field_count;
    uint64_t suppressed; // lines held back since the last one; 0: not told
};

// Writes the line with its newline into `out` (LOG_LINE_SIZE bytes, not terminated). Returns its
// length in bytes. No value, whatever its bytes, can make it more than one line.
size_t log_format(char *out, bool json, const struct log_event *event);

// Whether one more line passes at `now_ns` (monotonic). On true `*suppressed` is how many did not
// pass before it.
bool log_limit_pass(struct log_limit *limit, uint64_t now_ns, uint64_t *suppressed);
