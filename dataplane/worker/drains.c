#include "dataplane/worker/drains.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"

void drains_fini(struct drains *drains)
{
    free(drains->marks);
    *drains = (struct drains){.marks = NULL};
}

static struct drain_mark *find(const struct drains *drains, const char *pool, const char *member)
{
    for (uint32_t i = 0; i < drains->count; i++) {
        struct drain_mark *mark = &drains->marks[i];
        if (strcmp(mark->pool, pool) == 0 && strcmp(mark->member, member) == 0)
            return mark;
    }
    return NULL;
}

bool drains_has(const struct drains *drains, const char *pool, const char *member)
{
    return find(drains, pool, member) != NULL;
}

static void forget(struct drains *drains, struct drain_mark *mark)
{
    drains->count--;
    *mark = drains->marks[drains->count];
}

static enum error add(struct drains *drains, const char *pool, const char *member)
{
    if (drains->count == drains->room) {
        uint32_t room = drains->room ? 2 * drains->room : 16;
        struct drain_mark *grown = realloc(drains->marks, room * sizeof(*grown));
        if (!grown)
            return ERROR_NO_MEMORY;
        drains->marks = grown;
        drains->room = room;
    }
    struct drain_mark *mark = &drains->marks[drains->count++];
    snprintf(mark->pool, sizeof(mark->pool), "%s", pool);
    snprintf(mark->member, sizeof(mark->member), "%s", member);
    return ERROR_NONE;
}

enum error drains_set(struct drains *drains, const char *pool, const char *member, bool drained)
{
    struct drain_mark *mark = find(drains, pool, member);
    if (drained == (mark != NULL))
        return ERROR_NONE;
    if (drained)
        return add(drains, pool, member);
    forget(drains, mark);
    return ERROR_NONE;
}

static bool configured(const struct config *config, const struct drain_mark *mark)
{
    for (uint32_t p = 0; p < config->pool_count; p++) {
        const struct config_pool *pool = &config->pools[p];
        if (strcmp(pool->name, mark->pool) != 0)
            continue;
        for (uint32_t m = 0; m < pool->member_count; m++) {
            if (strcmp(pool->members[m].name, mark->member) == 0)
                return true;
        }
    }
    return false;
}

void drains_prune(struct drains *drains, const struct config *config)
{
    for (uint32_t i = drains->count; i > 0; i--) {
        struct drain_mark *mark = &drains->marks[i - 1];
        if (configured(config, mark))
            continue;
        log_info("drain forgotten, no member has that name any more",
                 LOG_STRING("pool", mark->pool), LOG_STRING("member", mark->member));
        forget(drains, mark);
    }
}
