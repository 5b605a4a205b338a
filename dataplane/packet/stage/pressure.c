#include "dataplane/packet/stage/pressure.h"

#include <netinet/in.h>
#include <stdlib.h>

#include "dataplane/packet/stage/stage.h"

// A table that is nearly full may be full of what is over: so much of it is swept a period, of a
// large one so many buckets.
#define SWEEP_SHARE       64u
#define SWEEP_BUCKETS_MAX 4096u

struct pressure_service {
    uint64_t since;           // since when the slot is the service's that is not tracked
    uint64_t created, earned; // flows, when the worker was last found pressed
    uint32_t changed_ms;      // when it went stateless, or came back
    uint32_t stay_ms;         // how long it is stateless, or was last; 0: it never was
};

enum error pressure_init(struct pressure *pressure)
{
    pressure->services = calloc(TABLES_SERVICE_SLOTS, sizeof(*pressure->services));
    return pressure->services ? ERROR_NONE : ERROR_NO_MEMORY;
}

void pressure_fini(struct pressure *pressure)
{
    free(pressure->services);
    pressure->services = NULL;
}

// Two-way flows cannot do without: the reply must find its client. What has no members sends
// nothing.
static bool can_be_stateless(const struct stage *stage, uint32_t slot)
{
    if (slot >= stage->tables->service_limit)
        return false;
    const struct tables_service *service = &stage->tables->services[slot];
    return service->used && service->pool && service->pool->balancer &&
           !config_forward_two_way(service->pool->forward);
}

static void set_mode(struct stage *stage, uint32_t slot, enum pressure_mode mode)
{
    struct pressure *pressure = &stage->pressure;
    pressure->away += mode != PRESSURE_TRACKING;
    pressure->away -= pressure->modes[slot] != PRESSURE_TRACKING;
    pressure->modes[slot] = (uint8_t)mode;
    stats_set(&stage->counters.vip_stateless[slot], mode == PRESSURE_STATELESS);
}

// What presses a worker, as a bit set of PRESSES_BY() and PRESSES_FULL.
#define PRESSES_BY(set) (1u << (set))
#define PRESSES_FULL    (1u << PROBATION_SETS)

static uint32_t presses_by(struct stage *stage, enum probation_set set, uint32_t elapsed_ms)
{
    struct probation *probation = stage->probations[set];
    probation_age(probation, stage->now_ms);
    uint64_t before = stage->pressure.evictions[set];
    stage->pressure.evictions[set] = probation_evictions(probation);
    uint64_t of_period =
        (stage->pressure.evictions[set] - before) * PRESSURE_PERIOD_MS / elapsed_ms;
    return of_period > probation_slots(probation) / PRESSURE_CHANCE ? PRESSES_BY(set) : 0;
}

static bool is_nearly_full(struct stage *stage)
{
    uint32_t full = PRESSURE_FULL(flow_table_capacity(stage->flows));
    if (flow_table_used(stage->flows) < full)
        return false;
    uint32_t share = flow_table_buckets(stage->flows) / SWEEP_SHARE + 1;
    flow_sweep(stage->flows, RTE_MIN(share, SWEEP_BUCKETS_MAX), stage->now_ms);
    return flow_table_used(stage->flows) >= full;
}

static bool has_room(const struct stage *stage)
{
    return flow_table_used(stage->flows) <= PRESSURE_ROOM(flow_table_capacity(stage->flows));
}

static void go_stateless(struct stage *stage, uint32_t slot)
{
    struct pressure_service *service = &stage->pressure.services[slot];
    uint64_t since = stage->tables->services[slot].since;
    bool too_early = service->since == since && service->stay_ms > 0 &&
                     stage->now_ms - service->changed_ms < service->stay_ms;
    service->stay_ms =
        too_early ? RTE_MIN(2 * service->stay_ms, PRESSURE_STAY_MAX_MS) : PRESSURE_STAY_MS;
    service->since = since;
    service->changed_ms = stage->now_ms;
    set_mode(stage, slot, PRESSURE_STATELESS);
}

static void look_after_away(struct stage *stage, uint32_t slot, bool pressed)
{
    struct pressure_service *service = &stage->pressure.services[slot];
    uint32_t changed_for_ms = stage->now_ms - service->changed_ms;
    // Another service by now, or in another way.
    if (!can_be_stateless(stage, slot) || stage->tables->services[slot].since != service->since) {
        set_mode(stage, slot, PRESSURE_TRACKING);
        return;
    }
    switch (pressure_mode(&stage->pressure, (uint16_t)slot)) {
    case PRESSURE_TRACKING:
        return;
    case PRESSURE_STATELESS:
        if (changed_for_ms < service->stay_ms || pressed || !has_room(stage))
            return;
        service->changed_ms = stage->now_ms;
        set_mode(stage, slot, PRESSURE_SETTLING);
        return;
    case PRESSURE_SETTLING:
        // A UDP flow that was silent for longer would have no entry in any case.
        if (changed_for_ms >= stage->tables->timeouts_ms[FLOW_UDP])
            set_mode(stage, slot, PRESSURE_TRACKING);
    }
}

// What came since `before`; less than that: the slot is another service's, which counts from 0.
static uint64_t fresh(uint64_t now, uint64_t before)
{
    return now < before ? now : now - before;
}

// The flows of a service that press, of those that began since the worker was last found pressed:
// the ones on probation, or where the table is full all.
static uint64_t pressing(const struct stage *stage, uint32_t slot, uint32_t presses)
{
    const struct pressure_service *service = &stage->pressure.services[slot];
    uint64_t created = fresh(stage->counters.vips[slot].flows_created, service->created);
    uint64_t earned = fresh(stage->counters.vip_flows_earned[slot], service->earned);
    if (presses & PRESSES_FULL)
        return created;
    enum probation_set set =
        stage->tables->services[slot].protocol == IPPROTO_TCP ? PROBATION_TCP : PROBATION_UDP;
    if (!(presses & PRESSES_BY(set)))
        return 0;
    return created > earned ? created - earned : 0;
}

// Of those that track, who presses most, if that is a part of all; else 0.
static uint32_t who_presses(const struct stage *stage, uint32_t presses)
{
    uint64_t all = 0, most = 0;
    uint32_t who = 0;
    for (uint32_t slot = 1; slot < stage->tables->service_limit; slot++) {
        if (stage->pressure.modes[slot] == PRESSURE_STATELESS)
            continue;
        uint64_t flows = pressing(stage, slot, presses);
        all += flows;
        if (flows > most && can_be_stateless(stage, slot)) {
            most = flows;
            who = slot;
        }
    }
    return most * PRESSURE_PART >= all ? who : 0;
}

static void note_flows(struct stage *stage)
{
    for (uint32_t slot = 1; slot < stage->tables->service_limit; slot++) {
        struct pressure_service *service = &stage->pressure.services[slot];
        service->created = stage->counters.vips[slot].flows_created;
        service->earned = stage->counters.vip_flows_earned[slot];
    }
}

static void decide(struct stage *stage, uint32_t elapsed_ms)
{
    struct pressure *pressure = &stage->pressure;
    uint32_t presses = presses_by(stage, PROBATION_TCP, elapsed_ms) |
                       presses_by(stage, PROBATION_UDP, elapsed_ms) |
                       (is_nearly_full(stage) ? PRESSES_FULL : 0);
    bool pressed = presses != 0;
    for (uint32_t slot = 1; pressure->away > 0 && slot < TABLES_SERVICE_SLOTS; slot++) {
        if (pressure->modes[slot] != PRESSURE_TRACKING)
            look_after_away(stage, slot, pressed);
    }
    // Whose flows it is shows in the second period.
    uint32_t who = pressed && pressure->pressed ? who_presses(stage, presses) : 0;
    if (who)
        go_stateless(stage, who);
    if (pressed)
        note_flows(stage);
    pressure->pressed = pressed;
}

void pressure_turn(struct stage *stage)
{
    uint32_t elapsed_ms = stage->now_ms - stage->pressure.looked_ms;
    if (__builtin_expect(elapsed_ms < PRESSURE_PERIOD_MS, 1))
        return;
    stage->pressure.looked_ms = stage->now_ms;
    decide(stage, elapsed_ms);
}
