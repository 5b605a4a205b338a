#include "controlplane/cli/stages.h"

#include <stdbool.h>
#include <string.h>

static json_int_t count_of(const json_t *object, const char *key)
{
    return json_integer_value(json_object_get(object, key));
}

static double ratio(json_int_t part, json_int_t whole)
{
    return whole > 0 ? (double)part / (double)whole : 0;
}

// The count under a key in worker `at` and, of it, the stage at `stage`; before there was an answer
// it was 0.
static json_int_t count_at(const json_t *answer, size_t at, size_t stage, const char *key)
{
    const json_t *worker = json_array_get(json_object_get(answer, "workers"), at);
    return count_of(json_array_get(json_object_get(worker, "stages"), stage), key);
}

static json_int_t gained(const json_t *before, const json_t *now, size_t worker, const char *key)
{
    const json_t *then = json_array_get(json_object_get(before, "workers"), worker);
    return count_of(json_array_get(json_object_get(now, "workers"), worker), key) -
           count_of(then, key);
}

struct selection {
    const json_t *before, *now;
    json_int_t worker;
};

static bool is_wanted(const struct selection *of, size_t worker)
{
    return of->worker == STAGES_ALL_WORKERS || (json_int_t)worker == of->worker;
}

static json_int_t sum(const struct selection *of, size_t stage, const char *key)
{
    json_int_t total = 0;
    for (size_t w = 0; w < json_array_size(json_object_get(of->now, "workers")); w++) {
        if (is_wanted(of, w))
            total += count_at(of->now, w, stage, key) - count_at(of->before, w, stage, key);
    }
    return total;
}

// `elapsed`: cycles of the workers that are wanted.
static json_t *row_of(const struct selection *of, const json_t *stage, size_t index,
                      json_int_t elapsed)
{
    json_int_t calls = sum(of, index, "calls");
    json_int_t packets = sum(of, index, "packets");
    json_int_t cycles = sum(of, index, "cycles");
    json_t *row =
        json_pack("{s:O, s:O, s:I, s:I, s:I, s:f}", "stage", json_object_get(stage, "stage"),
                  "help", json_object_get(stage, "help"), "calls", calls, "packets", packets,
                  "cycles", cycles, "share_percent", 100 * ratio(cycles, elapsed));
    if (calls > 0)
        json_object_set_new(row, "packets_per_call", json_real(ratio(packets, calls)));
    if (packets > 0)
        json_object_set_new(row, "cycles_per_packet", json_real(ratio(cycles, packets)));
    return row;
}

json_t *stages_since(const json_t *before, const json_t *now, json_int_t worker)
{
    const json_t *workers = json_object_get(now, "workers");
    if (!json_is_array(workers))
        return NULL;
    const struct selection of = {.before = before, .now = now, .worker = worker};
    json_t *stages = json_array();
    json_t *loads = json_array();
    json_int_t elapsed = 0;
    size_t index;
    const json_t *item;
    json_array_foreach(workers, index, item)
    {
        if (!is_wanted(&of, index))
            continue;
        json_int_t cycles = gained(before, now, index, "cycles");
        elapsed += cycles;
        json_array_append_new(
            loads, json_pack("{s:i, s:O, s:f}", "worker", (int)index, "core",
                             json_object_get(item, "core"), "busy_percent",
                             100 * ratio(gained(before, now, index, "busy_cycles"), cycles)));
    }
    const json_t *names = json_object_get(json_array_get(workers, 0), "stages");
    json_array_foreach(names, index, item)
        json_array_append_new(stages, row_of(&of, item, index, elapsed));
    return json_pack("{s:o, s:o}", "stages", stages, "workers", loads);
}
