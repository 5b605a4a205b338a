// What a device offers to do, what of it is used, and why the rest is not: for people. The choice
// itself is made where a port is configured.
#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "dataplane/packet/port/port_priv.h"

struct reason {
    uint64_t offloads;
    const char *why;
};

#define NOTHING_SPLIT  "packets leave in the size in which they came"
#define NOTHING_MERGED "packets are forwarded one by one: none is merged"
#define NO_VLAN        "no port of the device has a `vlan`"

// Why one that is offered is not used.
static const struct reason rx_unused[] = {
    {RTE_ETH_RX_OFFLOAD_VLAN_STRIP | RTE_ETH_RX_OFFLOAD_VLAN_FILTER, NO_VLAN},
    {RTE_ETH_RX_OFFLOAD_TCP_CKSUM | RTE_ETH_RX_OFFLOAD_UDP_CKSUM,
     "the device does only one of TCP and UDP: both are checked in software"},
    {RTE_ETH_RX_OFFLOAD_TCP_LRO, NOTHING_MERGED},
    {RTE_ETH_RX_OFFLOAD_SCATTER, "a buffer holds the largest frame of the port's mtu"},
    {RTE_ETH_RX_OFFLOAD_RSS_HASH, "flows are found by a hash of their own, with a secret key"},
};
static const struct reason tx_unused[] = {
    {RTE_ETH_TX_OFFLOAD_VLAN_INSERT, NO_VLAN},
    {RTE_ETH_TX_OFFLOAD_TCP_CKSUM | RTE_ETH_TX_OFFLOAD_UDP_CKSUM,
     "checksums are mended by the difference, without reading the packet"},
    {RTE_ETH_TX_OFFLOAD_TCP_TSO | RTE_ETH_TX_OFFLOAD_UDP_TSO, NOTHING_SPLIT},
    {RTE_ETH_TX_OFFLOAD_MULTI_SEGS, "what is sent lies in one buffer"},
    {RTE_ETH_TX_OFFLOAD_MBUF_FAST_FREE,
     "it promises that all buffers of a queue come from one pool: other ports' are sent, too"},
};

// What is done without one that is not offered.
static const struct reason rx_missing[] = {
    {RTE_ETH_RX_OFFLOAD_IPV4_CKSUM | RTE_ETH_RX_OFFLOAD_TCP_CKSUM | RTE_ETH_RX_OFFLOAD_UDP_CKSUM,
     "checked in software"},
};
static const struct reason tx_missing[] = {
    {RTE_ETH_TX_OFFLOAD_IPV4_CKSUM, "filled in by software"},
};
static const struct reason rx_missing_vlan[] = {
    {RTE_ETH_RX_OFFLOAD_VLAN_STRIP, "tags are taken off in software"},
};
static const struct reason tx_missing_vlan[] = {
    {RTE_ETH_TX_OFFLOAD_VLAN_INSERT, "tags are put in by software"},
};

static const char *find(const struct reason *reasons, size_t count, uint64_t offload)
{
    for (size_t i = 0; i < count; i++) {
        if (reasons[i].offloads & offload)
            return reasons[i].why;
    }
    return NULL;
}

#define FIND(reasons, offload) find(reasons, RTE_DIM(reasons), offload)

static const char *why_unused(bool sends, uint64_t offload)
{
    const char *why = sends ? FIND(tx_unused, offload) : FIND(rx_unused, offload);
    return why ? why : "nothing here needs it";
}

static const char *why_missed(bool sends, bool tagged, uint64_t offload)
{
    const char *why = sends ? FIND(tx_missing, offload) : FIND(rx_missing, offload);
    if (!why && tagged)
        why = sends ? FIND(tx_missing_vlan, offload) : FIND(rx_missing_vlan, offload);
    return why;
}

// DPDK's "IPV4_CKSUM" as "rx-ipv4-cksum".
static void name_offload(bool sends, uint64_t offload, char name[static PORT_OFFLOAD_NAME_SIZE])
{
    const char *said =
        sends ? rte_eth_dev_tx_offload_name(offload) : rte_eth_dev_rx_offload_name(offload);
    snprintf(name, PORT_OFFLOAD_NAME_SIZE, "%s-%s", sends ? "tx" : "rx", said);
    for (char *at = name; *at; at++)
        *at = *at == '_' ? '-' : (char)tolower((unsigned char)*at);
}

void port_walk_offloads(const struct port *port,
                        void (*visit)(void *context, const struct port_offload *offload),
                        void *context)
{
    const struct port *device = port->carrier ? port->carrier : port;
    for (int sends = 0; sends < 2; sends++) {
        const struct port_offloads *of = sends ? &device->tx_offloads : &device->rx_offloads;
        for (uint32_t bit = 0; bit < 64; bit++) {
            uint64_t offload = 1ull << bit;
            struct port_offload view = {.offered = (of->offered & offload) != 0,
                                        .used = (of->used & offload) != 0};
            view.why = view.used      ? ""
                       : view.offered ? why_unused(sends, offload)
                                      : why_missed(sends, device->vlans != NULL, offload);
            if (!view.why)
                continue;
            name_offload(sends, offload, view.name);
            visit(context, &view);
        }
    }
}
