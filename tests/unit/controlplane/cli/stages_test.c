#include "controlplane/cli/stages.h"

#include "tests/test.h"

#define WORKER(cycles, busy, calls, packets, spent)                                                \
    "{\"worker\":0,\"core\":1,\"cycles\":" #cycles ",\"busy_cycles\":" #busy                       \
    ",\"stages\":[{\"stage\":\"rx\",\"help\":\"takes\",\"calls\":" #calls ",\"packets\":" #packets \
    ",\"cycles\":" #spent "}]}"

static json_t *read(const char *text)
{
    json_t *value = json_loads(text, 0, NULL);
    assert_non_null(value);
    return value;
}

struct row {
    const char *before, *now;
    json_int_t worker;
    json_int_t calls, packets;
    double packets_per_call, cycles_per_packet, share, busy_of_first;
    size_t workers;
};

static double real(const json_t *object, const char *key)
{
    return json_number_value(json_object_get(object, key));
}

static void sums_workers_and_takes_what_was_before_off(void **state)
{
    static const char two[] =
        "{\"workers\":[" WORKER(1000, 100, 4, 40, 80) "," WORKER(1000, 300, 6, 60, 120) "]}";
    static const char later[] =
        "{\"workers\":[" WORKER(2000, 600, 5, 48, 180) "," WORKER(2000, 300, 6, 60, 120) "]}";
    static const struct row rows[] = {
        {NULL, two, STAGES_ALL_WORKERS, 10, 100, 10, 2, 10, 10, 2},
        {NULL, two, 1, 6, 60, 10, 2, 12, 30, 1},
        {two, later, STAGES_ALL_WORKERS, 1, 8, 8, 12.5, 5, 50, 2},
        {two, later, 1, 0, 0, 0, 0, 0, 0, 1},
        {two, two, STAGES_ALL_WORKERS, 0, 0, 0, 0, 0, 0, 2},
        {NULL, two, 7, 0, 0, 0, 0, 0, 0, 0},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const struct row *row = &rows[i];
        json_t *before = row->before ? read(row->before) : NULL;
        json_t *now = read(row->now);
        json_t *ready = stages_since(before, now, row->worker);
        const json_t *stage = json_array_get(json_object_get(ready, "stages"), 0);
        const json_t *workers = json_object_get(ready, "workers");
        assert_int_equal(json_integer_value(json_object_get(stage, "calls")), row->calls);
        assert_int_equal(json_integer_value(json_object_get(stage, "packets")), row->packets);
        assert_float_equal(real(stage, "packets_per_call"), row->packets_per_call, 1e-9);
        assert_float_equal(real(stage, "cycles_per_packet"), row->cycles_per_packet, 1e-9);
        assert_float_equal(real(stage, "share_percent"), row->share, 1e-9);
        assert_int_equal(json_array_size(workers), row->workers);
        assert_float_equal(real(json_array_get(workers, 0), "busy_percent"), row->busy_of_first,
                           1e-9);
        json_decref(ready);
        json_decref(now);
        json_decref(before);
    }
}

static void refuses_what_is_no_answer(void **state)
{
    static const char *const answers[] = {"{}", "{\"workers\":7}", "[]"};
    for (size_t i = 0; i < sizeof(answers) / sizeof(answers[0]); i++) {
        json_t *answer = read(answers[i]);
        assert_null(stages_since(NULL, answer, STAGES_ALL_WORKERS));
        json_decref(answer);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sums_workers_and_takes_what_was_before_off),
        cmocka_unit_test(refuses_what_is_no_answer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
