#include "controlplane/cli/request.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "controlplane/cli/view.h"

const char *request_socket(const struct options *options)
{
    if (options_given(options, OPTION_SOCKET))
        return options->values[OPTION_SOCKET].text;
    const char *from_environment = getenv("WEIR_SOCKET");
    return from_environment && *from_environment ? from_environment : REQUEST_SOCKET_DEFAULT;
}

enum cli_exit request_not_understood(const char *method)
{
    fprintf(stderr,
            "weirctl: the answer to `%s` is not understood\n"
            "  is the data plane of another version? see: weirctl version, weirctl show status "
            "--json\n",
            method);
    return CLI_UNREACHABLE;
}

enum cli_exit request_no_memory(void)
{
    fputs("weirctl: out of memory\n", stderr);
    return CLI_LOCAL;
}

enum cli_exit request_open(const struct options *options, struct ipc_client **client)
{
    const char *path = request_socket(options);
    char why[512];
    switch (ipc_client_open(path, client, why, sizeof(why))) {
    case ERROR_NONE:
        return CLI_OK;
    case ERROR_NO_MEMORY:
        return request_no_memory();
    case ERROR_NOT_FOUND:
        // A socket that is there was left behind by one that was killed.
        fprintf(stderr,
                "weirctl: no data plane listens at %s (%s)\n"
                "  start one: weir-dataplane --config FILE; or name its socket with --socket\n",
                path, strerror(access(path, F_OK) == 0 ? ECONNREFUSED : errno));
        return CLI_UNREACHABLE;
    default:
        fprintf(stderr, "weirctl: %s\n", why);
        return CLI_UNREACHABLE;
    }
}

// Tells the error object of a reply.
static enum cli_exit refused(const char *method, const json_t *error)
{
    const char *message = json_string_value(json_object_get(error, "message"));
    const char *remedy = json_string_value(json_object_get(error, "remedy"));
    if (!message)
        return request_not_understood(method);
    view_problems(json_object_get(json_object_get(error, "details"), "problems"), stderr);
    fprintf(stderr, "weirctl: %s\n", message);
    view_fault(json_object_get(error, "details"), stderr);
    if (remedy && *remedy)
        fprintf(stderr, "  %s\n", remedy);
    return CLI_REFUSED;
}

static enum cli_exit lost(const char *method, enum error error)
{
    switch (error) {
    case ERROR_NO_MEMORY:
        return request_no_memory();
    case ERROR_TIMEOUT:
        fprintf(stderr,
                "weirctl: no answer to `%s` within %d s\n"
                "  the data plane is busy or stopped: see its log\n",
                method, REQUEST_TIMEOUT_MS / 1000);
        return CLI_UNREACHABLE;
    case ERROR_CLOSED:
        fprintf(stderr,
                "weirctl: the data plane hung up before it answered `%s`\n"
                "  it may have been stopped, or serve as many clients as it can: try again\n",
                method);
        return CLI_UNREACHABLE;
    case ERROR_INVALID:
        return request_not_understood(method);
    default:
        fprintf(stderr, "weirctl: the connection was lost during `%s`: %s\n", method,
                error_text(error));
        return CLI_UNREACHABLE;
    }
}

enum cli_exit request_call(struct ipc_client *client, const char *method, json_t *arguments,
                           json_t **result, int *fd)
{
    json_t *reply;
    int got = -1;
    enum error error =
        ipc_client_call(client, method, arguments, REQUEST_TIMEOUT_MS, &reply, fd ? &got : NULL);
    json_decref(arguments);
    if (error)
        return lost(method, error);

    enum cli_exit outcome = CLI_OK;
    json_t *value = json_object_get(reply, "result");
    if (json_object_get(reply, "error"))
        outcome = refused(method, json_object_get(reply, "error"));
    else if (!value)
        outcome = request_not_understood(method);
    if (outcome == CLI_OK)
        *result = json_incref(value);
    if (outcome == CLI_OK && fd)
        *fd = got;
    else if (got >= 0)
        close(got);
    json_decref(reply);
    return outcome;
}

// Puts what `before` lists in front of what `after` lists under the same name.
static void join_lists(const json_t *before, json_t *after)
{
    const char *key;
    json_t *list;
    json_object_foreach(after, key, list)
    {
        json_t *first = json_object_get(before, key);
        if (!json_is_array(first) || !json_is_array(list))
            continue;
        json_array_extend(first, list);
        json_object_set(after, key, first);
    }
}

enum cli_exit request_call_whole(struct ipc_client *client, const char *method, json_t *arguments,
                                 json_t **result)
{
    json_t *asked = arguments ? json_copy(arguments) : json_object();
    json_decref(arguments);
    json_t *before = NULL;
    enum cli_exit outcome;
    for (;;) {
        json_t *answer;
        outcome = request_call(client, method, json_incref(asked), &answer, NULL);
        if (outcome != CLI_OK)
            break;
        if (before)
            join_lists(before, answer);
        json_decref(before);
        before = answer;
        const json_t *next = json_object_get(answer, "next");
        if (!json_is_object(next))
            break;
        json_object_update(asked, (json_t *)(uintptr_t)next);
    }
    json_decref(asked);
    if (outcome == CLI_OK)
        *result = before;
    else
        json_decref(before);
    return outcome;
}

enum cli_exit request_once(const struct options *options, const char *method, json_t *arguments,
                           json_t **result)
{
    struct ipc_client *client;
    enum cli_exit outcome = request_open(options, &client);
    if (outcome != CLI_OK) {
        json_decref(arguments);
        return outcome;
    }
    outcome = request_call(client, method, arguments, result, NULL);
    ipc_client_close(client);
    return outcome;
}

void request_print_json(const json_t *result, FILE *out)
{
    // 15 digits: what the data plane wrote as 12.5 is not printed as its nearest binary fraction.
    json_dumpf(result, out, JSON_INDENT(2) | JSON_ENCODE_ANY | JSON_REAL_PRECISION(15));
    fputc('\n', out);
}
