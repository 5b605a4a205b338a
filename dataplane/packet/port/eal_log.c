// DPDK prints to a stream; this stream hands each line to our log. Lines of one message arrive
// under the stream's lock, in the thread that logs them.
#include <dlfcn.h>
#include <rte_log.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "dataplane/packet/port/port_priv.h"

#define LINE_SIZE 240

static FILE *stream;
static char line[LINE_SIZE]; // guarded by the stream's lock
static size_t line_size;

// Each thread's own: DPDK does what it is asked for in the thread that asks.
static _Thread_local char first_error[LINE_SIZE];

// Said as errors, but of what we do without: net_tap's flow rules, which need the multiq queueing
// discipline; secondary processes; libxdp's dispatcher for several programs, which needs a bpffs;
// what a worker does for 802.3ad.
static bool is_harmless(const char *text)
{
    static const char *const harmless[] = {
        "multiq qdisc",
        "Specified qdisc kind is unknown",
        "Disabling rte flow support",
        "req to secondary",
        "working bpffs",
        "No bpffs found",
        "Using mode 4, it is necessary",
    };
    for (size_t i = 0; i < sizeof(harmless) / sizeof(harmless[0]); i++) {
        if (strstr(text, harmless[i]))
            return true;
    }
    return false;
}

// "function(): text" of the drivers is for their authors.
static const char *without_function(const char *text)
{
    const char *end = strstr(text, "(): ");
    return end && !memchr(text, ' ', (size_t)(end - text)) ? end + 4 + strspn(end + 4, " ") : text;
}

static void forward_line(const char *text, int level)
{
    text = without_function(text);
    if (text[0] == '\0')
        return;
    if (is_harmless(text)) {
        log_debug("dpdk", LOG_STRING("said", text));
        return;
    }
    // Whoever called DPDK tells what an error of DPDK means, so it is no error of ours yet.
    if (level <= (int)RTE_LOG_ERR) {
        if (first_error[0] == '\0')
            snprintf(first_error, sizeof(first_error), "%s", text);
        log_warning("dpdk", LOG_STRING("said", text));
    } else if (level == (int)RTE_LOG_WARNING) {
        log_info("dpdk", LOG_STRING("said", text));
    } else {
        log_debug("dpdk", LOG_STRING("said", text));
    }
}

static ssize_t stream_write(void *cookie, const char *data, size_t size)
{
    int level = rte_log_cur_msg_loglevel();
    for (size_t i = 0; i < size; i++) {
        bool ends = data[i] == '\n';
        if (!ends)
            line[line_size++] = data[i];
        if (ends || line_size == LINE_SIZE - 1) {
            line[line_size] = '\0';
            line_size = 0;
            forward_line(line, level);
        }
    }
    return (ssize_t)size;
}

enum error port_eal_log_open(void)
{
    cookie_io_functions_t functions = {.write = stream_write};
    stream = fopencookie(NULL, "w", functions);
    if (!stream)
        return ERROR_NO_MEMORY;
    // Without it lines of two threads could leave the buffer under one level.
    setvbuf(stream, NULL, _IOLBF, BUFSIZ);
    line_size = 0;
    rte_openlog_stream(stream);
    return ERROR_NONE;
}

void port_eal_log_close(void)
{
    rte_openlog_stream(NULL);
    fclose(stream);
    stream = NULL;
}

void port_eal_log_forget(void)
{
    first_error[0] = '\0';
}

const char *port_eal_log_first_error(void)
{
    return first_error;
}

// What libxdp and libbpf warn of need not be an error: the driver tells if it is.
__attribute__((format(printf, 2, 0))) static int library_print(int level, const char *format,
                                                               va_list arguments)
{
    char text[LINE_SIZE];
    int size = vsnprintf(text, sizeof(text), format, arguments);
    text[strcspn(text, "\n")] = '\0';
    if (level == 0 && !is_harmless(text))
        log_info("xdp", LOG_STRING("said", text));
    else
        log_debug("xdp", LOG_STRING("said", text));
    return size;
}

void port_eal_log_take_libraries(void)
{
    // The libraries belong to a driver that DPDK loads at run time and may not be there at all, so
    // they are looked up among what is loaded and never linked. Both take the same function type.
    static const char *const libraries[][2] = {
        {"libxdp.so.1", "libxdp_set_print"},
        {"libbpf.so.1", "libbpf_set_print"},
    };
    for (size_t i = 0; i < sizeof(libraries) / sizeof(libraries[0]); i++) {
        void *library = dlopen(libraries[i][0], RTLD_LAZY | RTLD_NOLOAD);
        if (!library)
            continue;
        typedef int (*print_function)(int level, const char *format, va_list arguments);
        print_function (*set_print)(print_function) =
            (print_function(*)(print_function))dlsym(library, libraries[i][1]);
        if (set_print)
            set_print(library_print);
        dlclose(library);
    }
}
