#include "dataplane/balance/members_priv.h"

#include <stdlib.h>

#include "base/check.h"

enum error members_live(const struct balance_member *members, uint32_t count,
                        struct live_member **live, uint32_t *live_count)
{
    if (count > BALANCE_MEMBERS_MAX)
        return ERROR_INVALID;
    uint32_t kept = 0;
    for (uint32_t i = 0; i < count; i++) {
        DCHECK(members[i].held_back < BALANCE_STEPS);
        kept += members[i].weight > 0;
    }
    struct live_member *made = NULL;
    if (kept > 0) {
        made = malloc(kept * sizeof(*made));
        if (!made)
            return ERROR_NO_MEMORY;
    }
    uint32_t at = 0;
    for (uint32_t i = 0; i < count; i++) {
        if (members[i].weight > 0)
            made[at++] = (struct live_member){.id = members[i].id,
                                              .weight = members[i].weight,
                                              .share = balance_share(&members[i]),
                                              .held_back = (uint16_t)members[i].held_back,
                                              .index = (uint16_t)i};
    }
    *live = made;
    *live_count = kept;
    return ERROR_NONE;
}
