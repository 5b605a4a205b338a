#include "dataplane/packet/stage/meter.h"

#include <rte_cycles.h>

#include "base/check.h"
#include "base/stats.h"

const char *meter_stage_name(enum meter_stage stage)
{
    static const char *const names[METER_STAGES] = {
#define METER_NAME(enumerator, name, help) [enumerator] = name,
        METER_LIST(METER_NAME)
#undef METER_NAME
    };
    CHECK((unsigned)stage < METER_STAGES);
    return names[stage];
}

void meter_init(struct meter *meter, struct meter_tally *tallies)
{
    *meter = (struct meter){.random = random_from_seed(1), .tallies = tallies};
}

void meter_turn(struct meter *meter, uint64_t now_tsc, uint32_t packets)
{
    meter->last_tsc = now_tsc;
    if (packets < METER_FULL_PACKETS) {
        meter->weight = 1;
        return;
    }
    // Of the intervals 1 to 2 N - 1, all as likely, the mean is N.
    meter->weight = meter->turns_left == 0 ? METER_INTERVAL : 0;
    if (meter->turns_left == 0)
        meter->turns_left = 1 + (uint32_t)random_below(&meter->random, 2 * METER_INTERVAL - 1);
    meter->turns_left--;
}

void meter_count(struct meter *meter, enum meter_stage stage, uint32_t calls, uint32_t packets)
{
    struct meter_tally *tally = &meter->tallies[stage];
    uint64_t now_tsc = rte_rdtsc();
    uint64_t weight = meter->weight;
    stats_add(&tally->calls, calls * weight);
    stats_add(&tally->packets, packets * weight);
    stats_add(&tally->cycles, (now_tsc - meter->last_tsc) * weight);
    meter->last_tsc = now_tsc;
}
