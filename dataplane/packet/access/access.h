// The access list: who may begin to talk to us. Compiled from the configuration's rules by the main
// thread into a multi-bit trie for each IP version (librte_acl), constant afterwards and read by
// all workers. The cost of a match is a walk over the bytes of the packet's tuple, whatever the
// number of rules.
#pragma once

#include <stdint.h>

#include "base/config/model.h"
#include "base/error.h"
#include "base/ip.h"

#define ACCESS_BURST_MAX 64
#define ACCESS_NO_RULE   UINT32_MAX

// A rule stands for every combination of its lists' items, and all rules for
// CONFIG_COMBINATIONS_MAX at most.
#define ACCESS_WHY_SIZE 256

struct access_list;

// A packet as rules see it. Both addresses are of one version. Ports in network byte order, 0 for
// protocols that have none.
struct access_key {
    uint8_t protocol; // IPPROTO_*
    uint8_t zero[3];
    struct ip_address source;
    struct ip_address destination;
    uint16_t source_port;
    uint16_t destination_port;
};

// `rules` is borrowed for the call. NULL and ERROR_NONE for no rules. ERROR_TOO_LARGE above
// CONFIG_COMBINATIONS_MAX, ERROR_NO_MEMORY where DPDK's memory cannot hold the tries; `why`
// (ACCESS_WHY_SIZE bytes) has a sentence.
enum error access_list_create(const struct config_access_rule *rules, uint32_t count,
                              struct access_list **list, char *why);
void access_list_destroy(struct access_list *list); // NULL is allowed

// The first rule, as its index in the configuration, that matches each of `count` keys (at most
// ACCESS_BURST_MAX), or ACCESS_NO_RULE.
void access_match(const struct access_list *list, const struct access_key *keys, uint32_t count,
                  uint32_t *rules);
