// weir-pktgen: sends packets through a device under test and receives them again, both on one core.
#include <inttypes.h>
#include <rte_cycles.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "bench/pktgen/options.h"
#include "bench/pktgen/pace.h"
#include "bench/pktgen/report.h"
#include "dataplane/packet/port/port.h"
#include "dataplane/packet/wire/neighbourhood.h"

#define BURST       32u
#define DESCRIPTORS 1024

// RFC 2544 section 24 waits two seconds for what is still under way; half a second of silence does.
#define DRAIN_SECONDS 2
#define SILENCE_PARTS 2 // of a second

#define RESOLVE_SECONDS 5

enum exit_code {
    PASSED,
    LOST,
    USAGE,
    FAILED
};

struct generator {
    struct options options;
    struct port *tx;
    struct port *rx; // may be tx
    struct frames frames;
    uint16_t trial;
    uint64_t looked; // when the devices were last asked for packets
};

static volatile sig_atomic_t stopping;

static void stop(int signal)
{
    stopping = 1;
}

static bool is_ours(const struct generator *generator, const struct port *port,
                    const struct ip_address *address)
{
    const struct options *options = &generator->options;
    return (port == generator->rx && ip_equal(address, &options->answer)) ||
           (port == generator->tx && frames_are_from(&options->profile, address));
}

// Learns where the gateway is. A neighbour's question about our own addresses is answered in its
// own frame. Returns whether the mbuf was sent.
static bool meet_neighbour(struct generator *generator, const struct port *port,
                           struct rte_mbuf *mbuf, const struct wire_packet *packet)
{
    uint8_t *frame = rte_pktmbuf_mtod(mbuf, uint8_t *);
    struct neighbourhood_message message;
    if (neighbourhood_read(span_of(frame, mbuf->data_len), packet, &message) != DROP_NONE)
        return false;
    struct options *options = &generator->options;
    if (options->resolve && port == generator->tx && message.sender_known &&
        ip_equal(&message.sender, &options->gateway)) {
        memcpy(options->profile.destination_mac, message.sender_mac, WIRE_MAC_SIZE);
        options->resolve = false;
    }
    if (!message.request || !is_ours(generator, port, &message.target))
        return false;
    uint32_t room = (uint32_t)mbuf->data_len + rte_pktmbuf_tailroom(mbuf);
    uint32_t size = neighbourhood_answer(frame, room, packet, &message, port->mac.addr_bytes);
    if (size == 0)
        return false;
    mbuf->data_len = (uint16_t)size;
    mbuf->pkt_len = size;
    return rte_eth_tx_burst(port->id, 0, &mbuf, 1) == 1;
}

static uint32_t receive(struct generator *generator, const struct port *port,
                        struct receiver *receiver)
{
    struct rte_mbuf *mbufs[BURST];
    uint16_t count = rte_eth_rx_burst(port->id, 0, mbufs, BURST);
    uint64_t now = rte_rdtsc();
    uint32_t ours = 0;
    uint32_t done = 0;
    for (uint16_t i = 0; i < count; i++) {
        struct wire_packet packet;
        struct span frame = span_of(rte_pktmbuf_mtod(mbufs[i], uint8_t *), mbufs[i]->data_len);
        enum received what = receiver_take(receiver, frame, now, &packet);
        ours += what == RECEIVED_PACKET;
        if (what != RECEIVED_NEIGHBOUR || !meet_neighbour(generator, port, mbufs[i], &packet))
            mbufs[done++] = mbufs[i];
    }
    rte_pktmbuf_free_bulk(mbufs, done);
    return ours;
}

static uint32_t receive_all(struct generator *generator, struct receiver *receiver,
                            struct latency *turns)
{
    uint64_t now = rte_rdtsc();
    uint32_t ours = receive(generator, generator->rx, receiver);
    if (generator->tx != generator->rx)
        ours += receive(generator, generator->tx, receiver);
    if (ours > 0)
        latency_add(turns, rte_rdtsc() - generator->looked);
    generator->looked = now;
    return ours;
}

// Sends up to a burst. What the device does not take is made anew the next time, so that its
// latency begins when it is sent.
static uint32_t send_burst(const struct generator *generator, struct receiver *receiver,
                           uint64_t due)
{
    struct rte_mbuf *mbufs[BURST];
    uint32_t count = due < BURST ? (uint32_t)due : BURST;
    if (count == 0 || rte_pktmbuf_alloc_bulk(generator->tx->buffers, mbufs, count) != 0)
        return 0;
    uint64_t now = rte_rdtsc();
    for (uint32_t i = 0; i < count; i++) {
        uint16_t size = frames_write(&generator->frames, receiver->sent + i, generator->trial, now,
                                     rte_pktmbuf_mtod(mbufs[i], uint8_t *));
        mbufs[i]->data_len = size;
        mbufs[i]->pkt_len = size;
    }
    uint32_t sent = rte_eth_tx_burst(generator->tx->id, 0, mbufs, (uint16_t)count);
    rte_pktmbuf_free_bulk(mbufs + sent, count - sent);
    receiver->sent += sent;
    return sent;
}

static struct result run_trial(struct generator *generator, uint64_t rate, uint32_t seconds)
{
    struct result result = {.receiver = receiver_start(++generator->trial)};
    struct receiver *receiver = &result.receiver;
    uint64_t hz = rte_get_tsc_hz();
    struct pace pace = {.rate = rate, .hz = hz, .began = rte_rdtsc()};
    generator->looked = pace.began;
    uint64_t end = pace.began + seconds * hz;
    uint64_t now;
    while ((now = rte_rdtsc()) < end && !stopping) {
        send_burst(generator, receiver, pace_due(&pace, now, receiver->sent));
        receive_all(generator, receiver, &result.turns);
    }
    result.seconds = (double)(now - pace.began) / (double)hz;
    uint64_t drained = now + DRAIN_SECONDS * hz;
    for (uint64_t last = now; now < drained && now - last < hz / SILENCE_PARTS && !stopping;
         now = rte_rdtsc()) {
        if (receive_all(generator, receiver, &result.turns) > 0)
            last = now;
    }
    return result;
}

static void ask_for_gateway(const struct generator *generator)
{
    const struct options *options = &generator->options;
    struct rte_mbuf *mbuf = rte_pktmbuf_alloc(generator->tx->buffers);
    if (!mbuf)
        return;
    uint32_t size =
        neighbourhood_request(rte_pktmbuf_mtod(mbuf, uint8_t *), &options->gateway, NULL,
                              &options->profile.from, generator->tx->mac.addr_bytes);
    mbuf->data_len = (uint16_t)size;
    mbuf->pkt_len = size;
    if (rte_eth_tx_burst(generator->tx->id, 0, &mbuf, 1) == 0)
        rte_pktmbuf_free(mbuf);
}

// Asks once a second, until the gateway is known or does not answer. False when it is not known.
static bool resolve(struct generator *generator)
{
    struct options *options = &generator->options;
    struct result nothing = {.receiver = receiver_start(0)};
    uint64_t hz = rte_get_tsc_hz();
    for (int asked = 0; options->resolve && asked < RESOLVE_SECONDS; asked++) {
        ask_for_gateway(generator);
        for (uint64_t end = rte_rdtsc() + hz; options->resolve && rte_rdtsc() < end;) {
            if (stopping)
                return false;
            receive_all(generator, &nothing.receiver, &nothing.turns);
        }
    }
    if (!options->resolve)
        return true;
    char text[IP_TEXT_SIZE];
    ip_format(&options->gateway, text);
    fprintf(stderr,
            "weir-pktgen: nobody at %s answers for %s: give --gateway, or --destination-mac\n",
            options->tx, text);
    return false;
}

static void tell(const struct options *options, const struct result *result,
                 const struct search *search)
{
    const struct report report = {
        .result = result, .search = search, .hz = rte_get_tsc_hz(), .interrupted = stopping};
    if (options->json)
        report_write_json(stdout, &report);
    else
        report_write(stdout, &report);
}

static enum exit_code run_search(struct generator *generator)
{
    const struct options *options = &generator->options;
    struct search search = search_start(options->rate, options->resolution, options->tolerance);
    struct result best = {.seconds = 0};
    while (search_is_due(&search) && !stopping) {
        uint64_t rate = search.rate;
        struct result result = run_trial(generator, rate, options->seconds);
        if (stopping)
            break;
        // A rate that could not be offered has not been passed.
        uint64_t wanted = rate * options->seconds;
        bool offered = result.receiver.sent >= wanted - wanted / 100;
        fprintf(stderr, "%" PRIu64 "/s: %s, lost %" PRIu64 " of %" PRIu64 "\n", rate,
                offered ? "offered" : "could not be offered", result_lost(&result),
                result.receiver.sent);
        search_report(&search, offered ? result.receiver.sent : 0, result.receiver.received);
        if (search.passed == rate)
            best = result;
    }
    tell(options, &best, &search);
    return search.passed > 0 && !stopping ? PASSED : LOST;
}

static enum exit_code run_once(struct generator *generator)
{
    const struct options *options = &generator->options;
    struct result result = run_trial(generator, options->rate, options->seconds);
    tell(options, &result, NULL);
    uint64_t sent = result.receiver.sent;
    bool passed = sent > 0 && (__uint128_t)result_lost(&result) * 1000000 <=
                                  (__uint128_t)sent * options->tolerance;
    return passed ? PASSED : LOST;
}

static enum exit_code run(struct generator *generator)
{
    struct options *options = &generator->options;
    // Packets of another run, or of another generator, must not look like ours.
    generator->trial = (uint16_t)rte_rdtsc();
    if (!resolve(generator))
        return stopping ? LOST : FAILED;
    memcpy(options->profile.source_mac, generator->tx->mac.addr_bytes, WIRE_MAC_SIZE);
    frames_init(&generator->frames, &options->profile);
    if (options->warm_up > 0)
        run_trial(generator, options->rate, options->warm_up);
    return options->search ? run_search(generator) : run_once(generator);
}

static enum exit_code run_on_ports(struct generator *generator, const struct config *config)
{
    char why[PORT_WHY_SIZE];
    struct port *ports[2];
    uint32_t count = 0;
    enum exit_code code = FAILED;
    enum error error = ERROR_NONE;
    while (!error && count < config->port_count) {
        error = port_open(config, count, 1, BURST, &ports[count], why);
        if (!error)
            error = port_start(ports[count++], why);
    }
    if (error) {
        fprintf(stderr, "weir-pktgen: %s\n", why);
    } else {
        generator->tx = ports[0];
        generator->rx = ports[count - 1];
        code = run(generator);
    }
    for (uint32_t i = 0; i < count; i++)
        port_stop(ports[i]);
    for (uint32_t i = 0; i < count; i++)
        port_close(ports[i]);
    return code;
}

int main(int argc, char **argv)
{
    static struct generator generator;
    char why[PORT_WHY_SIZE];
    struct options *options = &generator.options;
    if (!options_read(argc, argv, options, why)) {
        fprintf(stderr, "weir-pktgen: %s\n", why);
        return USAGE;
    }
    if (options->help || options->completion) {
        if (options->help)
            options_write_help(stdout);
        else
            options_write_completion(stdout);
        return PASSED;
    }
    static const struct port_words words = {
        .memory = "--memory", .no_huge_pages = "", .fewer_buffers = ""};
    port_use_words(&words);
    struct config_port ports[2] = {
        {.name = "tx", .device = strdup(options->tx), .descriptors = DESCRIPTORS, .mtu = 1500},
        {.name = "rx", .device = strdup(options->rx), .descriptors = DESCRIPTORS, .mtu = 1500},
    };
    struct config config = {
        .node = {.memory_bytes = (uint64_t)options->memory_mib << 20, .log_level = LOG_WARNING},
        .ports = ports,
        .port_count = strcmp(options->tx, options->rx) == 0 ? 1 : 2,
    };
    enum exit_code code = FAILED;
    // From here on a Ctrl-C ends it in order, also before it began to send.
    const struct sigaction action = {.sa_handler = stop};
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    if (port_system_start(&config, why)) {
        fprintf(stderr, "weir-pktgen: %s\n", why);
    } else {
        code = run_on_ports(&generator, &config);
        port_system_stop();
    }
    free(ports[0].device);
    free(ports[1].device);
    return (int)code;
}
