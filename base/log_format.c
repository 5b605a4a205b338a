// How a log line is spelled. Values may hold what strangers chose, and the line may be read by a
// terminal, a JSON parser or a person with grep: so control bytes, C1 controls, line and paragraph
// separators and bytes that are not UTF-8 (RFC 3629) never reach it as they are.
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/check.h"
#include "base/clock.h"
#include "base/log_priv.h"
#include "base/utf8.h"

// Kept free for what ends a line: the quote of a string that was cut, and
// `,"suppressed":18446744073709551615,"cut":true}` with its newline.
#define LOG_TAIL_SIZE 64

struct log_line {
    char *bytes;
    size_t used;
    size_t limit;
    bool json;
    bool cut;
};

static const char *const level_names[] = {
    [LOG_ERROR] = "error",
    [LOG_WARNING] = "warning",
    [LOG_INFO] = "info",
    [LOG_DEBUG] = "debug",
};

// Appends all of `text` or nothing of it and what follows.
static void line_put(struct log_line *line, const char *text, size_t size)
{
    if (line->cut || line->used + size > line->limit) {
        line->cut = true;
        return;
    }
    memcpy(line->bytes + line->used, text, size);
    line->used += size;
}

__attribute__((format(printf, 2, 3))) static void line_print(struct log_line *line,
                                                             const char *format, ...)
{
    char text[64];
    va_list arguments;
    va_start(arguments, format);
    int size = vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    CHECK(size >= 0 && (size_t)size < sizeof(text));
    line_put(line, text, (size_t)size);
}

// Characters that some reader of the line takes for an end of line or a command.
static bool is_control(const unsigned char *at, size_t length)
{
    if (length == 1)
        return at[0] < 0x20 || at[0] == 0x7f;
    if (length == 2)
        return at[0] == 0xc2 && at[1] < 0xa0; // C1, U+0080 to U+009F
    return length == 3 && at[0] == 0xe2 && at[1] == 0x80 && (at[2] | 1) == 0xa9; // U+2028, U+2029
}

static void line_put_escape(struct log_line *line, const unsigned char *at, size_t length)
{
    if (length == 1 && (*at == '\n' || *at == '\t' || *at == '\r')) {
        line_print(line, "\\%c", *at == '\n' ? 'n' : *at == '\t' ? 't' : 'r');
    } else if (!line->json) {
        for (size_t i = 0; i < (length ? length : 1); i++)
            line_print(line, "\\x%02x", at[i]);
    } else if (length == 0) {
        line_print(line, "\\ufffd"); // JSON has no way to spell a byte
    } else if (length == 1) {
        line_print(line, "\\u%04x", at[0]);
    } else if (length == 2) {
        line_print(line, "\\u%04x", (at[0] & 0x1fu) << 6 | (at[1] & 0x3fu));
    } else {
        line_print(line, "\\u20%02x", at[2] & 0x3fu); // only U+2028 and U+2029 come here
    }
}

// The characters of `text`, escaped for the inside of quotes.
static void line_put_escaped(struct log_line *line, const char *text)
{
    const unsigned char *at = (const unsigned char *)text;
    while (*at && !line->cut) {
        size_t length = utf8_length(at, strnlen((const char *)at, 4));
        if (length == 0 || is_control(at, length))
            line_put_escape(line, at, length);
        else if (*at == '"' || *at == '\\')
            line_print(line, "\\%c", *at);
        else
            line_put(line, (const char *)at, length);
        at += length ? length : 1;
    }
}

// Whether the text form of a string can stand without quotes.
static bool is_plain(const char *text)
{
    if (!*text)
        return false;
    for (const unsigned char *at = (const unsigned char *)text; *at; at++)
        if (*at <= ' ' || *at >= 0x7f || *at == '"' || *at == '\\' || *at == '=')
            return false;
    return true;
}

static void line_put_string(struct log_line *line, const char *text)
{
    if (!line->json && is_plain(text)) {
        line_put_escaped(line, text);
        return;
    }
    line_put(line, "\"", 1);
    bool opened = !line->cut;
    line_put_escaped(line, text);
    if (opened)
        line->bytes[line->used++] = '"'; // its place is kept, also where the string was cut
}

static void line_put_field(struct log_line *line, const struct log_field *field)
{
    size_t start = line->used;
    line_put(line, line->json ? ",\"" : " ", line->json ? 2 : 1);
    line_put(line, field->name, strlen(field->name));
    line_put(line, line->json ? "\":" : "=", line->json ? 2 : 1);
    size_t value = line->used;
    switch (field->type) {
    case LOG_FIELD_STRING:
        if (field->value.string)
            line_put_string(line, field->value.string);
        else
            line_put(line, "null", 4);
        break;
    case LOG_FIELD_UINT:
        line_print(line, "%" PRIu64, field->value.u);
        break;
    case LOG_FIELD_INT:
        line_print(line, "%" PRId64, field->value.i);
        break;
    }
    // A name without a value would not be JSON.
    if (line->cut && line->used == value)
        line->used = start;
}

static void line_put_time(struct log_line *line, uint64_t time_ns)
{
    time_t seconds = (time_t)(time_ns / NANOSECONDS_PER_SECOND);
    unsigned milliseconds =
        (unsigned)(time_ns % NANOSECONDS_PER_SECOND / NANOSECONDS_PER_MILLISECOND);
    struct tm parts;
    char text[32];
    CHECK(gmtime_r(&seconds, &parts));
    CHECK(strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%S", &parts) > 0);
    line_print(line, "%s.%03uZ", text, milliseconds); // RFC 3339
}

size_t log_format(char *out, bool json, const struct log_event *event)
{
    struct log_line line = {.bytes = out, .limit = LOG_LINE_SIZE - LOG_TAIL_SIZE, .json = json};
    const char *level = level_names[event->level];
    if (json) {
        line_print(&line, "{\"time\":\"");
        line_put_time(&line, event->time_ns);
        line_print(&line, "\",\"level\":\"%s\",\"event\":", level);
        line_put_string(&line, event->name);
    } else {
        line_put_time(&line, event->time_ns);
        line_print(&line, " %s ", level);
        line_put_escaped(&line, event->name);
    }
    for (size_t i = 0; i < event->field_count && !line.cut; i++)
        line_put_field(&line, &event->fields[i]);

    bool cut = line.cut;
    line.cut = false;
    line.limit = LOG_LINE_SIZE;
    if (event->suppressed > 0)
        line_print(&line, json ? ",\"suppressed\":%" PRIu64 : " suppressed=%" PRIu64,
                   event->suppressed);
    if (cut)
        line_print(&line, json ? ",\"cut\":true" : " cut=true");
    line_print(&line, json ? "}\n" : "\n");
    CHECK(!line.cut);
    return line.used;
}
