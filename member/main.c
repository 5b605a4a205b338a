// weir-member: what a member of a GUE pool with a second chance runs (docs/members.md). It takes
// GUE off what comes to UDP port 6080, and gives the packets to the kernel through a TUN interface;
// those of connections that this host does not know, and another may, it sends on. One thread, no
// state but UDP flows served of late: it may be restarted at any time.
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/random.h"
#include "member/decide.h"
#include "member/hops.h"
#include "member/privileges.h"
#include "member/sockets.h"
#include "member/udp.h"

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
    const char *user;
    uint32_t udp_flows;
    uint32_t udp_timeout_s;
};

struct member {
    int tun;
    int signals;
    struct udp_sockets sockets;
    int diag;
    struct decide decide;
    struct hops hops;
#define COUNT_FIELD(field, words) uint64_t field;
    COUNTS(COUNT_FIELD)
#undef COUNT_FIELD
};

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

static void send_probe(const struct member *member, const struct ip_address *own,
                       const struct ip_address *hop, enum gue_probe probe)
{
    uint8_t bytes[GUE_SIZE];
    gue_probe_write(bytes, probe);
    udp_send(&member->sockets, span_of(bytes, sizeof(bytes)), own, hop, NO_TRAFFIC_CLASS);
}

// Whether a packet that came to `own` may be sent on to a hop.
static bool is_there(struct member *member, const struct ip_address *own,
                     const struct ip_address *hop, uint32_t now_ms)
{
    bool ask;
    bool there = hops_use(&member->hops, hop, now_ms, &ask);
    if (ask)
        send_probe(member, own, hop, GUE_PROBE_QUESTION);
    return there;
}

// A member's question or answer.
static bool take_probe(struct member *member, const struct udp_datagram *datagram)
{
    enum gue_probe probe = gue_probe_read(span_of(datagram->bytes, datagram->size));
    if (probe == GUE_PROBE_NONE)
        return false;
    if (probe == GUE_PROBE_QUESTION)
        send_probe(member, &datagram->to, &datagram->from, GUE_PROBE_ANSWER);
    else
        hops_answered(&member->hops, &datagram->from);
    return true;
}

static void take(struct member *member, const struct udp_datagram *datagram, uint32_t now_ms)
{
    struct span bytes = span_of(datagram->bytes, datagram->size);
    struct decided decided = decide(&member->decide, bytes, now_ms);
    while (decided.decision == DECISION_PASS_ON &&
           !is_there(member, &datagram->to, &decided.hop, now_ms)) {
        member->passed_over++;
        gue_advance(datagram->bytes);
        decided = decide(&member->decide, bytes, now_ms);
    }
    switch (decided.decision) {
    case DECISION_DELIVER:
        deliver(member, &decided.gue, datagram->traffic_class);
        return;
    case DECISION_PASS_ON:
        gue_advance(datagram->bytes);
        if (udp_send(&member->sockets, bytes, &datagram->to, &decided.hop, datagram->traffic_class))
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

static void receive(struct member *member, bool v4)
{
    struct udp_datagram datagrams[UDP_BURST];
    uint32_t count = udp_receive(&member->sockets, v4, datagrams);
    uint32_t now_ms = (uint32_t)(clock_monotonic_ns() / NANOSECONDS_PER_MILLISECOND);
    for (uint32_t i = 0; i < count; i++) {
        if (!take_probe(member, &datagrams[i]))
            take(member, &datagrams[i], now_ms);
    }
}

static void tell(const struct member *member)
{
    printf("weir-member:");
#define COUNT_WORDS(field, words) printf(" %llu %s,", (unsigned long long)member->field, words);
    COUNTS(COUNT_WORDS)
#undef COUNT_WORDS
    const uint64_t *missed = member->sockets.missed;
    printf(" %llu missed, %llu UDP flows forgotten for want of room\n",
           (unsigned long long)(missed[0] + missed[1]),
           (unsigned long long)flows_forgotten(member->decide.udp));
    fflush(stdout);
}

// Whether a signal asks it to end.
static bool take_signals(const struct member *member)
{
    struct signalfd_siginfo taken;
    while (read(member->signals, &taken, sizeof(taken)) == sizeof(taken)) {
        if (taken.ssi_signo != SIGUSR1)
            return true;
        tell(member);
    }
    return false;
}

// Until it is told to end. False: the interface is gone.
static bool run(struct member *member)
{
    struct pollfd waits[] = {{.fd = member->sockets.v4, .events = POLLIN},
                             {.fd = member->sockets.v6, .events = POLLIN},
                             {.fd = member->tun, .events = POLLIN},
                             {.fd = member->signals, .events = POLLIN}};
    for (;;) {
        if (poll(waits, 4, -1) <= 0)
            continue;
        for (int i = 0; i < 2; i++) {
            if (waits[i].revents)
                receive(member, i == 0);
        }
        // Nothing is sent by way of the interface; what the kernel says there unasked is read away.
        uint8_t unasked[1];
        if (waits[2].revents && read(member->tun, unasked, sizeof(unasked)) < 0 && errno != EAGAIN)
            return false;
        if (waits[3].revents && take_signals(member))
            return true;
    }
}

static bool knows_tcp(void *context, const struct connection *connection)
{
    const struct member *member = context;
    return sockets_know(member->diag, connection);
}

// Signals are read like all else: a flood, behind which it never waits, does not keep them out.
static int open_signals(void)
{
    sigset_t signals;
    sigemptyset(&signals);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGINT);
    sigaddset(&signals, SIGUSR1);
    sigprocmask(SIG_BLOCK, &signals, NULL);
    int made = signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK);
    return made < 0 ? fail("signals") : made;
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
    member->signals = open_signals();
    if (member->signals < 0)
        return false;
    member->tun = open_tun(options->interface);
    if (member->tun < 0)
        return false;
    const char *what;
    if (!udp_open(&member->sockets, GUE_PORT, &what))
        return fail(what) == 0;
    return true;
}

static bool drop_privileges(const char *user)
{
    const char *what;
    if (privileges_drop(user, &what))
        return true;
    fprintf(stderr, "weir-member: %s: %s: name a user of this host, not root, by --user\n", what,
            errno ? strerror(errno) : "there is no such user");
    return false;
}

static int usage(FILE *out, int code)
{
    fprintf(out, "usage: weir-member [--interface NAME] [--user NAME] [--udp-flows N]\n"
                 "                   [--udp-timeout SECONDS]\n"
                 "\n"
                 "Takes packets out of GUE (UDP port 6080) into the interface NAME [weir0], which\n"
                 "it makes, and sends on those of connections that only another member knows.\n"
                 "  --user NAME            who it is once all is open, if it was root [nobody]\n"
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
                                          {"user", required_argument, NULL, 'u'},
                                          {"udp-flows", required_argument, NULL, 'f'},
                                          {"udp-timeout", required_argument, NULL, 't'},
                                          {"help", no_argument, NULL, 'h'},
                                          {0}};
    struct options options = {
        .interface = "weir0", .user = "nobody", .udp_flows = 262144, .udp_timeout_s = 120};
    for (int option; (option = getopt_long(argc, argv, "h", names, NULL)) != -1;) {
        if (option == 'h')
            return usage(stdout, 0);
        if (option == 'i')
            options.interface = optarg;
        else if (option == 'u')
            options.user = optarg;
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
    if (!open_all(&member, &options) || !drop_privileges(options.user))
        return 1;
    printf("weir-member: ready on %s\n", options.interface);
    fflush(stdout);
    bool told_to = run(&member);
    if (!told_to)
        fail(options.interface);
    tell(&member);
    flows_destroy(member.decide.udp);
    return told_to ? 0 : 1;
}
