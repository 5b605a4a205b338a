// A configuration by hand, the EAL on it, and a network namespace of the test's own, which ends
// with its process.
#pragma once

#include "tests/test.h"

#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "dataplane/packet/port/port.h"

#define FIXTURE_PORTS         8
#define FIXTURE_EXTRA_BUFFERS 1024

struct fixture {
    struct config config;
    struct config_port ports[FIXTURE_PORTS];
    struct ip_prefix addresses[4];
    uint32_t cores[2];
    char why[PORT_WHY_SIZE];
};

// Two workers on the first core this process may use, ordinary memory.
static inline void fixture_init(struct fixture *fixture)
{
    memset(fixture, 0, sizeof(*fixture));
    cpu_set_t allowed;
    assert_int_equal(sched_getaffinity(0, sizeof(allowed), &allowed), 0);
    uint32_t core = 0;
    while (!CPU_ISSET(core, &allowed))
        core++;
    fixture->cores[0] = core;
    fixture->cores[1] = core;
    fixture->config.node = (struct config_node){
        .cores = fixture->cores,
        .core_count = 2,
        .memory_bytes = 256u << 20,
        .huge_pages = CONFIG_HUGE_PAGES_OFF,
        .log_level = LOG_WARNING,
    };
    fixture->config.ports = fixture->ports;
}

static inline uint32_t fixture_add_port(struct fixture *fixture, const char *name, char *device)
{
    uint32_t index = fixture->config.port_count++;
    assert_true(index < FIXTURE_PORTS);
    fixture->ports[index] = (struct config_port){.device = device, .descriptors = 512, .mtu = 1500};
    snprintf(fixture->ports[index].name, sizeof(fixture->ports[index].name), "%s", name);
    return index;
}

static inline void fixture_start(struct fixture *fixture)
{
    enum error error = port_system_start(&fixture->config, fixture->why);
    if (error)
        fail_msg("%s", fixture->why);
}

static inline struct port *fixture_open(struct fixture *fixture, uint32_t index, uint32_t workers)
{
    struct port *port = NULL;
    enum error error =
        port_open(&fixture->config, index, workers, FIXTURE_EXTRA_BUFFERS, &port, fixture->why);
    if (error)
        fail_msg("%s", fixture->why);
    return port;
}

static inline void fixture_close(struct port *port)
{
    port_stop(port);
    port_close(port);
}

// Why there can be no network namespace with a TAP interface; NULL if there can.
static inline const char *fixture_enter_namespace(void)
{
    if (geteuid() != 0)
        return "not root";
    if (unshare(CLONE_NEWNET) != 0)
        return "no network namespaces";
    if (access("/dev/net/tun", R_OK | W_OK) != 0)
        return "no /dev/net/tun";
    return NULL;
}

static inline bool fixture_shell(const char *command)
{
    return system(command) == 0;
}

// Whether what the command prints has `text` in it.
static inline bool fixture_shell_prints(const char *command, const char *text)
{
    char output[4096];
    FILE *in = popen(command, "re");
    assert_non_null(in);
    size_t size = fread(output, 1, sizeof(output) - 1, in);
    output[size] = '\0';
    pclose(in);
    return strstr(output, text) != NULL;
}
