#include "dataplane/packet/stage/counters.h"

const struct stats_family counter_families[COUNTERS] = {
#define COUNTER_FAMILY(enumerator, field, family_name, family_type, slots, text) \
    [enumerator] = {.name = family_name, .help = text, .type = family_type, .capacity = slots},
    COUNTER_LIST(COUNTER_FAMILY)
#undef COUNTER_FAMILY
};

struct counters counters_of(struct stats *stats, uint32_t writer)
{
    return (struct counters){
#define COUNTER_SLOTS(enumerator, field, name, type, capacity, help) \
    .field = stats_slots(stats, enumerator, writer),
        COUNTER_LIST(COUNTER_SLOTS)
#undef COUNTER_SLOTS
    };
}
