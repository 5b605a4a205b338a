// What an operator has drained, by name: it outlives reloads and ends with the member. Main thread.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/config/model.h"
#include "base/error.h"

struct drain_mark {
    char pool[CONFIG_NAME_SIZE];
    char member[CONFIG_NAME_SIZE];
};

// Zero is empty.
struct drains {
    struct drain_mark *marks; // owned
    uint32_t count;
    uint32_t room;
};

void drains_fini(struct drains *drains);

bool drains_has(const struct drains *drains, const char *pool, const char *member);

// Marks or unmarks; to do what is done already is no error. ERROR_NO_MEMORY only for a new mark.
enum error drains_set(struct drains *drains, const char *pool, const char *member, bool drained);

// Forgets the marks of members that a configuration does not have.
void drains_prune(struct drains *drains, const struct config *config);
