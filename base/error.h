// Errors that cross a room's door. A function that can fail returns `enum error`: ERROR_NONE (0) or
// one negative value below; outputs are its last arguments and are written only on success.
// What a person reads (which file, which line, what to do) is said where the error is reported.
#pragma once

// X(name, value, text)
#define ERROR_LIST(X)                                \
    X(ERROR_NONE, 0, "success")                      \
    X(ERROR_INVALID, -1, "invalid value")            \
    X(ERROR_TRUNCATED, -2, "input ends too early")   \
    X(ERROR_TOO_LARGE, -3, "larger than the limit")  \
    X(ERROR_NO_MEMORY, -4, "out of memory")          \
    X(ERROR_FULL, -5, "no free space")               \
    X(ERROR_EMPTY, -6, "nothing there")              \
    X(ERROR_EXISTS, -7, "exists already")            \
    X(ERROR_NOT_FOUND, -8, "not found")              \
    X(ERROR_UNSUPPORTED, -9, "not supported")        \
    X(ERROR_SYSTEM, -10, "a system call failed")     \
    X(ERROR_DEVICE, -11, "a device refused")         \
    X(ERROR_TIMEOUT, -12, "timed out")               \
    X(ERROR_REFUSED, -13, "refused")                 \
    X(ERROR_CLOSED, -14, "closed by the other side") \
    X(ERROR_PERMISSION, -15, "not permitted")

enum error {
#define ERROR_ENUMERATOR(name, value, text) name = value,
    ERROR_LIST(ERROR_ENUMERATOR)
#undef ERROR_ENUMERATOR
};

// The text of an error, static storage; "unknown error" for a value that is none of the above.
const char *error_text(enum error error);
