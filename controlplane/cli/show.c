#include "controlplane/cli/show.h"

#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include "controlplane/cli/request.h"
#include "controlplane/cli/stages.h"
#include "controlplane/cli/view.h"

// To the upper left corner, and what is below cleared (ECMA-48, CUP and ED).
#define TERMINAL_CLEAR "\033[H\033[J"

static enum cli_exit print_result(const struct options *options, const char *method,
                                  view_function *view, const json_t *result)
{
    if (options_given(options, OPTION_JSON)) {
        request_print_json(result, stdout);
        return CLI_OK;
    }
    switch (view(result, options_given(options, OPTION_ALL), stdout, stderr)) {
    case ERROR_NONE:
        return CLI_OK;
    case ERROR_NO_MEMORY:
        return request_no_memory();
    default:
        return request_not_understood(method);
    }
}

static void wait_ms(uint64_t ms)
{
    struct timespec left = {.tv_sec = (time_t)(ms / 1000), .tv_nsec = (long)(ms % 1000) * 1000000};
    nanosleep(&left, NULL);
}

// Makes an answer ready for its view. `before` is the answer before it, NULL for the first.
typedef json_t *prepare_function(const struct options *options, const json_t *before,
                                 const json_t *now);

static enum cli_exit print_prepared(const struct options *options, const char *method,
                                    view_function *view, prepare_function *prepare,
                                    const json_t *before, const json_t *now)
{
    if (!prepare || options_given(options, OPTION_JSON))
        return print_result(options, method, view, now);
    json_t *ready = prepare(options, before, now);
    if (!ready)
        return request_not_understood(method);
    enum cli_exit result = print_result(options, method, view, ready);
    json_decref(ready);
    return result;
}

// `arguments` is taken.
static enum cli_exit show_prepared(const struct invocation *invocation, const char *method,
                                   json_t *arguments, view_function *view,
                                   prepare_function *prepare)
{
    const struct options *options = invocation->options;
    bool watch = options_given(options, OPTION_WATCH);
    bool clear = watch && isatty(STDOUT_FILENO) && !options_given(options, OPTION_JSON);
    struct ipc_client *client;
    enum cli_exit result = request_open(options, &client);
    if (result != CLI_OK) {
        json_decref(arguments);
        return result;
    }
    json_t *before = NULL;
    for (bool first = true;; first = false) {
        json_t *answer;
        result = request_call_whole(client, method, json_incref(arguments), &answer);
        if (result != CLI_OK)
            break;
        if (clear)
            fputs(TERMINAL_CLEAR, stdout);
        else if (!first)
            fputc('\n', stdout);
        result = print_prepared(options, method, view, prepare, before, answer);
        json_decref(before);
        before = answer;
        if (fflush(stdout) != 0 || result != CLI_OK || !watch)
            break; // main() tells what cannot be written
        wait_ms(options->values[OPTION_WATCH].number);
    }
    json_decref(before);
    ipc_client_close(client);
    json_decref(arguments);
    return result;
}

// `arguments` is taken.
static enum cli_exit show(const struct invocation *invocation, const char *method,
                          json_t *arguments, view_function *view)
{
    return show_prepared(invocation, method, arguments, view, NULL);
}

static enum cli_exit not_utf8(void)
{
    fputs("weirctl: a name on the command line is not UTF-8\n", stderr);
    return CLI_USAGE;
}

enum cli_exit show_status(const struct invocation *invocation)
{
    return show(invocation, "show.status", NULL, view_status);
}

enum cli_exit show_config(const struct invocation *invocation)
{
    return show(invocation, "show.config", NULL, view_config);
}

enum cli_exit show_ports(const struct invocation *invocation)
{
    bool offloads = options_given(invocation->options, OPTION_OFFLOADS);
    return show(invocation, "show.ports", NULL, offloads ? view_offloads : view_ports);
}

enum cli_exit show_vips(const struct invocation *invocation)
{
    return show(invocation, "show.vips", NULL, view_vips);
}

enum cli_exit show_pools(const struct invocation *invocation)
{
    return show(invocation, "show.pools", NULL, view_pools);
}

enum cli_exit show_flows(const struct invocation *invocation)
{
    // Absent texts are left out of the object (the * of json_pack).
    const struct options *options = invocation->options;
    json_t *arguments = json_pack(
        "{sI, ss*, ss*, ss*, ss*}", "limit", (json_int_t)options->values[OPTION_LIMIT].number,
        "vip", options->values[OPTION_VIP].text, "pool", options->values[OPTION_POOL].text,
        "member", options->values[OPTION_MEMBER].text, "client",
        options->values[OPTION_CLIENT].text);
    if (!arguments)
        return not_utf8();
    return show(invocation, "show.flows", arguments, view_flows);
}

enum cli_exit show_drops(const struct invocation *invocation)
{
    const struct options *options = invocation->options;
    bool by_vip = options_given(options, OPTION_BY_VIP) || options_given(options, OPTION_VIP);
    json_t *arguments =
        json_pack("{sb, ss*}", "by_vip", by_vip, "vip", options->values[OPTION_VIP].text);
    if (!arguments)
        return not_utf8();
    return show(invocation, "show.drops", arguments, by_vip ? view_vip_drops : view_drops);
}

enum cli_exit show_balance(const struct invocation *invocation)
{
    json_t *arguments = json_pack("{s:s*}", "pool", invocation->options->values[OPTION_POOL].text);
    if (!arguments)
        return not_utf8();
    return show(invocation, "show.balance", arguments, view_balance);
}

enum cli_exit show_locals(const struct invocation *invocation)
{
    return show(invocation, "show.locals", NULL, view_locals);
}

enum cli_exit show_access(const struct invocation *invocation)
{
    return show(invocation, "show.access", NULL, view_access);
}

static json_t *prepare_stages(const struct options *options, const json_t *before,
                              const json_t *now)
{
    return stages_since(before, now,
                        options_given(options, OPTION_WORKER)
                            ? (json_int_t)options->values[OPTION_WORKER].number
                            : STAGES_ALL_WORKERS);
}

enum cli_exit show_stages(const struct invocation *invocation)
{
    return show_prepared(invocation, "show.stages", NULL, view_stages, prepare_stages);
}

enum cli_exit show_talkers(const struct invocation *invocation)
{
    json_int_t limit = (json_int_t)invocation->options->values[OPTION_LIMIT].number;
    return show(invocation, "show.talkers", json_pack("{sI}", "limit", limit), view_talkers);
}

enum cli_exit show_handshakes(const struct invocation *invocation)
{
    return show(invocation, "show.handshakes", NULL, view_handshakes);
}

enum cli_exit show_workers(const struct invocation *invocation)
{
    return show(invocation, "show.workers", NULL, view_workers);
}

enum cli_exit show_counters(const struct invocation *invocation)
{
    return show(invocation, "show.counters", NULL, view_counters);
}

enum cli_exit show_neighbours(const struct invocation *invocation)
{
    return show(invocation, "show.neighbours", NULL, view_neighbours);
}
