// How packets come to the workers that own their flows: found out once, when the ports have
// started. Main thread.
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "base/random.h"
#include "dataplane/packet/port/port.h"
#include "dataplane/worker/plane_priv.h"

_Static_assert(PORT_RSS_KEY_BYTES == STEER_KEY_BYTES, "a key is for the longest device");
_Static_assert(CONFIG_WORKERS_MAX <= STEER_WORKERS_MAX, "every worker has ports");

// Of all tables the smallest counts, so that a hash is the same worker's at every port.
static uint32_t common_entries(struct plane *plane, uint32_t *of_ports)
{
    uint32_t common = STEER_ENTRIES_MAX;
    bool any = false;
    for (uint32_t p = 0; p < plane->shared.port_count; p++) {
        struct port *port = plane->shared.ports[p];
        of_ports[p] = port->carrier ? 0 : port_spread_entries(port, plane->worker_count);
        if (of_ports[p] == 0)
            continue;
        common = RTE_MIN(common, of_ports[p]);
        any = true;
    }
    return any ? common : 0;
}

void plane_choose_steering(struct plane *plane)
{
    uint32_t of_ports[CONFIG_PORTS_MAX];
    uint32_t entries = common_entries(plane, of_ports);
    uint8_t key[STEER_KEY_BYTES];
    random_os_bytes(key, sizeof(key));
    steer_key_fit(key);
    for (uint32_t p = 0; p < plane->shared.port_count; p++) {
        struct port *port = plane->shared.ports[p];
        if (port->carrier)
            port_spread_as_carrier(port);
        else if (of_ports[p] > 0 && port_spread(port, key, entries, plane->worker_count))
            plane->steers = true;
        log_info("port steers", LOG_STRING("port", port->name),
                 LOG_STRING("steering", port_steering_text(port->steering)),
                 LOG_STRING("why", port->steering_why));
    }
    if (plane->steers)
        steer_init(&plane->steer, key, entries, plane->worker_count);
}
