#include "base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/check.h"
#include "base/clock.h"
#include "base/log_priv.h"
#include "base/random.h"
#include "tests/test.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

// 2026-11-22T21:30:00.123Z
#define TIME_NS (1795383000ull * NANOSECONDS_PER_SECOND + 123999999u)

// The line of one event, as a string.
static const char *line_of(bool json, const struct log_field *fields, size_t count,
                           uint64_t suppressed)
{
    static char line[LOG_LINE_SIZE + 1];
    struct log_event event = {
        .time_ns = TIME_NS,
        .level = LOG_WARNING,
        .name = "flow table full",
        .fields = fields,
        .field_count = count,
        .suppressed = suppressed,
    };
    memset(line, '#', sizeof(line));
    size_t size = log_format(line, json, &event);
    assert_in_range(size, 1, LOG_LINE_SIZE);
    line[size] = '\0';
    return line;
}

static void a_line_has_time_level_event_and_fields(void **state)
{
    const struct log_field fields[] = {
        LOG_UINT("worker", 1),
        LOG_INT("delta", -5),
        LOG_STRING("port", "eth0"),
        LOG_STRING("none", NULL),
    };
    assert_string_equal(line_of(false, fields, 4, 0),
                        "2026-11-22T21:30:00.123Z warning flow table full worker=1 delta=-5 "
                        "port=eth0 none=null\n");
    assert_string_equal(line_of(true, fields, 4, 0),
                        "{\"time\":\"2026-11-22T21:30:00.123Z\",\"level\":\"warning\","
                        "\"event\":\"flow table full\",\"worker\":1,\"delta\":-5,"
                        "\"port\":\"eth0\",\"none\":null}\n");
    assert_string_equal(line_of(false, NULL, 0, 0),
                        "2026-11-22T21:30:00.123Z warning flow table full\n");
}

static void the_next_line_tells_how_many_were_suppressed(void **state)
{
    assert_string_equal(line_of(false, NULL, 0, 12),
                        "2026-11-22T21:30:00.123Z warning flow table full suppressed=12\n");
    assert_string_equal(line_of(true, NULL, 0, UINT64_MAX),
                        "{\"time\":\"2026-11-22T21:30:00.123Z\",\"level\":\"warning\","
                        "\"event\":\"flow table full\",\"suppressed\":18446744073709551615}\n");
}

static void strings_are_quoted_and_escaped_so_that_no_line_is_forged(void **state)
{
    static const struct {
        const char *value;
        const char *text;
        const char *json;
    } cases[] = {
        {"plain-1.2:3/4", "plain-1.2:3/4", "\"plain-1.2:3/4\""},
        {"", "\"\"", "\"\""},
        {"two words", "\"two words\"", "\"two words\""},
        {"a=b", "\"a=b\"", "\"a=b\""},
        {"say \"x\"", "\"say \\\"x\\\"\"", "\"say \\\"x\\\"\""},
        {"back\\slash", "\"back\\\\slash\"", "\"back\\\\slash\""},
        {"a\nb\rc\td", "\"a\\nb\\rc\\td\"", "\"a\\nb\\rc\\td\""},
        {"\x1b[2J\x7f\x01", "\"\\x1b[2J\\x7f\\x01\"", "\"\\u001b[2J\\u007f\\u0001\""},
        {"gr\xc3\xbc\xc3\x9f", "\"gr\xc3\xbc\xc3\x9f\"", "\"gr\xc3\xbc\xc3\x9f\""},
        {"\xf0\x9f\x98\x80", "\"\xf0\x9f\x98\x80\"", "\"\xf0\x9f\x98\x80\""},
        {"\xc2\x85", "\"\\xc2\\x85\"", "\"\\u0085\""},            // next line, a C1 control
        {"\xc2\x9b", "\"\\xc2\\x9b\"", "\"\\u009b\""},            // the 8-bit form of ESC [
        {"\xe2\x80\xa8", "\"\\xe2\\x80\\xa8\"", "\"\\u2028\""},   // line separator
        {"\xe2\x80\xa9", "\"\\xe2\\x80\\xa9\"", "\"\\u2029\""},   // paragraph separator
        {"\xe2\x80\xa7", "\"\xe2\x80\xa7\"", "\"\xe2\x80\xa7\""}, // a neighbour that is neither
        {"\x80z", "\"\\x80z\"", "\"\\ufffdz\""},                  // no UTF-8: a lone tail
        {"\xc3(", "\"\\xc3(\"", "\"\\ufffd(\""},                  // a head without its tail
        {"\xe2\x82", "\"\\xe2\\x82\"", "\"\\ufffd\\ufffd\""},     // ends too early
        {"\xc0\x8a", "\"\\xc0\\x8a\"", "\"\\ufffd\\ufffd\""},     // newline, overlong
        {"\xed\xa0\x80", "\"\\xed\\xa0\\x80\"", "\"\\ufffd\\ufffd\\ufffd\""}, // a surrogate
        {"\xf4\x90\x80\x80", "\"\\xf4\\x90\\x80\\x80\"",
         "\"\\ufffd\\ufffd\\ufffd\\ufffd\""}, // above U+10FFFF
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        const struct log_field fields[] = {LOG_STRING("k", cases[i].value)};
        char expected[256];
        snprintf(expected, sizeof(expected),
                 "2026-11-22T21:30:00.123Z warning flow table full k=%s\n", cases[i].text);
        assert_string_equal(line_of(false, fields, 1, 0), expected);
        snprintf(expected, sizeof(expected),
                 "{\"time\":\"2026-11-22T21:30:00.123Z\",\"level\":\"warning\","
                 "\"event\":\"flow table full\",\"k\":%s}\n",
                 cases[i].json);
        assert_string_equal(line_of(true, fields, 1, 0), expected);
    }
}

static bool ends_with(const char *text, const char *end)
{
    return strlen(text) >= strlen(end) && strcmp(text + strlen(text) - strlen(end), end) == 0;
}

static void what_does_not_fit_is_cut_and_marked(void **state)
{
    static char text[2 * LOG_LINE_SIZE];
    bool cut_before = false;
    // Every length around the limit, with plain and with escaped characters.
    for (size_t length = LOG_LINE_SIZE - 256; length < LOG_LINE_SIZE + 8; length += 3) {
        for (int escaped = 0; escaped < 2; escaped++) {
            memset(text, 'x', length);
            if (escaped)
                memset(text, '\n', length / 2);
            text[length] = '\0';
            const struct log_field fields[] = {LOG_STRING("k", text), LOG_UINT("last", 1)};
            bool whole = strstr(line_of(false, fields, 2, 3), " last=1 suppressed=3\n") != NULL;
            bool cut = ends_with(line_of(false, fields, 2, 3), " suppressed=3 cut=true\n");
            assert_true(whole != cut);
            const char *json = line_of(true, fields, 2, UINT64_MAX);
            whole = ends_with(json, "\",\"last\":1,\"suppressed\":18446744073709551615}\n");
            cut = ends_with(json, "\"suppressed\":18446744073709551615,\"cut\":true}\n");
            assert_true(whole != cut);
            // Quotes come in pairs, so the string was closed.
            size_t quotes = 0;
            for (const char *at = json; *at; at++)
                quotes += *at == '"';
            assert_int_equal(quotes % 2, 0);
            // With plain characters: the shortest fits, and whatever is longer than the one that
            // was cut is cut.
            if (!escaped) {
                assert_true(cut || !cut_before);
                assert_true(whole || length > LOG_LINE_SIZE - 256);
                cut_before = cut;
            }
        }
    }
    assert_true(cut_before);
}

static void any_bytes_make_one_line(void **state)
{
    struct random random = random_from_seed(6);
    static char texts[4][1500];
    for (int round = 0; round < 150; round++) {
        struct log_field fields[4];
        for (size_t i = 0; i < COUNT(fields); i++) {
            size_t length = random_below(&random, sizeof(texts[i]));
            for (size_t j = 0; j < length; j++)
                texts[i][j] = (char)(1 + random_below(&random, 255));
            texts[i][length] = '\0';
            fields[i] = (struct log_field)LOG_STRING("k", texts[i]);
        }
        for (int json = 0; json < 2; json++) {
            const char *line = line_of(json, fields, COUNT(fields), 0);
            for (const char *at = line; *at; at++)
                assert_true((unsigned char)*at >= 0x20 || (*at == '\n' && at[1] == '\0'));
        }
    }
}

static void a_limit_passes_its_burst_each_interval_and_counts_the_rest(void **state)
{
    struct log_limit limit = LOG_LIMIT(2, 100);
    static const struct {
        uint64_t now_ns;
        bool passes;
        uint64_t suppressed;
    } trace[] = {
        {5, true, 0},   {6, true, 0},   {7, false, 0},   {99, false, 0},
        {100, true, 2}, {150, true, 0}, {199, false, 0}, {140, false, 0}, // a late thread
        {900, true, 2}, {999, true, 0}, {999, false, 0}, {1000, true, 1},
    };
    for (size_t i = 0; i < COUNT(trace); i++) {
        uint64_t suppressed = 0;
        assert_int_equal(log_limit_pass(&limit, trace[i].now_ns, &suppressed), trace[i].passes);
        assert_int_equal(suppressed, trace[i].suppressed);
    }
}

enum {
    LIMIT_THREADS = 4,
    LIMIT_TRIES = 20000,
    LIMIT_BURST = 10,
    LIMIT_INTERVAL = 1000
};

static struct log_limit shared_limit = LOG_LIMIT(LIMIT_BURST, LIMIT_INTERVAL);
static _Atomic uint64_t shared_now = LIMIT_INTERVAL;
static _Atomic uint64_t shared_passed;
static _Atomic uint64_t shared_told;

static void *try_limit(void *argument)
{
    for (int i = 0; i < LIMIT_TRIES; i++) {
        uint64_t suppressed;
        if (log_limit_pass(&shared_limit, atomic_fetch_add(&shared_now, 1), &suppressed)) {
            atomic_fetch_add(&shared_passed, 1);
            atomic_fetch_add(&shared_told, suppressed);
        }
    }
    return NULL;
}

static void a_limit_shared_by_threads_loses_no_count(void **state)
{
    pthread_t threads[LIMIT_THREADS];
    for (size_t i = 0; i < LIMIT_THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, try_limit, NULL), 0);
    for (size_t i = 0; i < LIMIT_THREADS; i++)
        pthread_join(threads[i], NULL);
    const uint64_t tries = LIMIT_THREADS * LIMIT_TRIES;
    assert_true(atomic_load(&shared_passed) <= LIMIT_BURST * (tries / LIMIT_INTERVAL + 1));
    assert_true(atomic_load(&shared_passed) >= LIMIT_BURST);
    uint64_t left = atomic_load(&shared_limit.suppressed);
    assert_int_equal(atomic_load(&shared_passed) + atomic_load(&shared_told) + left, tries);
}

// What the macros wrote since the last call.
static const char *written(int fd)
{
    static char text[4 * LOG_LINE_SIZE];
    static off_t at;
    ssize_t size = pread(fd, text, sizeof(text) - 1, at);
    assert_true(size >= 0);
    at += size;
    text[size] = '\0';
    return text;
}

static void macros_write_to_the_configured_descriptor_at_the_configured_level(void **state)
{
    int fd = memfd_create("log", MFD_CLOEXEC);
    assert_true(fd >= 0);
    log_configure(LOG_INFO, false, fd);
    log_debug("too fine");
    assert_string_equal(written(fd), "");
    assert_false(log_enabled(LOG_DEBUG));
    assert_true(log_enabled(LOG_INFO));

    log_info("port ready", LOG_STRING("port", "uplink 1"), LOG_UINT("queues", 2));
    assert_true(ends_with(written(fd), "Z info port ready port=\"uplink 1\" queues=2\n"));
    log_error("no fields");
    assert_true(ends_with(written(fd), "Z error no fields\n"));

    log_configure(LOG_ERROR, true, fd);
    log_warning("not now");
    assert_string_equal(written(fd), "");
    log_error("now", LOG_INT("n", -1));
    const char *line = written(fd);
    assert_true(strncmp(line, "{\"time\":\"20", 11) == 0);
    assert_true(ends_with(line, "Z\",\"level\":\"error\",\"event\":\"now\",\"n\":-1}\n"));

    static struct log_limit limit = LOG_LIMIT(1, 1000 * (uint64_t)NANOSECONDS_PER_SECOND);
    for (int i = 0; i < 3; i++)
        log_limited(&limit, LOG_ERROR, "often");
    line = written(fd);
    assert_non_null(strstr(line, "often"));
    assert_ptr_equal(strchr(line, '\n'), line + strlen(line) - 1); // only one line
    assert_int_equal(atomic_load(&limit.suppressed), 2);
    close(fd);
    log_configure(LOG_INFO, false, STDERR_FILENO);
}

static void each_line_is_one_write_and_keeps_errno(void **state)
{
    // A packet pipe gives back each write(2) by itself.
    int pipes[2];
    assert_int_equal(pipe2(pipes, O_CLOEXEC | O_DIRECT | O_NONBLOCK), 0);
    log_configure(LOG_INFO, false, pipes[1]);
    log_info("first", LOG_UINT("n", 1));
    log_info("second", LOG_UINT("n", 2));
    char line[LOG_LINE_SIZE];
    for (int i = 1; i <= 2; i++) {
        ssize_t size = read(pipes[0], line, sizeof(line) - 1);
        assert_true(size > 0);
        line[size] = '\0';
        assert_true(ends_with(line, i == 1 ? "first n=1\n" : "second n=2\n"));
    }
    close(pipes[0]);
    close(pipes[1]);
    errno = ENOENT;
    log_error("to a closed descriptor");
    assert_int_equal(errno, ENOENT);
    log_configure(LOG_INFO, false, STDERR_FILENO);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_line_has_time_level_event_and_fields),
        cmocka_unit_test(the_next_line_tells_how_many_were_suppressed),
        cmocka_unit_test(strings_are_quoted_and_escaped_so_that_no_line_is_forged),
        cmocka_unit_test(what_does_not_fit_is_cut_and_marked),
        cmocka_unit_test(any_bytes_make_one_line),
        cmocka_unit_test(a_limit_passes_its_burst_each_interval_and_counts_the_rest),
        cmocka_unit_test(a_limit_shared_by_threads_loses_no_count),
        cmocka_unit_test(macros_write_to_the_configured_descriptor_at_the_configured_level),
        cmocka_unit_test(each_line_is_one_write_and_keeps_errno),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
