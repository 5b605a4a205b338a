// Links of ports, and of the devices that bonds are made of. Main thread.
#include "base/log.h"
#include "dataplane/worker/plane_priv.h"

static void count_link_down(struct plane *plane, uint32_t index, uint32_t member)
{
    stats_add(&plane->counters.bond_link_downs[index * CONFIG_BOND_MAX + member], 1);
}

static void tell_member(const struct port *port, const struct port_member *member,
                        enum port_member_state before)
{
    if (member->state == PORT_MEMBER_DOWN)
        log_warning("link of a bond's device down", LOG_STRING("port", port->name),
                    LOG_STRING("device", member->name));
    else
        log_info("a bond's device", LOG_STRING("port", port->name),
                 LOG_STRING("device", member->name),
                 LOG_STRING("before", port_member_state_text(before)),
                 LOG_STRING("state", port_member_state_text(member->state)),
                 LOG_UINT("mbps", member->speed_mbps));
}

// The switch has yet to learn where our addresses are now.
static void take_over(struct plane *plane, uint32_t index, uint32_t member)
{
    struct plane_bond *bond = &plane->bonds[index];
    if (plane->shared.ports[index]->bond_mode != CONFIG_BOND_ACTIVE_BACKUP ||
        bond->carrier == member)
        return;
    bond->carrier = member;
    stats_add(&plane->counters.port_failovers[index], 1);
    plane_announce(plane);
}

// Flows are spread evenly, so all together carry what the slowest of them can.
static void tell_uneven(const struct port *port, const struct port_member *members)
{
    const struct port_member *slow = NULL, *fast = NULL;
    for (uint32_t i = 0; i < port->member_count; i++) {
        const struct port_member *at = &members[i];
        if (at->state != PORT_MEMBER_ACTIVE || at->speed_mbps == 0)
            continue;
        slow = !slow || at->speed_mbps < slow->speed_mbps ? at : slow;
        fast = !fast || at->speed_mbps > fast->speed_mbps ? at : fast;
    }
    if (slow && slow->speed_mbps != fast->speed_mbps)
        log_warning("devices of different speeds carry together", LOG_STRING("port", port->name),
                    LOG_STRING("slow", slow->name), LOG_UINT("slow-mbps", slow->speed_mbps),
                    LOG_STRING("fast", fast->name), LOG_UINT("fast-mbps", fast->speed_mbps),
                    LOG_STRING("remedy", "bond devices of one speed, or use active-backup"));
}

static void look_at_members(struct plane *plane, uint32_t index)
{
    const struct port *port = plane->shared.ports[index];
    struct port_member members[CONFIG_BOND_MAX];
    bool changed = false;
    for (uint32_t i = 0; i < port->member_count; i++) {
        enum port_member_state before = plane->bonds[index].states[i];
        port_member_look(port, i, &members[i]);
        if (members[i].state == before)
            continue;
        changed = true;
        plane->bonds[index].states[i] = members[i].state;
        tell_member(port, &members[i], before);
        if (members[i].state == PORT_MEMBER_DOWN)
            count_link_down(plane, index, i);
        if (members[i].state == PORT_MEMBER_ACTIVE)
            take_over(plane, index, i);
    }
    if (changed)
        tell_uneven(port, members);
}

// Workers tell by it why a device refuses.
static void set_link(struct plane *plane, uint32_t index, bool up)
{
    plane->link_up[index] = up;
    atomic_store_explicit(&plane->shared.ports[index]->link_down, !up, memory_order_relaxed);
}

bool plane_look_at_link(struct plane *plane, uint32_t index, uint32_t *speed_mbps)
{
    const struct port *port = plane->shared.ports[index];
    look_at_members(plane, index);
    bool up = port_link_up(port, speed_mbps);
    if (up == plane->link_up[index])
        return up;
    set_link(plane, index, up);
    if (!up) {
        stats_add(&plane->counters.port_link_downs[index], 1);
        log_warning("link down", LOG_STRING("port", port->name));
        return false;
    }
    log_info("link up", LOG_STRING("port", port->name), LOG_UINT("mbps", *speed_mbps));
    plane_announce(plane);
    return true;
}

void plane_watch_links(struct plane *plane)
{
    uint32_t speed_mbps;
    for (uint32_t p = 0; p < plane->shared.port_count; p++)
        plane_look_at_link(plane, p, &speed_mbps);
}

void plane_watch_bonds(struct plane *plane)
{
    for (uint32_t p = 0; p < plane->shared.port_count; p++)
        look_at_members(plane, p);
}

static void note_members(struct plane *plane, uint32_t index)
{
    const struct port *port = plane->shared.ports[index];
    struct plane_bond *bond = &plane->bonds[index];
    for (uint32_t i = 0; i < port->member_count; i++) {
        struct port_member member;
        port_member_look(port, i, &member);
        bond->states[i] = member.state;
        if (member.state == PORT_MEMBER_ACTIVE)
            bond->carrier = i;
        if (member.state != PORT_MEMBER_DOWN)
            continue;
        count_link_down(plane, index, i);
        log_warning("a bond's device without link", LOG_STRING("port", port->name),
                    LOG_STRING("device", member.name),
                    LOG_STRING("remedy", "plug it in: without it the bond has less to fall back "
                                         "on"));
    }
}

void plane_note_link(struct plane *plane, uint32_t index)
{
    const struct port *port = plane->shared.ports[index];
    uint32_t speed_mbps;
    note_members(plane, index);
    bool up = port_link_up(port, &speed_mbps);
    set_link(plane, index, up);
    log_info("port ready", LOG_STRING("port", port->name), LOG_STRING("driver", port->driver),
             LOG_UINT("rx-queues", port->rx_queues), LOG_UINT("tx-queues", port->tx_queues),
             LOG_STRING("link", up ? "up" : "down"));
    if (up)
        return;
    stats_add(&plane->counters.port_link_downs[index], 1);
    log_warning("port without link", LOG_STRING("port", port->name),
                LOG_STRING("remedy", port->speaks_lacp
                                         ? "packets pass once the other end has agreed on 802.3ad: "
                                           "switch LACP on there"
                                         : "plug it in; packets pass once the link is up"));
}
