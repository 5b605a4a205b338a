// The server is a loop's guest: it owns an epoll of its listening socket and its peers, never
// blocks, and does one thing a peer at a time: receive a request, answer it, send the reply.
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/check.h"
#include "base/clock.h"
#include "base/ipc/ipc_priv.h"
#include "base/log.h"
#include "base/nearest.h"

#define EXCHANGE_NS   (10ull * NANOSECONDS_PER_SECOND) // of a request to come, of a reply to go
#define IDLE_NS       (5ull * NANOSECONDS_PER_SECOND)  // a client that watches asks more often
#define LOCK_TRIES    100
#define LOCK_PAUSE_NS 10000000
#define LISTENER      IPC_CLIENTS_MAX // its number among the epoll's events; below: a peer's
#define SOCKET_MODE   0660
#define WHY_SIZE      256
#define METHOD_SHOWN  64 // bytes of a method's name that are said again

static const char not_permitted[] = "no permission to make it there: allow this user to write to "
                                    "its directory, or choose another path";

struct ipc_peer {
    int fd;            // -1: free
    uint64_t since_ns; // when it began to be idle, to send its request, or to take its reply
    uint8_t *request;  // owned; the frame that is coming in
    size_t request_have;
    uint8_t *reply; // owned; NULL: none is going out
    size_t reply_size;
    size_t reply_sent;
    int reply_fd; // owned; goes with the reply's first bytes; -1: none
    bool closing; // after the reply
};

struct ipc_server {
    const struct ipc_method *methods; // borrowed
    void *context;                    // borrowed
    const char **method_names;        // owned; of `method_count`
    size_t method_count;
    int listen_fd;
    int epoll_fd;
    struct sockaddr_un address;
    dev_t socket_device; // which file the socket was when it was made
    ino_t socket_inode;
    struct ipc_server_counts counts;
    struct ipc_peer peers[IPC_CLIENTS_MAX];
};

static enum error ipc_fail(enum error error, char *why, size_t why_size, const char *path,
                           const char *what)
{
    snprintf(why, why_size, "cannot listen at %s: %s", path, what);
    return error;
}

// What is at the path and stays there, as a sentence; NULL for a socket that nobody listens at any
// more.
static const char *ipc_occupant(const struct sockaddr_un *address)
{
    struct stat status;
    if (lstat(address->sun_path, &status) == 0 && !S_ISSOCK(status.st_mode))
        return "a file that is no socket is there: remove it, or choose another path";
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return strerror(errno);
    bool stale = connect(fd, (const struct sockaddr *)address, sizeof(*address)) != 0 &&
                 errno == ECONNREFUSED;
    close(fd);
    return stale ? NULL : "another process listens there: stop it, or choose another path";
}

// Two that start at once do not take each other's socket, not listened at yet, for a stale one: the
// directory is locked in between. The lock goes with the descriptor, which the caller closes. -1:
// `errno`; EWOULDBLOCK: the other one takes longer than LOCK_TRIES.
static int ipc_lock_directory(const char *path)
{
    char directory[sizeof(((struct sockaddr_un *)0)->sun_path)];
    strcpy(directory, path);
    int fd = open(dirname(directory), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    for (int i = 0; fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) != 0; i++) {
        if (errno != EWOULDBLOCK || i == LOCK_TRIES) {
            int error = errno;
            close(fd);
            errno = error;
            return -1;
        }
        nanosleep(&(struct timespec){.tv_nsec = LOCK_PAUSE_NS}, NULL);
    }
    return fd;
}

static enum error ipc_server_bind(struct ipc_server *server, char *why, size_t why_size)
{
    const struct sockaddr *address = (const struct sockaddr *)&server->address;
    const char *path = server->address.sun_path;
    int bound = bind(server->listen_fd, address, sizeof(server->address));
    if (bound != 0 && errno == EADDRINUSE) {
        const char *occupant = ipc_occupant(&server->address);
        if (occupant)
            return ipc_fail(ERROR_EXISTS, why, why_size, path, occupant);
        unlink(path);
        bound = bind(server->listen_fd, address, sizeof(server->address));
    }
    if (bound != 0 && errno == EACCES)
        return ipc_fail(ERROR_PERMISSION, why, why_size, path, not_permitted);
    if (bound != 0)
        return ipc_fail(ERROR_SYSTEM, why, why_size, path, strerror(errno));
    return ERROR_NONE;
}

// Nobody can connect before listen(), so there is no moment at which the mode is a wider one.
static enum error ipc_server_listen(struct ipc_server *server, char *why, size_t why_size)
{
    const char *path = server->address.sun_path;
    struct stat status;
    struct epoll_event event = {.events = EPOLLIN, .data.u32 = LISTENER};
    if (chmod(path, SOCKET_MODE) != 0 || lstat(path, &status) != 0 ||
        listen(server->listen_fd, IPC_CLIENTS_MAX) != 0 ||
        epoll_ctl(server->epoll_fd, EPOLL_CTL_ADD, server->listen_fd, &event) != 0)
        return ipc_fail(ERROR_SYSTEM, why, why_size, path, strerror(errno));
    server->socket_device = status.st_dev;
    server->socket_inode = status.st_ino;
    return ERROR_NONE;
}

static enum error ipc_server_take_path(struct ipc_server *server, char *why, size_t why_size)
{
    const char *path = server->address.sun_path;
    int lock = ipc_lock_directory(path);
    if (lock < 0 && errno == ENOENT)
        return ipc_fail(ERROR_NOT_FOUND, why, why_size, path,
                        "its directory does not exist: make it, or choose another path");
    if (lock < 0 && errno == EWOULDBLOCK)
        return ipc_fail(
            ERROR_EXISTS, why, why_size, path,
            "its directory is locked (flock), by another process that starts: try again");
    if (lock < 0 && errno == EACCES)
        return ipc_fail(ERROR_PERMISSION, why, why_size, path, not_permitted);
    if (lock < 0)
        return ipc_fail(ERROR_SYSTEM, why, why_size, path, strerror(errno));
    enum error error = ipc_server_bind(server, why, why_size);
    if (!error) {
        error = ipc_server_listen(server, why, why_size);
        if (error)
            unlink(path);
    }
    close(lock);
    return error;
}

static struct ipc_server *ipc_server_new(const struct ipc_method *methods, void *context)
{
    struct ipc_server *server = calloc(1, sizeof(*server));
    if (!server)
        return NULL;
    server->methods = methods;
    server->context = context;
    while (methods[server->method_count].name)
        server->method_count++;
    server->method_names = calloc(server->method_count + 1, sizeof(*server->method_names));
    if (!server->method_names) {
        free(server);
        return NULL;
    }
    for (size_t i = 0; i < server->method_count; i++)
        server->method_names[i] = methods[i].name;
    for (size_t i = 0; i < IPC_CLIENTS_MAX; i++)
        server->peers[i] = (struct ipc_peer){.fd = -1, .reply_fd = -1};
    return server;
}

enum error ipc_server_open(const char *path, const struct ipc_method *methods, void *context,
                           struct ipc_server **server, char *why, size_t why_size)
{
    struct ipc_server *opened = ipc_server_new(methods, context);
    if (!opened)
        return ipc_fail(ERROR_NO_MEMORY, why, why_size, path, error_text(ERROR_NO_MEMORY));
    enum error error = ipc_address_of(path, &opened->address, why, why_size);
    if (error)
        goto fail_free;
    opened->listen_fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (opened->listen_fd < 0) {
        error = ipc_fail(ERROR_SYSTEM, why, why_size, path, strerror(errno));
        goto fail_free;
    }
    opened->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (opened->epoll_fd < 0) {
        error = ipc_fail(ERROR_SYSTEM, why, why_size, path, strerror(errno));
        goto fail_close_listener;
    }
    error = ipc_server_take_path(opened, why, why_size);
    if (error)
        goto fail_close_epoll;
    *server = opened;
    return ERROR_NONE;

fail_close_epoll:
    close(opened->epoll_fd);
fail_close_listener:
    close(opened->listen_fd);
fail_free:
    free(opened->method_names);
    free(opened);
    return error;
}

static void ipc_peer_close(struct ipc_peer *peer)
{
    close(peer->fd); // leaves the epoll with it
    if (peer->reply_fd >= 0)
        close(peer->reply_fd);
    free(peer->request);
    free(peer->reply);
    *peer = (struct ipc_peer){.fd = -1, .reply_fd = -1};
}

void ipc_server_close(struct ipc_server *server)
{
    if (!server)
        return;
    for (size_t i = 0; i < IPC_CLIENTS_MAX; i++)
        if (server->peers[i].fd >= 0)
            ipc_peer_close(&server->peers[i]);
    struct stat status;
    if (lstat(server->address.sun_path, &status) == 0 && status.st_dev == server->socket_device &&
        status.st_ino == server->socket_inode)
        unlink(server->address.sun_path);
    close(server->listen_fd);
    close(server->epoll_fd);
    free(server->method_names);
    free(server);
}

int ipc_server_fd(const struct ipc_server *server)
{
    return server->epoll_fd;
}

struct ipc_server_counts ipc_server_counts(const struct ipc_server *server)
{
    return server->counts;
}

// The frame of a reply; one that is too large becomes an error that says so. NULL: out of memory.
static uint8_t *ipc_reply_frame(struct ipc_reply *reply, size_t *size)
{
    uint8_t *frame = NULL;
    json_t *message = ipc_reply_message(reply);
    enum error error =
        message ? ipc_frame_encode(message, IPC_REPLY_BYTES_MAX, &frame, size) : ERROR_NO_MEMORY;
    json_decref(message);
    if (error == ERROR_TOO_LARGE) {
        struct ipc_reply apology = {.fd = -1};
        ipc_reply_error(&apology, "reply-too-large", "ask for less at once",
                        "the reply is larger than %u MiB", IPC_REPLY_BYTES_MAX >> 20);
        return ipc_reply_frame(&apology, size);
    }
    return error ? NULL : frame;
}

static void ipc_answer_unknown(const struct ipc_server *server, const char *method,
                               struct ipc_reply *reply)
{
    char remedy[sizeof(reply->remedy)];
    const char *nearest = nearest_word(method, server->method_names, server->method_count);
    if (nearest) {
        snprintf(remedy, sizeof(remedy), "did you mean %s?", nearest);
    } else {
        size_t used = (size_t)snprintf(remedy, sizeof(remedy), "there are");
        for (size_t i = 0; i < server->method_count && used < sizeof(remedy); i++)
            used += (size_t)snprintf(remedy + used, sizeof(remedy) - used, " %s",
                                     server->method_names[i]);
    }
    ipc_reply_error(reply, "unknown-method", remedy, "there is no method %.*s", METHOD_SHOWN,
                    method);
}

static void ipc_answer_malformed(struct ipc_server *server, struct ipc_peer *peer, const char *why,
                                 struct ipc_reply *reply)
{
    server->counts.malformed++;
    peer->closing = true; // where the next request starts is anyone's guess
    ipc_reply_error(reply, "malformed-request",
                    "send {\"method\": \"...\", \"arguments\": {...}} after its length", "%s", why);
}

static void ipc_answer(struct ipc_server *server, struct ipc_peer *peer, struct ipc_reply *reply)
{
    char why[WHY_SIZE];
    struct ipc_request request;
    struct span body = ipc_frame_body(span_of(peer->request, peer->request_have));
    if (ipc_request_parse(body, &request, why, sizeof(why)) != ERROR_NONE) {
        ipc_answer_malformed(server, peer, why, reply);
        return;
    }
    const struct ipc_method *method = server->methods;
    while (method->name && strcmp(method->name, request.method) != 0)
        method++;
    if (method->name)
        method->handle(server->context, request.arguments, reply);
    else
        ipc_answer_unknown(server, request.method, reply);
    ipc_request_fini(&request);
}

// Makes `reply` what the peer is sent next. False: the peer cannot be kept.
static bool ipc_peer_reply(struct ipc_peer *peer, struct ipc_reply *reply)
{
    free(peer->request);
    peer->request = NULL;
    peer->request_have = 0;
    peer->reply = ipc_reply_frame(reply, &peer->reply_size);
    peer->reply_sent = 0;
    if (!peer->reply)
        return false;
    // The handler may close its descriptor before the socket takes it.
    if (reply->fd >= 0 && !reply->code) {
        peer->reply_fd = fcntl(reply->fd, F_DUPFD_CLOEXEC, 0);
        return peer->reply_fd >= 0;
    }
    return true;
}

static ssize_t ipc_send(int socket, const uint8_t *data, size_t size, int fd)
{
    struct iovec bytes = {.iov_base = (void *)(uintptr_t)data, .iov_len = size};
    struct msghdr message = {.msg_iov = &bytes, .msg_iovlen = 1};
    _Alignas(struct cmsghdr) char control[CMSG_SPACE(sizeof(int))] = {0};
    if (fd >= 0) {
        message.msg_control = control;
        message.msg_controllen = sizeof(control);
        struct cmsghdr *part = CMSG_FIRSTHDR(&message);
        part->cmsg_level = SOL_SOCKET;
        part->cmsg_type = SCM_RIGHTS;
        part->cmsg_len = CMSG_LEN(sizeof(int));
        memcpy(CMSG_DATA(part), &fd, sizeof(int));
    }
    return sendmsg(socket, &message, MSG_NOSIGNAL);
}

// Sends what the socket takes. False: the peer is gone, or done with.
static bool ipc_peer_send(struct ipc_peer *peer, uint64_t now_ns)
{
    while (peer->reply_sent < peer->reply_size) {
        ssize_t n = ipc_send(peer->fd, peer->reply + peer->reply_sent,
                             peer->reply_size - peer->reply_sent, peer->reply_fd);
        if (n < 0)
            return errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR;
        if (peer->reply_fd >= 0)
            close(peer->reply_fd);
        peer->reply_fd = -1;
        peer->reply_sent += (size_t)n;
    }
    free(peer->reply);
    peer->reply = NULL;
    peer->since_ns = now_ns;
    return !peer->closing;
}

// Receives up to one request. `*reply` is set up and `*answered` true when it is time to answer.
// False: the peer is gone.
static bool ipc_peer_receive(struct ipc_server *server, struct ipc_peer *peer, uint64_t now_ns,
                             struct ipc_reply *reply, bool *answered)
{
    for (;;) {
        size_t want;
        struct span received = span_of(peer->request, peer->request_have);
        enum error error = ipc_frame_want(received, IPC_REQUEST_BYTES_MAX, &want);
        if (error) {
            ipc_answer_malformed(server, peer,
                                 error == ERROR_TOO_LARGE ? "it is longer than a request may be"
                                                          : "it is empty",
                                 reply);
            *answered = true;
            return true;
        }
        if (ipc_frame_is_whole(received, want)) {
            ipc_answer(server, peer, reply);
            *answered = true;
            return true;
        }
        if (peer->request_have == 0 || peer->request_have == IPC_LENGTH_BYTES) {
            uint8_t *grown = realloc(peer->request, want);
            if (!grown)
                return false;
            peer->request = grown;
        }
        ssize_t n =
            recv(peer->fd, peer->request + peer->request_have, want - peer->request_have, 0);
        if (n < 0)
            return errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR;
        if (n == 0)
            return false;
        if (peer->request_have == 0)
            peer->since_ns = now_ns;
        peer->request_have += (size_t)n;
    }
}

static bool ipc_peer_turn(struct ipc_server *server, struct ipc_peer *peer, uint64_t now_ns)
{
    bool sending = peer->reply != NULL;
    if (!sending) {
        struct ipc_reply reply = {.fd = -1};
        bool answered = false;
        if (!ipc_peer_receive(server, peer, now_ns, &reply, &answered))
            return false;
        if (!answered)
            return true;
        if (!ipc_peer_reply(peer, &reply))
            return false;
        peer->since_ns = now_ns;
    }
    if (!ipc_peer_send(peer, now_ns))
        return false;
    bool still_sending = peer->reply != NULL;
    if (still_sending == sending)
        return true;
    // A peer that does not take its reply is not read from: it waits, we do not gather.
    struct epoll_event event = {
        .events = still_sending ? EPOLLOUT : EPOLLIN,
        .data.u32 = (uint32_t)(peer - server->peers),
    };
    return epoll_ctl(server->epoll_fd, EPOLL_CTL_MOD, peer->fd, &event) == 0;
}

// One too many: told so as far as its empty socket takes it, and closed.
static void ipc_server_refuse(struct ipc_server *server, int fd)
{
    struct ipc_reply reply = {.fd = -1};
    ipc_reply_error(&reply, "too-many-clients", "close one, or try again later",
                    "there are %u clients already", IPC_CLIENTS_MAX);
    size_t size;
    uint8_t *frame = ipc_reply_frame(&reply, &size);
    if (frame)
        (void)ipc_send(fd, frame, size, -1);
    free(frame);
    close(fd);
    server->counts.refused++;
}

static bool ipc_peer_is_busy(const struct ipc_peer *peer)
{
    return peer->request_have > 0 || peer->reply;
}

// A place for one more: a free one, or that of who has asked nothing for longest. The number of
// places: there is none.
static uint32_t ipc_server_place(struct ipc_server *server, uint64_t now_ns)
{
    uint32_t idlest = IPC_CLIENTS_MAX;
    for (uint32_t i = 0; i < IPC_CLIENTS_MAX; i++) {
        const struct ipc_peer *peer = &server->peers[i];
        if (peer->fd < 0)
            return i;
        if (ipc_peer_is_busy(peer) || now_ns - peer->since_ns < IDLE_NS)
            continue;
        if (idlest == IPC_CLIENTS_MAX || peer->since_ns < server->peers[idlest].since_ns)
            idlest = i;
    }
    if (idlest < IPC_CLIENTS_MAX) {
        ipc_peer_close(&server->peers[idlest]);
        server->counts.stalled++;
    }
    return idlest;
}

static void ipc_server_accept(struct ipc_server *server, uint64_t now_ns)
{
    int fd = accept4(server->listen_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (fd < 0) {
        static struct log_limit limit = LOG_LIMIT(1, 10ull * NANOSECONDS_PER_SECOND);
        if (errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR && errno != ECONNABORTED)
            log_limited(&limit, LOG_WARNING, "cannot accept a local client",
                        LOG_STRING("socket", server->address.sun_path),
                        LOG_STRING("reason", strerror(errno)));
        return;
    }
    uint32_t place = ipc_server_place(server, now_ns);
    if (place == IPC_CLIENTS_MAX) {
        ipc_server_refuse(server, fd);
        return;
    }
    struct epoll_event event = {.events = EPOLLIN, .data.u32 = place};
    if (epoll_ctl(server->epoll_fd, EPOLL_CTL_ADD, fd, &event) != 0) {
        close(fd);
        return;
    }
    server->peers[place].fd = fd;
    server->peers[place].since_ns = now_ns;
    server->counts.accepted++;
}

static void ipc_server_close_stalled(struct ipc_server *server, uint64_t now_ns)
{
    for (size_t i = 0; i < IPC_CLIENTS_MAX; i++) {
        struct ipc_peer *peer = &server->peers[i];
        if (peer->fd >= 0 && ipc_peer_is_busy(peer) && now_ns - peer->since_ns >= EXCHANGE_NS) {
            ipc_peer_close(peer);
            server->counts.stalled++;
        }
    }
}

void ipc_server_turn(struct ipc_server *server, uint64_t now_ns)
{
    struct epoll_event events[IPC_CLIENTS_MAX + 1];
    int count = epoll_wait(server->epoll_fd, events, IPC_CLIENTS_MAX + 1, 0);
    CHECK(count >= 0 || errno == EINTR);
    bool accepting = false;
    for (int i = 0; i < count; i++) {
        uint32_t number = events[i].data.u32;
        if (number == LISTENER) {
            accepting = true;
            continue;
        }
        struct ipc_peer *peer = &server->peers[number];
        if (!ipc_peer_turn(server, peer, now_ns))
            ipc_peer_close(peer);
    }
    ipc_server_close_stalled(server, now_ns);
    // Last, when all who left have made room. One a turn: the epoll stays readable for the next.
    if (accepting)
        ipc_server_accept(server, now_ns);
}
