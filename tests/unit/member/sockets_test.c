// Against the kernel this runs on.
#include "member/sockets.h"

#include <arpa/inet.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/test.h"

static void a_connection_is_known_at_both_ends_and_a_listener_is_none(void **state)
{
    int diag;
    if (sockets_open(&diag) != ERROR_NONE) {
        print_message("skipped: this kernel has no tcp_diag\n");
        skip();
    }
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr = {.s_addr = htonl(INADDR_LOOPBACK)}};
    struct sockaddr_in from;
    socklen_t size = sizeof(at);
    int listener = socket(AF_INET, SOCK_STREAM, 0), client = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(bind(listener, (struct sockaddr *)&at, sizeof(at)), 0);
    assert_int_equal(listen(listener, 1), 0);
    assert_int_equal(getsockname(listener, (struct sockaddr *)&at, &size), 0);
    assert_int_equal(connect(client, (struct sockaddr *)&at, sizeof(at)), 0);
    assert_int_equal(getsockname(client, (struct sockaddr *)&from, &size), 0);
    struct connection connection = {.client = ip_from_v4(&from.sin_addr),
                                    .service = ip_from_v4(&at.sin_addr),
                                    .client_port = from.sin_port,
                                    .service_port = at.sin_port};
    assert_true(sockets_know(diag, &connection));
    connection.client_port = htons(1);
    assert_false(sockets_know(diag, &connection));
    close(client);
    close(listener);
    close(diag);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_connection_is_known_at_both_ends_and_a_listener_is_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
