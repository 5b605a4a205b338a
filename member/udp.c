#include "member/udp.h"

#include <netinet/in.h>
#include <netinet/udp.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define DATAGRAM_BYTES 65536u
// Some thousand datagrams: what comes while this thread does not run. More than the kernel's limit
// is for who may administer the network.
#define QUEUE_BYTES (8 << 20)

// Of what the kernel tells beside a datagram: traffic class, addresses, datagrams missed.
#define CONTROL_BYTES 256u

static uint8_t buffers[UDP_BURST][DATAGRAM_BYTES];
static _Alignas(struct cmsghdr) uint8_t controls[UDP_BURST][CONTROL_BYTES];

union socket_address {
    struct sockaddr any;
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
};

static socklen_t size_of(bool v4)
{
    return v4 ? sizeof(struct sockaddr_in) : sizeof(struct sockaddr_in6);
}

static union socket_address address_at(const struct ip_address *address, uint16_t port)
{
    union socket_address at = {.any.sa_family = AF_INET6};
    if (ip_is_v4(address)) {
        at.v4 = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons(port)};
        memcpy(&at.v4.sin_addr, address->bytes + 12, 4);
    } else {
        at.v6 = (struct sockaddr_in6){.sin6_family = AF_INET6, .sin6_port = htons(port)};
        memcpy(&at.v6.sin6_addr, address->bytes, 16);
    }
    return at;
}

static bool set(int socket, int level, int option, int value)
{
    return setsockopt(socket, level, option, &value, sizeof(value)) == 0;
}

// What a datagram is to be told with.
static bool ask_for_more(int socket, bool v4)
{
    if (v4)
        return set(socket, IPPROTO_IP, IP_RECVTOS, 1) && set(socket, IPPROTO_IP, IP_PKTINFO, 1);
    // RFC 6935: an appliance's checksum is zero where the packet inside has none either.
    return set(socket, IPPROTO_IPV6, IPV6_V6ONLY, 1) &&
           set(socket, IPPROTO_IPV6, IPV6_RECVTCLASS, 1) &&
           set(socket, IPPROTO_IPV6, IPV6_RECVPKTINFO, 1) &&
           set(socket, IPPROTO_UDP, UDP_NO_CHECK6_RX, 1);
}

static int open_one(bool v4, uint16_t port, const char **what)
{
    int made = socket(v4 ? AF_INET : AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    *what = v4 ? "a UDP socket for IPv4" : "a UDP socket for IPv6";
    if (made < 0)
        return -1;
    if (!set(made, SOL_SOCKET, SO_RCVBUFFORCE, QUEUE_BYTES))
        set(made, SOL_SOCKET, SO_RCVBUF, QUEUE_BYTES);
    struct ip_address any = {.bytes = {0}};
    if (v4)
        any = ip_from_v4(any.bytes);
    union socket_address at = address_at(&any, port);
    if (!set(made, SOL_SOCKET, SO_RXQ_OVFL, 1) || !ask_for_more(made, v4))
        goto failed;
    *what = v4 ? "the UDP port of GUE over IPv4" : "the UDP port of GUE over IPv6";
    if (bind(made, &at.any, size_of(v4)) == 0)
        return made;

failed:
    close(made);
    return -1;
}

bool udp_open(struct udp_sockets *sockets, uint16_t port, const char **what)
{
    *sockets = (struct udp_sockets){.port = port};
    sockets->v4 = open_one(true, port, what);
    if (sockets->v4 < 0)
        return false;
    sockets->v6 = open_one(false, port, what);
    if (sockets->v6 >= 0)
        return true;
    close(sockets->v4);
    return false;
}

static struct ip_address address_of(const union socket_address *from)
{
    return from->any.sa_family == AF_INET ? ip_from_v4(&from->v4.sin_addr)
                                          : ip_from_v6(&from->v6.sin6_addr);
}

static void read_control(struct udp_sockets *sockets, const struct cmsghdr *control,
                         struct udp_datagram *datagram)
{
    const uint8_t *data = CMSG_DATA(control);
    if (control->cmsg_level == IPPROTO_IP && control->cmsg_type == IP_TOS) {
        datagram->traffic_class = *data;
    } else if (control->cmsg_level == IPPROTO_IPV6 && control->cmsg_type == IPV6_TCLASS) {
        int value;
        memcpy(&value, data, sizeof(value));
        datagram->traffic_class = (uint8_t)value;
    } else if (control->cmsg_level == IPPROTO_IP && control->cmsg_type == IP_PKTINFO) {
        struct in_pktinfo info;
        memcpy(&info, data, sizeof(info));
        datagram->to = ip_from_v4(&info.ipi_spec_dst); // ours, also of a broadcast
    } else if (control->cmsg_level == IPPROTO_IPV6 && control->cmsg_type == IPV6_PKTINFO) {
        struct in6_pktinfo info;
        memcpy(&info, data, sizeof(info));
        if (!IN6_IS_ADDR_MULTICAST(&info.ipi6_addr))
            datagram->to = ip_from_v6(&info.ipi6_addr);
    } else if (control->cmsg_level == SOL_SOCKET && control->cmsg_type == SO_RXQ_OVFL) {
        uint32_t missed; // since the socket was opened
        memcpy(&missed, data, sizeof(missed));
        sockets->missed[ip_is_v4(&datagram->from) ? 0 : 1] = missed;
    }
}

uint32_t udp_receive(struct udp_sockets *sockets, bool v4, struct udp_datagram *datagrams)
{
    struct mmsghdr messages[UDP_BURST];
    struct iovec pieces[UDP_BURST];
    union socket_address from[UDP_BURST];
    for (uint32_t i = 0; i < UDP_BURST; i++) {
        pieces[i] = (struct iovec){.iov_base = buffers[i], .iov_len = DATAGRAM_BYTES};
        messages[i].msg_hdr = (struct msghdr){.msg_name = &from[i],
                                              .msg_namelen = sizeof(from[i]),
                                              .msg_iov = &pieces[i],
                                              .msg_iovlen = 1,
                                              .msg_control = controls[i],
                                              .msg_controllen = CONTROL_BYTES};
    }
    int count = recvmmsg(v4 ? sockets->v4 : sockets->v6, messages, UDP_BURST, MSG_DONTWAIT, NULL);
    for (int i = 0; i < count; i++) {
        struct msghdr *message = &messages[i].msg_hdr;
        datagrams[i] = (struct udp_datagram){
            .bytes = buffers[i], .size = messages[i].msg_len, .from = address_of(&from[i])};
        for (struct cmsghdr *each = CMSG_FIRSTHDR(message); each; each = CMSG_NXTHDR(message, each))
            read_control(sockets, each, &datagrams[i]);
    }
    return count < 0 ? 0 : (uint32_t)count;
}

// Adds one thing to what a message is sent with.
static void tell(struct msghdr *message, int level, int type, const void *value, size_t size)
{
    struct cmsghdr *header =
        (struct cmsghdr *)((uint8_t *)message->msg_control + message->msg_controllen);
    header->cmsg_level = level;
    header->cmsg_type = type;
    header->cmsg_len = CMSG_LEN(size);
    memcpy(CMSG_DATA(header), value, size);
    message->msg_controllen += CMSG_SPACE(size);
}

bool udp_send(const struct udp_sockets *sockets, struct span bytes, const struct ip_address *own,
              const struct ip_address *to, uint8_t traffic_class)
{
    bool v4 = ip_is_v4(to);
    union socket_address at = address_at(to, sockets->port);
    struct iovec piece = {.iov_base = (void *)bytes.data, .iov_len = bytes.size};
    _Alignas(struct cmsghdr) uint8_t control[CONTROL_BYTES] = {0};
    struct msghdr message = {.msg_name = &at,
                             .msg_namelen = size_of(v4),
                             .msg_iov = &piece,
                             .msg_iovlen = 1,
                             .msg_control = control};
    int value = traffic_class;
    if (v4)
        tell(&message, IPPROTO_IP, IP_TOS, &value, sizeof(value));
    else
        tell(&message, IPPROTO_IPV6, IPV6_TCLASS, &value, sizeof(value));
    if (v4 && ip_is_v4(own)) {
        struct in_pktinfo info = {0};
        memcpy(&info.ipi_spec_dst, own->bytes + 12, 4);
        tell(&message, IPPROTO_IP, IP_PKTINFO, &info, sizeof(info));
    } else if (!v4 && !ip_is_v4(own)) {
        struct in6_pktinfo info = {0};
        memcpy(&info.ipi6_addr, own->bytes, 16);
        tell(&message, IPPROTO_IPV6, IPV6_PKTINFO, &info, sizeof(info));
    }
    return sendmsg(v4 ? sockets->v4 : sockets->v6, &message, MSG_DONTWAIT) >= 0;
}
