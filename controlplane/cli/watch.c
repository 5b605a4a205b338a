#include "controlplane/cli/watch.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "controlplane/cli/pcapng.h"
#include "controlplane/cli/request.h"

#define FILTER_SIZE      2048
#define POLL_NS          (50 * NANOSECONDS_PER_MILLISECOND)
#define ANSWERS_LEFT     64 // read after the end
#define SNAP_TRACE       128
#define RATE_TRACE       1000
#define RATE_CAPTURE     10000
#define COMMENT_SIZE     1024
#define CAPTURE_SIZE_MAX (1ull << 30) // bytes, where no other bound was given

static volatile sig_atomic_t interrupted;

static void interrupt(int signal)
{
    interrupted = 1;
}

// A read that waits is not begun again: who presses Ctrl-C wants the end now.
static void catch_interrupts(void)
{
    struct sigaction action = {.sa_handler = interrupt};
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
}

// What takes the packets. False: no more are wanted.
struct watch;
typedef bool take_function(struct watch *watch, const json_t *packet);

struct watch {
    const struct options *options;
    struct ipc_client *client;
    json_int_t id;
    take_function *take;
    uint64_t packets; // taken
    json_int_t lost, limited;
    // Of a capture.
    FILE *file;
    const json_t *ports;     // names; borrowed
    uint64_t size, size_max; // bytes
    uint8_t *frame;          // one frame's bytes
    uint32_t snap;
};

static const char *text_of(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));
    return text ? text : "-";
}

// The words behind the command's own, in one text. False: too many.
static bool filter_of(const struct invocation *invocation, char *filter)
{
    const struct options *options = invocation->options;
    size_t used = 0;
    *filter = '\0';
    for (size_t i = 1; i < options->word_count; i++) {
        int added = snprintf(filter + used, FILTER_SIZE - used, "%s%s", i > 1 ? " " : "",
                             options->words[i]);
        used += (size_t)added;
        if (used >= FILTER_SIZE) {
            fprintf(stderr, "weirctl: the filter is longer than %d bytes\n", FILTER_SIZE - 1);
            return false;
        }
    }
    return true;
}

static enum cli_exit start(struct watch *watch, const struct invocation *invocation,
                           json_int_t snap, json_int_t rate, json_t **started)
{
    char filter[FILTER_SIZE];
    if (!filter_of(invocation, filter))
        return CLI_USAGE;
    if (options_given(watch->options, OPTION_RATE))
        rate = (json_int_t)watch->options->values[OPTION_RATE].number;
    json_t *arguments = json_pack("{ss, sI, sI}", "filter", filter, "snap", snap, "rate", rate);
    if (!arguments) {
        fputs("weirctl: the filter is not UTF-8\n", stderr);
        return CLI_USAGE;
    }
    enum cli_exit result = request_call(watch->client, "trace.start", arguments, started, NULL);
    if (result != CLI_OK)
        return result;
    watch->id = json_integer_value(json_object_get(*started, "id"));
    fputs("watching packets; Ctrl-C ends it\n", stderr);
    return CLI_OK;
}

// One answer's packets. `end`: no more are wanted.
static enum cli_exit read_once(struct watch *watch, bool *more, bool *end)
{
    uint64_t before = watch->packets;
    json_t *answer;
    enum cli_exit result = request_call(
        watch->client, "trace.read",
        json_pack("{sI, sb}", "id", watch->id, "bytes", watch->file != NULL), &answer, NULL);
    if (result != CLI_OK)
        return result;
    size_t index;
    const json_t *packet;
    json_array_foreach(json_object_get(answer, "packets"), index, packet)
    {
        if (!*end && !watch->take(watch, packet))
            *end = true;
    }
    // Where there were some, there may be more by now.
    *more = json_is_true(json_object_get(answer, "more")) || watch->packets != before;
    watch->lost = json_integer_value(json_object_get(answer, "lost"));
    watch->limited = json_integer_value(json_object_get(answer, "limited"));
    json_decref(answer);
    return CLI_OK;
}

static bool is_over(const struct watch *watch, uint64_t began_ns)
{
    uint64_t seconds = watch->options->values[OPTION_SECONDS].number;
    return interrupted ||
           (seconds && clock_monotonic_ns() - began_ns >= seconds * NANOSECONDS_PER_SECOND);
}

// Until the end. What the data plane had by then is read, too: as many answers as its queues hold.
static enum cli_exit follow(struct watch *watch)
{
    const struct timespec pause = {.tv_nsec = POLL_NS};
    uint64_t began_ns = clock_monotonic_ns();
    bool end = false, more = true, over = false;
    for (uint32_t left = ANSWERS_LEFT; !end && (!over || (more && left > 0)); left -= over) {
        over = over || is_over(watch, began_ns);
        enum cli_exit result = read_once(watch, &more, &end);
        if (result != CLI_OK)
            return result;
        if (fflush(watch->file ? watch->file : stdout) != 0)
            return CLI_OK; // told by who opened it
        if (!more && !over && !end)
            nanosleep(&pause, NULL);
    }
    return CLI_OK;
}

static void tell_missed(const struct watch *watch)
{
    if (watch->lost)
        fprintf(stderr,
                "%" JSON_INTEGER_FORMAT " packets more were lost: they came faster than they could "
                "be told; ask for fewer, or with --snap for less of each\n",
                watch->lost);
    if (watch->limited)
        fprintf(stderr,
                "%" JSON_INTEGER_FORMAT " packets more were over the rate: raise --rate, or ask "
                "for fewer\n",
                watch->limited);
}

static void stop(struct watch *watch)
{
    json_t *answer;
    // One that ended by itself is told already.
    if (request_call(watch->client, "trace.stop", json_pack("{sI}", "id", watch->id), &answer,
                     NULL) == CLI_OK)
        json_decref(answer);
}

static bool count_reached(const struct watch *watch)
{
    uint64_t most = watch->options->values[OPTION_COUNT].number;
    return most && watch->packets >= most;
}

static bool print_packet(struct watch *watch, const json_t *packet)
{
    watch->packets++;
    if (options_given(watch->options, OPTION_JSON)) {
        json_dumpf(packet, stdout, JSON_COMPACT);
        fputc('\n', stdout);
        return !count_reached(watch);
    }
    json_int_t time_ns = json_integer_value(json_object_get(packet, "time_ns"));
    time_t seconds = (time_t)(time_ns / (json_int_t)NANOSECONDS_PER_SECOND);
    struct tm local;
    char text[16];
    strftime(text, sizeof(text), "%H:%M:%S", localtime_r(&seconds, &local));
    printf("%s.%09" JSON_INTEGER_FORMAT " worker %" JSON_INTEGER_FORMAT " port %s%s  %s\n", text,
           time_ns % (json_int_t)NANOSECONDS_PER_SECOND,
           json_integer_value(json_object_get(packet, "worker")), text_of(packet, "port"),
           json_is_true(json_object_get(packet, "handed")) ? " (handed over)" : "",
           text_of(packet, "packet"));
    size_t index;
    const json_t *step;
    json_array_foreach(json_object_get(packet, "steps"), index, step)
        printf("  %-12s %s\n", text_of(step, "stage"), text_of(step, "verdict"));
    return !count_reached(watch);
}

enum cli_exit watch_trace(const struct invocation *invocation)
{
    struct watch watch = {.options = invocation->options, .take = print_packet};
    enum cli_exit result = request_open(watch.options, &watch.client);
    if (result != CLI_OK)
        return result;
    json_t *started;
    result = start(&watch, invocation, SNAP_TRACE, RATE_TRACE, &started);
    if (result == CLI_OK) {
        json_decref(started);
        catch_interrupts();
        result = follow(&watch);
        if (result == CLI_OK)
            stop(&watch);
        fflush(stdout);
        tell_missed(&watch);
    }
    ipc_client_close(watch.client);
    return result;
}

static int digit_of(char digit)
{
    if (digit >= '0' && digit <= '9')
        return digit - '0';
    return digit >= 'a' && digit <= 'f' ? digit - 'a' + 10 : -1;
}

// Bytes from hexadecimal digits; as many as are right, at most `room`.
static size_t bytes_of(const json_t *value, uint8_t *out, size_t room)
{
    const char *text = json_string_value(value);
    size_t size = 0;
    for (; text && size < room && text[0] && text[1]; text += 2) {
        int high = digit_of(text[0]), low = digit_of(text[1]);
        if (high < 0 || low < 0)
            break;
        out[size++] = (uint8_t)(high << 4 | low);
    }
    return size;
}

static uint32_t interface_of(const json_t *ports, const char *name)
{
    size_t index;
    const json_t *port;
    json_array_foreach(ports, index, port)
    {
        if (strcmp(json_string_value(port), name) == 0)
            return (uint32_t)index;
    }
    return 0;
}

// "dropped: no-member; classify: headers are right; ..."
static void comment_of(const json_t *packet, char *out)
{
    const char *reason = json_string_value(json_object_get(packet, "reason"));
    size_t used = (size_t)snprintf(out, COMMENT_SIZE, "%s%s%s", text_of(packet, "verdict"),
                                   reason ? ": " : "", reason ? reason : "");
    size_t index;
    const json_t *step;
    json_array_foreach(json_object_get(packet, "steps"), index, step)
    {
        if (used >= COMMENT_SIZE)
            return;
        used += (size_t)snprintf(out + used, COMMENT_SIZE - used, "; %s: %s",
                                 text_of(step, "stage"), text_of(step, "verdict"));
    }
}

static void write_frame(struct watch *watch, const json_t *packet, const char *frame_key,
                        const char *size_key, const char *port_key, enum pcapng_direction direction)
{
    if (!json_is_string(json_object_get(packet, frame_key)))
        return;
    char comment[COMMENT_SIZE];
    comment_of(packet, comment);
    size_t size = bytes_of(json_object_get(packet, frame_key), watch->frame, watch->snap);
    watch->size += pcapng_packet(
        watch->file,
        &(struct pcapng_packet){
            .interface = interface_of(watch->ports, text_of(packet, port_key)),
            .time_ns = (uint64_t)json_integer_value(json_object_get(packet, "time_ns")),
            .frame = span_of(watch->frame, size),
            .size = (uint32_t)json_integer_value(json_object_get(packet, size_key)),
            .direction = direction,
            .comment = comment,
        });
}

static bool write_packet(struct watch *watch, const json_t *packet)
{
    watch->packets++;
    write_frame(watch, packet, "in", "in_size", "port", PCAPNG_INBOUND);
    write_frame(watch, packet, "out", "out_size", "out_port", PCAPNG_OUTBOUND);
    return !count_reached(watch) && watch->size < watch->size_max;
}

static void write_head(struct watch *watch, const json_t *started)
{
    char application[64];
    snprintf(application, sizeof(application), "weir %s", text_of(started, "version"));
    watch->size = pcapng_section(watch->file, application);
    size_t index;
    const json_t *port;
    json_array_foreach(watch->ports, index, port) watch->size +=
        pcapng_interface(watch->file, json_string_value(port), watch->snap);
}

static enum cli_exit fail_write(const char *path)
{
    fprintf(stderr, "weirctl: cannot write %s: %s\n", path, strerror(errno));
    return CLI_LOCAL;
}

static enum cli_exit capture_into(struct watch *watch, const struct invocation *invocation,
                                  const char *path)
{
    json_t *started;
    enum cli_exit result =
        start(watch, invocation, (json_int_t)watch->snap, RATE_CAPTURE, &started);
    if (result != CLI_OK)
        return result;
    watch->ports = json_object_get(started, "ports");
    // Not before the watch is granted: what the file held is gone then.
    watch->file = strcmp(path, "-") == 0 ? stdout : fopen(path, "wb");
    if (!watch->file) {
        result = fail_write(path);
        stop(watch);
        json_decref(started);
        return result;
    }
    catch_interrupts();
    write_head(watch, started);
    result = follow(watch);
    if (result == CLI_OK)
        stop(watch);
    json_decref(started);
    return result;
}

enum cli_exit watch_capture(const struct invocation *invocation)
{
    const struct options *options = invocation->options;
    const char *path = options->values[OPTION_WRITE].text;
    if (!path) {
        fprintf(stderr, "weirctl: `capture` wants --write FILE, or --write - for a pipe\n");
        return CLI_USAGE;
    }
    struct watch watch = {
        .options = options,
        .take = write_packet,
        .snap = (uint32_t)options->values[OPTION_SNAP].number,
        .size_max = options_given(options, OPTION_SIZE) ? options->values[OPTION_SIZE].number << 20
                                                        : CAPTURE_SIZE_MAX,
    };
    enum cli_exit result = request_open(options, &watch.client);
    if (result != CLI_OK)
        return result;
    watch.frame = malloc(watch.snap);
    if (!watch.frame)
        result = request_no_memory();
    else
        result = capture_into(&watch, invocation, path);
    bool written = watch.file && !ferror(watch.file);
    if (watch.file &&
        (fflush(watch.file) != 0 || (watch.file != stdout && fclose(watch.file) != 0)))
        written = false;
    if (result == CLI_OK && !written)
        result = fail_write(path);
    if (result == CLI_OK)
        fprintf(stderr, "%" PRIu64 " packets, %" PRIu64 " bytes\n", watch.packets, watch.size);
    tell_missed(&watch);
    free(watch.frame);
    ipc_client_close(watch.client);
    return result;
}
