// What devices tell of their links. It comes in the EAL's interrupt thread; the main thread looks
// when it turns.
#include <rte_errno.h>
#include <stdatomic.h>

#include "base/log.h"
#include "dataplane/packet/port/port_priv.h"

static _Atomic bool told; // set in the EAL's interrupt thread, cleared by the main thread

static int note_link(uint16_t id, enum rte_eth_event_type event, void *context, void *result)
{
    atomic_store(&told, true);
    return 0;
}

void port_links_listen(void)
{
    int result =
        rte_eth_dev_callback_register(RTE_ETH_ALL, RTE_ETH_EVENT_INTR_LSC, note_link, NULL);
    if (result < 0)
        log_warning("links are looked at once a second only",
                    LOG_STRING("why", rte_strerror(-result)));
}

bool port_links_told(void)
{
    return atomic_load_explicit(&told, memory_order_relaxed) && atomic_exchange(&told, false);
}
