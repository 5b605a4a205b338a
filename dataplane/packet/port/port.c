#include "dataplane/packet/port/port.h"

#include <errno.h>
#include <inttypes.h>
#include <linux/bpf.h>
#include <net/if.h>
#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_lcore.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/check.h"
#include "base/log.h"
#include "dataplane/packet/port/port_priv.h"

// Around an IP packet in a frame: Ethernet, two VLAN tags, FCS.
#define FRAME_OVERHEAD ((uint32_t)RTE_ETHER_HDR_LEN + 2 * RTE_VLAN_HLEN + RTE_ETHER_CRC_LEN)

// Mbufs that a lcore's cache may keep to itself (mempool lets it grow to one and a half times).
#define CACHE_BUFFERS 256

// net_af_xdp keeps rings of its own of this size below a queue, whatever descriptors say.
#define QUEUE_BUFFERS_MIN 2048u

// What port_open() knows on its way.
struct opening {
    const struct config *config;
    const struct config_port *want;
    uint32_t workers;
    uint32_t extra_buffers;
    struct rte_eth_dev_info info;
    uint32_t device_mtu; // what the device is told: the largest of the ports that share it
    struct port *port;
    char *why;
};

static enum error fail(const struct opening *opening, const char *what, int result)
{
    const char *said = port_eal_log_first_error();
    snprintf(opening->why, PORT_WHY_SIZE, "port %s (%s): %s: %s", opening->want->name,
             opening->want->device, what, said[0] ? said : rte_strerror(-result));
    return ERROR_DEVICE;
}

static enum error fail_queues(const struct opening *opening, uint32_t descriptors, int result)
{
    const struct rte_eth_dev_info *info = &opening->info;
    const struct rte_eth_desc_lim *rx = &info->rx_desc_lim, *tx = &info->tx_desc_lim;
    // It does not say that the kernel's rings want that.
    bool xdp = strcmp(opening->port->driver, "net_af_xdp") == 0;
    char what[320];
    snprintf(what, sizeof(what),
             "its queues, %u to receive and %u to send of %u descriptors, are refused (change the "
             "port's queues or descriptors: the device takes up to %u and %u queues of %u to %u "
             "descriptors%s)",
             opening->port->rx_queues, opening->port->tx_queues, descriptors, info->max_rx_queues,
             info->max_tx_queues, RTE_MAX(rx->nb_min, tx->nb_min), RTE_MIN(rx->nb_max, tx->nb_max),
             xdp ? ", a power of two" : "");
    return fail(opening, what, result);
}

// Drivers that refuse different numbers of receive and transmit queues.
static bool wants_paired_queues(const struct port *port)
{
    return strcmp(port->driver, "net_af_xdp") == 0 || strcmp(port->driver, "net_tap") == 0 ||
           port->member_count > 0; // which may be such
}

static void choose_queues(const struct opening *opening)
{
    struct port *port = opening->port;
    uint32_t queues = opening->want->queues > 0 ? opening->want->queues : opening->workers;
    uint32_t rx = RTE_MIN(RTE_MIN(queues, opening->workers), opening->info.max_rx_queues);
    uint32_t tx = RTE_MIN(opening->workers, opening->info.max_tx_queues);
    if (wants_paired_queues(port))
        rx = tx = RTE_MIN(rx, tx);
    port->rx_queues = (uint16_t)rx;
    port->tx_queues = (uint16_t)tx;
}

// What the driver has around an IP packet in its largest frame.
static uint32_t frame_overhead(const struct rte_eth_dev_info *info)
{
    bool told = info->max_mtu != UINT16_MAX && info->max_rx_pktlen > info->max_mtu;
    return told ? info->max_rx_pktlen - info->max_mtu : RTE_ETHER_HDR_LEN + RTE_ETHER_CRC_LEN;
}

// DPDK holds the frame against the device's limit, not the MTU alone, and some drivers (net_tap)
// tell only that one truly.
static uint32_t mtu_max(const struct rte_eth_dev_info *info)
{
    uint32_t overhead = frame_overhead(info);
    uint32_t fits = info->max_rx_pktlen > overhead ? info->max_rx_pktlen - overhead : 0;
    return RTE_MIN(info->max_mtu, fits);
}

static const char *mtu_remedy(const char *driver)
{
    return strcmp(driver, "net_af_xdp") == 0
               ? "AF_XDP keeps a frame in one page; lower the mtu, or use DPDK's own driver"
               : "set the port's mtu within that";
}

// An MTU is that of IP packets, and most drivers allow for tags in the frame around one. Where one
// does not, the packet has to be so much smaller than what it takes; but for a kernel's interface
// that has tags beside its frames.
static uint32_t tag_size(const struct opening *opening)
{
    const struct rte_eth_dev_info *info = &opening->info;
    bool beside = info->if_index != 0 && (info->rx_offload_capa & RTE_ETH_RX_OFFLOAD_VLAN_STRIP) &&
                  (info->tx_offload_capa & RTE_ETH_TX_OFFLOAD_VLAN_INSERT);
    uint32_t needed = RTE_ETHER_HDR_LEN + RTE_ETHER_CRC_LEN + RTE_VLAN_HLEN;
    bool lacks = opening->port->vlans && !beside && frame_overhead(info) < needed;
    return lacks ? RTE_VLAN_HLEN : 0;
}

// The kernel's interfaces have frames of their MTU with a tag without being told.
static enum error choose_mtu(struct opening *opening)
{
    const struct config *config = opening->config;
    const struct rte_eth_dev_info *info = &opening->info;
    uint32_t tag = tag_size(opening), carrier = (uint32_t)(opening->want - config->ports);
    for (uint32_t i = carrier; i < config->port_count; i++) {
        const struct config_port *want = &config->ports[i];
        if (port_carrier_of(config, i) != carrier)
            continue;
        if (want->mtu < info->min_mtu || want->mtu + tag > mtu_max(info)) {
            snprintf(opening->why, PORT_WHY_SIZE,
                     "port %s (%s): mtu %" PRIu32
                     " is not possible: the device takes %u to %" PRIu32 ": %s",
                     want->name, want->device, want->mtu, info->min_mtu, mtu_max(info) - tag,
                     mtu_remedy(opening->port->driver));
            return ERROR_UNSUPPORTED;
        }
        uint32_t needed = want->mtu + (info->if_index == 0 ? tag : 0);
        opening->device_mtu = RTE_MAX(opening->device_mtu, needed);
    }
    opening->port->mtu = (uint16_t)opening->want->mtu;
    return ERROR_NONE;
}

// A bond's MTU is what its members have in common, which DPDK does not pass on.
static int narrow_to_members(struct opening *opening)
{
    const struct port *port = opening->port;
    struct rte_eth_dev_info *info = &opening->info, member;
    uint32_t overhead = UINT32_MAX;
    int result = 0;
    for (uint32_t i = 0; i < port->member_count && result == 0; i++) {
        result = rte_eth_dev_info_get(port->members[i], &member);
        if (result < 0)
            break;
        info->min_mtu = (uint16_t)RTE_MAX(info->min_mtu, member.min_mtu);
        info->max_mtu = (uint16_t)RTE_MIN(info->max_mtu, mtu_max(&member));
        overhead = RTE_MIN(overhead, frame_overhead(&member));
    }
    if (port->member_count > 0)
        info->max_rx_pktlen = info->max_mtu + overhead;
    return result;
}

static enum error describe(struct opening *opening)
{
    struct port *port = opening->port;
    int result = rte_eth_dev_info_get(port->id, &opening->info);
    if (result == 0)
        result = narrow_to_members(opening);
    if (result < 0)
        return fail(opening, "it does not describe itself", result);
    snprintf(port->driver, sizeof(port->driver), "%s", opening->info.driver_name);
    port->kernel_interface = opening->info.if_index;
    choose_queues(opening);
    if (port->rx_queues == 0 || port->tx_queues == 0) {
        snprintf(opening->why, PORT_WHY_SIZE,
                 "port %s (%s): the device has no queues to %s: take another device",
                 opening->want->name, opening->want->device,
                 port->rx_queues == 0 ? "receive" : "send");
        return ERROR_DEVICE;
    }
    return choose_mtu(opening);
}

// Of one queue of a port: each member of a bond has that queue.
static uint32_t queue_buffers(const struct config_port *port)
{
    return RTE_MAX(port->descriptors, QUEUE_BUFFERS_MIN) * RTE_MAX(port->bond.member_count, 1u);
}

// A packet received here may wait in the transmit queue of any port, so each pool is good for all
// of them.
static uint32_t count_buffers(const struct opening *opening)
{
    const struct config *config = opening->config;
    uint32_t workers = opening->workers, carrier = (uint32_t)(opening->want - config->ports);
    uint32_t buffers = opening->port->rx_queues * queue_buffers(opening->want);
    for (uint32_t i = 0; i < config->port_count; i++) {
        const struct config_port *other = &config->ports[i];
        uint32_t their_carrier = port_carrier_of(config, i);
        if (their_carrier == i)
            buffers += workers * queue_buffers(other);
        if (their_carrier == carrier && other->punt.interface[0] != '\0')
            buffers += workers * PORT_PUNT_DESCRIPTORS;
    }
    buffers += opening->extra_buffers;
    buffers += (workers + 1) * (CACHE_BUFFERS + CACHE_BUFFERS / 2);
    return buffers;
}

// Ordinary memory has small pages, and no mbuf lies across two if it fits into one.
static uint64_t buffer_bytes(uint32_t room)
{
    uint64_t bytes = sizeof(struct rte_mempool_objhdr) + sizeof(struct rte_mbuf) + room;
    uint64_t page = (uint64_t)getpagesize();
    return rte_eal_has_hugepages() || bytes > page ? bytes : page / (page / bytes);
}

// The default headroom suits the outer headers of IPIP. The kernel keeps a headroom of its own in
// an AF_XDP frame, which must lie, with the mbuf, within one page.
static uint32_t buffer_room(const struct opening *opening)
{
    bool xdp = strcmp(opening->port->driver, "net_af_xdp") == 0;
    uint32_t room = RTE_PKTMBUF_HEADROOM + opening->device_mtu + FRAME_OVERHEAD;
    if (xdp)
        room += XDP_PACKET_HEADROOM;
    room = RTE_MAX(RTE_ALIGN_CEIL(room, RTE_CACHE_LINE_SIZE), (uint32_t)RTE_MBUF_DEFAULT_BUF_SIZE);
    uint32_t page = (uint32_t)getpagesize();
    uint32_t most = page - (uint32_t)(sizeof(struct rte_mempool_objhdr) + sizeof(struct rte_mbuf));
    return RTE_MIN(room, xdp ? most : (uint32_t)UINT16_MAX);
}

static enum error create_buffers(const struct opening *opening)
{
    struct port *port = opening->port;
    uint32_t count = count_buffers(opening);
    uint32_t room = buffer_room(opening);
    char name[RTE_MEMPOOL_NAMESIZE];
    snprintf(name, sizeof(name), "port%u", port->id);
    port->buffers = rte_pktmbuf_pool_create(name, count, CACHE_BUFFERS, 0, (uint16_t)room,
                                            rte_eth_dev_socket_id(port->id));
    if (port->buffers)
        return ERROR_NONE;
    uint64_t mebibyte = 1024 * 1024;
    snprintf(opening->why, PORT_WHY_SIZE,
             "port %s: no memory for %" PRIu32 " packet buffers (about %" PRIu64
             " MiB): %s is %" PRIu64 " MiB for all ports, raise it%s",
             port->name, count, count * buffer_bytes(room) / mebibyte, port_words()->memory,
             opening->config->node.memory_bytes / mebibyte, port_words()->fewer_buffers);
    return ERROR_NO_MEMORY;
}

// Of tags, where a port of the device has one. A device that has no part in it leaves it to
// stage/vlan.c.
static void choose_vlan_offloads(const struct opening *opening, struct rte_eth_conf *conf)
{
    struct port *port = opening->port;
    uint64_t rx = opening->info.rx_offload_capa;
    port->tx_inserts_vlan = (opening->info.tx_offload_capa & RTE_ETH_TX_OFFLOAD_VLAN_INSERT) != 0;
    if (port->tx_inserts_vlan)
        conf->txmode.offloads |= RTE_ETH_TX_OFFLOAD_VLAN_INSERT;
    conf->rxmode.offloads |= rx & (RTE_ETH_RX_OFFLOAD_VLAN_STRIP | RTE_ETH_RX_OFFLOAD_VLAN_FILTER);
    port->rx_filters_vlans = (rx & RTE_ETH_RX_OFFLOAD_VLAN_FILTER) != 0;
}

// Only offloads that tell about frames or fill in what we ask for; none that merges or splits.
// RTE_ETH_TX_OFFLOAD_MBUF_FAST_FREE is not for us: it promises that all mbufs of a queue
// come from one pool, and we send those of other ports.
static void choose_offloads(const struct opening *opening, struct rte_eth_conf *conf)
{
    struct port *port = opening->port;
    const uint64_t l4 = RTE_ETH_RX_OFFLOAD_TCP_CKSUM | RTE_ETH_RX_OFFLOAD_UDP_CKSUM;
    uint64_t rx = opening->info.rx_offload_capa;
    uint64_t tx = opening->info.tx_offload_capa;
    port->rx_checks_ipv4 = (rx & RTE_ETH_RX_OFFLOAD_IPV4_CKSUM) != 0;
    port->rx_checks_l4 = (rx & l4) == l4;
    port->tx_ipv4_checksum = (tx & RTE_ETH_TX_OFFLOAD_IPV4_CKSUM) != 0;
    if (port->rx_checks_ipv4)
        conf->rxmode.offloads |= RTE_ETH_RX_OFFLOAD_IPV4_CKSUM;
    if (port->rx_checks_l4)
        conf->rxmode.offloads |= l4;
    if (port->tx_ipv4_checksum)
        conf->txmode.offloads |= RTE_ETH_TX_OFFLOAD_IPV4_CKSUM;
    uint64_t hash = opening->info.flow_type_rss_offloads & PORT_RSS_HASHED;
    if (port->rx_queues > 1 && hash != 0) {
        conf->rxmode.mq_mode = RTE_ETH_MQ_RX_RSS;
        conf->rx_adv_conf.rss_conf.rss_hf = hash;
    }
}

static enum error configure(const struct opening *opening)
{
    struct port *port = opening->port;
    struct rte_eth_conf conf = {.rxmode.mtu = opening->device_mtu};
    // Where the device tells of its link by itself, to ask costs nothing.
    conf.intr_conf.lsc = (*opening->info.dev_flags & RTE_ETH_DEV_INTR_LSC) != 0;
    choose_offloads(opening, &conf);
    if (port->vlans)
        choose_vlan_offloads(opening, &conf);
    port->rx_offloads = (struct port_offloads){opening->info.rx_offload_capa, conf.rxmode.offloads};
    port->tx_offloads = (struct port_offloads){opening->info.tx_offload_capa, conf.txmode.offloads};
    int result = rte_eth_dev_configure(port->id, port->rx_queues, port->tx_queues, &conf);
    if (result < 0)
        return fail(opening,
                    "its configuration is refused (change the port's queues, descriptors or mtu)",
                    result);
    uint16_t rx_descriptors = (uint16_t)opening->want->descriptors;
    uint16_t tx_descriptors = (uint16_t)opening->want->descriptors;
    result = rte_eth_dev_adjust_nb_rx_tx_desc(port->id, &rx_descriptors, &tx_descriptors);

    unsigned socket = (unsigned)rte_eth_dev_socket_id(port->id);
    struct rte_eth_rxconf rx = opening->info.default_rxconf;
    rx.offloads = conf.rxmode.offloads;
    for (uint16_t i = 0; i < port->rx_queues && result == 0; i++)
        result = rte_eth_rx_queue_setup(port->id, i, rx_descriptors, socket, &rx, port->buffers);
    struct rte_eth_txconf tx = opening->info.default_txconf;
    tx.offloads = conf.txmode.offloads;
    for (uint16_t i = 0; i < port->tx_queues && result == 0; i++)
        result = rte_eth_tx_queue_setup(port->id, i, tx_descriptors, socket, &tx);
    port_xdp_sockets_note(port->id);
    if (result < 0)
        return fail_queues(opening, rx_descriptors, result);

    // Devices without an MTU of their own take what comes; a bond tells its members when it starts.
    if (port->member_count == 0)
        result = rte_eth_dev_set_mtu(port->id, (uint16_t)opening->device_mtu);
    if (result < 0 && result != -ENOTSUP)
        return fail(opening, "its MTU is refused (lower the port's mtu)", result);
    result = rte_eth_macaddr_get(port->id, &port->mac);
    if (result < 0)
        return fail(opening, "it does not tell its MAC address", result);
    return ERROR_NONE;
}

static void detach(struct port *port)
{
    if (port->member_count > 0)
        port_bond_detach(port);
    else
        port_device_detach(port->id);
}

enum error port_open(const struct config *config, uint32_t index, uint32_t workers,
                     uint32_t extra_buffers, struct port **port, char *why)
{
    CHECK(index < config->port_count && workers > 0 && workers <= CONFIG_WORKERS_MAX);
    struct opening opening = {.config = config,
                              .want = &config->ports[index],
                              .workers = workers,
                              .extra_buffers = extra_buffers,
                              .port = calloc(1, sizeof(*opening.port)),
                              .why = why};
    CHECK(opening.port);
    snprintf(opening.port->name, sizeof(opening.port->name), "%s", opening.want->name);
    opening.port->vlan = (uint16_t)opening.want->vlan;
    opening.port->vlans = port_vlans_create(config, index);

    char said[PORT_WHY_SIZE];
    enum error error = opening.want->bond.member_count > 0
                           ? port_bond_attach(opening.want, opening.port, said)
                           : port_device_attach(opening.want->device, &opening.port->id, said);
    if (error) {
        snprintf(why, PORT_WHY_SIZE, "port %s: %.*s", opening.want->name,
                 PORT_WHY_SIZE - CONFIG_NAME_SIZE - 8, said);
        goto free_port;
    }
    error = describe(&opening);
    if (!error)
        error = create_buffers(&opening);
    if (!error)
        error = configure(&opening);
    if (!error && opening.want->punt.interface[0] != '\0')
        error = port_punt_open(opening.want, workers, opening.port, why);
    if (error)
        goto detach;
    *port = opening.port;
    return ERROR_NONE;

detach:
    detach(opening.port);
    rte_mempool_free(opening.port->buffers);
free_port:
    free(opening.port->vlans);
    free(opening.port);
    return error;
}

// RFC 4861 section 7.2.1: solicitations come to a multicast group. Virtual devices have no filter
// to open and say so. A bond opens that of the member which carries, and not always of the next.
static void hear_multicast(const struct port *port)
{
    int result = rte_eth_allmulticast_enable(port->id);
    for (uint32_t i = 0; i < port->member_count && (result == 0 || result == -ENOTSUP); i++)
        result = rte_eth_allmulticast_enable(port->members[i]);
    if (result < 0 && result != -ENOTSUP)
        log_warning("no multicast, so no IPv6 neighbours may be heard",
                    LOG_STRING("port", port->name), LOG_STRING("why", rte_strerror(-result)));
}

enum error port_start(struct port *port, char *why)
{
    if (port->carrier)
        return ERROR_NONE;
    port_eal_log_forget();
    int result = rte_eth_dev_start(port->id);
    if (result < 0) {
        const char *said = port_eal_log_first_error();
        snprintf(why, PORT_WHY_SIZE, "port %s: the device does not start: %s", port->name,
                 said[0] ? said : rte_strerror(-result));
        return ERROR_DEVICE;
    }
    hear_multicast(port);
    if (port->member_count > 0)
        port_bond_settle(port);
    if (port->rx_filters_vlans)
        port_vlans_pass(port);
    return ERROR_NONE;
}

void port_stop(struct port *port)
{
    CHECK(!port->stopped);
    port_punt_close(port);
    if (!port->carrier)
        detach(port);
    port->stopped = true;
}

void port_close(struct port *port)
{
    CHECK(port->stopped);
    if (!port->carrier)
        rte_mempool_free(port->buffers);
    free(port->vlans);
    free(port);
}

// net_af_xdp says its link is up whatever the interface below does.
static bool kernel_link_up(uint32_t interface)
{
    struct ifreq request = {.ifr_flags = 0};
    if (!if_indextoname(interface, request.ifr_name))
        return false;
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return false;
    bool up = ioctl(fd, SIOCGIFFLAGS, &request) == 0 && (request.ifr_flags & IFF_RUNNING) != 0;
    close(fd);
    return up;
}

bool port_link_up(const struct port *port, uint32_t *speed_mbps)
{
    if (port->carrier)
        return port_link_up(port->carrier, speed_mbps);
    if (port->member_count > 0)
        return port_bond_link_up(port, speed_mbps);
    struct rte_eth_link link = {.link_speed = RTE_ETH_SPEED_NUM_NONE};
    bool up = rte_eth_link_get_nowait(port->id, &link) == 0 && link.link_status == RTE_ETH_LINK_UP;
    *speed_mbps = link.link_speed == RTE_ETH_SPEED_NUM_UNKNOWN ? 0 : link.link_speed;
    return up && (port->kernel_interface == 0 || kernel_link_up(port->kernel_interface));
}

static void read_counters(uint16_t id, struct port_counters *counters)
{
    *counters = (struct port_counters){.rx_packets = 0};
    struct rte_eth_stats stats;
    if (rte_eth_stats_get(id, &stats) != 0)
        return;
    *counters = (struct port_counters){
        .rx_packets = stats.ipackets,
        .rx_bytes = stats.ibytes,
        .tx_packets = stats.opackets,
        .tx_bytes = stats.obytes,
        .rx_missed = stats.imissed,
        .rx_errors = stats.ierrors,
        .tx_errors = stats.oerrors,
        .rx_no_buffer = stats.rx_nombuf,
    };
}

void port_read_counters(const struct port *port, struct port_counters *counters)
{
    read_counters(port->id, counters);
}

void port_member_read_counters(const struct port *port, uint32_t index,
                               struct port_counters *counters)
{
    CHECK(index < port->member_count);
    read_counters(port->members[index], counters);
}
