// Who talks most: of each burst of a measured turn (meter.h) one packet stands for all of it.
#include <rte_byteorder.h>

#include "dataplane/packet/stage/stage_priv.h"

#define HALVE_MS 8000 // what is told is mostly of the last two of these

// Whose packet it is: who sends to a virtual address, or whom a member answers. False: nobody's.
static bool client_of(const struct stage *stage, const struct facts *facts,
                      struct ip_address *client)
{
    const struct endpoint_set *endpoints = stage->tables->endpoints;
    const struct endpoint *at = endpoint_find(endpoints, &facts->destination, 0, 0);
    *client = facts->source;
    if (at && at->kind == ENDPOINT_VIP)
        return true;
    at = endpoint_find(endpoints, &facts->source, rte_cpu_to_be_16(facts->source_port),
                       facts->protocol);
    *client = facts->destination;
    return at && at->kind == ENDPOINT_MEMBER && facts->has_ports;
}

void stage_age_talkers(struct stage *stage)
{
    uint32_t halvings = (stage->now_ms - stage->talkers_halved_ms) / HALVE_MS;
    stage->talkers_halved_ms += halvings * HALVE_MS;
    // Of a 64-bit count nothing is left after that many.
    for (uint32_t i = 0; i < halvings && i < 64; i++)
        talkers_halve(&stage->talkers);
}

void stage_sample(struct stage *stage, struct rte_mbuf *const *packets, uint32_t count)
{
    struct talkers *talkers = &stage->talkers;
    const struct rte_mbuf *mbuf = packets[random_below(&stage->meter.random, count)];
    struct facts facts = {.kind = FACTS_OTHER};
    struct ip_address client;
    facts_read(span_of(rte_pktmbuf_mtod(mbuf, const uint8_t *), rte_pktmbuf_data_len(mbuf)),
               &facts);
    if (!facts.addressed || facts.kind == FACTS_ARP || !client_of(stage, &facts, &client))
        return;
    stage_age_talkers(stage);
    uint64_t stands_for = (uint64_t)count * stage->meter.weight;
    talkers_add(talkers, &client, stands_for, stands_for * rte_pktmbuf_pkt_len(mbuf));
}
