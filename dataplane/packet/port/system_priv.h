// What port_system_start() decides before it calls DPDK, apart so that a test can ask: pure
// functions of the configuration, the allowed processors and a directory of sysfs.
#pragma once

#include <sched.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/config/model.h"
#include "base/error.h"

#define SYSTEM_ARGS_MAX (16 + 2 * CONFIG_PORTS_MAX * (1 + CONFIG_BOND_MAX))

// The EAL's argument list, NULL after its end.
struct system_args {
    char *items[SYSTEM_ARGS_MAX + 1]; // owned
    int count;
};

// Writes the list for `config` on the processors `allowed`. ERROR_NOT_FOUND for a core that is not
// among them.
enum error system_args_init(const struct config *config, const cpu_set_t *allowed, bool huge_pages,
                            struct system_args *args, char *why);
void system_args_fini(struct system_args *args);

// What the kernel has in huge pages of all sizes. The smallest size is the one to add to.
struct system_huge_pages {
    uint64_t free_bytes;
    uint64_t page_bytes; // the smallest size; 0: the kernel has no huge pages
    uint64_t page_count; // of that size, free or not
};

// Reads /sys/kernel/mm/hugepages, or a directory like it.
struct system_huge_pages system_huge_pages_read(const char *directory);

// Whether to use huge pages. ERROR_NO_MEMORY where they are demanded and not there. `*warn` tells
// that ordinary memory is taken only for want of huge pages, and `why` says so.
enum error system_huge_pages_choose(const struct config_node *node,
                                    const struct system_huge_pages *pages, bool *use, bool *warn,
                                    char *why);

// What the kernel can give out without swapping, of /proc/meminfo or a file like it. UINT64_MAX: it
// does not say.
uint64_t system_memory_available_read(const char *path);

// Takes `bytes` of what is available. ERROR_NO_MEMORY where there is less: the machine would swap,
// or kill.
enum error system_memory_take(uint64_t *available_bytes, uint64_t bytes, const char *what,
                              char *why);
