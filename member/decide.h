// What a member does with a packet that came in GUE (base/gue.h): it delivers what is its own, and
// sends on what another member may know better. Pure: who knows which connection is asked through
// the caller.
#pragma once

#include "base/gue.h"
#include "member/connection.h"
#include "member/flows.h"

enum decision {
    DECISION_DELIVER,     // `gue.inner` to this host
    DECISION_PASS_ON,     // the datagram, changed by gue_advance(), to `hop`
    DECISION_MALFORMED,   // drop: cut short, or a list of hops that is none
    DECISION_UNSUPPORTED, // drop: GUE, but not of a kind that Weir sends
};

struct decide {
    // Whether the kernel has a socket of that connection, listening ones apart.
    bool (*knows_tcp)(void *context, const struct connection *connection);
    void *context;
    struct flows *udp;
};

struct decided {
    enum decision decision;
    struct gue gue;
    struct ip_address hop;
};

// A list's hops are tried in turn, so a datagram is sent on at most GUE_HOPS_MAX times, whoever
// made it. UDP that is delivered is remembered.
struct decided decide(const struct decide *decide, struct span datagram, uint32_t now_ms);
