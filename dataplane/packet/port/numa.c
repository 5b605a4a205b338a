// Which NUMA node a device is on. DPDK knows it of its own drivers' devices only.
#include <net/if.h>
#include <stdio.h>

#include "dataplane/packet/port/port_priv.h"

static int interface_node(uint32_t interface)
{
    char name[IF_NAMESIZE], path[64 + IF_NAMESIZE];
    int node;
    if (interface == 0 || !if_indextoname(interface, name))
        return -1;
    snprintf(path, sizeof(path), "/sys/class/net/%s/device/numa_node", name);
    FILE *in = fopen(path, "re");
    if (!in)
        return -1;
    if (fscanf(in, "%d", &node) != 1)
        node = -1;
    fclose(in);
    return node;
}

int port_numa_node(const struct port *port)
{
    // A bond is where its first member is: DPDK gives one without a node the first.
    uint16_t id = port->member_count > 0 ? port->members[0] : port->id;
    if (port->carrier)
        return port_numa_node(port->carrier);
    int node = rte_eth_dev_socket_id(id);
    return node >= 0 ? node : interface_node(port->kernel_interface);
}
