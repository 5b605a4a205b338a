#include "member/sockets.h"

#include <errno.h>
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define ANSWER_BYTES 8192

struct question {
    struct nlmsghdr header;
    struct inet_diag_req_v2 request;
};

static struct question question_of(const struct connection *connection)
{
    bool v4 = ip_is_v4(&connection->service);
    struct question question = {
        .header = {.nlmsg_len = sizeof(question),
                   .nlmsg_type = SOCK_DIAG_BY_FAMILY,
                   .nlmsg_flags = NLM_F_REQUEST},
        .request = {.sdiag_family = v4 ? AF_INET : AF_INET6,
                    .sdiag_protocol = IPPROTO_TCP,
                    .idiag_states = UINT32_MAX,
                    .id = {.idiag_sport = connection->service_port,
                           .idiag_dport = connection->client_port,
                           .idiag_cookie = {INET_DIAG_NOCOOKIE, INET_DIAG_NOCOOKIE}}},
    };
    size_t size = v4 ? 4 : 16, at = v4 ? 12 : 0;
    memcpy(question.request.id.idiag_src, connection->service.bytes + at, size);
    memcpy(question.request.id.idiag_dst, connection->client.bytes + at, size);
    return question;
}

// The state of the socket, 0: there is none. Else a negative errno.
static int ask(int descriptor, const struct connection *connection)
{
    static uint32_t sequence;
    struct question question = question_of(connection);
    question.header.nlmsg_seq = ++sequence;
    if (send(descriptor, &question, sizeof(question), 0) < 0)
        return -errno;
    for (;;) {
        _Alignas(struct nlmsghdr) uint8_t answer[ANSWER_BYTES];
        ssize_t got = recv(descriptor, answer, sizeof(answer), 0);
        if (got < 0)
            return -errno;
        const struct nlmsghdr *header = (const struct nlmsghdr *)answer;
        if ((size_t)got < sizeof(*header) + sizeof(struct nlmsgerr))
            return -EPROTO;
        if (header->nlmsg_seq != question.header.nlmsg_seq)
            continue; // to a question that was given up
        if (header->nlmsg_type == NLMSG_ERROR) {
            const struct nlmsgerr *error = NLMSG_DATA(header);
            return error->error == -ENOENT ? 0 : error->error;
        }
        const struct inet_diag_msg *socket = NLMSG_DATA(header);
        return socket->idiag_state;
    }
}

// A kernel without tcp_diag has the same answer, ENOENT, to everything: so it is asked for a
// listener that is there.
static bool answers(int descriptor)
{
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_addr = {.s_addr = htonl(INADDR_LOOPBACK)}};
    socklen_t size = sizeof(address);
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    bool there =
        listener >= 0 && bind(listener, (struct sockaddr *)&address, sizeof(address)) == 0 &&
        listen(listener, 1) == 0 && getsockname(listener, (struct sockaddr *)&address, &size) == 0;
    const struct connection connection = {.service = ip_from_v4(&address.sin_addr),
                                          .client = ip_from_v4(&address.sin_addr),
                                          .service_port = address.sin_port,
                                          .client_port = htons(1)};
    bool answered = there && ask(descriptor, &connection) == TCP_LISTEN;
    if (listener >= 0)
        close(listener);
    return answered;
}

enum error sockets_open(int *descriptor)
{
    int made = socket(AF_NETLINK, SOCK_DGRAM | SOCK_CLOEXEC, NETLINK_SOCK_DIAG);
    if (made < 0)
        return errno == EPROTONOSUPPORT ? ERROR_UNSUPPORTED : ERROR_SYSTEM;
    // The kernel answers at once, or never.
    const struct timeval patience = {.tv_usec = 100000};
    setsockopt(made, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
    if (!answers(made)) {
        close(made);
        return ERROR_UNSUPPORTED;
    }
    *descriptor = made;
    return ERROR_NONE;
}

bool sockets_know(int descriptor, const struct connection *connection)
{
    int state = ask(descriptor, connection);
    return state != 0 && state != TCP_LISTEN;
}
