#include "controlplane/cli/show.h"

#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include "controlplane/cli/request.h"
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

// `arguments` is taken.
static enum cli_exit show(const struct invocation *invocation, const char *method,
                          json_t *arguments, view_function *view)
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
    for (bool first = true;; first = false) {
        json_t *answer;
        result = request_call(client, method, json_incref(arguments), &answer, NULL);
        if (result != CLI_OK)
            break;
        if (clear)
            fputs(TERMINAL_CLEAR, stdout);
        else if (!first)
            fputc('\n', stdout);
        result = print_result(options, method, view, answer);
        json_decref(answer);
        if (fflush(stdout) != 0 || result != CLI_OK || !watch)
            break; // main() tells what cannot be written
        wait_ms(options->values[OPTION_WATCH].number);
    }
    ipc_client_close(client);
    json_decref(arguments);
    return result;
}

enum cli_exit show_status(const struct invocation *invocation)
{
    return show(invocation, "show.status", NULL, view_status);
}

enum cli_exit show_ports(const struct invocation *invocation)
{
    return show(invocation, "show.ports", NULL, view_ports);
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
    if (!arguments) {
        fputs("weirctl: a name on the command line is not UTF-8\n", stderr);
        return CLI_USAGE;
    }
    return show(invocation, "show.flows", arguments, view_flows);
}

enum cli_exit show_drops(const struct invocation *invocation)
{
    return show(invocation, "show.drops", NULL, view_drops);
}

enum cli_exit show_balance(const struct invocation *invocation)
{
    json_t *arguments = json_pack("{s:s*}", "pool", invocation->options->values[OPTION_POOL].text);
    if (!arguments) {
        fputs("weirctl: a name on the command line is not UTF-8\n", stderr);
        return CLI_USAGE;
    }
    return show(invocation, "show.balance", arguments, view_balance);
}

enum cli_exit show_access(const struct invocation *invocation)
{
    return show(invocation, "show.access", NULL, view_access);
}

enum cli_exit show_workers(const struct invocation *invocation)
{
    return show(invocation, "show.workers", NULL, view_workers);
}

enum cli_exit show_neighbours(const struct invocation *invocation)
{
    return show(invocation, "show.neighbours", NULL, view_neighbours);
}
