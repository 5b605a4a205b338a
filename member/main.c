// weir-member: what a member of a GUE pool with a second chance runs (docs/members.md). It takes
// GUE off what comes to UDP port 6080, and gives the packets to the kernel through a TUN interface;
// those of connections that this host does not know, and another may, it sends on. One thread, no
// state but UDP flows served of late: it may be restarted at any time.
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <netinet/in.h>
#include <netinet/udp.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/random.h"
#include "member/decide.h"
#include "member/hops.h"
#include "member/sockets.h"

#define BURST            32
#define DATAGRAM_BYTES   65536u
#define CONTROL_BYTES    64u
#define NO_TRAFFIC_CLASS 0

// X(field, words): what is told when it ends, and on SIGUSR1.
#define COUNTS(X)                                           \
    X(delivered, "delivered")                               \
    X(passed_on, "passed on")                               \
    X(passed_over, "hops passed over")                      \
    X(malformed, "malformed")                               \
    X(unsupported, "unsupported")                           \
    X(congested, "marked though their senders know no ECN") \
    X(refused, "refused by the kernel")                     \
    X(unsent, "not sent on")

struct options {
    const char *interface;
    uint32_t udp_flows;
    uint32_t udp_timeout_s;
};

struct member {
    int tun;
    int sockets[2]; // IPv4, IPv6
    int diag;
    struct decide decide;
    struct hops hops;
#define COUNT_FIELD(field, words) uint64_t field;
    COUNTS(COUNT_FIELD)
#undef COUNT_FIELD
};

// One burst's memory.
static uint8_t datagrams[BURST][DATAGRAM_BYTES];
static _Alignas(struct cmsghdr) uint8_t controls[BURST][CONTROL_BYTES];

static volatile sig_atomic_t ending, telling;

static void on_signal(int number)
{
    if (number == SIGUSR1)
        telling = 1;
    else
        ending = 1;
}

static int fail(const char *what)
{
    fprintf(stderr, "weir-member: %s: %s\n", what, strerror(errno));
    return -1;
}

static int open_tun(const char *name)
{
    int tun = open("/dev/net/tun", O_RDWR | O_CLOEXEC | O_NONBLOCK);
    if (tun < 0)
        return fail("/dev/net/tun");
    struct ifreq request = {.ifr_flags = IFF_TUN | IFF_NO_PI};
    snprintf(request.ifr_name, sizeof(request.ifr_name), "%s", name);
    int control = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (ioctl(tun, TUNSETIFF, &request) < 0 || ioctl(control, SIOCGIFFLAGS, &request) < 0)
        return fail(name);
    request.ifr_flags = (short)(request.ifr_flags | IFF_UP);
    if (ioctl(control, SIOCSIFFLAGS, &request) < 0)
        return fail(name);
    close(control);
    return tun;
}

static int open_socket(bool v4)
{
    int made = socket(v4 ? AF_INET : AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (made < 0)
        return fail("a UDP socket");
    const int on = 1;
    struct sockaddr_in any4 = {.sin_family = AF_INET, .sin_port = htons(GUE_PORT)};
    struct sockaddr_in6 any6 = {.sin6_family = AF_INET6, .sin6_port = htons(GUE_PORT)};
    if (v4) {
        setsockopt(made, IPPROTO_IP, IP_RECVTOS, &on, sizeof(on));
    } else {
        setsockopt(made, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on));
        setsockopt(made, IPPROTO_IPV6, IPV6_RECVTCLASS, &on, sizeof(on));
        // RFC 6935: an appliance's checksum is zero where the packet inside has none either.
        setsockopt(made, IPPROTO_UDP, UDP_NO_CHECK6_RX, &on, sizeof(on));
    }
    if (bind(made, v4 ? (struct sockaddr *)&any4 : (struct sockaddr *)&any6,
             v4 ? sizeof(any4) : sizeof(any6)) < 0)
        return fail("UDP port 6080");
    return made;
}

static uint8_t traffic_class_of(struct msghdr *message)
{
    for (struct cmsghdr *each = CMSG_FIRSTHDR(message); each; each = CMSG_NXTHDR(message, each)) {
        // An IPv4 one is a byte, an IPv6 one an int: the low byte comes first in both.
        if ((each->cmsg_level == IPPROTO_IP && each->cmsg_type == IP_TOS) ||
            (each->cmsg_level == IPPROTO_IPV6 && each->cmsg_type == IPV6_TCLASS))
            return *CMSG_DATA(each);
    }
    return 0;
}

static void deliver(struct member *member, const struct gue *gue, uint8_t traffic_class)
{
    uint8_t *packet = (uint8_t *)gue->inner.data; // in a buffer of ours
    if (!connection_carry_ecn(packet, traffic_class))
        member->congested++;
    else if (write(member->tun, packet, gue->inner.size) < 0)
        member->refused++;
    else
        member->delivered++;
}

// To another member's port. False: it was not sent.
static bool send_to(const struct member *member, struct span datagram, const struct ip_address *hop,
                    uint8_t traffic_class)
{
    bool v4 = ip_is_v4(hop);
    struct sockaddr_in to4 = {.sin_family = AF_INET, .sin_port = htons(GUE_PORT)};
    struct sockaddr_in6 to6 = {.sin6_family = AF_INET6, .sin6_port = htons(GUE_PORT)};
    memcpy(&to4.sin_addr, hop->bytes + 12, 4);
    memcpy(&to6.sin6_addr, hop->bytes, 16);
    struct iovec bytes = {.iov_base = (void *)datagram.data, .iov_len = datagram.size};
    _Alignas(struct cmsghdr) uint8_t control[CMSG_SPACE(sizeof(int))] = {0};
    struct msghdr message = {.msg_name = v4 ? (void *)&to4 : (void *)&to6,
                             .msg_namelen = v4 ? sizeof(to4) : sizeof(to6),
                             .msg_iov = &bytes,
                             .msg_iovlen = 1,
                             .msg_control = control,
                             .msg_controllen = sizeof(control)};
    struct cmsghdr *header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = v4 ? IPPROTO_IP : IPPROTO_IPV6;
    header->cmsg_type = v4 ? IP_TOS : IPV6_TCLASS;
    header->cmsg_len = CMSG_LEN(sizeof(int));
    int value = traffic_class;
    memcpy(CMSG_DATA(header), &value, sizeof(value));
    return sendmsg(member->sockets[v4 ? 0 : 1], &message, MSG_DONTWAIT) >= 0;
}

static void send_probe(const struct member *member, const struct ip_address *hop,
                       enum gue_probe probe)
{
    uint8_t datagram[GUE_SIZE];
    gue_probe_write(datagram, probe);
    send_to(member, span_of(datagram, sizeof(datagram)), hop, NO_TRAFFIC_CLASS);
}

// Whether a packet may be sent on to a hop.
static bool is_there(struct member *member, const struct ip_address *hop, uint32_t now_ms)
{
    bool ask;
    bool there = hops_use(&member->hops, hop, now_ms, &ask);
    if (ask)
        send_probe(member, hop, GUE_PROBE_QUESTION);
    return there;
}

// A member's question or answer.
static bool take_probe(struct member *member, struct span datagram,
                       const struct sockaddr_storage *from)
{
    enum gue_probe probe = gue_probe_read(datagram);
    if (probe == GUE_PROBE_NONE)
        return false;
    const struct sockaddr_in *from4 = (const struct sockaddr_in *)from;
    const struct sockaddr_in6 *from6 = (const struct sockaddr_in6 *)from;
    struct ip_address address =
        from->ss_family == AF_INET ? ip_from_v4(&from4->sin_addr) : ip_from_v6(&from6->sin6_addr);
    if (probe == GUE_PROBE_QUESTION)
        send_probe(member, &address, GUE_PROBE_ANSWER);
    else
        hops_answered(&member->hops, &address);
    return true;
}

static void take(struct member *member, uint8_t *datagram, size_t size, uint8_t traffic_class,
                 uint32_t now_ms)
{
    struct decided decided = decide(&member->decide, span_of(datagram, size), now_ms);
    while (decided.decision == DECISION_PASS_ON && !is_there(member, &decided.hop, now_ms)) {
        member->passed_over++;
        gue_advance(datagram);
        decided = decide(&member->decide, span_of(datagram, size), now_ms);
    }
    switch (decided.decision) {
    case DECISION_DELIVER:
        deliver(member, &decided.gue, traffic_class);
        return;
    case DECISION_PASS_ON:
        gue_advance(datagram);
        if (send_to(member, span_of(datagram, size), &decided.hop, traffic_class))
            member->passed_on++;
        else
            member->unsent++;
        return;
    case DECISION_MALFORMED:
        member->malformed++;
        return;
    case DECISION_UNSUPPORTED:
        member->unsupported++;
    }
}

static void receive(struct member *member, int socket)
{
    struct mmsghdr messages[BURST];
    struct iovec pieces[BURST];
    struct sockaddr_storage from[BURST];
    for (int i = 0; i < BURST; i++) {
        pieces[i] = (struct iovec){.iov_base = datagrams[i], .iov_len = DATAGRAM_BYTES};
        messages[i].msg_hdr = (struct msghdr){.msg_name = &from[i],
                                              .msg_namelen = sizeof(from[i]),
                                              .msg_iov = &pieces[i],
                                              .msg_iovlen = 1,
                                              .msg_control = controls[i],
                                              .msg_controllen = CONTROL_BYTES};
    }
    int count = recvmmsg(socket, messages, BURST, MSG_DONTWAIT, NULL);
    uint32_t now_ms = (uint32_t)(clock_monotonic_ns() / NANOSECONDS_PER_MILLISECOND);
    for (int i = 0; i < count; i++) {
        if (!take_probe(member, span_of(datagrams[i], messages[i].msg_len), &from[i]))
            take(member, datagrams[i], messages[i].msg_len, traffic_class_of(&messages[i].msg_hdr),
                 now_ms);
    }
}

static void tell(const struct member *member)
{
    printf("weir-member:");
#define COUNT_WORDS(field, words) printf(" %llu %s,", (unsigned long long)member->field, words);
    COUNTS(COUNT_WORDS)
#undef COUNT_WORDS
    printf(" %llu UDP flows forgotten for want of room\n",
           (unsigned long long)flows_forgotten(member->decide.udp));
    fflush(stdout);
}

// Until it is told to end. False: the interface is gone.
static bool run(struct member *member)
{
    struct pollfd waits[] = {{.fd = member->sockets[0], .events = POLLIN},
                             {.fd = member->sockets[1], .events = POLLIN},
                             {.fd = member->tun, .events = POLLIN}};
    sigset_t none;
    sigemptyset(&none);
    while (!ending) {
        if (telling) {
            telling = 0;
            tell(member);
        }
        if (ppoll(waits, 3, NULL, &none) <= 0)
            continue;
        for (int i = 0; i < 2; i++) {
            if (waits[i].revents)
                receive(member, waits[i].fd);
        }
        // Nothing is sent by way of the interface; what the kernel says there unasked is read away.
        if (waits[2].revents && read(member->tun, datagrams[0], DATAGRAM_BYTES) < 0 &&
            errno != EAGAIN)
            return false;
    }
    return true;
}

static bool knows_tcp(void *context, const struct connection *connection)
{
    const struct member *member = context;
    return sockets_know(member->diag, connection);
}

static bool open_all(struct member *member, const struct options *options)
{
    struct siphash_key key;
    random_os_bytes(&key, sizeof(key));
    member->decide = (struct decide){.knows_tcp = knows_tcp, .context = member};
    if (flows_create(options->udp_flows, options->udp_timeout_s * 1000, key, &member->decide.udp) !=
        ERROR_NONE) {
        fprintf(stderr, "weir-member: out of memory: choose a smaller --udp-flows\n");
        return false;
    }
    if (sockets_open(&member->diag) != ERROR_NONE) {
        fprintf(stderr, "weir-member: the kernel cannot be asked for its TCP connections: load the "
                        "modules inet_diag and tcp_diag\n");
        return false;
    }
    member->tun = open_tun(options->interface);
    if (member->tun < 0)
        return false;
    for (int i = 0; i < 2; i++) {
        member->sockets[i] = open_socket(i == 0);
        if (member->sockets[i] < 0)
            return false;
    }
    return true;
}

static int usage(FILE *out, int code)
{
    fprintf(out, "usage: weir-member [--interface NAME] [--udp-flows N] [--udp-timeout SECONDS]\n"
                 "\n"
                 "Takes packets out of GUE (UDP port 6080) into the interface NAME [weir0], which\n"
                 "it makes, and sends on those of connections that only another member knows.\n"
                 "  --udp-flows N          UDP flows to remember [262144]\n"
                 "  --udp-timeout SECONDS  how long, without a packet [120]\n"
                 "SIGUSR1 prints what it did so far.\n");
    return code;
}

static bool read_number(const char *text, uint32_t most, uint32_t *number)
{
    char *end;
    errno = 0;
    unsigned long value = strtoul(text, &end, 10);
    *number = (uint32_t)value;
    return text[0] >= '0' && text[0] <= '9' && *end == '\0' && errno == 0 && value > 0 &&
           value <= most;
}

// Other names the kernel cuts, or takes for a pattern.
static bool is_interface_name(const char *name)
{
    size_t length = strlen(name);
    return length > 0 && length < IFNAMSIZ && strcspn(name, " /:%") == length;
}

int main(int argc, char **argv)
{
    static const struct option names[] = {{"interface", required_argument, NULL, 'i'},
                                          {"udp-flows", required_argument, NULL, 'f'},
                                          {"udp-timeout", required_argument, NULL, 't'},
                                          {"help", no_argument, NULL, 'h'},
                                          {0}};
    struct options options = {.interface = "weir0", .udp_flows = 262144, .udp_timeout_s = 120};
    for (int option; (option = getopt_long(argc, argv, "h", names, NULL)) != -1;) {
        if (option == 'h')
            return usage(stdout, 0);
        if (option == 'i')
            options.interface = optarg;
        else if ((option == 'f' && read_number(optarg, 1u << 27, &options.udp_flows)) ||
                 (option == 't' && read_number(optarg, 86400, &options.udp_timeout_s)))
            continue;
        else
            return usage(stderr, 2);
    }
    if (optind < argc)
        return usage(stderr, 2);
    if (!is_interface_name(options.interface)) {
        fprintf(stderr,
                "weir-member: --interface: `%s` is no interface's name: 1 to %d bytes, "
                "without blank, `/`, `:` and `%%`\n",
                options.interface, IFNAMSIZ - 1);
        return 2;
    }
    static struct member member;
    if (!open_all(&member, &options))
        return 1;
    // Signals come while it waits, and only then.
    const struct sigaction action = {.sa_handler = on_signal};
    const int signals[] = {SIGTERM, SIGINT, SIGUSR1};
    sigset_t blocked;
    sigemptyset(&blocked);
    for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++) {
        sigaddset(&blocked, signals[i]);
        sigaction(signals[i], &action, NULL);
    }
    sigprocmask(SIG_BLOCK, &blocked, NULL);
    printf("weir-member: ready on %s\n", options.interface);
    fflush(stdout);
    bool told_to = run(&member);
    if (!told_to)
        fail(options.interface);
    tell(&member);
    flows_destroy(member.decide.udp);
    return told_to ? 0 : 1;
}
