#include "dataplane/packet/stage/counters.h"

const struct stats_family counter_families[COUNTERS] = {
#define COUNTER_FAMILY(enumerator, field, family_name, family_type, slots, text) \
    [enumerator] = {.name = family_name, .help = text, .type = family_type, .capacity = slots},
#define COUNTER_OF_TALLY(enumerator, is_beside, family_name, family_type, slots, text) \
    [enumerator] = {.name = family_name,                                               \
                    .help = text,                                                      \
                    .type = family_type,                                               \
                    .capacity = slots,                                                 \
                    .beside = is_beside},
    COUNTER_LIST(COUNTER_FAMILY, COUNTER_OF_TALLY)
#undef COUNTER_OF_TALLY
#undef COUNTER_FAMILY
};

struct counters counters_of(struct stats *stats, uint32_t writer)
{
    struct counters counters = {
#define COUNTER_SLOTS(enumerator, field, name, type, capacity, help) \
    .field = stats_slots(stats, enumerator, writer),
#define COUNTER_OF_TALLY(enumerator, is_beside, name, type, capacity, help)
        COUNTER_LIST(COUNTER_SLOTS, COUNTER_OF_TALLY)
#undef COUNTER_OF_TALLY
#undef COUNTER_SLOTS
    };
    counters.vips = (struct tally *)stats_slots(stats, COUNTER_VIP_PACKETS, writer);
    counters.members = (struct tally *)stats_slots(stats, COUNTER_MEMBER_PACKETS, writer);
    counters.stages = (struct meter_tally *)stats_slots(stats, COUNTER_STAGE_CALLS, writer);
    return counters;
}
