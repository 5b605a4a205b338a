#include "controlplane/cli/top.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/stats.h"
#include "controlplane/cli/rates.h"
#include "controlplane/cli/request.h"
#include "controlplane/cli/screen.h"

#define TERMINAL_ROWS_DEFAULT    24
#define TERMINAL_COLUMNS_DEFAULT 80
#define TERMINAL_ROWS_AROUND     6 // headings, the line, the remark below, the cursor

enum top_form {
    TOP_SCREEN, // a terminal, redrawn
    TOP_LINES,
    TOP_JSON,
};

static enum cli_exit map_segment(struct ipc_client *client, struct stats_reader **reader)
{
    json_t *answer;
    int fd;
    enum cli_exit result = request_call(client, "statistics", NULL, &answer, &fd);
    if (result != CLI_OK)
        return result;
    json_decref(answer);
    if (fd < 0)
        return request_not_understood("statistics");
    enum error error = stats_reader_open(fd, reader);
    close(fd);
    if (error == ERROR_NO_MEMORY)
        return request_no_memory();
    return error ? request_not_understood("statistics") : CLI_OK;
}

// What of the terminal is ours. LINES in the environment leaves the rows above to who set it.
static void terminal_size(size_t *rows, size_t *columns)
{
    struct winsize size;
    bool known = ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0;
    *rows = known && size.ws_row > 0 ? size.ws_row : TERMINAL_ROWS_DEFAULT;
    *columns = known && size.ws_col > 0 ? size.ws_col : TERMINAL_COLUMNS_DEFAULT;
    const char *lines = getenv("LINES");
    size_t ours = lines ? strtoul(lines, NULL, 10) : 0;
    if (ours > 0 && ours < *rows)
        *rows = ours;
}

static enum error paint(const struct rates *rates, struct screen *screen)
{
    char *text = NULL;
    size_t length, rows, columns;
    FILE *frame = open_memstream(&text, &length);
    if (!frame)
        return ERROR_NO_MEMORY;
    terminal_size(&rows, &columns);
    if (rates_print_headings(rates, frame))
        rates_print_line(rates, frame);
    fputc('\n', frame);
    size_t left = rows > TERMINAL_ROWS_AROUND ? rows - TERMINAL_ROWS_AROUND : 1;
    enum error error = rates_print_table(rates, left, frame);
    if (fclose(frame) != 0)
        error = ERROR_NO_MEMORY;
    if (!error)
        screen_paint(screen, text, rows, columns, stdout);
    free(text);
    return error;
}

static enum cli_exit print(const struct rates *rates, enum top_form form, struct screen *screen)
{
    enum error error = ERROR_NONE;
    switch (form) {
    case TOP_SCREEN:
        error = paint(rates, screen);
        break;
    case TOP_LINES:
        rates_print_line(rates, stdout);
        break;
    case TOP_JSON:
        error = rates_print_json(rates, stdout);
        break;
    }
    return error ? request_no_memory() : CLI_OK;
}

// A dead data plane's segment stays mapped and never changes; so does an idle one's.
static enum cli_exit check_alive(struct ipc_client *client)
{
    json_t *answer;
    enum cli_exit result = request_call(client, "show.status", NULL, &answer, NULL);
    if (result == CLI_OK)
        json_decref(answer);
    return result;
}

static void wait_until(uint64_t ns)
{
    struct timespec until = {.tv_sec = (time_t)(ns / NANOSECONDS_PER_SECOND),
                             .tv_nsec = (long)(ns % NANOSECONDS_PER_SECOND)};
    while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL) == EINTR)
        ;
}

// `count` looks at the rates, or no end where it is 0.
static enum cli_exit watch(struct ipc_client *client, struct rates *rates, enum top_form form,
                           uint64_t interval_ns, uint64_t count)
{
    if (form == TOP_LINES && !rates_print_headings(rates, stdout))
        return request_not_understood("statistics");
    fflush(stdout);
    struct screen screen = {.painted = 0};
    uint64_t next_ns = clock_monotonic_ns();
    for (uint64_t i = 0; count == 0 || i < count; i++) {
        next_ns += interval_ns;
        wait_until(next_ns);
        enum cli_exit result = CLI_OK;
        if (!rates_turn(rates, clock_monotonic_ns()))
            result = check_alive(client);
        if (result == CLI_OK)
            result = print(rates, form, &screen);
        if (result != CLI_OK)
            return result;
        if (fflush(stdout) != 0)
            break; // main() tells
    }
    return CLI_OK;
}

enum cli_exit top_run(const struct invocation *invocation)
{
    const struct options *options = invocation->options;
    uint64_t interval_ns = options->values[OPTION_INTERVAL].number * NANOSECONDS_PER_MILLISECOND;
    enum top_form form = TOP_LINES;
    if (options_given(options, OPTION_JSON))
        form = TOP_JSON;
    else if (isatty(STDOUT_FILENO) && !options_given(options, OPTION_COUNT))
        form = TOP_SCREEN;

    struct ipc_client *client;
    struct stats_reader *reader;
    struct rates *rates;
    enum cli_exit result = request_open(options, &client);
    if (result != CLI_OK)
        return result;
    result = map_segment(client, &reader);
    if (result != CLI_OK)
        goto close_client;
    if (rates_create(reader, clock_monotonic_ns(), &rates) != ERROR_NONE) {
        result = request_no_memory();
        goto close_reader;
    }
    result = watch(client, rates, form, interval_ns, options->values[OPTION_COUNT].number);
    rates_destroy(rates);
close_reader:
    stats_reader_close(reader);
close_client:
    ipc_client_close(client);
    return result;
}
