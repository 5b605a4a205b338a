// The kernel's share of a port: a TAP interface with the port's MAC and addresses, so that the
// kernel takes what is handed to it and answers from the right address. docs/decisions/0003 says
// why a TAP interface.
#include <errno.h>
#include <rte_errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "dataplane/packet/port/port_priv.h"

static enum error fail(const struct config_port *config, const char *what, int result, char *why)
{
    const char *said = port_eal_log_first_error();
    snprintf(
        why, PORT_WHY_SIZE,
        "port %s: punt interface %s: %s: %s; without punt the port works, but gives the kernel "
        "nothing",
        config->name, config->punt.interface, what, said[0] ? said : rte_strerror(-result));
    return ERROR_DEVICE;
}

// net_tap wants as many receive as transmit queues.
static enum error configure(const struct config_port *config, const struct rte_eth_dev_info *info,
                            uint32_t workers, struct port *port, char *why)
{
    port->punt_queues =
        (uint16_t)RTE_MIN(workers, (uint32_t)RTE_MIN(info->max_rx_queues, info->max_tx_queues));
    struct rte_eth_conf conf = {.rxmode.mtu = port->mtu};
    const unsigned any_socket = (unsigned)SOCKET_ID_ANY;
    int result = rte_eth_dev_configure(port->punt_id, port->punt_queues, port->punt_queues, &conf);
    for (uint16_t i = 0; i < port->punt_queues && result == 0; i++) {
        result = rte_eth_rx_queue_setup(port->punt_id, i, PORT_PUNT_DESCRIPTORS, any_socket, NULL,
                                        port->buffers);
        if (result == 0)
            result =
                rte_eth_tx_queue_setup(port->punt_id, i, PORT_PUNT_DESCRIPTORS, any_socket, NULL);
    }
    if (result < 0)
        return fail(config, "its queues, one for each of node.cores, are refused", result, why);
    result = rte_eth_dev_set_mtu(port->punt_id, port->mtu);
    if (result < 0)
        return fail(config, "the port's mtu is refused", result, why);
    result = rte_eth_dev_start(port->punt_id);
    if (result < 0)
        return fail(config, "it does not start", result, why);
    return ERROR_NONE;
}

// A kernel without IPv6 is no reason not to run: the port answers for its addresses by itself.
static enum error add_address(const struct config_port *config, uint32_t interface,
                              const struct ip_prefix *prefix, char *why)
{
    if (port_kernel_address_add(interface, prefix) == ERROR_NONE)
        return ERROR_NONE;
    char text[IP_TEXT_SIZE];
    ip_prefix_format(prefix, text);
    if (!ip_is_v4(&prefix->address) && (errno == EOPNOTSUPP || errno == EACCES)) {
        log_warning("the kernel has IPv6 switched off", LOG_STRING("port", config->name),
                    LOG_STRING("address", text));
        return ERROR_NONE;
    }
    snprintf(why, PORT_WHY_SIZE,
             "port %s: punt interface %s: the kernel refuses address %s of the port: %s",
             config->name, config->punt.interface, text, strerror(errno));
    return ERROR_SYSTEM;
}

static bool has_address(const struct config_port *config, const struct ip_prefix *prefix)
{
    for (uint32_t i = 0; i < config->address_count; i++) {
        if (config->addresses[i].length == prefix->length &&
            ip_equal(&config->addresses[i].address, &prefix->address))
            return true;
    }
    return false;
}

// Takes away what only the first `count` addresses of `from` have. What is gone already, by the
// operator's hand, is as it should be.
static void delete_addresses(uint32_t interface, const struct config_port *from, uint32_t count,
                             const struct config_port *besides)
{
    for (uint32_t i = 0; i < count; i++) {
        if (!has_address(besides, &from->addresses[i]))
            port_kernel_address_delete(interface, &from->addresses[i]);
    }
}

// With the first IPv4 address of a network the kernel takes its others away as well, unless
// promote_secondaries (ip-sysctl) is on: all that shall stay are added again.
static enum error keep_addresses(uint32_t interface, const struct config_port *to, char *why)
{
    for (uint32_t i = 0; i < to->address_count; i++) {
        const struct ip_prefix *prefix = &to->addresses[i];
        enum error error =
            ip_is_v4(&prefix->address) ? add_address(to, interface, prefix, why) : ERROR_NONE;
        if (error)
            return error;
    }
    return ERROR_NONE;
}

enum error port_change_addresses(struct port *port, const struct config_port *from,
                                 const struct config_port *to, char *why)
{
    if (!port->punts)
        return ERROR_NONE;
    for (uint32_t i = 0; i < to->address_count; i++) {
        if (has_address(from, &to->addresses[i]))
            continue;
        enum error error = add_address(to, port->punt_interface, &to->addresses[i], why);
        if (error) {
            delete_addresses(port->punt_interface, to, i, from);
            return error;
        }
    }
    delete_addresses(port->punt_interface, from, from->address_count, to);
    return keep_addresses(port->punt_interface, to, why);
}

// net_tap has the kernel tell of frames by a real-time signal. When too many are pending the kernel
// sends SIGIO instead (fcntl(2), F_SETSIG), which by default would end the process.
static void ignore_overflow_signal(void)
{
    struct sigaction action;
    if (sigaction(SIGIO, NULL, &action) == 0 && action.sa_handler == SIG_DFL) {
        action.sa_handler = SIG_IGN;
        sigaction(SIGIO, &action, NULL);
    }
}

enum error port_punt_open(const struct config_port *config, uint32_t workers, struct port *port,
                          char *why)
{
    const char *interface = config->punt.interface;
    ignore_overflow_signal();
    const uint8_t *mac = port->mac.addr_bytes;
    char device[96];
    snprintf(device, sizeof(device), "net_tap_weir%u_%u,iface=%s,mac=%02x:%02x:%02x:%02x:%02x:%02x",
             port->id, port->vlan, interface, mac[0], mac[1], mac[2], mac[3], mac[4], mac[5]);
    char said[PORT_WHY_SIZE];
    enum error error = port_device_attach(device, &port->punt_id, said);
    if (error) {
        snprintf(why, PORT_WHY_SIZE, "port %s: punt interface: %.*s", config->name,
                 PORT_WHY_SIZE / 2, said);
        return error;
    }

    struct rte_eth_dev_info info;
    int result = rte_eth_dev_info_get(port->punt_id, &info);
    if (result < 0) {
        error = fail(config, "it does not describe itself", result, why);
        goto detach;
    }
    error = configure(config, &info, workers, port, why);
    if (error)
        goto detach;
    port->punt_interface = info.if_index;
    for (uint32_t i = 0; i < config->address_count; i++) {
        error = add_address(config, port->punt_interface, &config->addresses[i], why);
        if (error)
            goto detach;
    }
    port->punts = true;
    return ERROR_NONE;

detach:
    port_device_detach(port->punt_id);
    return error;
}

void port_punt_close(struct port *port)
{
    if (port->punts)
        port_device_detach(port->punt_id);
    port->punts = false;
}
