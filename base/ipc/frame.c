#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/byteorder.h"
#include "base/check.h"
#include "base/cursor.h"
#include "base/ipc/ipc_priv.h"

enum error ipc_frame_want(struct span received, size_t body_bytes_max, size_t *bytes)
{
    struct cursor cursor = cursor_of(received);
    uint32_t length = cursor_be32(&cursor);
    if (!cursor_ok(&cursor)) {
        *bytes = IPC_LENGTH_BYTES;
        return ERROR_NONE;
    }
    if (length == 0)
        return ERROR_INVALID;
    if (length > body_bytes_max)
        return ERROR_TOO_LARGE;
    *bytes = IPC_LENGTH_BYTES + (size_t)length;
    return ERROR_NONE;
}

struct span ipc_frame_body(struct span frame)
{
    struct cursor cursor = cursor_of(frame);
    uint32_t length = cursor_be32(&cursor);
    const uint8_t *body = cursor_take(&cursor, length);
    CHECK(cursor_ok(&cursor) && cursor_left(&cursor) == 0);
    return span_of(body, length);
}

enum error ipc_frame_encode(const json_t *message, size_t body_bytes_max, uint8_t **frame,
                            size_t *size)
{
    size_t length = json_dumpb(message, NULL, 0, JSON_COMPACT);
    if (length == 0)
        return ERROR_INVALID;
    if (length > body_bytes_max)
        return ERROR_TOO_LARGE;
    uint8_t *bytes = malloc(IPC_LENGTH_BYTES + length);
    if (!bytes)
        return ERROR_NO_MEMORY;
    store_be32(bytes, (uint32_t)length);
    size_t dumped = json_dumpb(message, (char *)bytes + IPC_LENGTH_BYTES, length, JSON_COMPACT);
    CHECK(dumped == length);
    *frame = bytes;
    *size = IPC_LENGTH_BYTES + length;
    return ERROR_NONE;
}

static json_t *ipc_object_parse(struct span body, char *why, size_t why_size)
{
    json_error_t error;
    json_t *message =
        json_loadb((const char *)body.data, body.size, JSON_REJECT_DUPLICATES, &error);
    if (!message) {
        snprintf(why, why_size, "not JSON: %s at byte %d", error.text, error.position);
        return NULL;
    }
    if (!json_is_object(message)) {
        snprintf(why, why_size, "not a JSON object");
        json_decref(message);
        return NULL;
    }
    return message;
}

enum error ipc_request_parse(struct span body, struct ipc_request *request, char *why,
                             size_t why_size)
{
    json_t *message = ipc_object_parse(body, why, why_size);
    if (!message)
        return ERROR_INVALID;

    const char *method = json_string_value(json_object_get(message, "method"));
    json_t *arguments = json_object_get(message, "arguments");
    if (!method) {
        snprintf(why, why_size, "it has no \"method\" that is a string");
        goto fail;
    }
    if (arguments && !json_is_object(arguments)) {
        snprintf(why, why_size, "its \"arguments\" are not an object");
        goto fail;
    }
    if (json_object_size(message) != (arguments ? 2 : 1)) {
        snprintf(why, why_size, "it has more than \"method\" and \"arguments\"");
        goto fail;
    }
    if (!arguments) {
        arguments = json_object();
        if (json_object_set_new(message, "arguments", arguments) != 0) {
            snprintf(why, why_size, "out of memory");
            goto fail;
        }
    }
    *request = (struct ipc_request){.message = message, .method = method, .arguments = arguments};
    return ERROR_NONE;

fail:
    json_decref(message);
    return ERROR_INVALID;
}

void ipc_request_fini(struct ipc_request *request)
{
    json_decref(request->message);
}

enum error ipc_reply_parse(struct span body, json_t **message)
{
    char why[JSON_ERROR_TEXT_LENGTH + 64];
    json_t *parsed = ipc_object_parse(body, why, sizeof(why));
    if (!parsed)
        return ERROR_INVALID;
    const json_t *error = json_object_get(parsed, "error");
    bool has_result = json_object_get(parsed, "result") != NULL;
    bool has_error = json_is_string(json_object_get(error, "code")) &&
                     json_is_string(json_object_get(error, "message"));
    if (json_object_size(parsed) != 1 || has_result == has_error) {
        json_decref(parsed);
        return ERROR_INVALID;
    }
    *message = parsed;
    return ERROR_NONE;
}
