// Which memory is near which processor, from /sys/devices/system/node or a folder like it.
#pragma once

#include <stdint.h>
#include <stdio.h>

#define NUMA_DIRECTORY "/sys/devices/system/node"
#define NUMA_NONE      (-1) // the kernel does not tell
#define NUMA_NODES     64   // more are not looked at

// The node of a processor.
int numa_node_of_core(const char *directory, uint32_t core);

// The processors of a node as the kernel writes them, "0-7,16-23"; "" where it does not tell.
#define NUMA_TEXT_SIZE 512
const char *numa_cores_text(const char *directory, int node, char text[static NUMA_TEXT_SIZE]);

// The numbers of the workers whose node, of `nodes`, is another than `node`: "0,2"; "" where one of
// the two is not known, and where there are none.
void numa_far_workers(const int *nodes, uint32_t count, int node, char text[static NUMA_TEXT_SIZE]);

// What this thread touches first from now on lies on `node`, while there is room; with NUMA_NONE
// where the thread runs. A kernel that has no such thing is no error: then there is one node.
void numa_prefer(int node);
