// The server against peers that are raw sockets, all in one thread and with a clock of our own.
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/byteorder.h"
#include "base/clock.h"
#include "base/ipc/ipc_priv.h"
#include "tests/test.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define SECOND       ((uint64_t)NANOSECONDS_PER_SECOND)

static char directory[] = "/tmp/weir-ipc-XXXXXX";
static char path[64];

static int calls;

static void handle_echo(void *context, const json_t *arguments, struct ipc_reply *reply)
{
    calls++;
    reply->result = json_deep_copy(arguments);
}

static void handle_fail(void *context, const json_t *arguments, struct ipc_reply *reply)
{
    ipc_reply_error(reply, "not-found", "name one that is", "no pool %s", "web");
}

static void handle_large(void *context, const json_t *arguments, struct ipc_reply *reply)
{
    size_t size = (size_t)json_integer_value(json_object_get(arguments, "size"));
    char *text = malloc(size);
    assert_non_null(text);
    memset(text, 'x', size);
    reply->result = json_stringn(text, size);
    free(text);
}

static const struct ipc_method methods[] = {
    {"echo", handle_echo},
    {"fail", handle_fail},
    {"large", handle_large},
    {NULL, NULL},
};

static int set_up(void **state)
{
    if (!mkdtemp(directory))
        return -1;
    snprintf(path, sizeof(path), "%s/socket", directory);
    return 0;
}

static int tear_down(void **state)
{
    return rmdir(directory); // fails where a test left its socket behind
}

static struct ipc_server *new_server(void)
{
    char why[256];
    struct ipc_server *server;
    assert_int_equal(ipc_server_open(path, methods, NULL, &server, why, sizeof(why)), ERROR_NONE);
    return server;
}

static int connect_peer(void)
{
    char why[256];
    struct sockaddr_un address;
    assert_int_equal(ipc_address_of(path, &address, why, sizeof(why)), ERROR_NONE);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    assert_true(fd >= 0);
    assert_int_equal(connect(fd, (const struct sockaddr *)&address, sizeof(address)), 0);
    return fd;
}

static bool is_readable(int fd)
{
    struct pollfd poll_fd = {.fd = fd, .events = POLLIN};
    return poll(&poll_fd, 1, 0) == 1;
}

// Turns until there is nothing left to do.
static void turn(struct ipc_server *server, uint64_t now_ns)
{
    do
        ipc_server_turn(server, now_ns);
    while (is_readable(ipc_server_fd(server)));
}

static void send_bytes(int fd, const void *bytes, size_t size)
{
    assert_true(send(fd, bytes, size, MSG_NOSIGNAL) == (ssize_t)size);
}

static void send_request(int fd, const char *body)
{
    uint8_t frame[1024];
    size_t length = strlen(body);
    store_be32(frame, (uint32_t)length);
    memcpy(frame + 4, body, length);
    send_bytes(fd, frame, 4 + length);
}

// The next reply's body; "" where there is none, "closed" where the server has closed.
static const char *receive_reply(int fd)
{
    static char body[4096];
    uint8_t length_bytes[4];
    ssize_t n = recv(fd, length_bytes, 4, 0);
    if (n <= 0)
        return n == 0 || errno == ECONNRESET ? "closed" : "";
    assert_int_equal(n, 4);
    uint32_t length = load_be32(length_bytes);
    assert_in_range(length, 1, sizeof(body) - 1);
    assert_int_equal(recv(fd, body, length, 0), length);
    body[length] = '\0';
    return body;
}

static void answers_requests_in_order(void **state)
{
    struct ipc_server *server = new_server();
    int peer = connect_peer();
    send_request(peer, "{\"method\":\"echo\",\"arguments\":{\"n\":1}}");
    send_request(peer, "{\"method\":\"echo\"}");
    send_request(peer, "{\"method\":\"fail\"}");
    turn(server, 0);
    assert_string_equal(receive_reply(peer), "{\"result\":{\"n\":1}}");
    assert_string_equal(receive_reply(peer), "{\"result\":{}}");
    assert_string_equal(receive_reply(peer),
                        "{\"error\":{\"code\":\"not-found\",\"message\":\"no pool web\","
                        "\"remedy\":\"name one that is\"}}");
    assert_string_equal(receive_reply(peer), "");
    close(peer);
    turn(server, 0);
    assert_int_equal(ipc_server_counts(server).accepted, 1);
    ipc_server_close(server);
}

static void a_request_may_come_byte_by_byte(void **state)
{
    struct ipc_server *server = new_server();
    int peer = connect_peer();
    static const char frame[] = "\0\0\0\x11{\"method\":\"echo\"}";
    calls = 0;
    for (size_t i = 0; i < sizeof(frame) - 1; i++) {
        assert_int_equal(calls, 0);
        send_bytes(peer, &frame[i], 1);
        turn(server, i);
    }
    assert_int_equal(calls, 1);
    assert_string_equal(receive_reply(peer), "{\"result\":{}}");
    close(peer);
    ipc_server_close(server);
}

static void an_unknown_method_is_told_the_nearest_one(void **state)
{
    static const struct {
        const char *request;
        const char *reply;
    } cases[] = {
        {"{\"method\":\"ehco\"}",
         "{\"error\":{\"code\":\"unknown-method\",\"message\":\"there is no method ehco\","
         "\"remedy\":\"did you mean echo?\"}}"},
        {"{\"method\":\"show.everything\"}",
         "{\"error\":{\"code\":\"unknown-method\",\"message\":\"there is no method "
         "show.everything\",\"remedy\":\"there are echo fail large\"}}"},
    };
    struct ipc_server *server = new_server();
    int peer = connect_peer();
    for (size_t i = 0; i < COUNT(cases); i++) {
        send_request(peer, cases[i].request);
        turn(server, 0);
        assert_string_equal(receive_reply(peer), cases[i].reply);
    }
    close(peer);
    ipc_server_close(server);
}

static void what_is_no_request_is_answered_and_closed(void **state)
{
    static const struct {
        const char *bytes;
        size_t size;
        const char *why;
    } cases[] = {
        {"\0\0\0\0", 4, "it is empty"},
        {"\0\x10\0\x01", 4, "it is longer than a request may be"},
        {"GET / HTTP/1.1\r\n\r\n", 18, "it is longer than a request may be"},
        {"\0\0\0\x02[]", 6, "not a JSON object"},
        {"\0\0\0\x02{x", 6, "not JSON"},
        {"\0\0\0\x02{}\0\0\0\x02{}", 12, "it has no \\\"method\\\""}, // the second is not read
    };
    struct ipc_server *server = new_server();
    for (size_t i = 0; i < COUNT(cases); i++) {
        int peer = connect_peer();
        send_bytes(peer, cases[i].bytes, cases[i].size);
        turn(server, 0);
        const char *reply = receive_reply(peer);
        assert_non_null(strstr(reply, "\"code\":\"malformed-request\""));
        assert_non_null(strstr(reply, cases[i].why));
        assert_string_equal(receive_reply(peer), "closed");
        assert_int_equal(ipc_server_counts(server).malformed, i + 1);
        close(peer);
    }
    ipc_server_close(server);
}

static void the_largest_request_is_read(void **state)
{
    struct ipc_server *server = new_server();
    int peer = connect_peer();
    static const char head[] = "{\"method\":\"fail\",\"arguments\":{\"x\":\"";
    static const char tail[] = "\"}}";
    size_t size = 4 + IPC_REQUEST_BYTES_MAX;
    char *frame = malloc(size);
    assert_non_null(frame);
    memset(frame, 'x', size);
    store_be32(frame, IPC_REQUEST_BYTES_MAX);
    memcpy(frame + 4, head, strlen(head));
    memcpy(frame + size - strlen(tail), tail, strlen(tail));
    for (size_t sent = 0; sent < size;) {
        ssize_t n = send(peer, frame + sent, size - sent, MSG_NOSIGNAL);
        if (n > 0)
            sent += (size_t)n;
        turn(server, 0);
    }
    assert_non_null(strstr(receive_reply(peer), "no pool web"));
    free(frame);
    close(peer);
    ipc_server_close(server);
}

static void a_request_is_whole_within_ten_seconds(void **state)
{
    struct ipc_server *server = new_server();
    int slow = connect_peer();
    int idle = connect_peer();
    turn(server, 100 * SECOND);
    send_bytes(slow, "\0", 1);
    turn(server, 100 * SECOND);
    send_bytes(slow, "\0", 1); // a byte now and then gains no time
    turn(server, 109 * SECOND);
    turn(server, 110 * SECOND - 1);
    assert_string_equal(receive_reply(slow), "");
    turn(server, 110 * SECOND);
    assert_string_equal(receive_reply(slow), "closed");
    assert_int_equal(ipc_server_counts(server).stalled, 1);

    // Between requests a client may be silent as long as it likes.
    turn(server, 100000 * SECOND);
    send_request(idle, "{\"method\":\"echo\"}");
    turn(server, 100000 * SECOND);
    assert_string_equal(receive_reply(idle), "{\"result\":{}}");
    close(slow);
    close(idle);
    ipc_server_close(server);
}

static void a_reply_is_taken_within_ten_seconds(void **state)
{
    struct ipc_server *server = new_server();
    int peer = connect_peer();
    send_request(peer, "{\"method\":\"large\",\"arguments\":{\"size\":4000000}}");
    send_request(peer, "{\"method\":\"echo\"}"); // not before the first reply is out
    calls = 0;
    turn(server, 0);
    assert_int_equal(calls, 0);
    turn(server, 5 * SECOND);
    static char bytes[65536];
    while (recv(peer, bytes, sizeof(bytes), 0) > 0)
        continue; // a part of it: a Unix socket takes more when most of what it holds was read
    turn(server, 10 * SECOND - 1);
    assert_int_equal(ipc_server_counts(server).stalled, 0);
    turn(server, 10 * SECOND);
    assert_int_equal(ipc_server_counts(server).stalled, 1);
    close(peer);
    ipc_server_close(server);
}

static void a_large_reply_goes_out_as_the_peer_takes_it(void **state)
{
    struct ipc_server *server = new_server();
    int peer = connect_peer();
    send_request(peer, "{\"method\":\"large\",\"arguments\":{\"size\":4000000}}");
    send_request(peer, "{\"method\":\"echo\"}");
    static char bytes[65536];
    size_t expected = 4 + strlen("{\"result\":\"\"}") + 4000000;
    for (size_t received = 0; received < expected;) {
        turn(server, 0);
        size_t left = expected - received;
        ssize_t n = recv(peer, bytes, left < sizeof(bytes) ? left : sizeof(bytes), 0);
        assert_true(n > 0);
        received += (size_t)n;
    }
    turn(server, 0);
    assert_string_equal(receive_reply(peer), "{\"result\":{}}"); // and the next one after it
    close(peer);
    ipc_server_close(server);
}

static void a_reply_beyond_the_bound_is_an_error(void **state)
{
    struct ipc_server *server = new_server();
    int peer = connect_peer();
    char request[128];
    snprintf(request, sizeof(request), "{\"method\":\"large\",\"arguments\":{\"size\":%u}}",
             IPC_REPLY_BYTES_MAX);
    send_request(peer, request);
    turn(server, 0);
    assert_non_null(strstr(receive_reply(peer), "\"code\":\"reply-too-large\""));
    close(peer);
    ipc_server_close(server);
}

static void one_client_too_many_is_told_so_and_there_is_room_after_one_left(void **state)
{
    struct ipc_server *server = new_server();
    int peers[IPC_CLIENTS_MAX];
    for (size_t i = 0; i < IPC_CLIENTS_MAX; i++) {
        peers[i] = connect_peer();
        turn(server, 0);
    }
    int late = connect_peer();
    send_request(late, "{\"method\":\"echo\"}");
    turn(server, 0);
    assert_non_null(strstr(receive_reply(late), "\"code\":\"too-many-clients\""));
    assert_string_equal(receive_reply(late), "closed");
    close(late);
    assert_int_equal(ipc_server_counts(server).refused, 1);
    assert_int_equal(ipc_server_counts(server).accepted, IPC_CLIENTS_MAX);

    send_request(peers[31], "{\"method\":\"echo\"}"); // the others are served
    turn(server, 0);
    assert_string_equal(receive_reply(peers[31]), "{\"result\":{}}");
    close(peers[7]);
    late = connect_peer();
    send_request(late, "{\"method\":\"echo\"}");
    turn(server, 0);
    assert_string_equal(receive_reply(late), "{\"result\":{}}");
    close(late);
    for (size_t i = 0; i < IPC_CLIENTS_MAX; i++)
        if (i != 7)
            close(peers[i]);
    ipc_server_close(server);
}

static void who_asks_nothing_for_longest_makes_room_for_one_who_comes(void **state)
{
    struct ipc_server *server = new_server();
    int peers[IPC_CLIENTS_MAX];
    for (size_t i = 0; i < IPC_CLIENTS_MAX; i++) {
        peers[i] = connect_peer();
        turn(server, 100 * SECOND + i);
    }
    send_request(peers[0], "{\"method\":\"echo\"}"); // the first is active, the second busy
    send_bytes(peers[1], "\0", 1);
    turn(server, 102 * SECOND);
    assert_string_equal(receive_reply(peers[0]), "{\"result\":{}}");

    int late = connect_peer(); // the third was silent for 5 s, less a moment
    turn(server, 105 * SECOND + 1);
    assert_non_null(strstr(receive_reply(late), "\"code\":\"too-many-clients\""));
    close(late);
    late = connect_peer();
    send_request(late, "{\"method\":\"echo\"}");
    turn(server, 105 * SECOND + 2);
    assert_string_equal(receive_reply(late), "{\"result\":{}}");
    assert_string_equal(receive_reply(peers[2]), "closed");
    for (size_t i = 0; i < IPC_CLIENTS_MAX; i++)
        if (i != 2)
            assert_string_equal(receive_reply(peers[i]), "");
    assert_int_equal(ipc_server_counts(server).stalled, 1);
    assert_int_equal(ipc_server_counts(server).refused, 1);
    close(late);
    for (size_t i = 0; i < IPC_CLIENTS_MAX; i++)
        close(peers[i]);
    ipc_server_close(server);
}

static void only_owner_and_group_may_use_the_socket_and_it_goes_with_the_server(void **state)
{
    mode_t before = umask(0);
    struct ipc_server *server = new_server();
    umask(before);
    struct stat status;
    assert_int_equal(lstat(path, &status), 0);
    assert_true(S_ISSOCK(status.st_mode));
    assert_int_equal(status.st_mode & 07777, 0660);
    ipc_server_close(server);
    assert_int_not_equal(lstat(path, &status), 0);
}

static void a_dead_servers_socket_is_replaced_and_a_live_ones_is_not(void **state)
{
    char why[256];
    struct ipc_server *second = NULL;
    struct ipc_server *first = new_server();
    assert_int_equal(ipc_server_open(path, methods, NULL, &second, why, sizeof(why)), ERROR_EXISTS);
    assert_non_null(strstr(why, path));
    assert_non_null(strstr(why, "another process listens there"));
    ipc_server_close(first);

    // What a killed process leaves.
    struct sockaddr_un address;
    assert_int_equal(ipc_address_of(path, &address, why, sizeof(why)), ERROR_NONE);
    int dead = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(dead, (const struct sockaddr *)&address, sizeof(address)), 0);
    close(dead);
    second = new_server();
    int peer = connect_peer();
    send_request(peer, "{\"method\":\"echo\"}");
    turn(second, 0);
    assert_string_equal(receive_reply(peer), "{\"result\":{}}");
    close(peer);
    ipc_server_close(second);
}

static void a_live_socket_that_is_too_busy_to_accept_is_not_replaced(void **state)
{
    char why[256];
    struct sockaddr_un address;
    assert_int_equal(ipc_address_of(path, &address, why, sizeof(why)), ERROR_NONE);
    int busy = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(busy, (const struct sockaddr *)&address, sizeof(address)), 0);
    assert_int_equal(listen(busy, 0), 0);
    int waiting = connect_peer(); // fills the backlog
    struct ipc_server *server;
    assert_int_equal(ipc_server_open(path, methods, NULL, &server, why, sizeof(why)), ERROR_EXISTS);
    close(waiting);
    close(busy);
    assert_int_equal(unlink(path), 0);
}

static void a_file_that_is_no_socket_is_left_alone(void **state)
{
    char why[256];
    struct ipc_server *server;
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fclose(file);
    assert_int_equal(ipc_server_open(path, methods, NULL, &server, why, sizeof(why)), ERROR_EXISTS);
    assert_non_null(strstr(why, "no socket"));
    assert_int_equal(unlink(path), 0);
}

static void closing_leaves_the_socket_of_a_successor(void **state)
{
    struct ipc_server *first = new_server();
    assert_int_equal(unlink(path), 0);
    struct ipc_server *second = new_server();
    ipc_server_close(first);
    assert_int_equal(access(path, F_OK), 0);
    ipc_server_close(second);
}

#define STARTERS 4

struct starter {
    pthread_t thread;
    pthread_barrier_t *together;
    struct ipc_server *server; // NULL: another had the path
};

static void *start(void *argument)
{
    struct starter *starter = argument;
    char why[256];
    pthread_barrier_wait(starter->together);
    enum error error = ipc_server_open(path, methods, NULL, &starter->server, why, sizeof(why));
    return error == ERROR_NONE || error == ERROR_EXISTS ? starter : NULL;
}

// A server that has bound the path and does not listen yet looks like one that died.
static void of_those_that_start_at_once_one_gets_the_path(void **state)
{
    pthread_barrier_t together;
    assert_int_equal(pthread_barrier_init(&together, NULL, STARTERS), 0);
    for (int round = 0; round < 200; round++) {
        struct starter starters[STARTERS];
        int started = 0;
        for (int i = 0; i < STARTERS; i++) {
            starters[i] = (struct starter){.together = &together};
            assert_int_equal(pthread_create(&starters[i].thread, NULL, start, &starters[i]), 0);
        }
        for (int i = 0; i < STARTERS; i++) {
            void *ended;
            assert_int_equal(pthread_join(starters[i].thread, &ended), 0);
            assert_non_null(ended);
            started += starters[i].server != NULL;
        }
        for (int i = 0; i < STARTERS; i++)
            ipc_server_close(starters[i].server);
        assert_int_equal(started, 1);
    }
    pthread_barrier_destroy(&together);
}

static void a_path_that_cannot_be_is_a_clear_sentence(void **state)
{
    char why[256];
    struct ipc_server *server;
    char missing[128];
    snprintf(missing, sizeof(missing), "%s/missing/socket", directory);
    assert_int_equal(ipc_server_open(missing, methods, NULL, &server, why, sizeof(why)),
                     ERROR_NOT_FOUND);
    assert_non_null(strstr(why, "its directory does not exist: make it, or choose another path"));
    memset(missing, 'x', sizeof(missing) - 1);
    missing[sizeof(missing) - 1] = '\0';
    assert_int_equal(ipc_server_open(missing, methods, NULL, &server, why, sizeof(why)),
                     ERROR_TOO_LARGE);
    assert_non_null(strstr(why, "bytes long"));
}

// As a user who may do nothing there, if this is root.
static void a_path_where_we_may_not_is_a_clear_sentence(void **state)
{
    char why[256], inside[128], closed[96];
    struct ipc_server *server;
    snprintf(closed, sizeof(closed), "%s/closed", directory);
    snprintf(inside, sizeof(inside), "%s/socket", closed);
    assert_int_equal(mkdir(closed, 0700), 0);
    assert_int_equal(chmod(directory, 0755), 0);
    bool root = geteuid() == 0;
    static const mode_t modes[] = {0555, 0111}; // to look into and no more, not even that
    for (size_t i = 0; i < sizeof(modes) / sizeof(modes[0]); i++) {
        assert_int_equal(chmod(closed, modes[i]), 0);
        if (root)
            assert_int_equal(seteuid(65534), 0);
        enum error error = ipc_server_open(inside, methods, NULL, &server, why, sizeof(why));
        if (root)
            assert_int_equal(seteuid(0), 0);
        assert_int_equal(error, ERROR_PERMISSION);
        assert_non_null(strstr(why, "no permission to make it there: allow this user to write to "
                                    "its directory, or choose another path"));
    }
    rmdir(closed);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(answers_requests_in_order),
        cmocka_unit_test(a_request_may_come_byte_by_byte),
        cmocka_unit_test(an_unknown_method_is_told_the_nearest_one),
        cmocka_unit_test(what_is_no_request_is_answered_and_closed),
        cmocka_unit_test(the_largest_request_is_read),
        cmocka_unit_test(a_request_is_whole_within_ten_seconds),
        cmocka_unit_test(a_reply_is_taken_within_ten_seconds),
        cmocka_unit_test(a_large_reply_goes_out_as_the_peer_takes_it),
        cmocka_unit_test(a_reply_beyond_the_bound_is_an_error),
        cmocka_unit_test(one_client_too_many_is_told_so_and_there_is_room_after_one_left),
        cmocka_unit_test(who_asks_nothing_for_longest_makes_room_for_one_who_comes),
        cmocka_unit_test(only_owner_and_group_may_use_the_socket_and_it_goes_with_the_server),
        cmocka_unit_test(a_dead_servers_socket_is_replaced_and_a_live_ones_is_not),
        cmocka_unit_test(a_live_socket_that_is_too_busy_to_accept_is_not_replaced),
        cmocka_unit_test(a_file_that_is_no_socket_is_left_alone),
        cmocka_unit_test(closing_leaves_the_socket_of_a_successor),
        cmocka_unit_test(of_those_that_start_at_once_one_gets_the_path),
        cmocka_unit_test(a_path_that_cannot_be_is_a_clear_sentence),
        cmocka_unit_test(a_path_where_we_may_not_is_a_clear_sentence),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
