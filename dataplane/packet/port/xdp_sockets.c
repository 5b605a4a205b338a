// net_af_xdp of DPDK 22.11 leaves its AF_XDP sockets open when a device is closed (its count of a
// buffer area's users never gets to where it would free it), and the kernel keeps the interface's
// queue for an open socket, so that the device could not be opened again before the process ends.
// So the sockets of each device are noted here and those its driver forgot are closed. 24.11
// forgets none, but it too returns before the kernel has let go of the queue.
#include <dirent.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/check.h"
#include "dataplane/packet/port/port_priv.h"

// How long the kernel may take, after a socket is closed, to free the queue (in a work item). It
// tells nobody, and until then bind(2) says EBUSY.
#define RELEASE_US 50000

// The description of the buffer area, 80 bytes a queue, nobody can reach any more.
#if defined(__SANITIZE_ADDRESS__)
#define HAS_LEAK_SANITIZER 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define HAS_LEAK_SANITIZER 1
#endif
#endif
#ifdef HAS_LEAK_SANITIZER
const char *__lsan_default_suppressions(void);
const char *__lsan_default_suppressions(void)
{
    return "leak:xsk_umem__create\n";
}
#endif

#define SOCKETS_MAX (CONFIG_PORTS_MAX * CONFIG_WORKERS_MAX)

struct xdp_socket {
    int fd;
    uint16_t id; // DPDK port
};

static struct xdp_socket noted[SOCKETS_MAX];
static uint32_t noted_count;

static bool is_xdp(int fd)
{
    int domain;
    socklen_t size = sizeof(domain);
    return getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &size) == 0 && domain == AF_XDP;
}

static bool is_noted(int fd)
{
    for (uint32_t i = 0; i < noted_count; i++) {
        if (noted[i].fd == fd)
            return true;
    }
    return false;
}

void port_xdp_sockets_note(uint16_t id)
{
    DIR *open_files = opendir("/proc/self/fd");
    if (!open_files)
        return;
    for (struct dirent *entry = readdir(open_files); entry; entry = readdir(open_files)) {
        int fd = atoi(entry->d_name);
        if (is_noted(fd) || !is_xdp(fd))
            continue;
        CHECK(noted_count < SOCKETS_MAX);
        noted[noted_count++] = (struct xdp_socket){.fd = fd, .id = id};
    }
    closedir(open_files);
}

void port_xdp_sockets_close(uint16_t id)
{
    uint32_t kept = 0;
    for (uint32_t i = 0; i < noted_count; i++) {
        if (noted[i].id != id)
            noted[kept++] = noted[i];
        else if (is_xdp(noted[i].fd))
            close(noted[i].fd);
    }
    bool had_sockets = kept < noted_count;
    noted_count = kept;
    if (had_sockets)
        usleep(RELEASE_US);
}
