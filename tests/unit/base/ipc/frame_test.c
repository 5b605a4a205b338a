#include <stdlib.h>
#include <string.h>

#include "base/ipc/ipc_priv.h"
#include "tests/test.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static void a_frame_tells_how_long_it_is_as_soon_as_it_can(void **state)
{
    static const uint8_t frame[] = {0, 0, 1, 2, '{'};
    for (size_t have = 0; have <= sizeof(frame); have++) {
        size_t want = 0;
        assert_int_equal(ipc_frame_want(span_of(frame, have), 1000, &want), ERROR_NONE);
        assert_int_equal(want, have < 4 ? 4 : 4 + 0x102);
    }
}

static void a_length_out_of_bounds_is_refused(void **state)
{
    static const struct {
        uint8_t bytes[4];
        enum error error;
    } cases[] = {
        {{0, 0, 0, 0}, ERROR_INVALID},
        {{0, 0, 0, 1}, ERROR_NONE},
        {{0, 0, 3, 0xe8}, ERROR_NONE},
        {{0, 0, 3, 0xe9}, ERROR_TOO_LARGE},
        {{0xff, 0xff, 0xff, 0xff}, ERROR_TOO_LARGE},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        size_t want;
        assert_int_equal(ipc_frame_want(span_of(cases[i].bytes, 4), 1000, &want), cases[i].error);
    }
}

static void only_the_whole_frame_is_whole(void **state)
{
    static const uint8_t frame[] = {0, 0, 0, 2, '{', '}'};
    for (size_t have = 0; have <= sizeof(frame); have++) {
        size_t want;
        assert_int_equal(ipc_frame_want(span_of(frame, have), 1000, &want), ERROR_NONE);
        assert_int_equal(ipc_frame_is_whole(span_of(frame, have), want), have == sizeof(frame));
    }
    struct span body = ipc_frame_body(span_of(frame, sizeof(frame)));
    assert_int_equal(body.size, 2);
    assert_ptr_equal(body.data, frame + 4);
}

static void a_message_is_encoded_up_to_its_bound(void **state)
{
    uint8_t *frame;
    size_t size;
    json_t *message = json_pack("{s:s}", "a", "b"); // {"a":"b"}, 9 bytes
    assert_int_equal(ipc_frame_encode(message, 8, &frame, &size), ERROR_TOO_LARGE);
    assert_int_equal(ipc_frame_encode(message, 9, &frame, &size), ERROR_NONE);
    assert_int_equal(size, 13);
    assert_memory_equal(frame, "\0\0\0\x09{\"a\":\"b\"}", 13);
    free(frame);
    json_decref(message);
}

static void requests_are_read_and_faults_named(void **state)
{
    static const struct {
        const char *body;
        const char *why; // NULL: a good one
    } cases[] = {
        {"{\"method\":\"reload\"}", NULL},
        {"{\"method\":\"drain\",\"arguments\":{\"member\":\"s1\"}}", NULL},
        {" {\"arguments\":{},\"method\":\"x\"} \n", NULL},
        {"", "not JSON"},
        {"{\"method\":\"a\"", "not JSON"},
        {"{\"method\":\"a\"} x", "not JSON"},
        {"{\"method\":\"a\",\"method\":\"b\"}", "not JSON"},
        {"{\"method\":\"\xff\"}", "not JSON"},
        {"[]", "not a JSON object"},
        {"{}", "no \"method\""},
        {"{\"method\":1}", "no \"method\""},
        {"{\"method\":\"a\",\"arguments\":[]}", "not an object"},
        {"{\"method\":\"a\",\"arguments\":null}", "not an object"},
        {"{\"method\":\"a\",\"argument\":{}}", "more than"},
        {"{\"method\":\"a\",\"arguments\":{},\"id\":1}", "more than"},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        char why[256] = "";
        struct ipc_request request;
        struct span body = span_of(cases[i].body, strlen(cases[i].body));
        enum error error = ipc_request_parse(body, &request, why, sizeof(why));
        assert_int_equal(error, cases[i].why ? ERROR_INVALID : ERROR_NONE);
        if (error) {
            assert_non_null(strstr(why, cases[i].why));
            continue;
        }
        assert_true(json_is_object(request.arguments)); // also where there were none
        ipc_request_fini(&request);
    }
}

static void replies_are_a_result_or_an_error_and_nothing_else(void **state)
{
    static const struct {
        const char *body;
        enum error error;
    } cases[] = {
        {"{\"result\":{}}", ERROR_NONE},
        {"{\"result\":null}", ERROR_NONE},
        {"{\"error\":{\"code\":\"a\",\"message\":\"b\"}}", ERROR_NONE},
        {"{\"error\":{\"code\":\"a\",\"message\":\"b\",\"remedy\":\"c\"}}", ERROR_NONE},
        {"{}", ERROR_INVALID},
        {"null", ERROR_INVALID},
        {"{\"result\":1,\"more\":2}", ERROR_INVALID},
        {"{\"result\":1,\"error\":{\"code\":\"a\",\"message\":\"b\"}}", ERROR_INVALID},
        {"{\"error\":{\"code\":\"a\"}}", ERROR_INVALID},
        {"{\"error\":\"a\"}", ERROR_INVALID},
        {"{\"result\":", ERROR_INVALID},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        json_t *message;
        struct span body = span_of(cases[i].body, strlen(cases[i].body));
        enum error error = ipc_reply_parse(body, &message);
        assert_int_equal(error, cases[i].error);
        if (!error)
            json_decref(message);
    }
}

static void a_reply_becomes_a_message_that_a_client_reads(void **state)
{
    char longest[1024];
    memset(longest, 'm', sizeof(longest));
    memcpy(longest + 510, "\xc3\xbc", 3); // the bound of a message falls between the two
    struct {
        struct ipc_reply reply;
        const char *expected;
    } cases[] = {
        {{.fd = -1}, "{\"result\":null}"},
        {{.fd = -1, .result = json_pack("[i]", 1)}, "{\"result\":[1]}"},
        {{.fd = -1, .code = "bad", .message = "no", .result = json_true()},
         "{\"error\":{\"code\":\"bad\",\"message\":\"no\"}}"},
        {{.fd = -1, .code = "bad", .message = "\xc3", .remedy = "\xff!"},
         "{\"error\":{\"code\":\"bad\",\"message\":\"?\",\"remedy\":\"?!\"}}"},
        {{.fd = -1, .code = "bad", .message = "no", .details = json_pack("{s:[i]}", "problems", 1)},
         "{\"error\":{\"code\":\"bad\",\"message\":\"no\",\"details\":{\"problems\":[1]}}}"},
        // No error: there is nothing to say more about.
        {{.fd = -1, .result = json_true(), .details = json_object()}, "{\"result\":true}"},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        json_t *message = ipc_reply_message(&cases[i].reply);
        char *text = json_dumps(message, JSON_COMPACT);
        assert_string_equal(text, cases[i].expected);
        free(text);
        json_decref(message);
    }

    struct ipc_reply reply = {.fd = -1};
    ipc_reply_error(&reply, "bad", NULL, "%s", longest);
    json_t *message = ipc_reply_message(&reply);
    const char *text =
        json_string_value(json_object_get(json_object_get(message, "error"), "message"));
    assert_int_equal(strlen(text), 511);
    assert_string_equal(text + 509, "m?");
    json_decref(message);
}

static void a_path_fits_a_socket_address_or_is_refused(void **state)
{
    char why[256] = "";
    struct sockaddr_un address;
    char path[128];
    memset(path, 'p', sizeof(path));
    path[107] = '\0';
    assert_int_equal(ipc_address_of(path, &address, why, sizeof(why)), ERROR_NONE);
    assert_string_equal(address.sun_path, path);
    path[107] = 'p';
    path[108] = '\0';
    assert_int_equal(ipc_address_of(path, &address, why, sizeof(why)), ERROR_TOO_LARGE);
    assert_non_null(strstr(why, "108 bytes long and may be 107"));
    assert_int_equal(ipc_address_of("", &address, why, sizeof(why)), ERROR_INVALID);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_frame_tells_how_long_it_is_as_soon_as_it_can),
        cmocka_unit_test(a_length_out_of_bounds_is_refused),
        cmocka_unit_test(only_the_whole_frame_is_whole),
        cmocka_unit_test(a_message_is_encoded_up_to_its_bound),
        cmocka_unit_test(requests_are_read_and_faults_named),
        cmocka_unit_test(replies_are_a_result_or_an_error_and_nothing_else),
        cmocka_unit_test(a_reply_becomes_a_message_that_a_client_reads),
        cmocka_unit_test(a_path_fits_a_socket_address_or_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
