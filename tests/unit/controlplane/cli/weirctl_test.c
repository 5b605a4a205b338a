// The real program against the real protocol: a child process serves canned answers on a socket
// (base/ipc), and weirctl is run against it.
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/ipc/ipc.h"
#include "base/stats.h"
#include "controlplane/cli/options.h"
#include "tests/test.h"

#define OUTPUT_SIZE 16384
#define WORDS_MAX   16

struct served {
    char folder[64];
    char socket[96];
    pid_t server;
};

static void answer(struct ipc_reply *reply, const char *json)
{
    reply->result = json_loads(json, 0, NULL);
}

static void handle_pools(void *context, const json_t *arguments, struct ipc_reply *reply)
{
    answer(reply, "{\"pools\":[{\"name\":\"web\",\"members\":[{\"name\":\"s1\"},{\"name\":\"s2\"},"
                  "{\"name\":\"old\"}]},{\"name\":\"dns\",\"members\":[{\"name\":\"d1\"}]}]}");
}

static void handle_vips(void *context, const json_t *arguments, struct ipc_reply *reply)
{
    answer(reply, "{\"vips\":[{\"name\":\"web4\"},{\"name\":\"web6\"}]}");
}

static void handle_workers(void *context, const json_t *arguments, struct ipc_reply *reply)
{
    answer(reply, "{\"workers\":[{\"worker\":0,\"busy_percent\":0.1}]}");
}

// Gives back what was asked. Of "many", a part at a time.
static void handle_flows(void *context, const json_t *arguments, struct ipc_reply *reply)
{
    const char *pool = json_string_value(json_object_get(arguments, "pool"));
    json_int_t position = json_integer_value(json_object_get(arguments, "position"));
    json_int_t limit = json_integer_value(json_object_get(arguments, "limit"));
    if (pool && strcmp(pool, "many") == 0) {
        reply->result = json_pack("{s[I], sI}", "flows", position, "used", position + 10);
        if (position < 2)
            json_object_set_new(
                reply->result, "next",
                json_pack("{sI, sI}", "position", position + 1, "limit", limit - 1));
        return;
    }
    reply->result = json_pack("{s[], sO}", "flows", "asked", arguments);
}

static void handle_status(void *context, const json_t *arguments, struct ipc_reply *reply)
{
    answer(reply, "{\"version\":\"9\"}");
}

static void handle_drain(void *context, const json_t *arguments, struct ipc_reply *reply)
{
    const char *member = json_string_value(json_object_get(arguments, "member"));
    if (strcmp(member, "two-problems") == 0) {
        ipc_reply_error(reply, "invalid-configuration", "it goes on", "2 problems in /w.yaml");
        reply->details = json_loads(
            "{\"problems\":[{\"file\":\"/w.yaml\",\"line\":3,\"column\":14,\"words\":\"magle\","
            "\"message\":\"wrong\",\"remedy\":\"did you mean maglev?\"},{\"file\":\"/w.yaml\","
            "\"line\":5,\"column\":1,\"words\":\"\",\"message\":\"missing\",\"remedy\":\"add "
            "it\"}]}",
            0, NULL);
    } else if (strcmp(member, "s1") != 0 && strcmp(member, "s2") != 0)
        ipc_reply_error(reply, "not-found", "see: weirctl show pools", "pool web has no member %s",
                        member);
    else
        reply->result = json_pack("{sb}", "changed", strcmp(member, "s1") == 0);
}

static void handle_reload(void *context, const json_t *arguments, struct ipc_reply *reply)
{
    answer(reply, "{\"revision\":5,\"changes\":[]}");
}

static void handle_statistics(void *context, const json_t *arguments, struct ipc_reply *reply)
{
    answer(reply, "{}");
    reply->fd = stats_fd(context);
}

// A data plane that dies while it is asked.
static void handle_drops(void *context, const json_t *arguments, struct ipc_reply *reply)
{
    _exit(0);
}

// A data plane that speaks of other things.
static void handle_ports(void *context, const json_t *arguments, struct ipc_reply *reply)
{
    answer(reply, "{\"harbours\":[]}");
}

static void serve(const char *path, int ready)
{
    static const struct ipc_method methods[] = {
        {"show.status", handle_status},    {"show.pools", handle_pools},
        {"show.vips", handle_vips},        {"show.flows", handle_flows},
        {"show.workers", handle_workers},  {"show.drops", handle_drops},
        {"show.ports", handle_ports},      {"drain", handle_drain},
        {"undrain", handle_drain},         {"reload", handle_reload},
        {"statistics", handle_statistics}, {NULL, NULL},
    };
    static const struct stats_family families[] = {
        {"weir_drops_packets_total", "packets dropped", STATS_COUNTER, 1, false},
    };
    struct stats *stats;
    struct ipc_server *server;
    char why[256];
    if (stats_create(families, 1, 1, &stats) != ERROR_NONE)
        _exit(1);
    stats_set_label(stats, 0, 0, "reason=\"ttl\"");
    if (ipc_server_open(path, methods, stats, &server, why, sizeof(why)) != ERROR_NONE)
        _exit(1);
    if (write(ready, "y", 1) != 1)
        _exit(1);
    for (;;) {
        struct pollfd waiting = {.fd = ipc_server_fd(server), .events = POLLIN};
        poll(&waiting, 1, 10);
        stats_add(&stats_slots(stats, 0, 0)[0], 100);
        ipc_server_turn(server, clock_monotonic_ns());
    }
}

static int setup(void **state)
{
    struct served *served = calloc(1, sizeof(*served));
    strcpy(served->folder, "/tmp/weirctl-test-XXXXXX");
    assert_non_null(mkdtemp(served->folder));
    snprintf(served->socket, sizeof(served->socket), "%s/socket", served->folder);
    int ready[2];
    assert_int_equal(pipe(ready), 0);
    served->server = fork();
    if (served->server == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        close(ready[0]);
        serve(served->socket, ready[1]);
    }
    close(ready[1]);
    char yes;
    assert_int_equal(read(ready[0], &yes, 1), 1);
    close(ready[0]);
    setenv("WEIR_SOCKET", served->socket, 1);
    *state = served;
    return 0;
}

static void stop_server(struct served *served)
{
    if (served->server > 0) {
        kill(served->server, SIGKILL);
        waitpid(served->server, NULL, 0);
    }
    served->server = 0;
}

static int teardown(void **state)
{
    struct served *served = *state;
    stop_server(served);
    unlink(served->socket);
    rmdir(served->folder);
    free(served);
    return 0;
}

struct outcome {
    int code; // -1: ended by a signal
    char out[OUTPUT_SIZE];
    char err[OUTPUT_SIZE];
};

static void read_back(int fd, char *text)
{
    ssize_t size = pread(fd, text, OUTPUT_SIZE - 1, 0);
    text[size > 0 ? size : 0] = '\0';
    close(fd);
}

static void run_program(const char *const *arguments, struct outcome *outcome)
{
    int out = memfd_create("out", MFD_CLOEXEC);
    int err = memfd_create("err", MFD_CLOEXEC);
    pid_t child = fork();
    if (child == 0) {
        dup2(out, STDOUT_FILENO);
        dup2(err, STDERR_FILENO);
        execvp(arguments[0], (char *const *)arguments);
        _exit(127);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    outcome->code = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
    read_back(out, outcome->out);
    read_back(err, outcome->err);
}

// Runs weirctl with the words of a line; '' is an empty word.
static void run_line(const char *text, struct outcome *outcome)
{
    char line[256];
    const char *words[WORDS_MAX] = {getenv("WEIRCTL")};
    size_t count = 1;
    snprintf(line, sizeof(line), "%s", text);
    for (char *word = strtok(line, " "); word; word = strtok(NULL, " "))
        words[count++] = strcmp(word, "''") == 0 ? "" : word;
    run_program(words, outcome);
}

struct line_case {
    const char *line;
    int code;
    const char *out;
    const char *err;
};

static void assert_lines(const struct line_case *cases, size_t count)
{
    struct outcome *outcome = malloc(sizeof(*outcome));
    for (size_t i = 0; i < count; i++) {
        run_line(cases[i].line, outcome);
        if (outcome->code != cases[i].code || strcmp(outcome->out, cases[i].out) != 0 ||
            strcmp(outcome->err, cases[i].err) != 0)
            fail_msg("weirctl %s: exit %d\n%s----\n%s", cases[i].line, outcome->code, outcome->out,
                     outcome->err);
    }
    free(outcome);
}
#define ASSERT_LINES(cases) assert_lines(cases, sizeof(cases) / sizeof((cases)[0]))

static void prints_answers_and_refusals(void **state)
{
    static const struct line_case cases[] = {
        {"drain web s1", 0, "member s1 of pool web gets no new flows; its established ones go on\n",
         ""},
        {"drain web s2", 0, "member s2 of pool web got no new flows before, nothing changed\n", ""},
        {"undrain web s1", 0, "member s1 of pool web gets new flows again\n", ""},
        {"drain --json web s1", 0, "{\n  \"changed\": true\n}\n", ""},
        {"drain web s9", 1, "", "weirctl: pool web has no member s9\n  see: weirctl show pools\n"},
        // Each problem as weir-dataplane --check tells it.
        {"drain web two-problems", 1, "",
         "/w.yaml:3:14: wrong: `magle`\n  did you mean maglev?\n"
         "/w.yaml:5:1: missing\n  add it\n"
         "weirctl: 2 problems in /w.yaml\n  it goes on\n"},
        {"reload", 0, "nothing changed; still revision 5\n", ""},
        {"show workers --json", 0,
         "{\n  \"workers\": [\n    {\n      \"worker\": 0,\n      \"busy_percent\": 0.1\n    }\n"
         "  ]\n}\n",
         ""},
        {"show flows", 0, "", "no such flows\n"},
    };
    ASSERT_LINES(cases);
}

static void asks_for_the_flows_that_were_named(void **state)
{
    static const char *const cases[][2] = {
        {"show flows --json", "{\"limit\":100}"},
        {"show flows --json --limit 7 --vip web4 --pool web --member s1 --client 192.0.2.1",
         "{\"limit\":7,\"vip\":\"web4\",\"pool\":\"web\",\"member\":\"s1\","
         "\"client\":\"192.0.2.1\"}"},
    };
    struct outcome *outcome = malloc(sizeof(*outcome));
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        run_line(cases[i][0], outcome);
        assert_int_equal(outcome->code, 0);
        json_t *result = json_loads(outcome->out, 0, NULL);
        json_t *expected = json_loads(cases[i][1], 0, NULL);
        assert_true(json_equal(json_object_get(result, "asked"), expected));
        json_decref(result);
        json_decref(expected);
    }
    free(outcome);
}

static void asks_on_until_all_of_an_answer_is_there(void **state)
{
    struct outcome *outcome = malloc(sizeof(*outcome));
    run_line("show flows --json --limit 3 --pool many", outcome);
    assert_int_equal(outcome->code, 0);
    json_t *result = json_loads(outcome->out, 0, NULL);
    json_t *expected = json_loads("{\"flows\":[0,1,2],\"used\":12}", 0, NULL);
    assert_true(json_equal(result, expected));
    json_decref(result);
    json_decref(expected);
    free(outcome);
}

static void refuses_wrong_command_lines(void **state)
{
    static const struct line_case cases[] = {
        {"show prots", 2, "",
         "weirctl: there is no command `show prots`; did you mean `weirctl show ports`?\n"},
        {"show pools --jsn", 2, "", "weirctl: there is no option --jsn; did you mean --json?\n"},
        {"show ports --limit 5", 2, "", "weirctl: `show ports` takes no --limit\n"},
        {"show ports --version", 2, "", "weirctl: `show ports` takes no --version\n"},
        {"version --json", 2, "", "weirctl: `version` takes no --json\n"},
        {"drain web", 2, "", "weirctl: `drain` wants POOL MEMBER\n  as in: weirctl drain web s1\n"},
        {"reload now", 2, "", "weirctl: what is `now`?\n  as in: weirctl reload\n"},
        {"help zebra", 2, "", "weirctl: there is no command `zebra`; `weirctl help` lists all\n"},
    };
    ASSERT_LINES(cases);
}

static void explains_itself_without_a_data_plane(void **state)
{
    struct served *served = *state;
    stop_server(served);
    static const char *const lines[] = {"help",
                                        "--help",
                                        "help show drops",
                                        "drain --help",
                                        "show -h",
                                        "show zebra --help",
                                        "completion bash",
                                        "version",
                                        "--version"};
    struct outcome *outcome = malloc(sizeof(*outcome));
    for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
        run_line(lines[i], outcome);
        bool wrong = strstr(lines[i], "zebra") != NULL;
        assert_int_equal(outcome->code, wrong ? 2 : 0);
        assert_true((*outcome->out == '\0') == wrong);
        assert_true((*outcome->err != '\0') == wrong);
    }
    run_line("", outcome);
    assert_int_equal(outcome->code, 2);
    assert_non_null(strstr(outcome->err, "Usage: weirctl COMMAND"));
    free(outcome);
}

static void tells_where_nothing_listens(void **state)
{
    struct outcome *outcome = malloc(sizeof(*outcome));
    run_line("show ports --socket /nowhere/socket", outcome);
    assert_int_equal(outcome->code, 3);
    assert_string_equal(outcome->out, "");
    assert_string_equal(
        outcome->err,
        "weirctl: no data plane listens at /nowhere/socket (No such file or directory)\n"
        "  start one: weir-dataplane --config FILE; or name its socket with --socket\n");
    free(outcome);
}

static void tells_that_the_socket_is_of_a_dead_data_plane(void **state)
{
    struct served *served = *state;
    stop_server(served);
    struct outcome *outcome = malloc(sizeof(*outcome));
    run_line("reload", outcome);
    assert_int_equal(outcome->code, 3);
    assert_non_null(strstr(outcome->err, served->socket));
    assert_non_null(strstr(outcome->err, "(Connection refused)"));
    free(outcome);
}

static void tells_that_the_data_plane_died_or_is_another(void **state)
{
    struct outcome *outcome = malloc(sizeof(*outcome));
    run_line("show ports", outcome);
    assert_int_equal(outcome->code, 3);
    assert_non_null(strstr(outcome->err, "the answer to `show.ports` is not understood"));
    run_line("show drops", outcome);
    assert_int_equal(outcome->code, 3);
    assert_non_null(strstr(outcome->err, "hung up before it answered `show.drops`"));
    free(outcome);
}

static void tells_that_the_output_is_full(void **state)
{
    struct outcome *outcome = malloc(sizeof(*outcome));
    char script[256];
    snprintf(script, sizeof(script), "exec '%s' show pools > /dev/full", getenv("WEIRCTL"));
    const char *words[] = {"bash", "-c", script, NULL};
    run_program(words, outcome);
    assert_int_equal(outcome->code, 4);
    assert_string_equal(outcome->err,
                        "weirctl: cannot write the output: No space left on device\n");
    free(outcome);
}

static void watches_until_the_reader_is_gone(void **state)
{
    struct outcome *outcome = malloc(sizeof(*outcome));
    char script[256];
    snprintf(script, sizeof(script), "'%s' show vips --watch=100ms | head -n 7", getenv("WEIRCTL"));
    const char *words[] = {"bash", "-c", script, NULL};
    run_program(words, outcome);
    // Twice the heading and two rows, a blank line between.
    char *second = strstr(outcome->out, "\n\nNAME");
    assert_non_null(second);
    assert_memory_equal(outcome->out, second + 2, (size_t)(second - outcome->out));
    free(outcome);
}

static void follows_the_rates_line_by_line(void **state)
{
    struct outcome *outcome = malloc(sizeof(*outcome));
    run_line("top --count 2 --interval 300ms", outcome);
    assert_int_equal(outcome->code, 0);
    unsigned long first;
    unsigned long second;
    assert_int_equal(sscanf(outcome->out, "     DROPS/s\n%lu\n%lu\n", &first, &second), 2);
    assert_true(first > 0 && second > 0);

    run_line("top --json --count 1 --interval 300ms", outcome);
    assert_int_equal(outcome->code, 0);
    json_t *line = json_loads(outcome->out, 0, NULL);
    const json_t *metric = json_array_get(json_object_get(line, "metrics"), 0);
    assert_true(json_integer_value(json_object_get(metric, "per_second")) > 0);
    json_decref(line);
    free(outcome);
}

static void stops_following_a_dead_data_plane(void **state)
{
    struct served *served = *state;
    struct outcome *outcome = malloc(sizeof(*outcome));
    char script[256];
    snprintf(script, sizeof(script),
             "'%s' top --interval 100ms | { read _; kill -9 %d; cat; }; "
             "exit ${PIPESTATUS[0]}",
             getenv("WEIRCTL"), (int)served->server);
    const char *words[] = {"bash", "-c", script, NULL};
    run_program(words, outcome);
    assert_int_equal(outcome->code, 3);
    assert_string_not_equal(outcome->err, "");
    free(outcome);
}

static void completes_words_as_bash_splits_them(void **state)
{
    static const struct line_case cases[] = {
        {"__complete sh", 0, "show\n", ""},
        {"__complete ''", 0,
         "show\nreload\ndrain\nundrain\ntrace\ncapture\ntop\ncompletion\nhelp\nversion\n", ""},
        {"__complete trace tcp and no", 0, "not\n", ""},
        {"__complete capture --s", 0, "--socket\n--seconds\n--snap\n--size\n", ""},
        {"__complete show p", 0, "ports\npools\n", ""},
        {"__complete help show wo", 0, "workers\n", ""},
        {"__complete completion ''", 0, "bash\n", ""},
        {"__complete drain ''", 0, "web\ndns\n", ""},
        {"__complete drain web ''", 0, "s1\ns2\nold\n", ""},
        {"__complete drain web s", 0, "s1\ns2\n", ""},
        {"__complete --json undrain dns ''", 0, "d1\n", ""},
        {"__complete drain web s1 ''", 0, "", ""},
        {"__complete drain none ''", 0, "", ""},
        {"__complete show flows --v", 0, "--vip\n", ""},
        {"__complete show flows --vip ''", 0, "web4\nweb6\n", ""},
        {"__complete show flows --vip = web6", 0, "web6\n", ""},
        {"__complete show flows --vip =", 0, "web4\nweb6\n", ""},
        {"__complete show flows --pool = dns --member ''", 0, "d1\n", ""},
        {"__complete show flows --member ''", 0, "s1\ns2\nold\nd1\n", ""},
        {"__complete show --watch = 2s dr", 0, "drops\n", ""},
        {"__complete show ports --watch =", 0, "", ""},
        {"__complete show ports --watch = 2", 0, "", ""},
        {"__complete show ports --", 0, "--socket\n--help\n--json\n--watch\n--offloads\n", ""},
        {"__complete show ports --json --", 0, "--socket\n--help\n--watch\n--offloads\n", ""},
        {"__complete --socket /nowhere drain ''", 0, "", ""},
        {"__complete --nonsense drain ''", 0, "", ""},
        {"__complete", 0, "", ""},
    };
    ASSERT_LINES(cases);
}

// As many words as a line may have: `trace not not ... vip WORD`, or one more.
static void completes_the_longest_line(void **state)
{
    struct outcome *outcome = malloc(sizeof(*outcome));
    for (size_t more = 0; more < 2; more++) {
        const char *words[OPTIONS_WORDS_MAX + 5] = {getenv("WEIRCTL"), "__complete", "trace"};
        size_t before = OPTIONS_WORDS_MAX - 1 + more;
        for (size_t i = 1; i < before - 1; i++)
            words[2 + i] = "not";
        words[2 + before - 1] = "vip";
        words[2 + before] = "web";
        run_program(words, outcome);
        assert_string_equal(outcome->out, more ? "" : "web4\nweb6\n");
    }
    free(outcome);
}

// The script, as bash calls it with the words of a line; of compopt, which wants a terminal, it is
// enough that it is called.
static void completes_in_bash(void **state)
{
    struct outcome *outcome = malloc(sizeof(*outcome));
    char script[1024];
    snprintf(script, sizeof(script),
             "set -e; source <('%s' completion bash); compopt() { echo compopt \"$@\"; }; "
             "try() { COMP_WORDS=('%s' \"$@\"); COMP_CWORD=$#; COMPREPLY=(left); _weirctl; "
             "echo \"$*: ${COMPREPLY[@]}\"; }; "
             "try drain web s; try capture --write fi; try capture tcp --write = fi; "
             "try capture --write =; try --socket ''; try show flows --vip = web; "
             "complete -p weirctl",
             getenv("WEIRCTL"), getenv("WEIRCTL"));
    const char *words[] = {"bash", "-c", script, NULL};
    run_program(words, outcome);
    assert_string_equal(outcome->err, "");
    assert_string_equal(outcome->out, "drain web s: s1 s2\n"
                                      "compopt -o default\n"
                                      "capture --write fi: \n"
                                      "compopt -o default\n"
                                      "capture tcp --write = fi: \n"
                                      "compopt -o default\n"
                                      "capture --write =: \n"
                                      "compopt -o default\n"
                                      "--socket : \n"
                                      "show flows --vip = web: web4 web6\n"
                                      "complete -F _weirctl weirctl\n");
    free(outcome);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(prints_answers_and_refusals),
        TEST(asks_for_the_flows_that_were_named),
        TEST(asks_on_until_all_of_an_answer_is_there),
        TEST(refuses_wrong_command_lines),
        TEST(explains_itself_without_a_data_plane),
        TEST(tells_where_nothing_listens),
        TEST(tells_that_the_socket_is_of_a_dead_data_plane),
        TEST(tells_that_the_data_plane_died_or_is_another),
        TEST(tells_that_the_output_is_full),
        TEST(watches_until_the_reader_is_gone),
        TEST(follows_the_rates_line_by_line),
        TEST(stops_following_a_dead_data_plane),
        TEST(completes_words_as_bash_splits_them),
        TEST(completes_the_longest_line),
        TEST(completes_in_bash),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
