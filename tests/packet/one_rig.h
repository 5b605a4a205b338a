// The rig of a test program that needs one at a time: each test opens it, and close_rig() is the
// teardown of all.
#pragma once

#include "tests/packet/stage_rig.h"
#include "tests/packet/stations.h"

static struct stage_rig rig;

static inline int close_rig(void **state)
{
    rig_close(&rig);
    return 0;
}

// The client and the member of most configurations, by both versions.
static inline void meet_stations(void)
{
    rig_neighbour(&rig, FRONT, "10.1.0.10", client_mac);
    rig_neighbour(&rig, FRONT, "fd00:1::10", client_mac);
    rig_neighbour(&rig, BACK, "10.2.0.11", member_mac);
    rig_neighbour(&rig, BACK, "fd00:2::11", member_mac);
}
