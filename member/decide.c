#include "member/decide.h"

#include <netinet/in.h>

#define TCP_SYN       0x02
#define IPV4_SIZE_MIN 20
#define IPV6_SIZE_MIN 40

static bool is_ip(const struct gue *gue)
{
    bool v4 = gue->protocol == IPPROTO_IPIP;
    return gue->inner.size >= (v4 ? IPV4_SIZE_MIN : IPV6_SIZE_MIN) &&
           gue->inner.data[0] >> 4 == (v4 ? 4 : 6);
}

// What cannot be told, and what begins, is for who got it first.
static bool is_ours(const struct decide *decide, const struct connection *connection,
                    uint32_t now_ms)
{
    if (connection->protocol == IPPROTO_UDP)
        return flows_know(decide->udp, connection, now_ms);
    return connection->tcp_flags & TCP_SYN || decide->knows_tcp(decide->context, connection);
}

struct decided decide(const struct decide *decide, struct span datagram, uint32_t now_ms)
{
    struct decided decided = {.decision = DECISION_MALFORMED};
    enum error error = gue_read(datagram, &decided.gue);
    const struct gue *gue = &decided.gue;
    if (error == ERROR_UNSUPPORTED)
        decided.decision = DECISION_UNSUPPORTED;
    if (error || !is_ip(gue))
        return decided;
    struct connection connection;
    bool readable = connection_read(gue->inner, &connection);
    bool last = gue->hop_next >= gue->hop_count;
    if (!last && readable && !is_ours(decide, &connection, now_ms)) {
        decided.decision = DECISION_PASS_ON;
        decided.hop = gue_hop(gue, gue->hop_next);
        return decided;
    }
    if (readable && connection.protocol == IPPROTO_UDP)
        flows_remember(decide->udp, &connection, now_ms);
    decided.decision = DECISION_DELIVER;
    return decided;
}
