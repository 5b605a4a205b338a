// Bonding: several devices that are one port's, by DPDK's bonding device. It watches the members'
// links, by their interrupts or every MONITOR_MS, and moves on to another by itself, in the EAL's
// interrupt thread: what is read of it here is a moment's.
#include <errno.h>
#include <rte_errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/check.h"
#include "base/log.h"
#include "dataplane/packet/port/bond_compat.h"
#include "dataplane/packet/port/port_priv.h"

#define MONITOR_MS 20

// A bond looks at those links that do not interrupt for the first time after it has started.
#define SETTLE_ROUNDS 5

static uint8_t dpdk_mode(enum config_bond_mode mode)
{
    switch (mode) {
    case CONFIG_BOND_ACTIVE_BACKUP:
        return BONDING_MODE_ACTIVE_BACKUP;
    case CONFIG_BOND_BALANCE_XOR:
        return BONDING_MODE_BALANCE;
    case CONFIG_BOND_LACP:
        break;
    }
    return BONDING_MODE_8023AD;
}

static enum error fail(const char *device, const char *what, int result, char *why)
{
    const char *said = port_eal_log_first_error();
    snprintf(why, PORT_WHY_SIZE, "device %.100s: %s: %s", device, what,
             said[0] ? said : rte_strerror(-result));
    return ERROR_DEVICE;
}

// net_tap says that it interrupts when its link changes, notes the change, and tells nobody. A bond
// that took it at its word would not look.
static void unsay_interrupts(uint16_t id)
{
    struct rte_eth_dev_info info;
    if (rte_eth_dev_info_get(id, &info) == 0 && strcmp(info.driver_name, "net_tap") == 0)
        *(uint32_t *)(uintptr_t)info.dev_flags &= ~(uint32_t)RTE_ETH_DEV_INTR_LSC;
}

static enum error attach_members(const struct config_bond *bond, struct port *port, char *why)
{
    enum error error = ERROR_NONE;
    for (uint32_t i = 0; i < bond->member_count; i++) {
        error = port_device_attach(bond->members[i], &port->members[i], why);
        if (error)
            break;
        unsay_interrupts(port->members[port->member_count++]);
    }
    return error;
}

static int set_up(const struct port *port)
{
    int result = rte_eth_bond_xmit_policy_set(port->id, BALANCE_XMIT_POLICY_LAYER34);
    return result == 0 ? rte_eth_bond_link_monitoring_set(port->id, MONITOR_MS) : result;
}

static enum error add_members(const struct config_port *want, const struct port *port, char *why)
{
    int result = set_up(port);
    if (result < 0)
        return fail(want->device, "its bond.mode is refused", result, why);
    for (uint32_t i = 0; i < port->member_count; i++) {
        result = rte_eth_bond_member_add(port->id, port->members[i]);
        if (result < 0)
            return fail(want->bond.members[i],
                        "it cannot be a bond's member (take it out of bond.members)", result, why);
    }
    // It carries again as soon as it has its link back.
    result = rte_eth_bond_primary_set(port->id, port->members[0]);
    return result < 0
               ? fail(want->device, "the first of its bond.members is refused as the one to carry",
                      result, why)
               : ERROR_NONE;
}

static bool is_tap(uint16_t id)
{
    struct rte_eth_dev_info info;
    return rte_eth_dev_info_get(id, &info) == 0 && strcmp(info.driver_name, "net_tap") == 0;
}

static void detach_taps(struct port *port)
{
    uint32_t left = 0;
    for (uint32_t i = 0; i < port->member_count; i++) {
        if (is_tap(port->members[i]))
            port_device_detach(port->members[i]);
        else
            port->members[left++] = port->members[i];
    }
    port->member_count = left;
}

static void detach_members(struct port *port)
{
    while (port->member_count > 0)
        port_device_detach(port->members[--port->member_count]);
}

// A bond resets what is taken out of it, and net_tap of DPDK 24.11 looks for queues that are gone
// by then. Closed before, it is passed over, with some words of DPDK's.
void port_bond_detach(struct port *port)
{
    rte_eth_dev_stop(port->id);
    detach_taps(port);
    port_device_detach(port->id);
    detach_members(port);
}

static enum error create(const struct config_port *want, struct port *port, char *why)
{
    int socket = rte_eth_dev_socket_id(port->members[0]);
    int id = rte_eth_bond_create(want->device, dpdk_mode(want->bond.mode),
                                 (uint8_t)(socket < 0 ? 0 : socket));
    if (id < 0)
        return fail(want->device, "DPDK makes no bond", id, why);
    port->id = (uint16_t)id;
    CHECK(port_device_claim(port->id));
    enum error error = add_members(want, port, why);
    if (error)
        port_bond_detach(port);
    return error;
}

enum error port_bond_attach(const struct config_port *want, struct port *port, char *why)
{
    CHECK(want->bond.member_count <= CONFIG_BOND_MAX);
    port->bond_mode = want->bond.mode;
    port->speaks_lacp = want->bond.mode == CONFIG_BOND_LACP;
    enum error error = attach_members(&want->bond, port, why);
    if (!error) {
        port_eal_log_forget();
        error = create(want, port, why);
    }
    if (error)
        detach_members(port);
    return error;
}

// All members hear what is sent to the bond. DPDK sees to it in the other modes.
static void share_mac(const struct port *port)
{
    struct rte_ether_addr mac = port->mac;
    for (uint32_t i = 0; i < port->member_count; i++) {
        int result = rte_eth_dev_default_mac_addr_set(port->members[i], &mac);
        if (result < 0 && result != -ENOTSUP)
            log_warning("a bond's device may not hear what is sent to the bond",
                        LOG_STRING("port", port->name), LOG_UINT("id", port->members[i]),
                        LOG_STRING("why", rte_strerror(-result)));
    }
}

void port_bond_settle(const struct port *port)
{
    if (port->speaks_lacp)
        share_mac(port);
    uint32_t speed_mbps;
    for (int i = 0; i < SETTLE_ROUNDS && !port->speaks_lacp; i++) {
        if (port_bond_link_up(port, &speed_mbps))
            return;
        usleep(MONITOR_MS * 1000);
    }
}

const char *port_member_state_text(enum port_member_state state)
{
    switch (state) {
    case PORT_MEMBER_ACTIVE:
        return "active";
    case PORT_MEMBER_STANDBY:
        return "standby";
    case PORT_MEMBER_WAITING:
        return "waiting";
    case PORT_MEMBER_DOWN:
        break;
    }
    return "down";
}

// Whether the bond counts a member among those that may carry, which it finds out by itself.
static bool is_in_use(const struct port *port, uint16_t id)
{
    uint16_t used[CONFIG_BOND_MAX];
    int count = rte_eth_bond_active_members_get(port->id, used, CONFIG_BOND_MAX);
    for (int i = 0; i < count; i++) {
        if (used[i] == id)
            return true;
    }
    return false;
}

static enum port_member_state state_of(const struct port *port, uint16_t id, bool link)
{
    struct rte_eth_bond_8023ad_member_info info;
    if (!is_in_use(port, id))
        return link ? PORT_MEMBER_WAITING : PORT_MEMBER_DOWN;
    switch (port->bond_mode) {
    case CONFIG_BOND_ACTIVE_BACKUP:
        return rte_eth_bond_primary_get(port->id) == id ? PORT_MEMBER_ACTIVE : PORT_MEMBER_STANDBY;
    case CONFIG_BOND_BALANCE_XOR:
        return PORT_MEMBER_ACTIVE;
    case CONFIG_BOND_LACP:
        break;
    }
    bool agreed = rte_eth_bond_8023ad_member_info(port->id, id, &info) == 0 &&
                  (info.actor_state & STATE_DISTRIBUTING) != 0;
    return agreed ? PORT_MEMBER_ACTIVE : PORT_MEMBER_WAITING;
}

void port_member_look(const struct port *port, uint32_t index, struct port_member *member)
{
    CHECK(index < port->member_count);
    uint16_t id = port->members[index];
    struct rte_eth_link link = {.link_speed = RTE_ETH_SPEED_NUM_NONE};
    bool up = rte_eth_link_get_nowait(id, &link) == 0 && link.link_status == RTE_ETH_LINK_UP;
    *member = (struct port_member){.state = state_of(port, id, up)};
    if (up && link.link_speed != RTE_ETH_SPEED_NUM_UNKNOWN)
        member->speed_mbps = link.link_speed;
    if (rte_eth_dev_get_name_by_port(id, member->name) < 0)
        member->name[0] = '\0';
}

bool port_bond_link_up(const struct port *port, uint32_t *speed_mbps)
{
    bool up = false;
    *speed_mbps = 0;
    for (uint32_t i = 0; i < port->member_count; i++) {
        struct port_member member;
        port_member_look(port, i, &member);
        if (member.state == PORT_MEMBER_ACTIVE)
            *speed_mbps += member.speed_mbps;
        up |= member.state == PORT_MEMBER_ACTIVE;
    }
    return up;
}
