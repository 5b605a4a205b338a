#include "bench/pktgen/options.h"

#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "bench/pktgen/pace.h"

const char options_help[] =
    "usage: weir-pktgen --tx DEVICE --from ADDRESS --to ADDRESS [OPTION...]\n"
    "\n"
    "Sends packets through a device under test on one core, counts what comes back, and times it.\n"
    "\n"
    "  --tx DEVICE             DPDK device to send on: 0000:01:00.0, net_af_xdp0,iface=eth0\n"
    "  --rx DEVICE             device to receive on (default: the one of --tx)\n"
    "  --from ADDRESS          source of the first flow, answered for on --tx\n"
    "  --to ADDRESS            destination, of the same version\n"
    "  --gateway ADDRESS       whose MAC address is asked for (default: that of --to)\n"
    "  --destination-mac MAC   of the device under test: ask nobody\n"
    "  --port N                destination port (default 9)\n"
    "  --answer ADDRESS        answer ARP or neighbour discovery for it on --rx, as a member\n"
    "  --flows N               source ports, then addresses (default 1, at most 16777216)\n"
    "  --size N|imix           bytes of a frame with FCS, even (default the least: 64, with\n"
    "                          --syn 76; IPv6 84 and 96)\n"
    "  --syn                   TCP SYN instead of UDP\n"
    "  --rate N|max            packets a second; k and M are understood (default 1k)\n"
    "  --seconds N             of a trial (default 10)\n"
    "  --warm-up N             seconds sent before, not counted (default 1)\n"
    "  --tolerance N           lost packets in a million that are no failure (default 0)\n"
    "  --search                search for the highest rate up to --rate that passes (RFC 2544)\n"
    "  --memory N              MiB for DPDK (default 256); messages call it node.memory\n"
    "  --json                  the result as JSON\n"
    "  --help                  this text\n"
    "\n"
    "Exit: 0 passed, 1 more loss than tolerated, 2 wrong usage, 3 a device does not work.\n";

enum {
    TX = 256,
    RX,
    FROM,
    TO,
    GATEWAY,
    MAC,
    PORT,
    ANSWER,
    FLOWS,
    SIZE,
    SYN,
    RATE,
    SECONDS,
    WARM_UP,
    TOLERANCE,
    SEARCH,
    MEMORY,
    JSON,
    HELP,
};

static const struct option known[] = {
    {"tx", required_argument, NULL, TX},
    {"rx", required_argument, NULL, RX},
    {"from", required_argument, NULL, FROM},
    {"to", required_argument, NULL, TO},
    {"gateway", required_argument, NULL, GATEWAY},
    {"destination-mac", required_argument, NULL, MAC},
    {"port", required_argument, NULL, PORT},
    {"answer", required_argument, NULL, ANSWER},
    {"flows", required_argument, NULL, FLOWS},
    {"size", required_argument, NULL, SIZE},
    {"syn", no_argument, NULL, SYN},
    {"rate", required_argument, NULL, RATE},
    {"seconds", required_argument, NULL, SECONDS},
    {"warm-up", required_argument, NULL, WARM_UP},
    {"tolerance", required_argument, NULL, TOLERANCE},
    {"search", no_argument, NULL, SEARCH},
    {"memory", required_argument, NULL, MEMORY},
    {"json", no_argument, NULL, JSON},
    {"help", no_argument, NULL, HELP},
    {0},
};

static bool read_number(const char *text, uint64_t least, uint64_t most, uint64_t *number)
{
    if (*text < '0' || *text > '9')
        return false;
    char *end;
    *number = strtoull(text, &end, 10);
    return *end == '\0' && *number >= least && *number <= most;
}

// The number of an option, `least` to `most`; says what is wrong with it.
static uint64_t number(const char *name, uint64_t least, uint64_t most, char *why)
{
    uint64_t value = 0;
    if (!read_number(optarg, least, most, &value))
        snprintf(why, OPTIONS_WHY_SIZE, "--%s takes a number from %" PRIu64 " to %" PRIu64, name,
                 least, most);
    return value;
}

static struct ip_address address(const char *name, char *why)
{
    struct ip_address value = {.bytes = {0}};
    if (ip_parse(optarg, &value) || !ip_is_unicast(&value))
        snprintf(why, OPTIONS_WHY_SIZE,
                 "--%s takes a unicast address, such as 192.0.2.1 or 2001:db8::1", name);
    return value;
}

static void read_mac(uint8_t *mac, char *why)
{
    char end;
    if (sscanf(optarg, "%2hhx:%2hhx:%2hhx:%2hhx:%2hhx:%2hhx%c", &mac[0], &mac[1], &mac[2], &mac[3],
               &mac[4], &mac[5], &end) != 6)
        snprintf(why, OPTIONS_WHY_SIZE, "--destination-mac takes six bytes: 02:00:00:00:00:01");
}

static void read_rate(uint64_t *rate, char *why)
{
    const uint64_t most = UINT64_C(1000000000);
    char *end;
    if (strcmp(optarg, "max") == 0) {
        *rate = PACE_MAX;
        return;
    }
    *rate = *optarg >= '0' && *optarg <= '9' ? strtoull(optarg, &end, 10) : 0;
    uint64_t unit = 1;
    if (*rate > 0 && *end == 'k')
        unit = 1000;
    else if (*rate > 0 && *end == 'M')
        unit = 1000000;
    if (*rate == 0 || *rate > most / unit || end[unit > 1] != '\0') {
        snprintf(why, OPTIONS_WHY_SIZE,
                 "--rate takes packets a second, such as 500, 10k or 14M, or max");
        return;
    }
    *rate *= unit;
}

// Addresses and what the frames are made of; the rest is take()'s.
static void take_profile(int option, struct options *options, char *why)
{
    struct profile *profile = &options->profile;
    if (option == FROM)
        profile->from = address("from", why);
    else if (option == TO)
        profile->to = address("to", why);
    else if (option == ANSWER)
        options->answer = address("answer", why);
    else if (option == GATEWAY)
        options->gateway = address("gateway", why);
    else if (option == MAC)
        read_mac(profile->destination_mac, why);
    else if (option == PORT)
        profile->port = (uint16_t)number("port", 1, UINT16_MAX, why);
    else if (option == FLOWS)
        profile->flows = (uint32_t)number("flows", 1, FRAMES_FLOWS_MAX, why);
    else if (option == SYN)
        profile->syn = true;
    else if (option == SIZE && strcmp(optarg, "imix") == 0)
        profile->size = FRAMES_IMIX;
    else
        profile->size = (uint16_t)number("size", FRAMES_SIZE_MIN, FRAMES_SIZE_MAX, why);
}

static void take(int option, struct options *options, char *why)
{
    switch (option) {
    case TX:
        options->tx = optarg;
        break;
    case RX:
        options->rx = optarg;
        break;
    case RATE:
        read_rate(&options->rate, why);
        break;
    case SECONDS:
        options->seconds = (uint32_t)number("seconds", 1, 86400, why);
        break;
    case WARM_UP:
        options->warm_up = (uint32_t)number("warm-up", 0, 86400, why);
        break;
    case TOLERANCE:
        options->tolerance = (uint32_t)number("tolerance", 0, 1000000, why);
        break;
    case MEMORY:
        options->memory_mib = (uint32_t)number("memory", 64, 65536, why);
        break;
    case SEARCH:
        options->search = true;
        break;
    case JSON:
        options->json = true;
        break;
    case HELP:
        options->help = true;
        break;
    default:
        take_profile(option, options, why);
    }
}

static bool is_given(const struct ip_address *address)
{
    static const struct ip_address none;
    return !ip_equal(address, &none);
}

// Addresses that are missing or do not fit one another. --answer may be of either version: the
// device under test may translate.
static void check_addresses(const struct options *options, bool mac, char *why)
{
    const struct profile *profile = &options->profile;
    const char *wrong = NULL;
    if (!is_given(&profile->from))
        wrong = "--from ADDRESS is needed; --help lists all options";
    else if (!is_given(&profile->to))
        wrong = "--to ADDRESS is needed; --help lists all options";
    else if (!ip_same_version(&profile->to, &profile->from))
        wrong = "--to and --from are addresses of the same version";
    else if (is_given(&options->gateway) && !ip_same_version(&options->gateway, &profile->from))
        wrong = "--gateway and --from are addresses of the same version";
    else if (is_given(&options->gateway) && mac)
        wrong = "--gateway is asked for the MAC address that --destination-mac tells: give one";
    if (wrong)
        snprintf(why, OPTIONS_WHY_SIZE, "%s", wrong);
}

// Flows from a bad last address would be dropped as martians.
static void check_last_source(const struct profile *profile, char *why)
{
    uint32_t more = (profile->flows - 1) / FRAMES_FLOWS_A_SOURCE;
    uint32_t first = load_be32(profile->from.bytes + 12);
    struct ip_address last = profile->from;
    store_be32(last.bytes + 12, first + more);
    if (first + more < first || !ip_is_unicast(&last))
        snprintf(why, OPTIONS_WHY_SIZE,
                 "--flows needs %" PRIu32 " unicast addresses from --from on: begin lower",
                 more + 1);
}

static void check_size(struct profile *profile, bool sized, char *why)
{
    uint16_t least = frames_size_min(ip_is_v4(&profile->from), profile->syn);
    if (!sized)
        profile->size = least;
    if (profile->size == FRAMES_IMIX && profile->syn)
        snprintf(why, OPTIONS_WHY_SIZE, "--syn takes no imix: SYNs are small");
    else if (profile->size % 2 != 0)
        snprintf(why, OPTIONS_WHY_SIZE, "--size must be even");
    else if (profile->size != FRAMES_IMIX && profile->size < least)
        snprintf(why, OPTIONS_WHY_SIZE, "--size is at least %u for such packets", least);
}

// What only shows when all are known.
static void check(struct options *options, bool sized, bool mac, char *why)
{
    if (!options->tx)
        snprintf(why, OPTIONS_WHY_SIZE, "--tx DEVICE is needed; --help lists all options");
    else if (options->search && options->rate == PACE_MAX)
        snprintf(why, OPTIONS_WHY_SIZE, "--search starts from a number: give --rate, such as 14M");
    else
        check_addresses(options, mac, why);
    if (!why[0])
        check_last_source(&options->profile, why);
    if (!why[0])
        check_size(&options->profile, sized, why);
    if (!options->rx)
        options->rx = options->tx;
    // Whose MAC address the frames go to is asked for, unless it is told.
    options->resolve = !mac;
    if (!is_given(&options->gateway))
        options->gateway = options->profile.to;
}

bool options_read(int argc, char **argv, struct options *options, char *why)
{
    *options = (struct options){.profile = {.port = 9, .flows = 1, .size = FRAMES_SIZE_MIN},
                                .rate = 1000,
                                .seconds = 10,
                                .warm_up = 1,
                                .memory_mib = 256};
    why[0] = '\0';
    optind = 0;
    opterr = 0;
    bool sized = false, mac = false;
    for (int option; !why[0] && (option = getopt_long(argc, argv, "", known, NULL)) != -1;) {
        if (option == '?') {
            snprintf(why, OPTIONS_WHY_SIZE, "%.80s is unknown or wants a value; --help lists all",
                     argv[optind - 1]);
            break;
        }
        sized |= option == SIZE;
        mac |= option == MAC;
        take(option, options, why);
    }
    if (!why[0] && optind < argc)
        snprintf(why, OPTIONS_WHY_SIZE, "%.80s belongs to no option; --help lists all",
                 argv[optind]);
    if (!why[0] && !options->help)
        check(options, sized, mac, why);
    return why[0] == '\0';
}
