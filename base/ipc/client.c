#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/check.h"
#include "base/clock.h"
#include "base/ipc/ipc_priv.h"

// Descriptors that may come with one reply; the kernel closes what is more.
#define DESCRIPTORS_MAX 4

struct ipc_client {
    int fd;
    bool broken; // out of step with the server
};

static enum error ipc_connect_error(const char *path, char *why, size_t why_size)
{
    switch (errno) {
    case ENOENT:
    case ECONNREFUSED:
        snprintf(why, why_size,
                 "nothing listens at %s: start the program that does, or name its socket", path);
        return ERROR_NOT_FOUND;
    case EACCES:
    case EPERM:
        snprintf(why, why_size, "no permission to use %s: run as root or as a member of its group",
                 path);
        return ERROR_PERMISSION;
    case EAGAIN:
        snprintf(why, why_size, "whoever listens at %s does not answer: try again", path);
        return ERROR_TIMEOUT;
    default:
        snprintf(why, why_size, "cannot connect to %s: %s", path, strerror(errno));
        return ERROR_SYSTEM;
    }
}

enum error ipc_client_open(const char *path, struct ipc_client **client, char *why, size_t why_size)
{
    struct sockaddr_un address;
    enum error error = ipc_address_of(path, &address, why, why_size);
    if (error)
        return error;
    struct ipc_client *opened = malloc(sizeof(*opened));
    if (!opened) {
        snprintf(why, why_size, "out of memory");
        return ERROR_NO_MEMORY;
    }
    *opened =
        (struct ipc_client){.fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)};
    if (opened->fd < 0) {
        snprintf(why, why_size, "cannot make a socket: %s", strerror(errno));
        error = ERROR_SYSTEM;
        goto fail_free;
    }
    // A Unix socket connects at once or, with a full backlog, not at all (EAGAIN).
    if (connect(opened->fd, (const struct sockaddr *)&address, sizeof(address)) != 0) {
        error = ipc_connect_error(path, why, why_size);
        goto fail_close;
    }
    *client = opened;
    return ERROR_NONE;

fail_close:
    close(opened->fd);
fail_free:
    free(opened);
    return error;
}

void ipc_client_close(struct ipc_client *client)
{
    if (!client)
        return;
    close(client->fd);
    free(client);
}

static enum error ipc_client_wait(const struct ipc_client *client, short events,
                                  uint64_t deadline_ns)
{
    uint64_t now_ns = clock_monotonic_ns();
    if (now_ns >= deadline_ns)
        return ERROR_TIMEOUT;
    struct pollfd poll_fd = {.fd = client->fd, .events = events};
    // Rounded up, so that the last fraction of a millisecond is not spun away.
    uint64_t left_ms = (deadline_ns - now_ns) / NANOSECONDS_PER_MILLISECOND + 1;
    int ready = poll(&poll_fd, 1, left_ms < INT32_MAX ? (int)left_ms : INT32_MAX);
    if (ready < 0 && errno != EINTR)
        return ERROR_SYSTEM;
    return ERROR_NONE; // ready, or the caller comes back to see that the time is over
}

static enum error ipc_client_send(const struct ipc_client *client, const uint8_t *frame,
                                  size_t size, uint64_t deadline_ns)
{
    for (size_t sent = 0; sent < size;) {
        ssize_t n = send(client->fd, frame + sent, size - sent, MSG_NOSIGNAL);
        if (n >= 0) {
            sent += (size_t)n;
        } else if (errno == EAGAIN || errno == EWOULDBLOCK) {
            enum error error = ipc_client_wait(client, POLLOUT, deadline_ns);
            if (error)
                return error;
        } else if (errno == EPIPE || errno == ECONNRESET) {
            return ERROR_NONE; // the server closed, maybe after a reply that says why: read it
        } else if (errno != EINTR) {
            return ERROR_SYSTEM;
        }
    }
    return ERROR_NONE;
}

// Keeps the first descriptor that came and closes all others.
static void ipc_take_descriptors(struct msghdr *message, int *fd)
{
    for (struct cmsghdr *part = CMSG_FIRSTHDR(message); part; part = CMSG_NXTHDR(message, part)) {
        if (part->cmsg_level != SOL_SOCKET || part->cmsg_type != SCM_RIGHTS)
            continue;
        size_t count = (part->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        for (size_t i = 0; i < count; i++) {
            int taken;
            memcpy(&taken, CMSG_DATA(part) + i * sizeof(int), sizeof(int));
            if (*fd < 0)
                *fd = taken;
            else
                close(taken);
        }
    }
}

// Receives what there is, at most `size` bytes. ERROR_EMPTY where there is nothing yet.
static enum error ipc_client_receive_some(const struct ipc_client *client, uint8_t *to, size_t size,
                                          size_t *received, int *fd)
{
    _Alignas(struct cmsghdr) char control[CMSG_SPACE(DESCRIPTORS_MAX * sizeof(int))];
    struct iovec bytes = {.iov_base = to, .iov_len = size};
    struct msghdr message = {
        .msg_iov = &bytes,
        .msg_iovlen = 1,
        .msg_control = control,
        .msg_controllen = sizeof(control),
    };
    ssize_t n = recvmsg(client->fd, &message, MSG_CMSG_CLOEXEC);
    if (n < 0) {
        if (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR)
            return ERROR_EMPTY;
        return errno == ECONNRESET ? ERROR_CLOSED : ERROR_SYSTEM;
    }
    ipc_take_descriptors(&message, fd);
    if (n == 0)
        return ERROR_CLOSED;
    *received = (size_t)n;
    return ERROR_NONE;
}

// Receives one whole frame. `*frame` is the caller's to free and `*fd` to close in every case.
static enum error ipc_client_receive(const struct ipc_client *client, uint64_t deadline_ns,
                                     uint8_t **frame, size_t *size, int *fd)
{
    size_t have = 0;
    for (;;) {
        size_t want;
        enum error error = ipc_frame_want(span_of(*frame, have), IPC_REPLY_BYTES_MAX, &want);
        if (error)
            return error;
        if (ipc_frame_is_whole(span_of(*frame, have), want)) {
            *size = have;
            return ERROR_NONE;
        }
        if (have == 0 || have == IPC_LENGTH_BYTES) {
            uint8_t *grown = realloc(*frame, want);
            if (!grown)
                return ERROR_NO_MEMORY;
            *frame = grown;
        }
        size_t received = 0;
        error = ipc_client_receive_some(client, *frame + have, want - have, &received, fd);
        if (error == ERROR_EMPTY)
            error = ipc_client_wait(client, POLLIN, deadline_ns);
        if (error)
            return error;
        have += received;
    }
}

static enum error ipc_request_encode(const char *method, json_t *arguments, uint8_t **frame,
                                     size_t *size)
{
    json_t *request = json_object();
    enum error error = ERROR_NO_MEMORY;
    if (json_object_set_new(request, "method", json_string(method)) == 0 &&
        (!arguments || json_object_set(request, "arguments", arguments) == 0))
        error = ipc_frame_encode(request, IPC_REQUEST_BYTES_MAX, frame, size);
    json_decref(request);
    return error;
}

enum error ipc_client_call(struct ipc_client *client, const char *method, json_t *arguments,
                           int timeout_ms, json_t **reply, int *fd)
{
    CHECK(timeout_ms >= 0);
    if (client->broken)
        return ERROR_CLOSED;
    uint64_t deadline_ns =
        clock_monotonic_ns() + (uint64_t)timeout_ms * NANOSECONDS_PER_MILLISECOND;
    uint8_t *request = NULL;
    uint8_t *frame = NULL;
    size_t size = 0;
    int taken = -1;
    json_t *message = NULL;

    enum error error = ipc_request_encode(method, arguments, &request, &size);
    if (error)
        return error; // nothing was sent: still in step
    error = ipc_client_send(client, request, size, deadline_ns);
    if (!error)
        error = ipc_client_receive(client, deadline_ns, &frame, &size, &taken);
    if (!error)
        error = ipc_reply_parse(ipc_frame_body(span_of(frame, size)), &message);
    free(request);
    free(frame);

    bool wanted = !error && fd && json_object_get(message, "result");
    if (taken >= 0 && !wanted) {
        close(taken);
        taken = -1;
    }
    if (error) {
        client->broken = true;
        return error;
    }
    *reply = message;
    if (fd)
        *fd = taken;
    return ERROR_NONE;
}
