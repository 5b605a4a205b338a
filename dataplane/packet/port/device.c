#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <net/if.h>
#include <rte_dev.h>
#include <rte_errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/check.h"
#include "base/log.h"
#include "base/nearest.h"
#include "dataplane/packet/port/port_priv.h"

bool port_device_pci_address(const char *device, char *address)
{
    unsigned domain = 0, bus, slot, function;
    int used = 0;
    bool parsed = sscanf(device, "%4x:%2x:%2x.%1x%n", &domain, &bus, &slot, &function, &used) == 4;
    if (!parsed) {
        domain = 0;
        parsed = sscanf(device, "%2x:%2x.%1x%n", &bus, &slot, &function, &used) == 3;
    }
    // sscanf() would also take blanks and signs in front.
    if (!parsed || !isxdigit((unsigned char)device[0]) ||
        (device[used] != '\0' && device[used] != ','))
        return false;
    snprintf(address, PORT_PCI_ADDRESS_SIZE, "%04x:%02x:%02x.%x", domain & 0xffff, bus & 0xff,
             slot & 0xff, function & 0xf);
    return true;
}

// The value of `key=` among a device's arguments. False without one.
static bool device_argument(const char *device, const char *key, char *value, size_t size)
{
    size_t key_size = strlen(key);
    const char *at = strchr(device, ',');
    for (; at; at = strchr(at, ',')) {
        at++;
        if (strncmp(at, key, key_size) != 0 || at[key_size] != '=')
            continue;
        at += key_size + 1;
        snprintf(value, size, "%.*s", (int)strcspn(at, ","), at);
        return true;
    }
    return false;
}

static enum error explain_pci(const char *address, char *why)
{
    char path[PATH_MAX];
    snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s", address);
    if (access(path, F_OK) != 0) {
        snprintf(why, PORT_WHY_SIZE,
                 "no PCI device %s on this machine: dpdk-devbind.py --status lists what there is",
                 address);
        return ERROR_NOT_FOUND;
    }
    char target[PATH_MAX];
    strncat(path, "/driver", sizeof(path) - strlen(path) - 1);
    ssize_t size = readlink(path, target, sizeof(target) - 1);
    target[size > 0 ? size : 0] = '\0';
    const char *slash = strrchr(target, '/');
    const char *driver = slash ? slash + 1 : "no driver";
    if (strcmp(driver, "vfio-pci") == 0 || strcmp(driver, "uio_pci_generic") == 0) {
        snprintf(why, PORT_WHY_SIZE, "PCI device %s, bound to %s: %s", address, driver,
                 port_eal_log_first_error());
        return ERROR_DEVICE;
    }
    snprintf(why, PORT_WHY_SIZE,
             "PCI device %s is bound to %s; bind it: dpdk-devbind.py --bind=vfio-pci %s", address,
             driver, address);
    return ERROR_DEVICE;
}

// Why rte_dev_probe() failed, and what to do.
static enum error explain(const char *device, int result, char *why)
{
    char address[PORT_PCI_ADDRESS_SIZE];
    if (port_device_pci_address(device, address))
        return explain_pci(address, why);

    // net_tap makes the interface it names; all others want one that exists.
    char interface[64];
    if (strncmp(device, "net_tap", 7) != 0 &&
        device_argument(device, "iface", interface, sizeof(interface)) &&
        if_nametoindex(interface) == 0) {
        snprintf(why, PORT_WHY_SIZE,
                 "device %s: no kernel interface %s here: ip link shows what there is", device,
                 interface);
        return ERROR_NOT_FOUND;
    }
    if (result == -EFAULT || result == -ENOENT || result == -ENODEV) {
        snprintf(why, PORT_WHY_SIZE,
                 "device %s: DPDK has no driver for it: give a PCI address (0000:01:00.0) or a "
                 "device such as net_af_xdp0,iface=eth0",
                 device);
        return ERROR_NOT_FOUND;
    }
    const char *said = port_eal_log_first_error();
    snprintf(why, PORT_WHY_SIZE, "device %s: %s", device, said[0] ? said : rte_strerror(-result));
    return ERROR_DEVICE;
}

// TUNSETIFF would join a TAP interface that somebody else made and perhaps receives from.
static bool tap_is_taken(const char *device, char *why)
{
    char interface[64];
    if (strncmp(device, "net_tap", 7) != 0 ||
        !device_argument(device, "iface", interface, sizeof(interface)) ||
        if_nametoindex(interface) == 0)
        return false;
    snprintf(why, PORT_WHY_SIZE,
             "interface %s exists already, perhaps another data plane's: give another name, or "
             "ip link delete %s",
             interface, interface);
    return true;
}

// Other drivers refuse arguments that they do not know; net_tap passes over them in silence.
static bool tap_arguments_are_known(const char *device, char *why)
{
    static const char *const known[] = {"iface", "remote", "mac", "persist"};
    if (strncmp(device, "net_tap", 7) != 0)
        return true;
    for (const char *at = strchr(device, ','); at; at = strchr(at, ',')) {
        at++;
        char key[NEAREST_LENGTH_MAX + 1];
        snprintf(key, sizeof(key), "%.*s", (int)strcspn(at, "=,"), at);
        const char *near = nearest_word(key, known, RTE_DIM(known));
        if (near && strcmp(near, key) == 0)
            continue;
        snprintf(why, PORT_WHY_SIZE, "device %s: net_tap has no argument `%s`%s%s%s", device, key,
                 near ? ", did you mean `" : ": iface, remote, mac and persist are what it has",
                 near ? near : "", near ? "`?" : "");
        return false;
    }
    return true;
}

// DPDK refuses a device that has an owner; ours are all the program's.
bool port_device_claim(uint16_t id)
{
    static struct rte_eth_dev_owner owner = {.name = "weir"};
    if (owner.id == RTE_ETH_DEV_NO_OWNER)
        CHECK(rte_eth_dev_owner_new(&owner.id) == 0);
    return rte_eth_dev_owner_set(id, &owner) == 0;
}

enum error port_device_attach(const char *device, uint16_t *id, char *why)
{
    if (!tap_arguments_are_known(device, why))
        return ERROR_INVALID;
    if (tap_is_taken(device, why))
        return ERROR_EXISTS;
    port_eal_log_forget();
    // A PCI device was probed when the EAL started, if it could be.
    int result = rte_dev_probe(device);
    if (result < 0 && result != -EEXIST)
        return explain(device, result, why);

    bool any = false;
    uint16_t found;
    struct rte_dev_iterator iterator;
    RTE_ETH_FOREACH_MATCHING_DEV(found, device, &iterator)
    {
        any = true;
        struct rte_eth_dev_owner owner;
        if (rte_eth_dev_owner_get(found, &owner) != 0 || owner.id != RTE_ETH_DEV_NO_OWNER)
            continue;
        if (!port_device_claim(found))
            continue;
        rte_eth_iterator_cleanup(&iterator);
        *id = found;
        return ERROR_NONE;
    }
    if (!any)
        return explain(device, -ENODEV, why);
    snprintf(why, PORT_WHY_SIZE,
             "device %s: another port has it already: give each port one of its own", device);
    return ERROR_EXISTS;
}

void port_device_detach(uint16_t id)
{
    struct rte_eth_dev_info info;
    struct rte_device *device = rte_eth_dev_info_get(id, &info) == 0 ? info.device : NULL;
    int result = rte_eth_dev_stop(id);
    if (result == 0 || result == -ENOTSUP)
        result = rte_eth_dev_close(id);
    port_xdp_sockets_close(id);
    // Closed but plugged in, a virtual device would keep its name and could not be opened again.
    if (result == 0 && device)
        result = rte_dev_remove(device);
    if (result < 0)
        log_warning("device does not close", LOG_UINT("id", id),
                    LOG_STRING("why", rte_strerror(-result)));
}
