// Slots that keep their number while what they stand for lives: services, pools and members are
// known to workers, flows and counters by slot, and to people by name. The main thread alone asks
// it.
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

#define REGISTRY_NONE 0u // slot 0 is never given out

struct registry;

// Room for `capacity` slots, numbered 1 to `capacity`.
enum error registry_create(uint32_t capacity, struct registry **registry);
void registry_destroy(struct registry *registry);

// The slot of an identity (any bytes, copied); if it has none, the lowest free one is given out.
// ERROR_FULL, ERROR_NO_MEMORY.
enum error registry_acquire(struct registry *registry, const void *identity, size_t size,
                            uint32_t *slot);

// Forgets an identity; its slot may be given to another.
void registry_release(struct registry *registry, uint32_t slot);
