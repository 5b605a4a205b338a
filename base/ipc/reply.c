#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/ipc/ipc_priv.h"

void ipc_reply_error(struct ipc_reply *reply, const char *code, const char *remedy,
                     const char *message, ...)
{
    va_list arguments;
    va_start(arguments, message);
    vsnprintf(reply->message, sizeof(reply->message), message, arguments);
    va_end(arguments);
    snprintf(reply->remedy, sizeof(reply->remedy), "%s", remedy ? remedy : "");
    reply->code = code;
}

json_t *ipc_text(const char *text)
{
    json_t *string = json_string(text);
    if (string)
        return string;
    char *ascii = strdup(text);
    if (!ascii)
        return NULL;
    for (char *at = ascii; *at; at++)
        if ((unsigned char)*at >= 0x80)
            *at = '?';
    string = json_string(ascii);
    free(ascii);
    return string;
}

json_t *ipc_reply_message(struct ipc_reply *reply)
{
    json_t *message = json_object();
    json_t *details = reply->details;
    reply->details = NULL;
    if (!reply->code) {
        json_decref(details);
        json_t *result = reply->result ? reply->result : json_null();
        reply->result = NULL;
        if (json_object_set_new(message, "result", result) != 0)
            goto fail;
        return message;
    }
    json_decref(reply->result);
    reply->result = NULL;
    json_t *error = json_object();
    bool failed = json_object_set_new(message, "error", error) != 0 ||
                  json_object_set_new(error, "code", ipc_text(reply->code)) != 0 ||
                  json_object_set_new(error, "message", ipc_text(reply->message)) != 0;
    if (reply->remedy[0] && !failed)
        failed = json_object_set_new(error, "remedy", ipc_text(reply->remedy)) != 0;
    if (details && !failed)
        failed = json_object_set(error, "details", details) != 0;
    json_decref(details);
    if (failed)
        goto fail;
    return message;

fail:
    json_decref(message);
    return NULL;
}
