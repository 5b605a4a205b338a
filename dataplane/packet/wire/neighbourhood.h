// Messages of ARP (RFC 826) and IPv6 neighbour discovery (RFC 4861): read, answer in place, build;
// and what lets switches pass the questions on to us (MLD, RFC 3810).
// Nothing here remembers; the neighbours themselves are in dataplane/packet/route.
#pragma once

#include "dataplane/packet/wire/parse.h"

// Bytes of the largest frame that is built here.
#define NEIGHBOURHOOD_FRAME_MAX 96

// What a message says, the same for both versions.
struct neighbourhood_message {
    bool request;             // ARP request, neighbour solicitation
    bool reply;               // ARP reply, neighbour advertisement
    bool sender_known;        // `sender` and `sender_mac` are set (not a probe for duplicates)
    bool solicited;           // the reply answers a request (ARP: every reply)
    bool override;            // ND's flag; ARP: always
    struct ip_address sender; // who speaks (of an advertisement: the target)
    struct ip_address target; // who is asked for
    uint8_t sender_mac[WIRE_MAC_SIZE];
};

// Whether a packet is of ARP, or an ICMPv6 message of types 135 and 136 that is whole.
bool neighbourhood_is_message(const struct wire_packet *packet);

// Reads an ARP frame, or an ICMPv6 packet of types 135 and 136, with all the validity checks of RFC
// 4861 section 7.1 (hop limit 255, checksum, options of non-zero length, ...). DROP_NONE, or
// DROP_ARP_MALFORMED, DROP_ND_MALFORMED. Other ND messages (router advertisements) are not read:
// neither `request` nor `reply` is set.
enum drop_reason neighbourhood_read(struct span frame, const struct wire_packet *packet,
                                    struct neighbourhood_message *message);

// Turns a request into the answer "target is at mac", in place; the frame must be writable. Returns
// the size of the answer in bytes, at most `room` (the bytes writable at `frame`), or 0 if it does
// not fit. A probe for duplicates is answered to all nodes (RFC 4861 section 7.2.4).
uint32_t neighbourhood_answer(uint8_t *frame, uint32_t room, const struct wire_packet *packet,
                              const struct neighbourhood_message *message, const uint8_t *mac);

// Builds the question "who has target?" of `source` at `source_mac` into `out`
// (NEIGHBOURHOOD_FRAME_MAX bytes): to `target_mac`, or to all (broadcast, solicited-node multicast)
// when that is NULL. Returns its size in bytes.
uint32_t neighbourhood_request(uint8_t *out, const struct ip_address *target,
                               const uint8_t *target_mac, const struct ip_address *source,
                               const uint8_t *source_mac);

// Builds a gratuitous announcement "address is at mac" (RFC 5227 section 3, RFC 4861
// section 7.2.6).
uint32_t neighbourhood_announce(uint8_t *out, const struct ip_address *address, const uint8_t *mac);

// Builds the report that the solicited-node group of an IPv6 address is listened to here, for
// routers and for switches that snoop (RFC 4861 section 7.2.1, RFC 4541 section 3): a current-state
// record, which is valid at any time. `source` is a link-local address of the port, or NULL if it
// has none (RFC 3810 section 5.2.13). Returns the frame's size.
uint32_t neighbourhood_join(uint8_t *out, const struct ip_address *address,
                            const struct ip_address *source, const uint8_t *mac);
