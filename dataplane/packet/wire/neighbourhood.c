// ARP and neighbour discovery ask the same and answer the same; here is where they differ. Answers
// are written over the question, whose bytes are read before.
#include "dataplane/packet/wire/neighbourhood.h"

#include <net/ethernet.h>
#include <netinet/in.h>

#include "base/byteorder.h"
#include "base/check.h"
#include "base/cursor.h"
#include "dataplane/packet/wire/checksum.h"
#include "dataplane/packet/wire/wire_priv.h"

// An ARP packet for IPv4 over Ethernet, RFC 826.
enum {
    ARP_OPERATION = 6,
    ARP_SENDER_MAC = 8,
    ARP_SENDER = 14,
    ARP_TARGET_MAC = 18,
    ARP_TARGET = 24,
    ARP_SIZE = 28,
};
#define ARP_REQUEST 1
#define ARP_REPLY   2

// A neighbour solicitation or advertisement with one option, RFC 4861 sections 4.3, 4.4 and 4.6.1.
enum {
    ND_FLAGS = 4,
    ND_TARGET = 8,
    ND_OPTION = 24,
    ND_SIZE = 24, // without options
    ND_OPTION_SIZE = 8,
};
#define ND_ROUTER        0x80 // RFC 4861 section 6.2.1: who forwards always says so
#define ND_SOLICITED     0x40
#define ND_OVERRIDE      0x20
#define ND_OPTION_SOURCE 1 // source link-layer address
#define ND_OPTION_TARGET 2 // target link-layer address
#define ND_HOP_LIMIT     255

// An MLDv2 report of one group, RFC 3810 section 5.2, behind a hop-by-hop header with the router
// alert (RFC 2711) and padding.
enum {
    MLD_ALERT_SIZE = 8,
    MLD_RECORDS = 6,
    MLD_RECORD_TYPE = 8,
    MLD_GROUP = 12,
    MLD_SIZE = 28,
};
#define MLD_REPORT          143
#define MLD_MODE_IS_EXCLUDE 2
#define MLD_HOP_LIMIT       1

static const uint8_t mld_alert[MLD_ALERT_SIZE] = {IPPROTO_ICMPV6, 0, 5, 2, 0, 0, 1, 0};
static const uint8_t mac_mld_routers[WIRE_MAC_SIZE] = {0x33, 0x33, 0, 0, 0, 0x16};
static const struct ip_address ip_mld_routers = {.bytes = {0xff, 0x02, [15] = 0x16}};

static const uint8_t arp_start[ARP_OPERATION] = {
    0, 1, ETHERTYPE_IP >> 8, ETHERTYPE_IP & 0xff, WIRE_MAC_SIZE, 4};
static const uint8_t mac_broadcast[WIRE_MAC_SIZE] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff};
static const uint8_t mac_none[WIRE_MAC_SIZE];
static const uint8_t mac_all_nodes[WIRE_MAC_SIZE] = {0x33, 0x33, 0, 0, 0, 1};
static const struct ip_address ip_all_nodes = {.bytes = {0xff, 0x02, [15] = 1}};
static const struct ip_address ip_unspecified;
// RFC 4291 section 2.7.1: the last three bytes are the target's.
static const struct ip_address ip_solicited_node = {
    .bytes = {0xff, 0x02, [11] = 0x01, [12] = 0xff}};
#define SOLICITED_NODE_PREFIX 13

_Static_assert(WIRE_ETHERNET_SIZE + WIRE_IPV6_SIZE + ND_SIZE + ND_OPTION_SIZE <=
                   NEIGHBOURHOOD_FRAME_MAX,
               "of neighbour discovery");
_Static_assert(WIRE_ETHERNET_SIZE + WIRE_IPV6_SIZE + MLD_ALERT_SIZE + MLD_SIZE <=
                   NEIGHBOURHOOD_FRAME_MAX,
               "of multicast listeners");

static bool mac_is_a_stations(const uint8_t *mac)
{
    return !(mac[0] & 1) && memcmp(mac, mac_none, WIRE_MAC_SIZE) != 0;
}

static bool is_multicast(const struct ip_address *address)
{
    return address->bytes[0] == 0xff;
}

static enum drop_reason read_arp(struct span frame, const struct wire_packet *packet,
                                 struct neighbourhood_message *message)
{
    struct cursor cursor = cursor_of(frame);
    cursor_take(&cursor, packet->l3_offset);
    const uint8_t *arp = cursor_take(&cursor, ARP_SIZE);
    if (!arp || memcmp(arp, arp_start, sizeof(arp_start)) != 0)
        return DROP_ARP_MALFORMED;

    uint16_t operation = load_be16(arp + ARP_OPERATION);
    struct ip_address sender = ip_from_v4(arp + ARP_SENDER);
    // RFC 5227 section 1.1: a probe for duplicates has no sender yet.
    bool probe = load_be32(arp + ARP_SENDER) == 0 && operation == ARP_REQUEST;
    // RFC 1812 section 3.3.2: no station has a broadcast or multicast MAC address.
    if (!mac_is_a_stations(arp + ARP_SENDER_MAC) || !(probe || ip_is_unicast(&sender)))
        return DROP_ARP_MALFORMED;

    *message = (struct neighbourhood_message){
        .request = operation == ARP_REQUEST,
        .reply = operation == ARP_REPLY,
        .sender_known = !probe,
        // A request confirms nothing: whoever asks need not hear us.
        .solicited = operation == ARP_REPLY,
        .override = true,
        .sender = sender,
        .target = ip_from_v4(arp + ARP_TARGET),
    };
    memcpy(message->sender_mac, arp + ARP_SENDER_MAC, WIRE_MAC_SIZE);
    return DROP_NONE;
}

// Walks the options to the one of type `wanted`. False if they are not well-formed; `mac` is NULL
// if it is not among them.
static bool read_nd_options(struct cursor *cursor, uint8_t wanted, const uint8_t **mac)
{
    *mac = NULL;
    while (cursor_left(cursor) > 0) {
        const uint8_t *option = cursor_take(cursor, ND_OPTION_SIZE);
        // RFC 4861 section 4.6: the length counts eight bytes, and zero is invalid.
        if (!option || option[1] == 0 || !cursor_take(cursor, (option[1] - 1u) * ND_OPTION_SIZE))
            return false;
        if (option[0] != wanted)
            continue;
        if (option[1] != 1 || !mac_is_a_stations(option + 2))
            return false;
        *mac = option + 2;
    }
    return true;
}

// RFC 4861 section 7.1.1.
static bool solicitation_is_valid(const struct ip_address *source,
                                  const struct ip_address *destination, const uint8_t *mac)
{
    if (!ip_equal(source, &ip_unspecified))
        return true;
    bool to_solicited_node =
        memcmp(destination->bytes, ip_solicited_node.bytes, SOLICITED_NODE_PREFIX) == 0;
    return to_solicited_node && !mac;
}

// The checks that RFC 4861 sections 7.1.1 and 7.1.2 demand before anything in `nd`, the message as
// it lies in one piece, is believed.
static bool nd_is_valid(struct span nd, const uint8_t *ip, const struct ip_address *source,
                        const struct ip_address *destination)
{
    if (ip[IPV6_HOP_LIMIT] != ND_HOP_LIMIT || nd.data[ICMP_CODE] != 0)
        return false;
    uint64_t sum = checksum_pseudo(source, destination, IPPROTO_ICMPV6, (uint32_t)nd.size);
    return checksum_finish(checksum_add(sum, nd)) == 0;
}

static enum drop_reason read_nd(struct span frame, const struct wire_packet *packet,
                                struct neighbourhood_message *message)
{
    if (packet->icmp_type != ICMPV6_SOLICITATION && packet->icmp_type != ICMPV6_ADVERTISEMENT) {
        *message = (struct neighbourhood_message){0};
        return DROP_NONE;
    }
    // RFC 6980 section 5 forbids fragment headers; no stack sends any other with these messages.
    if (packet->l4_offset != packet->l3_offset + WIRE_IPV6_SIZE || packet->end > frame.size)
        return DROP_ND_MALFORMED;
    struct span nd =
        span_of(frame.data + packet->l4_offset, (size_t)packet->end - packet->l4_offset);
    struct cursor cursor = cursor_of(nd);
    const uint8_t *fixed = cursor_take(&cursor, ND_SIZE);
    struct ip_address source = wire_source(frame.data, packet);
    struct ip_address destination = wire_destination(frame.data, packet);
    if (!fixed || !nd_is_valid(nd, frame.data + packet->l3_offset, &source, &destination))
        return DROP_ND_MALFORMED;

    bool request = packet->icmp_type == ICMPV6_SOLICITATION;
    struct ip_address target = ip_from_v6(fixed + ND_TARGET);
    const uint8_t *mac;
    if (!read_nd_options(&cursor, request ? ND_OPTION_SOURCE : ND_OPTION_TARGET, &mac))
        return DROP_ND_MALFORMED;
    // An IPv4-mapped target would be taken for an IPv4 neighbour here.
    if (ip_is_v4(&target) || !ip_is_unicast(&target))
        return DROP_ND_MALFORMED;
    bool solicited = !request && (fixed[ND_FLAGS] & ND_SOLICITED);
    if (request ? !solicitation_is_valid(&source, &destination, mac)
                : solicited && is_multicast(&destination))
        return DROP_ND_MALFORMED;

    *message = (struct neighbourhood_message){
        .request = request,
        .reply = !request,
        .sender_known = mac != NULL,
        .solicited = solicited,
        .override = !request && (fixed[ND_FLAGS] & ND_OVERRIDE),
        .sender = request ? source : target,
        .target = target,
    };
    if (mac)
        memcpy(message->sender_mac, mac, WIRE_MAC_SIZE);
    return DROP_NONE;
}

bool neighbourhood_is_message(const struct wire_packet *packet)
{
    if (packet->kind == WIRE_ARP)
        return true;
    return packet->kind == WIRE_IPV6 && packet->protocol == IPPROTO_ICMPV6 && !packet->fragment &&
           (packet->icmp_type == ICMPV6_SOLICITATION || packet->icmp_type == ICMPV6_ADVERTISEMENT);
}

enum drop_reason neighbourhood_read(struct span frame, const struct wire_packet *packet,
                                    struct neighbourhood_message *message)
{
    if (packet->kind == WIRE_ARP)
        return read_arp(frame, packet, message);
    DCHECK(packet->kind == WIRE_IPV6 && packet->protocol == IPPROTO_ICMPV6);
    return read_nd(frame, packet, message);
}

static struct ip_address solicited_node_of(const struct ip_address *address)
{
    struct ip_address group = ip_solicited_node;
    memcpy(group.bytes + SOLICITED_NODE_PREFIX, address->bytes + SOLICITED_NODE_PREFIX, 3);
    return group;
}

static void put_ethernet(uint8_t *out, const uint8_t *destination, const uint8_t *source,
                         uint16_t type)
{
    memcpy(out + ETHERNET_DESTINATION, destination, WIRE_MAC_SIZE);
    memcpy(out + ETHERNET_SOURCE, source, WIRE_MAC_SIZE);
    store_be16(out + ETHERNET_TYPE, type);
}

// A whole ARP frame. `target_mac` is the field in the packet, `destination_mac` the frame's.
static uint32_t put_arp(uint8_t *out, const uint8_t *destination_mac, uint16_t operation,
                        const uint8_t *sender_mac, const struct ip_address *sender,
                        const uint8_t *target_mac, const struct ip_address *target)
{
    put_ethernet(out, destination_mac, sender_mac, ETHERTYPE_ARP);
    uint8_t *arp = out + WIRE_ETHERNET_SIZE;
    memcpy(arp, arp_start, sizeof(arp_start));
    store_be16(arp + ARP_OPERATION, operation);
    memcpy(arp + ARP_SENDER_MAC, sender_mac, WIRE_MAC_SIZE);
    memcpy(arp + ARP_SENDER, sender->bytes + 12, 4);
    memcpy(arp + ARP_TARGET_MAC, target_mac, WIRE_MAC_SIZE);
    memcpy(arp + ARP_TARGET, target->bytes + 12, 4);
    return WIRE_ETHERNET_SIZE + ARP_SIZE;
}

// An IPv6 header in front of `size` bytes, which are cleared.
static void put_ipv6(uint8_t *ip, const struct ip_address *source,
                     const struct ip_address *destination, uint8_t next_header, uint8_t hop_limit,
                     uint32_t size)
{
    memset(ip, 0, WIRE_IPV6_SIZE + size);
    ip[0] = 6 << 4;
    store_be16(ip + IPV6_PAYLOAD_LENGTH, (uint16_t)size);
    ip[IPV6_NEXT_HEADER] = next_header;
    ip[IPV6_HOP_LIMIT] = hop_limit;
    memcpy(ip + WIRE_IPV6_SOURCE, source->bytes, 16);
    memcpy(ip + WIRE_IPV6_DESTINATION, destination->bytes, 16);
}

static void put_icmpv6_checksum(uint8_t *message, const struct ip_address *source,
                                const struct ip_address *destination, uint32_t size)
{
    uint64_t sum = checksum_pseudo(source, destination, IPPROTO_ICMPV6, size);
    checksum_store(message + ICMP_CHECKSUM,
                   checksum_finish(checksum_add(sum, span_of(message, size))));
}

// A whole ND frame of `type` from `source` at `mac`, which its one option tells.
static uint32_t put_nd(uint8_t *out, const uint8_t *destination_mac, const uint8_t *mac,
                       const struct ip_address *source, const struct ip_address *destination,
                       uint8_t type, uint8_t flags, const struct ip_address *target)
{
    uint32_t size = ND_SIZE + ND_OPTION_SIZE;
    put_ethernet(out, destination_mac, mac, ETHERTYPE_IPV6);
    uint8_t *ip = out + WIRE_ETHERNET_SIZE;
    put_ipv6(ip, source, destination, IPPROTO_ICMPV6, ND_HOP_LIMIT, size);

    uint8_t *nd = ip + WIRE_IPV6_SIZE;
    nd[0] = type;
    nd[ND_FLAGS] = flags;
    memcpy(nd + ND_TARGET, target->bytes, 16);
    nd[ND_OPTION] = type == ICMPV6_SOLICITATION ? ND_OPTION_SOURCE : ND_OPTION_TARGET;
    nd[ND_OPTION + 1] = 1;
    memcpy(nd + ND_OPTION + 2, mac, WIRE_MAC_SIZE);
    put_icmpv6_checksum(nd, source, destination, size);
    return WIRE_ETHERNET_SIZE + WIRE_IPV6_SIZE + size;
}

uint32_t neighbourhood_answer(uint8_t *frame, uint32_t room, const struct wire_packet *packet,
                              const struct neighbourhood_message *message, const uint8_t *mac)
{
    DCHECK(message->request);
    struct ip_address target = message->target;
    if (packet->kind == WIRE_ARP) {
        if (room < WIRE_ETHERNET_SIZE + ARP_SIZE)
            return 0;
        // The sender as the question has it, which is right for a probe too.
        uint8_t asker_mac[WIRE_MAC_SIZE];
        memcpy(asker_mac, frame + packet->l3_offset + ARP_SENDER_MAC, WIRE_MAC_SIZE);
        struct ip_address asker = ip_from_v4(frame + packet->l3_offset + ARP_SENDER);
        return put_arp(frame, asker_mac, ARP_REPLY, mac, &target, asker_mac, &asker);
    }

    if (room < WIRE_ETHERNET_SIZE + WIRE_IPV6_SIZE + ND_SIZE + ND_OPTION_SIZE)
        return 0;
    struct ip_address asker = wire_source(frame, packet);
    if (ip_equal(&asker, &ip_unspecified)) {
        return put_nd(frame, mac_all_nodes, mac, &target, &ip_all_nodes, ICMPV6_ADVERTISEMENT,
                      ND_ROUTER | ND_OVERRIDE, &target);
    }
    // Who asks one station only may leave its own address out (RFC 4861 section 4.3): the frame
    // came from somewhere.
    uint8_t asker_mac[WIRE_MAC_SIZE];
    memcpy(asker_mac, message->sender_known ? message->sender_mac : frame + ETHERNET_SOURCE,
           WIRE_MAC_SIZE);
    return put_nd(frame, asker_mac, mac, &target, &asker, ICMPV6_ADVERTISEMENT,
                  ND_ROUTER | ND_SOLICITED | ND_OVERRIDE, &target);
}

uint32_t neighbourhood_request(uint8_t *out, const struct ip_address *target,
                               const uint8_t *target_mac, const struct ip_address *source,
                               const uint8_t *source_mac)
{
    DCHECK(ip_is_v4(target) == ip_is_v4(source));
    if (ip_is_v4(target)) {
        return put_arp(out, target_mac ? target_mac : mac_broadcast, ARP_REQUEST, source_mac,
                       source, mac_none, target);
    }
    if (target_mac)
        return put_nd(out, target_mac, source_mac, source, target, ICMPV6_SOLICITATION, 0, target);
    struct ip_address group = solicited_node_of(target);
    // RFC 2464 section 7: the last four bytes of the group.
    uint8_t group_mac[WIRE_MAC_SIZE] = {0x33, 0x33};
    memcpy(group_mac + 2, group.bytes + 12, 4);
    return put_nd(out, group_mac, source_mac, source, &group, ICMPV6_SOLICITATION, 0, target);
}

uint32_t neighbourhood_announce(uint8_t *out, const struct ip_address *address, const uint8_t *mac)
{
    if (ip_is_v4(address)) {
        // RFC 5227 section 3: a request for one's own address, which every stack learns from.
        return put_arp(out, mac_broadcast, ARP_REQUEST, mac, address, mac_none, address);
    }
    return put_nd(out, mac_all_nodes, mac, address, &ip_all_nodes, ICMPV6_ADVERTISEMENT,
                  ND_ROUTER | ND_OVERRIDE, address);
}

uint32_t neighbourhood_join(uint8_t *out, const struct ip_address *address,
                            const struct ip_address *source, const uint8_t *mac)
{
    DCHECK(!ip_is_v4(address));
    const struct ip_address *from = source ? source : &ip_unspecified;
    put_ethernet(out, mac_mld_routers, mac, ETHERTYPE_IPV6);
    uint8_t *ip = out + WIRE_ETHERNET_SIZE;
    put_ipv6(ip, from, &ip_mld_routers, IPPROTO_HOPOPTS, MLD_HOP_LIMIT, MLD_ALERT_SIZE + MLD_SIZE);
    memcpy(ip + WIRE_IPV6_SIZE, mld_alert, sizeof(mld_alert));
    uint8_t *report = ip + WIRE_IPV6_SIZE + MLD_ALERT_SIZE;
    report[0] = MLD_REPORT;
    store_be16(report + MLD_RECORDS, 1);
    report[MLD_RECORD_TYPE] = MLD_MODE_IS_EXCLUDE;
    struct ip_address group = solicited_node_of(address);
    memcpy(report + MLD_GROUP, group.bytes, 16);
    put_icmpv6_checksum(report, from, &ip_mld_routers, MLD_SIZE);
    return WIRE_ETHERNET_SIZE + WIRE_IPV6_SIZE + MLD_ALERT_SIZE + MLD_SIZE;
}
