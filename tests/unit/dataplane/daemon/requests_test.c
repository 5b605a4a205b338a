// What a data plane is asked over its socket, on a packet plane with one worker and devices without
// a kernel below: answers, and what a refused change leaves as it was. A process starts one plane:
// the tests share it, each begins with its own configuration file.
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/stats.h"
#include "dataplane/daemon/daemon.h"
#include "tests/test.h"

// Files begin with "node: {cores: [N], ".
#define NODE(memory)                                                          \
    "name: test, memory: " memory ", huge-pages: off, log: {level: error},\n" \
    "       flows: {per-worker: 1024, affinities: 1024}}\n"
#define REST(weight)                                                                     \
    "ports:\n"                                                                           \
    "  - {name: front, device: net_null0, descriptors: 128, addresses: [10.1.0.1/24]}\n" \
    "pools:\n"                                                                           \
    "  - name: p\n"                                                                      \
    "    members:\n"                                                                     \
    "      - {name: a, address: 10.1.0.11, port: 8080, weight: " weight "}\n"            \
    "      - {name: b, address: 10.1.0.12, port: 8080}\n"                                \
    "vips: [{name: v, address: 10.1.0.100, port: 80, protocol: tcp, pool: p}]\n"

static const char file_of_weight_1[] = NODE("256MiB") REST("1");
static const char file_of_weight_5[] = NODE("256MiB") REST("5");
static const char file_for_a_restart[] = NODE("512MiB") REST("5");
static const char file_with_two_faults[] = NODE("256MiB") REST("heavy") "nodes: {}\n";

static char folder[] = "/tmp/weir-requests-XXXXXX";
static char config_path[64], socket_path[64];
static int core; // one that this process may use
static struct daemon subject;
static struct ipc_reply reply;

static void write_file(const char *text)
{
    FILE *file = fopen(config_path, "w");
    assert_non_null(file);
    assert_true(fprintf(file, "node: {cores: [%d], %s", core, text) > 0);
    assert_int_equal(fclose(file), 0);
}

static void forget_reply(void)
{
    json_decref(reply.result);
    json_decref(reply.details);
    reply = (struct ipc_reply){.fd = -1};
}

// `arguments`: JSON with ' for ".
static void ask(const char *name, const char *arguments)
{
    forget_reply();
    char text[256];
    snprintf(text, sizeof(text), "%s", arguments);
    for (char *at = text; *at; at++)
        *at = *at == '\'' ? '"' : *at;
    json_t *object = json_loads(text, 0, NULL);
    assert_non_null(object);
    const struct ipc_method *method = daemon_methods;
    while (method->name && strcmp(method->name, name) != 0)
        method++;
    if (!method->name)
        fail_msg("there is no method %s", name);
    method->handle(&subject, object, &reply);
    json_decref(object);
}

static void assert_refused(const char *code, const char *message)
{
    assert_null(reply.result);
    assert_non_null(reply.code);
    assert_string_equal(reply.code, code);
    if (!strstr(reply.message, message))
        fail_msg("`%s` lacks `%s`", reply.message, message);
    assert_string_not_equal(reply.remedy, "");
}

static json_int_t number_of(const char *key)
{
    assert_null(reply.code);
    const json_t *value = json_object_get(reply.result, key);
    assert_true(json_is_integer(value));
    return json_integer_value(value);
}

static void reload_to(const char *text)
{
    write_file(text);
    ask("reload", "{}");
    if (reply.code)
        fail_msg("%s", reply.message);
}

static const char *state_of(const char *member)
{
    ask("show.pools", "{}");
    const json_t *pool = json_array_get(json_object_get(reply.result, "pools"), 0);
    const json_t *members = json_object_get(pool, "members");
    for (size_t i = 0; i < json_array_size(members); i++) {
        const json_t *item = json_array_get(members, i);
        if (strcmp(json_string_value(json_object_get(item, "name")), member) == 0)
            return json_string_value(json_object_get(item, "state"));
    }
    return "";
}

static void a_reload_tells_what_it_changed(void **state)
{
    reload_to(file_of_weight_1);
    uint64_t revision = plane_revision(subject.plane);
    const struct config *before = subject.config;
    reload_to(file_of_weight_5);
    assert_int_equal(number_of("revision"), revision + 1);
    const json_t *changes = json_object_get(reply.result, "changes");
    assert_int_equal(json_array_size(changes), 1);
    const json_t *change = json_array_get(changes, 0);
    assert_string_equal(json_string_value(json_object_get(change, "path")),
                        "pools.p.members.a.weight");
    assert_string_equal(json_string_value(json_object_get(change, "before")), "1");
    assert_string_equal(json_string_value(json_object_get(change, "after")), "5");
    assert_ptr_not_equal(subject.config, before);
    assert_int_equal(subject.config->pools[0].members[0].weight, 5);
}

static void a_reload_of_the_same_changes_nothing(void **state)
{
    reload_to(file_of_weight_1);
    const struct config *before = subject.config;
    json_int_t revision = number_of("revision");
    reload_to(file_of_weight_1);
    assert_int_equal(number_of("revision"), revision);
    assert_int_equal(json_array_size(json_object_get(reply.result, "changes")), 0);
    assert_ptr_equal(subject.config, before);
}

static void a_wrong_file_is_refused_with_all_that_is_wrong(void **state)
{
    reload_to(file_of_weight_1);
    const struct config *before = subject.config;
    uint64_t revision = plane_revision(subject.plane), refused = subject.reloads_refused;
    write_file(file_with_two_faults);
    ask("reload", "{}");
    assert_refused("invalid-configuration", "2 problems in ");
    assert_non_null(strstr(reply.message, config_path));
    const json_t *problems = json_object_get(reply.details, "problems");
    assert_int_equal(json_array_size(problems), 2);
    for (size_t i = 0; i < 2; i++) {
        const json_t *problem = json_array_get(problems, i);
        assert_true(json_integer_value(json_object_get(problem, "line")) > 0);
        assert_string_not_equal(json_string_value(json_object_get(problem, "remedy")), "");
    }

    assert_int_equal(unlink(config_path), 0);
    ask("reload", "{}");
    assert_refused("invalid-configuration", "1 problem in ");
    assert_int_equal(json_array_size(json_object_get(reply.details, "problems")), 1);

    assert_ptr_equal(subject.config, before);
    assert_int_equal(plane_revision(subject.plane), revision);
    assert_int_equal(subject.reloads_refused, refused + 2);
    ask("show.status", "{}");
    assert_int_equal(number_of("reloads_refused"), refused + 2);
}

static void what_takes_a_restart_is_refused_whole(void **state)
{
    reload_to(file_of_weight_1);
    const struct config *before = subject.config;
    write_file(file_for_a_restart);
    ask("reload", "{}");
    assert_refused("refused", "only a restart can change node.memory");
    assert_non_null(strstr(reply.remedy, "restart weir-dataplane"));
    assert_ptr_equal(subject.config, before);
    assert_int_equal(subject.config->pools[0].members[0].weight, 1); // nor that
    reload_to(file_of_weight_5);
}

static void a_drain_says_whether_it_was_so_before(void **state)
{
    reload_to(file_of_weight_1);
    ask("drain", "{'pool': 'p', 'member': 'a'}");
    assert_true(json_is_true(json_object_get(reply.result, "changed")));
    ask("drain", "{'pool': 'p', 'member': 'a'}");
    assert_true(json_is_false(json_object_get(reply.result, "changed")));
    assert_string_equal(state_of("a"), "drain");
    assert_string_equal(state_of("b"), "active");
    ask("undrain", "{'pool': 'p', 'member': 'a'}");
    assert_true(json_is_true(json_object_get(reply.result, "changed")));
    assert_string_equal(state_of("a"), "active");
}

static void who_asks_for_what_is_not_there_hears_so(void **state)
{
    static const struct {
        const char *method, *arguments, *code, *message;
    } cases[] = {
        {"drain", "{}", "invalid-arguments", "`pool` and `member` are needed"},
        {"drain", "{'pool': 'p', 'member': 7}", "invalid-arguments", "are needed"},
        {"undrain", "{'member': 'a'}", "invalid-arguments", "are needed"},
        {"drain", "{'pool': 'q', 'member': 'a'}", "not-found", "there is no pool q"},
        {"drain", "{'pool': 'p', 'member': 'c'}", "not-found", "pool p has no member c"},
        {"show.balance", "{'pool': 'q'}", "not-found", "there is no pool q"},
        {"show.drops", "{'vip': 'w'}", "not-found", "w"},
        {"show.flows", "{'limit': 0}", "invalid-arguments", "between 1 and"},
        {"show.flows", "{'limit': 100001}", "invalid-arguments", "between 1 and"},
        {"show.talkers", "{'limit': -1}", "invalid-arguments", "between 1 and"},
        {"trace.start", "{'filter': 'vip w'}", "invalid-filter", "there is no vip `w`"},
        {"trace.read", "{'id': 99}", "not-found", "has ended"},
        {"trace.stop", "{}", "not-found", "has ended"},
    };
    reload_to(file_of_weight_1);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        ask(cases[i].method, cases[i].arguments);
        assert_refused(cases[i].code, cases[i].message);
    }
}

static void everything_can_be_shown(void **state)
{
    reload_to(file_of_weight_1);
    uint32_t shown = 0;
    for (const struct ipc_method *method = daemon_methods; method->name; method++) {
        if (strncmp(method->name, "show.", 5) != 0)
            continue;
        ask(method->name, "{}");
        if (reply.code)
            fail_msg("%s: %s", method->name, reply.message);
        assert_true(json_object_size(reply.result) > 0);
        shown++;
    }
    assert_true(shown >= 15);
    ask("statistics", "{}");
    struct stats_reader *reader;
    assert_int_equal(stats_reader_open(reply.fd, &reader), ERROR_NONE);
    assert_int_equal(stats_reader_revision(reader), plane_revision(subject.plane));
    stats_reader_close(reader);
}

static void the_configuration_that_is_shown_is_the_one_that_runs(void **state)
{
    reload_to(file_of_weight_5);
    write_file(file_with_two_faults); // on its way to be right
    ask("show.config", "{}");
    assert_int_equal(number_of("revision"), plane_revision(subject.plane));
    const char *text = json_string_value(json_object_get(reply.result, "config"));
    struct config *shown;
    struct config_problems problems;
    assert_int_equal(config_read_text(span_of(text, strlen(text)), &shown, &problems), ERROR_NONE);
    config_problems_fini(&problems);
    assert_int_equal(config_diff(subject.config, shown, NULL, NULL), 0);
    config_destroy(shown);
}

static int start(void **state)
{
    core = sched_getcpu();
    assert_true(core >= 0);
    assert_non_null(mkdtemp(folder));
    snprintf(config_path, sizeof(config_path), "%s/weir.yaml", folder);
    snprintf(socket_path, sizeof(socket_path), "%s/socket", folder);
    log_configure(LOG_ERROR, false, STDERR_FILENO);
    write_file(file_of_weight_1);
    struct config_problems problems;
    assert_int_equal(config_read_file(config_path, &subject.config, &problems), ERROR_NONE);
    config_problems_fini(&problems);
    subject.config_path = config_path;
    subject.socket_path = socket_path;
    subject.started_ns = clock_monotonic_ns();
    char why[PLANE_WHY_SIZE];
    assert_int_equal(
        ipc_server_open(socket_path, daemon_methods, &subject, &subject.server, why, sizeof(why)),
        ERROR_NONE);
    if (plane_create(subject.config, &subject.plane, why) != ERROR_NONE)
        fail_msg("%s", why);
    reply = (struct ipc_reply){.fd = -1};
    return 0;
}

static int stop(void **state)
{
    forget_reply();
    plane_destroy(subject.plane);
    ipc_server_close(subject.server);
    config_destroy(subject.config);
    unlink(config_path);
    return rmdir(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_reload_tells_what_it_changed),
        cmocka_unit_test(a_reload_of_the_same_changes_nothing),
        cmocka_unit_test(a_wrong_file_is_refused_with_all_that_is_wrong),
        cmocka_unit_test(what_takes_a_restart_is_refused_whole),
        cmocka_unit_test(a_drain_says_whether_it_was_so_before),
        cmocka_unit_test(who_asks_for_what_is_not_there_hears_so),
        cmocka_unit_test(everything_can_be_shown),
        cmocka_unit_test(the_configuration_that_is_shown_is_the_one_that_runs),
    };
    return cmocka_run_group_tests(tests, start, stop);
}
