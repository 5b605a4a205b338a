#include "dataplane/worker/paths.h"

static bool is_live(const struct path *path, uint64_t now_ns)
{
    return path->until_ns > now_ns;
}

// The one to a member, or NULL.
static const struct path *path_to(const struct paths *paths, const struct ip_address *member)
{
    for (uint32_t i = 0; i < paths->count; i++) {
        if (ip_equal(&paths->items[i].member, member))
            return &paths->items[i];
    }
    return NULL;
}

static struct path *place_for_new(struct paths *paths)
{
    if (paths->count < PATHS_MAX)
        return &paths->items[paths->count++];
    struct path *first = &paths->items[0];
    for (uint32_t i = 1; i < PATHS_MAX; i++) {
        if (paths->items[i].until_ns < first->until_ns)
            first = &paths->items[i];
    }
    return first;
}

bool paths_learn(struct paths *paths, const struct ip_address *member, uint16_t mtu,
                 uint64_t now_ns)
{
    struct path *known = (struct path *)path_to(paths, member);
    if (known && is_live(known, now_ns) && mtu >= known->mtu)
        return false;
    struct path *path = known ? known : place_for_new(paths);
    *path = (struct path){.member = *member, .until_ns = now_ns + PATHS_KEEP_NS, .mtu = mtu};
    return true;
}

uint16_t paths_mtu(const struct paths *paths, const struct ip_address *member, uint64_t now_ns,
                   uint64_t *until_ns)
{
    const struct path *known = path_to(paths, member);
    if (!known || !is_live(known, now_ns))
        return 0;
    *until_ns = known->until_ns;
    return known->mtu;
}
