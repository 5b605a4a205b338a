#include "tests/unit/base/config/generate.h"

#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/check.h"
#include "base/random.h"

struct generator {
    struct random random;
    FILE *out;
    uint32_t ports;
    uint32_t pools;
};

static uint32_t below(struct generator *generator, uint32_t bound)
{
    return (uint32_t)random_below(&generator->random, bound);
}

static const char *choose(struct generator *generator, const char *const *words, uint32_t count)
{
    return words[below(generator, count)];
}

// A key that is there now and then.
#define MAYBE(generator, ...)                       \
    do {                                            \
        if (below(generator, 2))                    \
            fprintf((generator)->out, __VA_ARGS__); \
    } while (0)

static void generate_node(struct generator *g)
{
    static const char *const names[] = {"lab", "a.b", "on", "7", "edge-1", "NULL", "1:2"};
    static const char *const cores[] = {"3", "[3]", "0-3", "[0-1, 7, 4-6]", "[63, 1]"};
    static const char *const polls[] = {"busy", "adaptive"};
    static const char *const sleeps[] = {"1us", "999us", "100ms", "1500000ns"};
    static const char *const memories[] = {"64MiB", "1GiB", "67108865B", "1025MiB", "1048577KiB"};
    static const char *const pages[] = {"auto", "on", "off"};
    static const char *const times[] = {"100ms", "90s", "1h", "61m", "604800s"};
    fprintf(g->out, "node:\n  name: \"%s\"\n  cores: %s\n", choose(g, names, 7),
            choose(g, cores, 5));
    MAYBE(g, "  poll: %s\n", choose(g, polls, 2));
    MAYBE(g, "  sleep-max: %s\n", choose(g, sleeps, 4));
    MAYBE(g, "  memory: %s\n", choose(g, memories, 5));
    MAYBE(g, "  huge-pages: %s\n", choose(g, pages, 3));
    MAYBE(g, "  socket: /run/\"%u\\:#%%\n", below(g, 9));
    MAYBE(g, "  hash-seed: %" PRIu64 "\n", random_next(&g->random));
    MAYBE(g, "  log: {level: debug}\n");
    MAYBE(g, "  flows: {udp: %s, tcp-closing: %s, per-worker: %u}\n", choose(g, times, 5),
          choose(g, times, 5), 1024 + below(g, 100000));
}

static void generate_port(struct generator *g, uint32_t port)
{
    static const char *const devices[] = {"net_af_xdp%u,iface=x%u", "0000:0%u:00.0", "net_null%u",
                                          "net_ring%u,nodeaction='r0:0:CREATE'"};
    char device[64];
    _Pragma("GCC diagnostic push") _Pragma("GCC diagnostic ignored \"-Wformat-nonliteral\"");
    snprintf(device, sizeof(device), choose(g, devices, 4), port, port);
    _Pragma("GCC diagnostic pop");
    fprintf(g->out, "  - name: port%u\n    device: \"%s\"\n    addresses: [10.%u.0.1/16, ", port,
            device, port);
    fprintf(g->out, "fd00:%u::1/64]\n", port);
    fprintf(g->out, "    local-addresses: [10.%u.9.1, fd00:%u::9:1]\n", port, port);
    MAYBE(g, "    queues: %u\n", 1 + below(g, 64));
    MAYBE(g, "    descriptors: %u\n", 64 + below(g, 1000));
    MAYBE(g, "    mtu: %u\n", 1280 + below(g, 7000));
    if (port == 0)
        MAYBE(g, "    gateway: [10.0.0.254, fd00:0::fe]\n");
    MAYBE(g,
          "    routes: [{to: 192.0.%u.0/24, via: 10.%u.0.9}, {to: 8000:%u::/32, via: "
          "fd00:%u::9}]\n",
          port, port, port, port);
    MAYBE(g, "    punt: {interface: tap.%u}\n", port);
}

static void generate_pool(struct generator *g, uint32_t pool)
{
    static const char *const balancers[] = {"maglev", "round-robin", "weighted-round-robin"};
    static const char *const forwards[] = {"nat", "direct", "ipip", "gre", "gue", "fullnat"};
    uint32_t forward = below(g, sizeof(forwards) / sizeof(forwards[0]));
    fprintf(g->out, "  - name: pool%u\n", pool);
    uint32_t balancer = below(g, 3);
    fprintf(g->out, "    balancer: %s\n", balancers[balancer]);
    if (balancer == 0)
        MAYBE(g, "    affinity: {timeout: %us, prefix-ipv4: %u}\n", 1 + below(g, 9999),
              1 + below(g, 32));
    if (balancer != 1)
        MAYBE(g, "    slow-start: %us\n", 1 + below(g, 9999));
    fprintf(g->out, "    forward: %s\n", forwards[forward]);
    if (forward == 5)
        MAYBE(g, "    client-address: none\n");
    fputs("    members:\n", g->out);
    uint32_t members = 1 + below(g, 20);
    for (uint32_t i = 0; i < members; i++) {
        fprintf(g->out, "      - address: 10.%u.1.%u\n", below(g, g->ports), i + 1);
        MAYBE(g, "        name: \"m:%u\"\n", i);
        MAYBE(g, "        weight: %u\n", below(g, 65536));
        MAYBE(g, "        state: drain\n");
        if (forward == 0 || forward == 5)
            MAYBE(g, "        port: %u\n", 1 + below(g, 65535));
    }
}

char *generate_config(unsigned long seed)
{
    char *text = NULL;
    size_t size;
    struct generator generator = {.random = random_from_seed(seed)};
    struct generator *g = &generator;
    g->out = open_memstream(&text, &size);
    CHECK(g->out);
    generate_node(g);
    g->ports = 1 + below(g, 9);
    fputs("ports:\n", g->out);
    for (uint32_t i = 0; i < g->ports; i++)
        generate_port(g, i);
    g->pools = 1 + below(g, 5);
    fputs("pools:\n", g->out);
    for (uint32_t i = 0; i < g->pools; i++)
        generate_pool(g, i);
    fputs("vips:\n", g->out);
    uint32_t vips = 1 + below(g, 8);
    for (uint32_t i = 0; i < vips; i++)
        fprintf(g->out,
                "  - {name: v%u, address: 203.0.113.%u, port: %u, protocol: %s, pool: pool%u}\n", i,
                i + 1, 1 + below(g, 65535), below(g, 2) ? "tcp" : "udp", below(g, g->pools));
    CHECK(fclose(g->out) == 0);
    return text;
}
