// Ports that share a device: which of them has a VLAN, and how the others get what the first one
// opened.
#include <rte_errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/log.h"
#include "dataplane/packet/port/port_priv.h"

static bool same_device(const struct config *config, uint32_t a, uint32_t b)
{
    return strcmp(config->ports[a].device, config->ports[b].device) == 0;
}

uint32_t port_carrier_of(const struct config *config, uint32_t index)
{
    uint32_t first = 0;
    while (!same_device(config, first, index))
        first++;
    return first;
}

struct port_vlans *port_vlans_create(const struct config *config, uint32_t index)
{
    bool tagged = false;
    for (uint32_t i = 0; i < config->port_count; i++)
        tagged |= same_device(config, i, index) && config->ports[i].vlan > 0;
    if (!tagged)
        return NULL;
    struct port_vlans *vlans = malloc(sizeof(*vlans));
    CHECK(vlans);
    memset(vlans->ports, PORT_VLAN_NONE, sizeof(vlans->ports));
    for (uint32_t i = 0; i < config->port_count; i++) {
        if (same_device(config, i, index))
            vlans->ports[config->ports[i].vlan] = (uint8_t)i;
    }
    return vlans;
}

void port_vlans_pass(const struct port *port)
{
    for (uint16_t vlan = 0; vlan < PORT_VLANS; vlan++) {
        // A frame with a priority and no VLAN has number 0, and such are always welcome.
        if (vlan > 0 && port->vlans->ports[vlan] == PORT_VLAN_NONE)
            continue;
        int result = rte_eth_dev_vlan_filter(port->id, vlan, 1);
        if (result < 0 && vlan > 0)
            log_warning("the device's VLAN filter may keep frames from us",
                        LOG_STRING("port", port->name), LOG_UINT("vlan", vlan),
                        LOG_STRING("why", rte_strerror(-result)));
    }
}

enum error port_share(const struct config *config, uint32_t index, uint32_t workers,
                      const struct port *carrier, struct port **port, char *why)
{
    const struct config_port *want = &config->ports[index];
    struct port *shared = malloc(sizeof(*shared));
    CHECK(shared);
    *shared = *carrier;
    memcpy(shared->name, want->name, sizeof(shared->name));
    shared->carrier = carrier;
    shared->vlan = (uint16_t)want->vlan;
    shared->vlans = NULL;
    shared->mtu = (uint16_t)want->mtu;
    shared->punts = false;
    shared->member_count = 0; // the carrier has them
    if (want->punt.interface[0] != '\0') {
        enum error error = port_punt_open(want, workers, shared, why);
        if (error) {
            free(shared);
            return error;
        }
    }
    *port = shared;
    return ERROR_NONE;
}
