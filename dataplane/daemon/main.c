// weir-dataplane: reads its configuration, runs the packet plane, answers local requests, and stops
// when told.
#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/check.h"
#include "base/clock.h"
#include "base/log.h"
#include "dataplane/daemon/daemon.h"

#define EXIT_USAGE 2

static const char usage[] =
    "usage: weir-dataplane --config FILE [--socket PATH]\n"
    "       weir-dataplane --config FILE --check\n"
    "\n"
    "Runs the data plane in the foreground. SIGHUP reads FILE again, SIGTERM and SIGINT stop.\n"
    "\n"
    "  --config FILE  the configuration (docs/configuration.md)\n"
    "  --check        only check FILE: prints every problem, touches no device\n"
    "  --socket PATH  listen for weirctl there instead of at node.socket\n"
    "  --version      print the version\n"
    "  --help         print this\n"
    "\n"
    "exit status: 0 stopped as told or FILE is right, 1 could not start or FILE is wrong, 2 "
    "usage\n"
    "or not root\n";

static const char not_root[] =
    "weir-dataplane: must run as root: it opens devices and binds memory; try: sudo "
    "weir-dataplane --config FILE\n";

struct options {
    const char *config_path;
    const char *socket_path;
    bool check;
};

static bool is_repeated(uint32_t *given, int option, const char *name)
{
    uint32_t bit = 1u << (option - 'a');
    bool repeated = *given & bit;
    *given |= bit;
    if (repeated)
        fprintf(stderr,
                "weir-dataplane: --%s is given twice: leave one out\ntry: weir-dataplane --help\n",
                name);
    return repeated;
}

// False: `*status` is the program's.
static bool read_options(int argc, char **argv, struct options *options, int *status)
{
    static const struct option known[] = {
        {"config", required_argument, NULL, 'c'}, {"check", no_argument, NULL, 'k'},
        {"socket", required_argument, NULL, 's'}, {"version", no_argument, NULL, 'v'},
        {"help", no_argument, NULL, 'h'},         {NULL, 0, NULL, 0},
    };
    *status = EXIT_USAGE;
    uint32_t given = 0;
    int which = 0;
    for (int option; (option = getopt_long(argc, argv, "", known, &which)) != -1;) {
        if (option != '?' && is_repeated(&given, option, known[which].name))
            return false;
        switch (option) {
        case 'c':
            options->config_path = optarg;
            break;
        case 'k':
            options->check = true;
            break;
        case 's':
            options->socket_path = optarg;
            break;
        case 'v':
            printf("weir-dataplane %s\n", WEIR_VERSION);
            *status = EXIT_SUCCESS;
            return false;
        case 'h':
            fputs(usage, stdout);
            *status = EXIT_SUCCESS;
            return false;
        default:
            fputs("try: weir-dataplane --help\n", stderr);
            return false;
        }
    }
    if (!options->config_path || optind < argc) {
        fprintf(stderr, "weir-dataplane: %s\ntry: weir-dataplane --help\n",
                options->config_path ? "too many arguments" : "--config FILE is needed");
        return false;
    }
    return true;
}

static bool read_config(const struct options *options, struct config **config)
{
    struct config_problems problems;
    enum error error = config_read_file(options->config_path, config, &problems);
    config_problems_print(&problems, options->config_path, stderr);
    config_problems_fini(&problems);
    return error == ERROR_NONE;
}

// The folder of the default socket is on a file system that starts empty. Returns its path where it
// was made, which the caller frees, else NULL: where it cannot be made, listening says so.
static char *make_folder(const char *socket_path)
{
    const char *slash = strrchr(socket_path, '/');
    if (!slash || slash == socket_path)
        return NULL;
    char *folder = strndup(socket_path, (size_t)(slash - socket_path));
    if (folder && mkdir(folder, 0755) == 0)
        return folder;
    free(folder);
    return NULL;
}

static bool add_to_epoll(int epoll_fd, int fd)
{
    struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};
    return epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fd, &event) == 0;
}

static void reload_by_signal(struct daemon *daemon)
{
    struct ipc_reply reply = {.fd = -1};
    daemon_reload(daemon, &reply); // tells the log
    json_decref(reply.result);
    json_decref(reply.details);
}

// False: told to stop.
static bool take_signals(struct daemon *daemon, int signal_fd)
{
    struct signalfd_siginfo signal;
    while (read(signal_fd, &signal, sizeof(signal)) == (ssize_t)sizeof(signal)) {
        if (signal.ssi_signo != SIGHUP) {
            log_info("stopping", LOG_UINT("signal", signal.ssi_signo));
            return false;
        }
        reload_by_signal(daemon);
    }
    return true;
}

static int open_signals(void)
{
    sigset_t signals;
    sigemptyset(&signals);
    sigaddset(&signals, SIGHUP);
    sigaddset(&signals, SIGINT);
    sigaddset(&signals, SIGTERM);
    // Before any thread is made, so that all inherit it: only the descriptor takes signals.
    sigprocmask(SIG_BLOCK, &signals, NULL);
    signal(SIGPIPE, SIG_IGN);
    return signalfd(-1, &signals, SFD_NONBLOCK | SFD_CLOEXEC);
}

static int loop(struct daemon *daemon, int signal_fd)
{
    int epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (epoll_fd < 0 || !add_to_epoll(epoll_fd, signal_fd) ||
        !add_to_epoll(epoll_fd, ipc_server_fd(daemon->server))) {
        log_error("cannot wait for events", LOG_STRING("why", strerror(errno)),
                  LOG_STRING("remedy", "raise the limit of open files (ulimit -n)"));
        if (epoll_fd >= 0)
            close(epoll_fd);
        return EXIT_FAILURE;
    }
    for (bool more = false; take_signals(daemon, signal_fd);) {
        struct epoll_event events[2];
        epoll_wait(epoll_fd, events, 2, more ? 0 : PLANE_TURN_MS);
        uint64_t now_ns = clock_monotonic_ns();
        ipc_server_turn(daemon->server, now_ns);
        more = plane_turn(daemon->plane, now_ns);
    }
    close(epoll_fd);
    return EXIT_SUCCESS;
}

// Whether a vip's connections are shared out by a hash, if only under pressure.
static bool spreads_by_hash(const struct config *config)
{
    for (uint32_t i = 0; i < config->vip_count; i++) {
        const struct config_pool *pool = &config->pools[config->vips[i].pool];
        if (pool->member_count > 1 && pool->balancer != CONFIG_BALANCER_FAILOVER)
            return true;
    }
    return false;
}

// The default cannot be a number drawn here: appliances that share a vip must have the same.
static void warn_of_known_seed(const struct config *config)
{
    if (config->node.hash_seed == 0 && spreads_by_hash(config))
        log_warning("strangers can aim connections at one member: everybody knows the key of the "
                    "balancers' hash, node.hash-seed 0",
                    LOG_STRING("remedy", "write a random number of your own there, the same on "
                                         "appliances that share vips: od -An -N8 -tu8 "
                                         "/dev/urandom"));
}

static int run(struct daemon *daemon, int signal_fd)
{
    char why[PLANE_WHY_SIZE] = "";
    char *folder = make_folder(daemon->socket_path);
    int status = EXIT_FAILURE;
    // The socket first: it tells whether this data plane is running already.
    if (ipc_server_open(daemon->socket_path, daemon_methods, daemon, &daemon->server, why,
                        sizeof(why)) != ERROR_NONE) {
        log_error(
            "cannot listen for weirctl", LOG_STRING("why", why),
            LOG_STRING("remedy", "the path is node.socket's, or --socket's if that is given"));
        goto remove_folder;
    }
    if (plane_create(daemon->config, &daemon->plane, why) != ERROR_NONE) {
        log_error("cannot start", LOG_STRING("why", why));
    } else {
        warn_of_known_seed(daemon->config);
        log_info("ready", LOG_STRING("node", daemon->config->node.name),
                 LOG_UINT("workers", plane_workers(daemon->plane)),
                 LOG_STRING("socket", daemon->socket_path));
        status = loop(daemon, signal_fd);
    }
    ipc_server_close(daemon->server);
    plane_destroy(daemon->plane);

remove_folder:
    if (folder)
        rmdir(folder); // others may have put something there: then it stays
    free(folder);
    return status;
}

int main(int argc, char **argv)
{
    struct options options = {.config_path = NULL};
    int status;
    if (!read_options(argc, argv, &options, &status))
        return status;

    struct daemon daemon = {.config_path = options.config_path, .started_ns = clock_monotonic_ns()};
    if (!read_config(&options, &daemon.config))
        return EXIT_FAILURE;
    if (options.check) {
        printf("%s: right\n", options.config_path);
        config_destroy(daemon.config);
        return EXIT_SUCCESS;
    }
    if (geteuid() != 0) {
        fputs(not_root, stderr);
        config_destroy(daemon.config);
        return EXIT_USAGE;
    }
    const struct config_node *node = &daemon.config->node;
    log_configure((enum log_level)node->log_level, node->log_format == CONFIG_LOG_JSON,
                  STDERR_FILENO);
    daemon.socket_path = options.socket_path ? options.socket_path : node->socket;
    // The configuration may be replaced by a reload; the path where we listen is not.
    char *socket_path = strdup(daemon.socket_path);
    CHECK(socket_path);
    daemon.socket_path = socket_path;
    status = run(&daemon, open_signals());
    free(socket_path);
    config_destroy(daemon.config);
    return status;
}
