// Over the loopback of the kernel this runs on: 127.0.0.0/8 is all of it this host's.
#include "member/udp.h"

#include <arpa/inet.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/test.h"

struct peer {
    int socket;
    union {
        struct sockaddr any;
        struct sockaddr_in v4;
        struct sockaddr_in6 v6;
    } at;
    socklen_t size;
};

static struct udp_sockets ours;
static struct peer peers[2]; // v6, v4
static uint16_t ports[2];    // of ours, network byte order

static uint16_t port_of(int socket)
{
    struct sockaddr_in6 at;
    socklen_t size = sizeof(at);
    assert_int_equal(getsockname(socket, (struct sockaddr *)&at, &size), 0);
    return at.sin6_port; // where sockaddr_in has it, too
}

static void open_peer(bool v4)
{
    struct peer *peer = &peers[v4];
    peer->size = v4 ? sizeof(peer->at.v4) : sizeof(peer->at.v6);
    if (v4)
        peer->at.v4 =
            (struct sockaddr_in){.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    else
        peer->at.v6 =
            (struct sockaddr_in6){.sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT};
    peer->socket = socket(peer->at.any.sa_family, SOCK_DGRAM, 0);
    assert_int_equal(bind(peer->socket, &peer->at.any, peer->size), 0);
}

static int open_all(void **state)
{
    const char *what;
    assert_true(udp_open(&ours, 0, &what));
    ports[true] = port_of(ours.v4);
    ports[false] = port_of(ours.v6);
    open_peer(true);
    open_peer(false);
    return 0;
}

static int close_all(void **state)
{
    close(ours.v4);
    close(ours.v6);
    close(peers[0].socket);
    close(peers[1].socket);
    return 0;
}

static struct ip_address address(const char *text)
{
    struct ip_address parsed;
    assert_int_equal(ip_parse(text, &parsed), ERROR_NONE);
    return parsed;
}

static void peer_sends(bool v4, const char *to, const char *words)
{
    struct peer at = peers[v4];
    struct ip_address parsed = address(to);
    if (v4) {
        memcpy(&at.at.v4.sin_addr, parsed.bytes + 12, 4);
        at.at.v4.sin_port = ports[true];
    } else {
        memcpy(&at.at.v6.sin6_addr, parsed.bytes, 16);
        at.at.v6.sin6_port = ports[false];
    }
    assert_int_equal(sendto(at.socket, words, strlen(words), 0, &at.at.any, at.size),
                     strlen(words));
}

// Whom the peer hears, of the version that it has.
static struct ip_address peer_hears(bool v4, const char *words)
{
    char heard[64];
    struct peer from = peers[v4];
    ssize_t size =
        recvfrom(from.socket, heard, sizeof(heard), MSG_DONTWAIT, &from.at.any, &from.size);
    assert_int_equal(size, strlen(words));
    assert_memory_equal(heard, words, strlen(words));
    return v4 ? ip_from_v4(&from.at.v4.sin_addr) : ip_from_v6(&from.at.v6.sin6_addr);
}

static void assert_address(const struct ip_address *is, const char *expected)
{
    char text[IP_TEXT_SIZE];
    assert_string_equal(ip_format(is, text), expected);
}

static void an_answer_leaves_from_the_address_that_was_asked(void **state)
{
    static const struct {
        bool v4;
        const char *asked, *asker;
    } cases[] = {{true, "127.0.0.1", "127.0.0.1"},
                 {true, "127.0.0.2", "127.0.0.1"},
                 {true, "127.9.9.9", "127.0.0.1"},
                 {false, "::1", "::1"}};
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct udp_datagram datagrams[UDP_BURST];
        peer_sends(cases[i].v4, cases[i].asked, "there?");
        assert_int_equal(udp_receive(&ours, cases[i].v4, datagrams), 1);
        assert_int_equal(datagrams[0].size, 6);
        assert_memory_equal(datagrams[0].bytes, "there?", 6);
        assert_address(&datagrams[0].from, cases[i].asker);
        assert_address(&datagrams[0].to, cases[i].asked);
        ours.port = ntohs(port_of(peers[cases[i].v4].socket));
        assert_true(udp_send(&ours, span_of("yes", 3), &datagrams[0].to, &datagrams[0].from, 0));
        struct ip_address heard = peer_hears(cases[i].v4, "yes");
        assert_address(&heard, cases[i].asked);
    }
}

// From an address of the other version, or none: what the kernel chooses.
static void without_an_address_the_kernel_chooses(void **state)
{
    static const char *const froms[] = {"::", "::1", "127.0.0.2"};
    for (size_t i = 0; i < 2 * 3; i++) {
        bool v4 = i % 2;
        struct ip_address from = address(froms[i / 2]), to = address(v4 ? "127.0.0.1" : "::1");
        ours.port = ntohs(port_of(peers[v4].socket));
        assert_true(udp_send(&ours, span_of("hello", 5), &from, &to, 0));
        struct ip_address heard = peer_hears(v4, "hello");
        assert_address(&heard, !v4 ? "::1" : i / 2 == 2 ? "127.0.0.2" : "127.0.0.1");
    }
}

static void the_traffic_class_is_told_and_set(void **state)
{
    for (int v4 = 0; v4 < 2; v4++) {
        struct ip_address self = address(v4 ? "127.0.0.1" : "::1");
        struct udp_datagram datagrams[UDP_BURST];
        ours.port = ntohs(ports[v4]);
        assert_true(udp_send(&ours, span_of("marked", 6), &self, &self, 0xb9));
        assert_int_equal(udp_receive(&ours, v4, datagrams), 1);
        assert_int_equal(datagrams[0].traffic_class, 0xb9);
    }
}

static void a_burst_comes_in_order_and_what_was_missed_is_told(void **state)
{
    const int least = 1;
    assert_int_equal(setsockopt(ours.v4, SOL_SOCKET, SO_RCVBUF, &least, sizeof(least)), 0);
    char words[] = "a";
    for (int i = 0; i < 26; i++, words[0]++)
        peer_sends(true, "127.0.0.1", words);
    struct udp_datagram datagrams[UDP_BURST];
    uint32_t count = udp_receive(&ours, true, datagrams);
    assert_in_range(count, 1, 25);
    for (uint32_t i = 0; i < count; i++)
        assert_int_equal(datagrams[i].bytes[0], 'a' + i);
    peer_sends(true, "127.0.0.1", "last");
    assert_int_equal(udp_receive(&ours, true, datagrams), 1);
    assert_int_equal(ours.missed[0], 26 - count);
    assert_int_equal(ours.missed[1], 0);
    assert_int_equal(udp_receive(&ours, true, datagrams), 0);
}

static void a_port_that_is_taken_is_told(void **state)
{
    struct udp_sockets second;
    const char *what;
    assert_false(udp_open(&second, ntohs(ports[true]), &what));
    assert_non_null(strstr(what, "IPv4"));
    assert_false(udp_open(&second, ntohs(ports[false]), &what));
    assert_non_null(strstr(what, "IPv6"));
}

int main(void)
{
#define UDP_TEST(name) cmocka_unit_test_setup_teardown(name, open_all, close_all)
    const struct CMUnitTest tests[] = {
        UDP_TEST(an_answer_leaves_from_the_address_that_was_asked),
        UDP_TEST(without_an_address_the_kernel_chooses),
        UDP_TEST(the_traffic_class_is_told_and_set),
        UDP_TEST(a_burst_comes_in_order_and_what_was_missed_is_told),
        UDP_TEST(a_port_that_is_taken_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
