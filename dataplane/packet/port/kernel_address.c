#include <errno.h>
#include <linux/if_addr.h>
#include <linux/rtnetlink.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "dataplane/packet/port/port_priv.h"

struct address_request {
    struct nlmsghdr header;
    struct ifaddrmsg body;
    char attributes[64];
};

static void add_attribute(struct address_request *request, uint16_t type, const void *data,
                          size_t size)
{
    struct rtattr *attribute =
        (struct rtattr *)((char *)request + NLMSG_ALIGN(request->header.nlmsg_len));
    attribute->rta_type = type;
    attribute->rta_len = (uint16_t)RTA_LENGTH(size);
    memcpy(RTA_DATA(attribute), data, size);
    request->header.nlmsg_len =
        NLMSG_ALIGN(request->header.nlmsg_len) + (uint32_t)RTA_ALIGN(attribute->rta_len);
}

// Sends one request and waits for its acknowledgement. Returns 0 or an errno.
static int transact(const struct address_request *request)
{
    int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
    if (fd < 0)
        return errno;
    struct {
        struct nlmsghdr header;
        struct nlmsgerr error;
        char rest[256];
    } reply;
    ssize_t size = send(fd, request, request->header.nlmsg_len, 0);
    if (size >= 0)
        size = TEMP_FAILURE_RETRY(recv(fd, &reply, sizeof(reply), 0));
    int result = 0;
    if (size < 0)
        result = errno;
    else if ((size_t)size < sizeof(reply.header) + sizeof(reply.error.error) ||
             reply.header.nlmsg_type != NLMSG_ERROR)
        result = EPROTO;
    else
        result = -reply.error.error;
    close(fd);
    return result;
}

static enum error change_address(uint32_t interface, const struct ip_prefix *prefix, uint16_t type,
                                 uint16_t flags)
{
    bool v4 = ip_is_v4(&prefix->address);
    struct address_request request = {
        .header = {.nlmsg_len = NLMSG_LENGTH(sizeof(request.body)),
                   .nlmsg_type = type,
                   .nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK | flags},
        .body = {.ifa_family = v4 ? AF_INET : AF_INET6,
                 .ifa_prefixlen = (uint8_t)(v4 ? prefix->length - 96 : prefix->length),
                 .ifa_scope = RT_SCOPE_UNIVERSE,
                 .ifa_index = interface},
    };
    const uint8_t *bytes = prefix->address.bytes + (v4 ? 12 : 0);
    size_t size = v4 ? 4 : 16;
    add_attribute(&request, IFA_LOCAL, bytes, size);
    add_attribute(&request, IFA_ADDRESS, bytes, size);
    if (!v4) {
        // RFC 4862 section 5.4 would keep the address unusable for a second; the port answers for
        // it on the wire already, and the probes would meet the port itself.
        uint32_t no_dad = IFA_F_NODAD;
        add_attribute(&request, IFA_FLAGS, &no_dad, sizeof(no_dad));
    }
    int result = transact(&request);
    if (result == 0)
        return ERROR_NONE;
    errno = result;
    return ERROR_SYSTEM;
}

enum error port_kernel_address_add(uint32_t interface, const struct ip_prefix *prefix)
{
    return change_address(interface, prefix, RTM_NEWADDR, NLM_F_CREATE | NLM_F_REPLACE);
}

enum error port_kernel_address_delete(uint32_t interface, const struct ip_prefix *prefix)
{
    return change_address(interface, prefix, RTM_DELADDR, 0);
}
