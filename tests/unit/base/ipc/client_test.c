// The client: against the real server in a thread of its own, and against a listener of the test
// that puts its bytes into the connection before the client asks.
#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/byteorder.h"
#include "base/clock.h"
#include "base/ipc/ipc_priv.h"
#include "tests/test.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define TIMEOUT_MS   20000

static char directory[] = "/tmp/weir-ipc-XXXXXX";
static char path[64];

static int set_up(void **state)
{
    if (!mkdtemp(directory))
        return -1;
    snprintf(path, sizeof(path), "%s/socket", directory);
    return 0;
}

static int tear_down(void **state)
{
    return rmdir(directory);
}

static size_t open_descriptors(void)
{
    size_t count = 0;
    DIR *descriptors = opendir("/proc/self/fd");
    assert_non_null(descriptors);
    while (readdir(descriptors))
        count++;
    closedir(descriptors);
    return count;
}

static void handle_echo(void *context, const json_t *arguments, struct ipc_reply *reply)
{
    reply->result = json_deep_copy(arguments);
}

// Passes the reading end of a pipe that holds one letter.
static void handle_pipe(void *context, const json_t *arguments, struct ipc_reply *reply)
{
    int *pipes = context;
    reply->fd = pipes[0];
}

static void handle_pipe_and_fail(void *context, const json_t *arguments, struct ipc_reply *reply)
{
    handle_pipe(context, arguments, reply);
    ipc_reply_error(reply, "bad", NULL, "no");
}

static void handle_large(void *context, const json_t *arguments, struct ipc_reply *reply)
{
    static char text[3000000];
    memset(text, 'x', sizeof(text));
    reply->result = json_stringn(text, sizeof(text));
}

static const struct ipc_method methods[] = {
    {"echo", handle_echo},   {"pipe", handle_pipe}, {"pipe-and-fail", handle_pipe_and_fail},
    {"large", handle_large}, {NULL, NULL},
};

struct serving {
    struct ipc_server *server;
    _Atomic bool stop;
    pthread_t thread;
    int pipes[2];
};

static void *serve(void *argument)
{
    struct serving *serving = argument;
    while (!atomic_load(&serving->stop)) {
        struct pollfd poll_fd = {.fd = ipc_server_fd(serving->server), .events = POLLIN};
        poll(&poll_fd, 1, 5);
        ipc_server_turn(serving->server, clock_monotonic_ns());
    }
    return NULL;
}

static void start_serving(struct serving *serving)
{
    char why[256];
    *serving = (struct serving){.stop = false};
    assert_int_equal(pipe2(serving->pipes, O_CLOEXEC), 0);
    assert_int_equal(write(serving->pipes[1], "p", 1), 1);
    assert_int_equal(
        ipc_server_open(path, methods, serving->pipes, &serving->server, why, sizeof(why)),
        ERROR_NONE);
    assert_int_equal(pthread_create(&serving->thread, NULL, serve, serving), 0);
}

static void stop_serving(struct serving *serving)
{
    atomic_store(&serving->stop, true);
    pthread_join(serving->thread, NULL);
    ipc_server_close(serving->server);
    close(serving->pipes[0]);
    close(serving->pipes[1]);
}

static struct ipc_client *new_client(void)
{
    char why[256];
    struct ipc_client *client;
    assert_int_equal(ipc_client_open(path, &client, why, sizeof(why)), ERROR_NONE);
    return client;
}

static void calls_and_gets_its_answers(void **state)
{
    struct serving serving;
    start_serving(&serving);
    struct ipc_client *client = new_client();
    for (int i = 0; i < 100; i++) {
        json_t *arguments = json_pack("{s:i}", "n", i);
        json_t *reply;
        int fd = 42;
        assert_int_equal(ipc_client_call(client, "echo", arguments, TIMEOUT_MS, &reply, &fd),
                         ERROR_NONE);
        assert_int_equal(fd, -1);
        assert_true(json_equal(json_object_get(reply, "result"), arguments));
        json_decref(reply);
        json_decref(arguments);
    }
    json_t *reply;
    assert_int_equal(ipc_client_call(client, "nothing", NULL, TIMEOUT_MS, &reply, NULL),
                     ERROR_NONE);
    const json_t *code = json_object_get(json_object_get(reply, "error"), "code");
    assert_string_equal(json_string_value(code), "unknown-method");
    json_decref(reply);
    assert_int_equal(ipc_client_call(client, "large", NULL, TIMEOUT_MS, &reply, NULL), ERROR_NONE);
    assert_int_equal(json_string_length(json_object_get(reply, "result")), 3000000);
    json_decref(reply);
    ipc_client_close(client);
    stop_serving(&serving);
}

// The descriptors of this process, the server's included. Its copy of the last one that it passed
// may not be closed yet; when it has answered once more, it is.
static size_t settled_descriptors(struct ipc_client *client)
{
    json_t *reply;
    assert_int_equal(ipc_client_call(client, "echo", NULL, TIMEOUT_MS, &reply, NULL), ERROR_NONE);
    json_decref(reply);
    return open_descriptors();
}

static void a_descriptor_comes_with_the_reply_that_has_one(void **state)
{
    struct serving serving;
    start_serving(&serving);
    struct ipc_client *client = new_client();
    json_t *reply;
    int fd = -1;
    assert_int_equal(ipc_client_call(client, "pipe", NULL, TIMEOUT_MS, &reply, &fd), ERROR_NONE);
    json_decref(reply);
    assert_true(fd >= 0);
    assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
    char letter = 0;
    assert_int_equal(read(fd, &letter, 1), 1);
    assert_int_equal(letter, 'p');
    close(fd);

    // Nobody wants it, or it came with an error: closed on either side, however often.
    size_t before = settled_descriptors(client);
    for (int i = 0; i < 10; i++) {
        assert_int_equal(ipc_client_call(client, "pipe", NULL, TIMEOUT_MS, &reply, NULL),
                         ERROR_NONE);
        json_decref(reply);
        assert_int_equal(ipc_client_call(client, "pipe-and-fail", NULL, TIMEOUT_MS, &reply, &fd),
                         ERROR_NONE);
        assert_int_equal(fd, -1);
        json_decref(reply);
    }
    assert_int_equal(settled_descriptors(client), before);
    ipc_client_close(client);
    stop_serving(&serving);
}

static void a_request_that_is_too_large_is_not_sent(void **state)
{
    struct serving serving;
    start_serving(&serving);
    struct ipc_client *client = new_client();
    char *text = calloc(1, IPC_REQUEST_BYTES_MAX + 1);
    assert_non_null(text);
    memset(text, 'x', IPC_REQUEST_BYTES_MAX);
    json_t *arguments = json_pack("{s:s}", "x", text);
    json_t *reply;
    assert_int_equal(ipc_client_call(client, "echo", arguments, TIMEOUT_MS, &reply, NULL),
                     ERROR_TOO_LARGE);
    assert_int_equal(ipc_client_call(client, "echo", NULL, TIMEOUT_MS, &reply, NULL), ERROR_NONE);
    json_decref(reply);
    json_decref(arguments);
    free(text);
    ipc_client_close(client);
    stop_serving(&serving);
}

static int new_listener(void)
{
    char why[256];
    struct sockaddr_un address;
    assert_int_equal(ipc_address_of(path, &address, why, sizeof(why)), ERROR_NONE);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    assert_int_equal(bind(fd, (const struct sockaddr *)&address, sizeof(address)), 0);
    assert_int_equal(listen(fd, 8), 0);
    return fd;
}

static void an_answer_that_does_not_come_is_a_timeout_and_the_last_call(void **state)
{
    int listener = new_listener();
    struct ipc_client *client = new_client();
    json_t *reply = NULL;
    uint64_t start_ns = clock_monotonic_ns();
    assert_int_equal(ipc_client_call(client, "echo", NULL, 30, &reply, NULL), ERROR_TIMEOUT);
    assert_true(clock_monotonic_ns() - start_ns >= 30 * (uint64_t)NANOSECONDS_PER_MILLISECOND);
    // A late answer would be taken for that of the next call.
    assert_int_equal(ipc_client_call(client, "echo", NULL, 30, &reply, NULL), ERROR_CLOSED);
    assert_null(reply);
    ipc_client_close(client);
    close(listener);
    unlink(path);
}

static void what_is_no_reply_is_refused(void **state)
{
    static const struct {
        const char *bytes;
        size_t size;
        enum error error;
    } cases[] = {
        {"", 0, ERROR_CLOSED},
        {"\0\0", 2, ERROR_CLOSED},
        {"\0\0\0\x0a{\"res", 9, ERROR_CLOSED},
        {"\0\0\0\0", 4, ERROR_INVALID},
        {"\x04\0\0\x01", 4, ERROR_TOO_LARGE},
        {"\0\0\0\x02{}", 6, ERROR_INVALID},
        {"\0\0\0\x04null", 8, ERROR_INVALID},
        {"\0\0\0\x0c{\"result\":1}", 16, ERROR_NONE},
        {"\0\0\0\x0c{\"result\":x}", 16, ERROR_INVALID},
    };
    int listener = new_listener();
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct ipc_client *client = new_client();
        int peer = accept(listener, NULL, NULL);
        assert_true(send(peer, cases[i].bytes, cases[i].size, 0) == (ssize_t)cases[i].size);
        close(peer); // so the client can send nothing, and still reads what it is told
        json_t *reply = NULL;
        int fd = 42;
        assert_int_equal(ipc_client_call(client, "echo", NULL, TIMEOUT_MS, &reply, &fd),
                         cases[i].error);
        assert_int_equal(fd, cases[i].error ? 42 : -1);
        json_decref(reply);
        ipc_client_close(client);
    }
    close(listener);
    unlink(path);
}

static void send_with_descriptors(int peer, const char *bytes, size_t size, int fd, size_t count)
{
    _Alignas(struct cmsghdr) char control[CMSG_SPACE(16 * sizeof(int))] = {0};
    struct iovec part_bytes = {.iov_base = (void *)(uintptr_t)bytes, .iov_len = size};
    struct msghdr message = {
        .msg_iov = &part_bytes,
        .msg_iovlen = 1,
        .msg_control = control,
        .msg_controllen = CMSG_SPACE(count * sizeof(int)),
    };
    struct cmsghdr *part = CMSG_FIRSTHDR(&message);
    part->cmsg_level = SOL_SOCKET;
    part->cmsg_type = SCM_RIGHTS;
    part->cmsg_len = CMSG_LEN(count * sizeof(int));
    for (size_t i = 0; i < count; i++)
        memcpy(CMSG_DATA(part) + i * sizeof(int), &fd, sizeof(int));
    assert_true(sendmsg(peer, &message, 0) == (ssize_t)size);
}

static void unexpected_descriptors_are_closed(void **state)
{
    static const struct {
        const char *bytes;
        size_t size;
        size_t first;  // descriptors with the first half
        size_t second; // and with the second
        enum error error;
        size_t kept;
    } cases[] = {
        {"\0\0\0\x0c{\"result\":1}", 16, 1, 1, ERROR_NONE, 1},
        {"\0\0\0\x0c{\"result\":1}", 16, 3, 2, ERROR_NONE, 1},
        {"\0\0\0\x0c{\"result\":1}", 16, 16, 16, ERROR_NONE, 1}, // more than there is room for
        {"\0\0\0\x0c{\"result\":x}", 16, 1, 1, ERROR_INVALID, 0},
        {"\0\0\0\x0d{\"result\":1}", 16, 1, 2, ERROR_CLOSED, 0},
    };
    int listener = new_listener();
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct ipc_client *client = new_client();
        int peer = accept(listener, NULL, NULL);
        size_t half = cases[i].size / 2;
        send_with_descriptors(peer, cases[i].bytes, half, listener, cases[i].first);
        send_with_descriptors(peer, cases[i].bytes + half, cases[i].size - half, listener,
                              cases[i].second);
        close(peer);
        size_t before = open_descriptors();
        json_t *reply = NULL;
        int fd = -1;
        assert_int_equal(ipc_client_call(client, "echo", NULL, TIMEOUT_MS, &reply, &fd),
                         cases[i].error);
        assert_int_equal(open_descriptors(), before + cases[i].kept);
        if (fd >= 0)
            close(fd);
        json_decref(reply);
        ipc_client_close(client);
    }
    close(listener);
    unlink(path);
}

static void where_nothing_listens_a_sentence_says_so(void **state)
{
    char why[256];
    struct ipc_client *client;
    assert_int_equal(ipc_client_open(path, &client, why, sizeof(why)), ERROR_NOT_FOUND);
    assert_non_null(strstr(why, "nothing listens at"));
    assert_non_null(strstr(why, path));

    close(new_listener()); // dead, its socket left
    assert_int_equal(ipc_client_open(path, &client, why, sizeof(why)), ERROR_NOT_FOUND);
    assert_non_null(strstr(why, "nothing listens at"));
    unlink(path);

    char longest[200];
    memset(longest, 'x', sizeof(longest) - 1);
    longest[sizeof(longest) - 1] = '\0';
    assert_int_equal(ipc_client_open(longest, &client, why, sizeof(why)), ERROR_TOO_LARGE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(calls_and_gets_its_answers),
        cmocka_unit_test(a_descriptor_comes_with_the_reply_that_has_one),
        cmocka_unit_test(a_request_that_is_too_large_is_not_sent),
        cmocka_unit_test(an_answer_that_does_not_come_is_a_timeout_and_the_last_call),
        cmocka_unit_test(what_is_no_reply_is_refused),
        cmocka_unit_test(unexpected_descriptors_are_closed),
        cmocka_unit_test(where_nothing_listens_a_sentence_says_so),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
