// Watching packets: a watch gives each worker a tap (dataplane/packet/stage/observe.h) and takes
// what they tell. Main thread.
#include <rte_cycles.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "dataplane/worker/plane_priv.h"

// Who asks no more has gone: a watch costs cycles.
#define WATCH_SILENCE_NS (5ull * NANOSECONDS_PER_SECOND)

struct watch {
    struct filter filter;
    uint64_t asked_ns; // when somebody last asked
    uint64_t began_tsc, began_ns, tsc_hz;
    uint32_t next_worker;          // whose records are read first
    struct observe_record *record; // owned; the one that is read
    struct observe_tap *taps[CONFIG_WORKERS_MAX];
};

static void free_watch(void *argument)
{
    struct watch *watch = argument;
    for (uint32_t w = 0; w < CONFIG_WORKERS_MAX; w++)
        observe_tap_destroy(watch->taps[w]);
    free(watch->record);
    free(watch);
}

// Names and what they stand for, collected for the parser of filters.
struct name_list {
    const char **names;
    uint16_t *values;
    size_t count;
};

static bool name_list_init(struct name_list *list, size_t capacity)
{
    list->names = calloc(capacity + 1, sizeof(*list->names));
    list->values = calloc(capacity + 1, sizeof(*list->values));
    return list->names && list->values;
}

static void name_list_fini(struct name_list *list)
{
    free(list->names);
    free(list->values);
}

static void name_list_add(struct name_list *list, const char *name, uint32_t value)
{
    list->names[list->count] = name;
    list->values[list->count++] = (uint16_t)value;
}

static struct filter_names names_of(const struct name_list *list)
{
    return (struct filter_names){.names = list->names, .values = list->values, list->count};
}

static enum error parse(const struct plane *plane, const char *text, struct filter *filter,
                        struct filter_fault *fault)
{
    const struct tables *tables = plane->tables;
    struct name_list vips = {0}, ports = {0}, reasons = {0};
    enum error error = ERROR_NO_MEMORY;
    if (name_list_init(&vips, tables->service_limit) &&
        name_list_init(&ports, tables->port_count) && name_list_init(&reasons, DROP_REASONS)) {
        for (uint32_t slot = 1; slot < tables->service_limit; slot++) {
            if (tables->services[slot].used)
                name_list_add(&vips, tables->services[slot].name, slot);
        }
        for (uint32_t p = 0; p < tables->port_count; p++)
            name_list_add(&ports, plane->shared.ports[p]->name, p);
        for (enum drop_reason reason = DROP_NONE + 1; reason < DROP_REASONS; reason++)
            name_list_add(&reasons, drop_name(reason), reason);
        const struct filter_context context = {
            .vips = names_of(&vips), .ports = names_of(&ports), .reasons = names_of(&reasons)};
        error = filter_parse(text, &context, filter, fault);
    }
    name_list_fini(&vips);
    name_list_fini(&ports);
    name_list_fini(&reasons);
    return error;
}

static enum error create_taps(const struct plane *plane, struct watch *watch,
                              const struct plane_watch_request *request)
{
    uint32_t snap =
        RTE_MIN(RTE_MAX(request->snap, 1u * OBSERVE_SNAP_MIN), 1u * PLANE_WATCH_SNAP_MAX);
    watch->record = malloc(observe_record_size(snap));
    if (!watch->record)
        return ERROR_NO_MEMORY;
    for (uint32_t w = 0; w < plane->worker_count; w++) {
        enum error error = observe_tap_create(&watch->filter, snap, request->rate, &watch->taps[w]);
        if (error)
            return error;
    }
    return ERROR_NONE;
}

static enum error fail(struct plane_watch_fault *fault, enum error error, const char *why,
                       const char *remedy)
{
    snprintf(fault->why, sizeof(fault->why), "%s", why);
    snprintf(fault->remedy, sizeof(fault->remedy), "%s", remedy);
    return error;
}

enum error plane_watch_start(struct plane *plane, const struct plane_watch_request *request,
                             uint64_t *number, struct plane_watch_fault *fault)
{
    *fault = (struct plane_watch_fault){.length = 0};
    if (plane->watch)
        return fail(fault, ERROR_EXISTS, "another trace or capture is running",
                    "wait until it ends: one left behind ends by itself within seconds");
    struct watch *watch = calloc(1, sizeof(*watch));
    if (!watch)
        return fail(fault, ERROR_NO_MEMORY, error_text(ERROR_NO_MEMORY), "");
    struct filter_fault wrong = {.length = 0};
    enum error error = parse(plane, request->filter, &watch->filter, &wrong);
    if (error == ERROR_INVALID) {
        fault->at = wrong.at;
        fault->length = wrong.length;
        fail(fault, error, wrong.why, wrong.remedy);
        goto failed;
    }
    if (error || (error = create_taps(plane, watch, request))) {
        fail(fault, error, error_text(error), "ask for fewer bytes of each packet");
        goto failed;
    }
    watch->asked_ns = clock_monotonic_ns();
    watch->began_tsc = rte_rdtsc();
    watch->began_ns = clock_realtime_ns();
    watch->tsc_hz = rte_get_tsc_hz();
    plane->watch = watch;
    *number = ++plane->watches_started;
    for (uint32_t w = 0; w < plane->worker_count; w++)
        atomic_store_explicit(&plane->workers[w]->tap, watch->taps[w], memory_order_release);
    return ERROR_NONE;

failed:
    free_watch(watch);
    return error;
}

static bool is_running(const struct plane *plane, uint64_t number)
{
    return plane->watch && number == plane->watches_started;
}

enum error plane_watch_stop(struct plane *plane, uint64_t number)
{
    if (!is_running(plane, number))
        return ERROR_NOT_FOUND;
    for (uint32_t w = 0; w < plane->worker_count; w++)
        atomic_store_explicit(&plane->workers[w]->tap, NULL, memory_order_release);
    epoch_retire(&plane->shared.epoch, free_watch, plane->watch);
    plane->watch = NULL;
    return ERROR_NONE;
}

static void visit_record(const struct plane *plane, const struct watch *watch,
                         void (*visit)(void *context, const struct plane_watch_view *view),
                         void *context)
{
    struct plane_watch_view view;
    const struct observe_record *record = watch->record;
    plane_watch_describe(plane, record, &view);
    // Cycles first: their product with nanoseconds of a second fits for two hours at 3 GHz.
    uint64_t cycles = record->tsc - watch->began_tsc;
    view.time_ns = watch->began_ns + cycles / watch->tsc_hz * NANOSECONDS_PER_SECOND +
                   cycles % watch->tsc_hz * NANOSECONDS_PER_SECOND / watch->tsc_hz;
    visit(context, &view);
}

enum error plane_watch_read(struct plane *plane, uint64_t number, uint32_t limit,
                            void (*visit)(void *context, const struct plane_watch_view *view),
                            void *context, bool *more, struct plane_watch_counts *counts)
{
    if (!is_running(plane, number))
        return ERROR_NOT_FOUND;
    struct watch *watch = plane->watch;
    watch->asked_ns = clock_monotonic_ns();
    uint32_t read = 0;
    // Each time another worker's come first, so that a busy one does not hide the others'.
    watch->next_worker = (watch->next_worker + 1) % plane->worker_count;
    for (uint32_t i = 0; i < plane->worker_count; i++) {
        uint32_t w = (watch->next_worker + i) % plane->worker_count;
        while (read < limit && observe_receive(watch->taps[w], watch->record)) {
            visit_record(plane, watch, visit, context);
            read++;
        }
    }
    *more = read == limit;
    *counts = (struct plane_watch_counts){0};
    for (uint32_t w = 0; w < plane->worker_count; w++) {
        counts->lost += __atomic_load_n(&watch->taps[w]->lost, __ATOMIC_RELAXED);
        counts->limited += __atomic_load_n(&watch->taps[w]->limited, __ATOMIC_RELAXED);
    }
    return ERROR_NONE;
}

void plane_watch_turn(struct plane *plane, uint64_t now_ns)
{
    if (!plane->watch || now_ns < plane->watch->asked_ns + WATCH_SILENCE_NS)
        return;
    log_info("a trace or capture that nobody reads was ended",
             LOG_UINT("number", plane->watches_started));
    plane_watch_stop(plane, plane->watches_started);
}
