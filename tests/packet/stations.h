// Who is where in most packet tests: the two ports of their configurations, and the stations at
// them. The rig gives a port MAC 02:00:00:00:00:0N.
#pragma once

#include <stdint.h>

#define FRONT 0
#define BACK  1

static const uint8_t front_mac[6] = {2, 0, 0, 0, 0, FRONT};
static const uint8_t back_mac[6] = {2, 0, 0, 0, 0, BACK};
static const uint8_t client_mac[6] = {2, 0, 0, 0, 1, 1};
static const uint8_t member_mac[6] = {2, 0, 0, 0, 1, 2};
static const uint8_t broadcast_mac[6] = {255, 255, 255, 255, 255, 255};
