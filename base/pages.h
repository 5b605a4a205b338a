// Large memory straight from the kernel: zeroed, aligned to a huge page, and backed by transparent
// huge pages where the kernel gives them. Pages nobody touched cost nothing, and a page lies on the
// NUMA node of the thread that first touched it. For tables that are sized once, at start.
#pragma once

#include <stddef.h>

#include "base/error.h"

// ERROR_NO_MEMORY. `size` > 0 bytes.
enum error pages_map(size_t size, void **memory);

// The same size as at pages_map(). NULL is allowed.
void pages_unmap(void *memory, size_t size);
