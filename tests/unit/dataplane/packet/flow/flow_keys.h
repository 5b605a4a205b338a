// Keys of flows, made from numbers, for the tests of the flow table.
#pragma once

#include "dataplane/packet/flow/flow.h"

#define TEST_SIPHASH_KEY ((struct siphash_key){.k0 = 0x0123456789abcdef, .k1 = 0xfedcba9876543210})

// Different numbers give different keys. Even ones are IPv4, odd ones IPv6.
struct flow_key key_of(uint32_t number);
