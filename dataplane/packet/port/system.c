#include "dataplane/packet/port/system_priv.h"

#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <rte_eal.h>
#include <rte_errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/check.h"
#include "base/log.h"
#include "dataplane/packet/port/port.h"
#include "dataplane/packet/port/port_priv.h"

#define MEBIBYTE (1024u * 1024u)

// What the EAL makes below the runtime directory, and its environment variable (systemd's).
#define RUNTIME_VARIABLE "RUNTIME_DIRECTORY"
#define RUNTIME_TEMPLATE "/tmp/weir-eal-XXXXXX"

static bool started;

static const struct port_words file_words = {.memory = "node.memory",
                                             .no_huge_pages = ", set node.huge-pages to off",
                                             .fewer_buffers = ", or lower descriptors"};
static const struct port_words *words = &file_words;

// Ordinary memory that was available at the start and is not yet spoken for.
static uint64_t ordinary_bytes;

void port_use_words(const struct port_words *others)
{
    words = others;
}

const struct port_words *port_words(void)
{
    return words;
}

static void args_add(struct system_args *args, const char *text)
{
    CHECK(args->count < SYSTEM_ARGS_MAX);
    args->items[args->count] = strdup(text);
    CHECK(args->items[args->count]);
    args->items[++args->count] = NULL;
}

void system_args_fini(struct system_args *args)
{
    for (int i = 0; i < args->count; i++)
        free(args->items[i]);
    args->count = 0;
}

// "0-3,8": runs of set processors.
static void print_cpus(FILE *out, const cpu_set_t *cpus)
{
    const char *comma = "";
    for (size_t first = 0; first < CPU_SETSIZE; first++) {
        if (!CPU_ISSET(first, cpus))
            continue;
        size_t last = first;
        while (last + 1 < CPU_SETSIZE && CPU_ISSET(last + 1, cpus))
            last++;
        fprintf(out, "%s%zu", comma, first);
        if (last > first)
            fprintf(out, "-%zu", last);
        comma = ",";
        first = last;
    }
}

// The caller floats over all it is allowed; several lcores may share a processor, so that two cores
// are enough for two workers and the main thread.
static void add_lcores(const struct config_node *node, const cpu_set_t *allowed,
                       struct system_args *args)
{
    char *text = NULL;
    size_t size;
    FILE *out = open_memstream(&text, &size);
    CHECK(out);
    fputs("0@(", out);
    print_cpus(out, allowed);
    fputc(')', out);
    for (uint32_t i = 0; i < node->core_count; i++)
        fprintf(out, ",%" PRIu32 "@%" PRIu32, i + 1, node->cores[i]);
    fclose(out);
    args_add(args, "--lcores");
    args_add(args, text);
    free(text);
}

static enum error check_cores(const struct config_node *node, const cpu_set_t *allowed, char *why)
{
    for (uint32_t i = 0; i < node->core_count; i++) {
        uint32_t core = node->cores[i];
        if (core < CPU_SETSIZE && CPU_ISSET(core, allowed))
            continue;
        // A list that fills the buffer would end without its terminator.
        FILE *out = fmemopen(why, PORT_WHY_SIZE - 1, "w");
        CHECK(out);
        why[PORT_WHY_SIZE - 1] = '\0';
        fprintf(out,
                "node.cores: core %" PRIu32
                " is not there, or this process may not use it; it may use ",
                core);
        print_cpus(out, allowed);
        fclose(out);
        return ERROR_NOT_FOUND;
    }
    return ERROR_NONE;
}

// Only PCI devices are named here, because their bus is scanned once, at the start. Virtual devices
// are made when their port opens: one that fails here would fail the whole EAL and not say whose it
// was.
static bool add_device(const char *device, struct system_args *args)
{
    char address[PORT_PCI_ADDRESS_SIZE];
    if (!port_device_pci_address(device, address))
        return false;
    args_add(args, "-a");
    args_add(args, device);
    return true;
}

static void add_devices(const struct config *config, struct system_args *args)
{
    bool pci = false;
    for (uint32_t i = 0; i < config->port_count; i++) {
        const struct config_port *port = &config->ports[i];
        if (port_carrier_of(config, i) == i)
            pci |= add_device(port->device, args);
        for (uint32_t j = 0; j < port->bond.member_count; j++)
            pci |= add_device(port->bond.members[j], args);
    }
    if (!pci)
        args_add(args, "--no-pci");
}

enum error system_args_init(const struct config *config, const cpu_set_t *allowed, bool huge_pages,
                            struct system_args *args, char *why)
{
    enum error error = check_cores(&config->node, allowed, why);
    if (error)
        return error;
    *args = (struct system_args){.count = 0};
    args_add(args, "weir-dataplane");
    if (huge_pages) {
        args_add(args, "--in-memory");
    } else {
        // The EAL refuses --in-memory with --no-huge; of its files only the shared configuration
        // is left to switch off.
        args_add(args, "--no-huge");
        args_add(args, "--no-shconf");
    }
    char mebibytes[24];
    snprintf(mebibytes, sizeof(mebibytes), "%" PRIu64,
             (config->node.memory_bytes + MEBIBYTE - 1) / MEBIBYTE);
    args_add(args, "-m");
    args_add(args, mebibytes);
    args_add(args, "--no-telemetry");
    args_add(args, "--log-level");
    args_add(args, config->node.log_level >= LOG_DEBUG ? "info" : "warning");
    add_devices(config, args);
    add_lcores(&config->node, allowed, args);
    return ERROR_NONE;
}

static uint64_t read_count(const char *directory, const char *entry, const char *file)
{
    char path[512];
    snprintf(path, sizeof(path), "%s/%s/%s", directory, entry, file);
    FILE *in = fopen(path, "re");
    if (!in)
        return 0;
    uint64_t count = 0;
    if (fscanf(in, "%" SCNu64, &count) != 1)
        count = 0;
    fclose(in);
    return count;
}

struct system_huge_pages system_huge_pages_read(const char *directory)
{
    struct system_huge_pages pages = {.page_bytes = 0};
    DIR *sizes = opendir(directory);
    if (!sizes)
        return pages;
    for (struct dirent *entry = readdir(sizes); entry; entry = readdir(sizes)) {
        uint64_t kibibytes;
        if (sscanf(entry->d_name, "hugepages-%" SCNu64 "kB", &kibibytes) != 1)
            continue;
        uint64_t bytes = kibibytes * 1024;
        pages.free_bytes += bytes * read_count(directory, entry->d_name, "free_hugepages");
        if (pages.page_bytes == 0 || bytes < pages.page_bytes) {
            pages.page_bytes = bytes;
            pages.page_count = read_count(directory, entry->d_name, "nr_hugepages");
        }
    }
    closedir(sizes);
    return pages;
}

enum error system_huge_pages_choose(const struct config_node *node,
                                    const struct system_huge_pages *pages, bool *use, bool *warn,
                                    char *why)
{
    bool enough = pages->free_bytes >= node->memory_bytes;
    *use = enough && node->huge_pages != CONFIG_HUGE_PAGES_OFF;
    *warn = !enough && node->huge_pages == CONFIG_HUGE_PAGES_AUTO;
    if (enough || node->huge_pages == CONFIG_HUGE_PAGES_OFF)
        return ERROR_NONE;

    char remedy[128];
    snprintf(remedy, sizeof(remedy), "this kernel has none%s", words->no_huge_pages);
    if (pages->page_bytes > 0) {
        uint64_t missing = node->memory_bytes - pages->free_bytes;
        snprintf(remedy, sizeof(remedy),
                 "echo %" PRIu64 " > /sys/kernel/mm/hugepages/hugepages-%" PRIu64 "kB/nr_hugepages",
                 pages->page_count + (missing + pages->page_bytes - 1) / pages->page_bytes,
                 pages->page_bytes / 1024);
    }
    snprintf(why, PORT_WHY_SIZE,
             "%s is %" PRIu64 " MiB, but %" PRIu64 " MiB are free in huge pages: %s", words->memory,
             node->memory_bytes / MEBIBYTE, pages->free_bytes / MEBIBYTE, remedy);
    return *warn ? ERROR_NONE : ERROR_NO_MEMORY;
}

uint64_t system_memory_available_read(const char *path)
{
    FILE *in = fopen(path, "re");
    if (!in)
        return UINT64_MAX;
    char line[128];
    uint64_t kibibytes;
    bool found = false;
    while (!found && fgets(line, sizeof(line), in))
        found = sscanf(line, "MemAvailable: %" SCNu64 " kB", &kibibytes) == 1;
    fclose(in);
    return found ? kibibytes * 1024 : UINT64_MAX;
}

enum error system_memory_take(uint64_t *available_bytes, uint64_t bytes, const char *what,
                              char *why)
{
    if (bytes <= *available_bytes) {
        *available_bytes -= bytes;
        return ERROR_NONE;
    }
    snprintf(why, PORT_WHY_SIZE,
             "%s: %" PRIu64 " MiB, but %" PRIu64
             " MiB of ordinary memory are available: set it to less, or end what holds the rest",
             what, bytes / MEBIBYTE, *available_bytes / MEBIBYTE);
    return ERROR_NO_MEMORY;
}

enum error port_system_reserve(uint64_t bytes, const char *what, char *why)
{
    return system_memory_take(&ordinary_bytes, bytes, what, why);
}

// The EAL makes a runtime directory even if it keeps nothing there. It gets one of its own, which
// is empty and removed as soon as the EAL stands, so that nothing is left in /var/run/dpdk.
static int start_eal(struct system_args *args)
{
    const char *set = getenv(RUNTIME_VARIABLE);
    char *before = set ? strdup(set) : NULL;
    char directory[] = RUNTIME_TEMPLATE;
    bool made = mkdtemp(directory) != NULL;
    if (made)
        setenv(RUNTIME_VARIABLE, directory, 1);

    // getopt reorders the list it is given.
    struct system_args list = *args;
    int result = rte_eal_init(list.count, list.items);

    if (made) {
        static const char *const below[] = {"/dpdk/rte", "/dpdk", ""};
        for (size_t i = 0; i < sizeof(below) / sizeof(below[0]); i++) {
            char path[sizeof(directory) + 16];
            snprintf(path, sizeof(path), "%s%s", directory, below[i]);
            rmdir(path);
        }
        if (before)
            setenv(RUNTIME_VARIABLE, before, 1);
        else
            unsetenv(RUNTIME_VARIABLE);
    }
    free(before);
    return result;
}

enum error port_system_start(const struct config *config, char *why)
{
    CHECK(!started);
    struct system_huge_pages pages = system_huge_pages_read("/sys/kernel/mm/hugepages");
    bool huge_pages, warn;
    enum error error = system_huge_pages_choose(&config->node, &pages, &huge_pages, &warn, why);
    if (!error && warn)
        log_warning("no huge pages, ordinary memory is slower", LOG_STRING("why", why));
    ordinary_bytes = system_memory_available_read("/proc/meminfo");
    if (!error && !huge_pages)
        error = port_system_reserve(config->node.memory_bytes, words->memory, why);
    if (error)
        return error;

    cpu_set_t allowed;
    CHECK(sched_getaffinity(0, sizeof(allowed), &allowed) == 0);
    struct system_args args;
    error = system_args_init(config, &allowed, huge_pages, &args, why);
    if (error)
        return error;

    error = port_eal_log_open();
    if (error) {
        snprintf(why, PORT_WHY_SIZE, "DPDK's log cannot be taken over: %s", error_text(error));
        goto free_args;
    }
    port_eal_log_forget();
    if (start_eal(&args) < 0) {
        const char *said = port_eal_log_first_error();
        snprintf(why, PORT_WHY_SIZE, "DPDK does not start: %s",
                 said[0] ? said : rte_strerror(rte_errno));
        error = ERROR_DEVICE;
        goto close_log;
    }
    port_eal_log_take_libraries();
    port_links_listen();
    // One program an interface is ours. libxdp's dispatcher for several would pin files in a bpffs.
    setenv("LIBXDP_SKIP_DISPATCHER", "1", 0);
    started = true;
    system_args_fini(&args);
    return ERROR_NONE;

close_log:
    port_eal_log_close();
free_args:
    system_args_fini(&args);
    return error;
}

void port_system_stop(void)
{
    CHECK(started);
    rte_eal_cleanup();
    port_eal_log_close();
    started = false;
}
