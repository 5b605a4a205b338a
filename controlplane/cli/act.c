#include "controlplane/cli/act.h"

#include <stdio.h>

#include "controlplane/cli/request.h"
#include "controlplane/cli/view.h"

enum cli_exit act_reload(const struct invocation *invocation)
{
    json_t *answer;
    enum cli_exit result = request_once(invocation->options, "reload", NULL, &answer);
    if (result != CLI_OK)
        return result;
    if (options_given(invocation->options, OPTION_JSON)) {
        request_print_json(answer, stdout);
    } else {
        enum error error = view_changes(answer, true, stdout, stderr);
        if (error)
            result =
                error == ERROR_NO_MEMORY ? request_no_memory() : request_not_understood("reload");
    }
    json_decref(answer);
    return result;
}

// Drains or undrains, and says which of two sentences came true.
static enum cli_exit set_drained(const struct invocation *invocation, const char *method,
                                 const char *changed, const char *unchanged)
{
    const char *pool = invocation->arguments[0];
    const char *member = invocation->arguments[1];
    json_t *arguments = json_pack("{ss, ss}", "pool", pool, "member", member);
    if (!arguments) {
        fputs("weirctl: a name on the command line is not UTF-8\n", stderr);
        return CLI_USAGE;
    }
    json_t *answer;
    enum cli_exit result = request_once(invocation->options, method, arguments, &answer);
    if (result != CLI_OK)
        return result;
    const json_t *did = json_object_get(answer, "changed");
    if (options_given(invocation->options, OPTION_JSON))
        request_print_json(answer, stdout);
    else if (json_is_boolean(did))
        printf("member %s of pool %s %s\n", member, pool, json_is_true(did) ? changed : unchanged);
    else
        result = request_not_understood(method);
    json_decref(answer);
    return result;
}

enum cli_exit act_drain(const struct invocation *invocation)
{
    return set_drained(invocation, "drain", "gets no new flows; its established ones go on",
                       "got no new flows before, nothing changed");
}

enum cli_exit act_undrain(const struct invocation *invocation)
{
    return set_drained(invocation, "undrain", "gets new flows again",
                       "was not drained, nothing changed");
}

enum cli_exit act_version(const struct invocation *invocation)
{
    puts("weirctl " WEIR_VERSION);
    return CLI_OK;
}
