// Keys of flows, made from numbers, for the tests of the flow table.
#pragma once

#include "dataplane/packet/flow/flow.h"

extern const uint64_t test_secrets[FOLD_SECRETS];

// Different numbers give different keys. Even ones are IPv4, odd ones IPv6.
struct flow_key key_of(uint32_t number);

// A two-way flow between the keys of two numbers.
struct flow_pair pair_of(uint32_t client, uint32_t member, uint32_t expires_ms);
