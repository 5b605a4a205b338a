#include "bench/pktgen/options.h"

#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench/pktgen/pace.h"

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
    RESOLUTION,
    MEMORY,
    JSON,
    COMPLETION,
    HELP,
};

#define HELP_COLUMN 26 // of 80

// What there is, in the order in which it is told.
static const struct line {
    int number;
    const char *name;
    const char *value; // what it takes; NULL: nothing
    const char *text;  // lines that fit behind HELP_COLUMN
    const char *words; // for completion: usual values
} lines[] = {
    {TX, "tx", "DEVICE",
     "DPDK device to send on: 0000:01:00.0, or\n"
     "net_af_xdp0,iface=eth0",
     NULL},
    {RX, "rx", "DEVICE", "device to receive on (default: the one of --tx)", NULL},
    {FROM, "from", "ADDRESS", "source of the first flow, answered for on --tx", NULL},
    {TO, "to", "ADDRESS", "destination, of the same version", NULL},
    {GATEWAY, "gateway", "ADDRESS", "whose MAC address is asked for (default: that of --to)", NULL},
    {MAC, "destination-mac", "MAC", "of the device under test: ask nobody", NULL},
    {PORT, "port", "N", "destination port (default 9)", NULL},
    {ANSWER, "answer", "ADDRESS",
     "answer ARP or neighbour discovery for it on --rx, as\n"
     "a member",
     NULL},
    {FLOWS, "flows", "N",
     "source ports, then addresses (default 1, at most\n"
     "16777216)",
     "1 1024 65536 1048576 16777216"},
    {SIZE, "size", "BYTES|imix",
     "of a frame with FCS, even (default the least: 64, with\n"
     "--syn 76; IPv6 84 and 96); imix: 7 of the least, 4 of\n"
     "594, 1 of 1518",
     "64 128 256 512 1024 1280 1518 imix"},
    {SYN, "syn", NULL, "TCP SYN instead of UDP", NULL},
    {RATE, "rate", "N|max",
     "packets a second, of all flows together; k and M are\n"
     "understood (default 1k)",
     "1k 10k 100k 1M 10M max"},
    {SECONDS, "seconds", "N", "of a trial (default 10)", "1 10 60"},
    {WARM_UP, "warm-up", "N", "seconds sent before, not counted (default 1)", "0 1 10"},
    {TOLERANCE, "tolerance", "N",
     "lost packets in a million that are no failure\n"
     "(default 0)",
     "0 1 10 100"},
    {SEARCH, "search", NULL,
     "search for the highest rate up to --rate that passes\n"
     "(RFC 2544)",
     NULL},
    {RESOLUTION, "resolution", "N",
     "packets a second, k and M are understood: search until\n"
     "the answer is so near (default 1 % of --rate)",
     NULL},
    {MEMORY, "memory", "MIB", "for DPDK (default 256)", "128 256 512 1024"},
    {JSON, "json", NULL, "the result as JSON, with the whole histogram", NULL},
    {COMPLETION, "completion", NULL, "print a script: source <(weir-pktgen --completion)", NULL},
    {HELP, "help", NULL, "this text", NULL},
};
#define LINES (sizeof(lines) / sizeof(lines[0]))

void options_write_help(FILE *out)
{
    fputs("usage: weir-pktgen --tx DEVICE --from ADDRESS --to ADDRESS [OPTION...]\n"
          "\n"
          "Sends packets through a device under test on one core, counts what comes back,\n"
          "and times it.\n"
          "\n",
          out);
    for (size_t i = 0; i < LINES; i++) {
        int used = fprintf(out, "  --%s%s%s", lines[i].name, lines[i].value ? " " : "",
                           lines[i].value ? lines[i].value : "");
        for (const char *text = lines[i].text; *text;) {
            size_t length = strcspn(text, "\n");
            fprintf(out, "%*s%.*s\n", used < HELP_COLUMN ? HELP_COLUMN - used : 1, "", (int)length,
                    text);
            text += length + (text[length] == '\n');
            used = 0;
        }
    }
    fputs("\n"
          "What a balancer with one member, 10.2.0.50, carries without loss over two ports:\n"
          "  weir-pktgen --tx 0000:01:00.0 --rx 0000:01:00.1 --from 10.1.0.60 \\\n"
          "      --to 10.1.0.100 --port 80 --answer 10.2.0.50 --flows 65536 --rate 14M \\\n"
          "      --search\n"
          "Its latency at a tenth of a million packets a second, for a minute:\n"
          "  weir-pktgen ... --rate 100k --seconds 60\n"
          "\n"
          "Exit: 0 passed, 1 more loss than tolerated, 2 wrong usage, 3 a device does not\n"
          "work. docs/benchmarking.md explains the figures.\n",
          out);
}

void options_write_completion(FILE *out)
{
    fputs("# bash completion for weir-pktgen: source <(weir-pktgen --completion)\n"
          "_weir_pktgen() {\n"
          "    local words=\n"
          "    case ${COMP_WORDS[COMP_CWORD-1]} in\n",
          out);
    for (size_t i = 0; i < LINES; i++) {
        if (lines[i].value)
            fprintf(out, "    --%s) words='%s' ;;\n", lines[i].name,
                    lines[i].words ? lines[i].words : "");
    }
    fputs("    *) words='", out);
    for (size_t i = 0; i < LINES; i++)
        fprintf(out, "%s--%s", i > 0 ? " " : "", lines[i].name);
    fputs("' ;;\n"
          "    esac\n"
          "    mapfile -t COMPREPLY < <(compgen -W \"$words\" -- \"${COMP_WORDS[COMP_CWORD]}\")\n"
          "}\n"
          "complete -F _weir_pktgen weir-pktgen\n",
          out);
}

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

// Packets a second. False: it is no such number.
static bool read_rate(const char *text, uint64_t *rate)
{
    const uint64_t most = UINT64_C(1000000000);
    char *end = NULL;
    *rate = *text >= '0' && *text <= '9' ? strtoull(text, &end, 10) : 0;
    uint64_t unit = 1;
    if (*rate > 0 && *end == 'k')
        unit = 1000;
    else if (*rate > 0 && *end == 'M')
        unit = 1000000;
    if (*rate == 0 || *rate > most / unit || end[unit > 1] != '\0')
        return false;
    *rate *= unit;
    return true;
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
        if (strcmp(optarg, "max") == 0)
            options->rate = PACE_MAX;
        else if (!read_rate(optarg, &options->rate))
            snprintf(why, OPTIONS_WHY_SIZE,
                     "--rate takes packets a second, such as 500, 10k or 14M, or max");
        break;
    case RESOLUTION:
        if (!read_rate(optarg, &options->resolution))
            snprintf(why, OPTIONS_WHY_SIZE,
                     "--resolution takes packets a second, such as 500, 10k or 1M");
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
    case COMPLETION:
        options->completion = true;
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

// One per cent of the rate, unless another is given.
static void check_search(struct options *options, char *why)
{
    if (!options->search && options->resolution > 0)
        snprintf(why, OPTIONS_WHY_SIZE, "--resolution is of a search: give --search, too");
    else if (options->search && options->rate == PACE_MAX)
        snprintf(why, OPTIONS_WHY_SIZE, "--search starts from a number: give --rate, such as 14M");
    else if (options->resolution > options->rate)
        snprintf(why, OPTIONS_WHY_SIZE, "--resolution is more than --rate: ask for less");
    else if (options->resolution == 0)
        options->resolution = options->rate >= 100 ? options->rate / 100 : 1;
}

// What only shows when all are known.
static void check(struct options *options, bool sized, bool mac, char *why)
{
    if (!options->tx)
        snprintf(why, OPTIONS_WHY_SIZE, "--tx DEVICE is needed; --help lists all options");
    else
        check_addresses(options, mac, why);
    if (!why[0])
        check_search(options, why);
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
    struct option known[LINES + 1] = {{0}};
    for (size_t i = 0; i < LINES; i++)
        known[i] = (struct option){.name = lines[i].name,
                                   .has_arg = lines[i].value ? required_argument : no_argument,
                                   .val = lines[i].number};
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
    if (!why[0] && !options->help && !options->completion)
        check(options, sized, mac, why);
    return why[0] == '\0';
}
