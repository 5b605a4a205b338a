// What became of a watched packet, in words. Main thread.
#include <stdio.h>

#include "dataplane/worker/plane_priv.h"

#define MEMBER_TEXT_SIZE (2 * CONFIG_NAME_SIZE + 32)

_Static_assert(PLANE_WATCH_STEPS_MAX >= OBSERVE_STEPS_MAX, "every step is told");

static const char *verdict_text(enum observe_verdict verdict)
{
    switch (verdict) {
    case OBSERVE_SENT:
        return "sent";
    case OBSERVE_HELD:
        return "held";
    case OBSERVE_PUNTED:
        return "punted";
    case OBSERVE_CONSUMED:
        return "consumed";
    case OBSERVE_HANDED:
        return "handed";
    case OBSERVE_FOLLOWS:
        return "follows";
    case OBSERVE_SPLIT:
        return "split";
    case OBSERVE_DROPPED:
        return "dropped";
    case OBSERVE_ON:
        break;
    }
    return "on";
}

// "member s1 of pool web", of what the packet has.
static const char *member_text(const struct plane_watch_view *view, char *out)
{
    snprintf(out, MEMBER_TEXT_SIZE, "member %.*s of pool %.*s", CONFIG_NAME_SIZE,
             view->member ? view->member : "-", CONFIG_NAME_SIZE, view->pool ? view->pool : "-");
    return out;
}

static void describe_flow(const struct plane_watch_view *view, const struct observe_step *step,
                          char *out)
{
    char member[MEMBER_TEXT_SIZE];
    if (step->state == FLOW_STATES)
        snprintf(out, PLANE_WATCH_TEXT_SIZE, "no flow is known");
    else
        snprintf(out, PLANE_WATCH_TEXT_SIZE, "flow of vip %s at %s, %s",
                 view->vip ? view->vip : "-", member_text(view, member),
                 plane_flow_state_text((enum flow_state)step->state));
}

static void describe_admission(const struct plane *plane, const struct observe_record *record,
                               const struct plane_watch_view *view, const struct observe_step *step,
                               char *out)
{
    char member[MEMBER_TEXT_SIZE];
    const struct tables *tables = plane->tables;
    const struct tables_pool *pool =
        record->service < tables->service_limit ? tables->services[record->service].pool : NULL;
    switch ((enum observe_verdict)step->verdict) {
    case OBSERVE_SENT:
    case OBSERVE_HELD:
    case OBSERVE_SPLIT:
        snprintf(out, PLANE_WATCH_TEXT_SIZE, "new at vip %s: %s chose %s",
                 view->vip ? view->vip : "-",
                 pool && pool->balancer ? pool->balancer->ops->name : "the balancer",
                 member_text(view, member));
        break;
    case OBSERVE_HANDED:
        snprintf(out, PLANE_WATCH_TEXT_SIZE, "its flow is worker %u's", record->owner);
        break;
    default:
        snprintf(out, PLANE_WATCH_TEXT_SIZE, "for no service");
        break;
    }
}

static void describe_dispatch(const struct observe_record *record, const char *out_port, char *out)
{
    switch ((enum observe_verdict)record->verdict) {
    case OBSERVE_SENT:
        snprintf(out, PLANE_WATCH_TEXT_SIZE, "sent on %s", out_port);
        break;
    case OBSERVE_HELD:
        snprintf(out, PLANE_WATCH_TEXT_SIZE, "held for %s, until the next hop's MAC is known",
                 out_port);
        break;
    case OBSERVE_HANDED:
        snprintf(out, PLANE_WATCH_TEXT_SIZE, "handed to worker %u", record->owner);
        break;
    case OBSERVE_PUNTED:
        snprintf(out, PLANE_WATCH_TEXT_SIZE, "given to the kernel");
        break;
    case OBSERVE_FOLLOWS:
        snprintf(out, PLANE_WATCH_TEXT_SIZE, "a fragment: does what its first one does");
        break;
    case OBSERVE_SPLIT:
        snprintf(out, PLANE_WATCH_TEXT_SIZE, "sent on %s in fragments", out_port);
        break;
    default:
        snprintf(out, PLANE_WATCH_TEXT_SIZE, "done with");
        break;
    }
}

static void describe_step(const struct plane *plane, const struct observe_record *record,
                          const struct plane_watch_view *view, const struct observe_step *step,
                          char *out)
{
    if (step->verdict == OBSERVE_DROPPED) {
        enum drop_reason reason = (enum drop_reason)step->reason;
        // The stage tells the reason, dispatch what it means.
        if (step->stage == METER_DISPATCH)
            snprintf(out, PLANE_WATCH_TEXT_SIZE, "dropped: %s: %s", drop_name(reason),
                     drop_help(reason));
        else
            snprintf(out, PLANE_WATCH_TEXT_SIZE, "to be dropped: %s", drop_name(reason));
        return;
    }
    switch ((enum meter_stage)step->stage) {
    case METER_CLASSIFY:
        snprintf(out, PLANE_WATCH_TEXT_SIZE, "headers are right");
        break;
    case METER_ESTABLISHED:
        describe_flow(view, step, out);
        break;
    case METER_ADMIT:
        describe_admission(plane, record, view, step, out);
        break;
    case METER_DISPATCH:
        describe_dispatch(record, plane->shared.ports[record->out_port]->name, out);
        break;
    default:
        snprintf(out, PLANE_WATCH_TEXT_SIZE, "%s",
                 verdict_text((enum observe_verdict)step->verdict));
        break;
    }
}

// A stage for other kinds of packets.
static bool has_nothing_to_say(const struct observe_step *step)
{
    return step->verdict == OBSERVE_ON && step->stage != METER_CLASSIFY &&
           step->stage != METER_ESTABLISHED && step->stage != METER_ADMIT;
}

// A slot that the tables had when the packet came may be gone since.
static void name_ends(const struct plane *plane, const struct observe_record *record,
                      struct plane_watch_view *view)
{
    const struct tables *tables = plane->tables;
    if (record->service && record->service < tables->service_limit &&
        tables->services[record->service].used)
        view->vip = tables->services[record->service].name;
    if (record->member && record->member < tables->member_limit &&
        tables->members[record->member].used) {
        view->member = tables->members[record->member].name;
        view->pool = tables->members[record->member].pool_name;
    }
}

void plane_watch_describe(const struct plane *plane, const struct observe_record *record,
                          struct plane_watch_view *view)
{
    *view = (struct plane_watch_view){
        .worker = record->worker,
        .in_port = record->in_port,
        .out_port = record->out_port,
        .handed = record->handed,
        .verdict = verdict_text((enum observe_verdict)record->verdict),
        .reason = record->reason ? drop_name((enum drop_reason)record->reason) : NULL,
        .in_size = record->in_size,
        .in_bytes = record->in_bytes,
        .in = record->bytes,
    };
    if (record->leaves) {
        view->out_size = record->out_size;
        view->out_bytes = record->out_bytes;
        view->out = record->bytes + record->in_bytes;
    }
    name_ends(plane, record, view);
    struct facts facts = {.kind = FACTS_OTHER};
    char text[FACTS_TEXT_SIZE];
    facts_read(span_of(record->bytes, record->in_bytes), &facts);
    snprintf(view->packet, sizeof(view->packet), "%s, %u bytes", facts_text(&facts, text),
             record->in_size);
    for (uint32_t i = 0; i < record->step_count; i++) {
        const struct observe_step *step = &record->steps[i];
        if (has_nothing_to_say(step))
            continue;
        struct plane_watch_step *told = &view->steps[view->step_count++];
        told->stage = meter_stage_name((enum meter_stage)step->stage);
        describe_step(plane, record, view, step, told->verdict);
    }
}
