#include "dataplane/worker/numa.h"

#include <inttypes.h>
#include <linux/mempolicy.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

static bool read_cores(const char *directory, int node, char text[static NUMA_TEXT_SIZE])
{
    char path[256];
    snprintf(path, sizeof(path), "%s/node%d/cpulist", directory, node);
    FILE *in = fopen(path, "re");
    text[0] = '\0';
    if (!in)
        return false;
    bool read = fgets(text, NUMA_TEXT_SIZE, in) != NULL;
    fclose(in);
    text[strcspn(text, "\n")] = '\0';
    return read;
}

// "0-3,8": whether a list of processors and ranges has one.
static bool list_has(const char *list, uint32_t core)
{
    while (*list) {
        char *end;
        unsigned long first = strtoul(list, &end, 10), last = first;
        if (end == list)
            return false;
        if (*end == '-')
            last = strtoul(end + 1, &end, 10);
        if (first <= core && core <= last)
            return true;
        list = end + (*end == ',');
    }
    return false;
}

int numa_node_of_core(const char *directory, uint32_t core)
{
    char list[NUMA_TEXT_SIZE];
    for (int node = 0; node < NUMA_NODES; node++) {
        if (read_cores(directory, node, list) && list_has(list, core))
            return node;
    }
    return NUMA_NONE;
}

const char *numa_cores_text(const char *directory, int node, char text[static NUMA_TEXT_SIZE])
{
    read_cores(directory, node, text);
    return text;
}

void numa_far_workers(const int *nodes, uint32_t count, int node, char text[static NUMA_TEXT_SIZE])
{
    size_t used = 0;
    text[0] = '\0';
    for (uint32_t i = 0; i < count && used < NUMA_TEXT_SIZE; i++) {
        if (node != NUMA_NONE && nodes[i] != NUMA_NONE && nodes[i] != node)
            used += (size_t)snprintf(text + used, NUMA_TEXT_SIZE - used, "%s%" PRIu32,
                                     used ? "," : "", i);
    }
}

void numa_prefer(int node)
{
    unsigned long nodes = node == NUMA_NONE ? 0 : 1ul << node;
    syscall(SYS_set_mempolicy, node == NUMA_NONE ? MPOL_DEFAULT : MPOL_PREFERRED,
            node == NUMA_NONE ? NULL : &nodes, node == NUMA_NONE ? 0ul : sizeof(nodes) * 8 + 1);
}
