#include "tests/packet/frame.h"

#include <netinet/in.h>
#include <string.h>

#include "base/byteorder.h"
#include "base/check.h"
#include "base/ip.h"

const uint8_t frame_mac_ours[FRAME_MAC_SIZE] = {0x02, 0, 0, 0, 0, 0x01};
const uint8_t frame_mac_peers[FRAME_MAC_SIZE] = {0x02, 0, 0, 0, 0, 0x02};

// Adds bytes to a frame that is being built.
static uint8_t *append(struct frame *frame, const void *bytes, size_t size)
{
    CHECK(frame->size + size <= FRAME_SIZE_MAX);
    uint8_t *at = frame->bytes + frame->size;
    if (bytes)
        memcpy(at, bytes, size);
    else
        memset(at, 0, size);
    frame->size += size;
    return at;
}

static void append_u8(struct frame *frame, uint8_t value)
{
    append(frame, &value, 1);
}

static void append_be16(struct frame *frame, uint16_t value)
{
    store_be16(append(frame, NULL, 2), value);
}

static void append_be32(struct frame *frame, uint32_t value)
{
    store_be32(append(frame, NULL, 4), value);
}

static struct ip_address address_of(const char *text, const char *otherwise)
{
    struct ip_address address;
    const char *chosen = text ? text : otherwise;
    if (ip_parse(chosen, &address) == ERROR_NONE)
        return address;
    // An IPv4-mapped address, which the product's own reader refuses, is wanted as a fault.
    static const char mapped[] = "::ffff:";
    CHECK(strncmp(chosen, mapped, strlen(mapped)) == 0);
    CHECK(ip_parse(chosen + strlen(mapped), &address) == ERROR_NONE);
    return address;
}

// Written as IPv6: with a colon.
static bool is_v6(const struct frame_spec *spec)
{
    return spec->source && strchr(spec->source, ':');
}

uint16_t frame_checksum(const uint8_t *bytes, size_t size, uint32_t sum)
{
    for (size_t i = 0; i < size; i++) {
        sum += (uint32_t)bytes[i] << (i % 2 == 0 ? 8 : 0);
        sum = (sum & 0xffff) + (sum >> 16);
    }
    return (uint16_t)~sum;
}

// Where the transport's checksum of a frame is, what it must be over, and whether there is one.
struct covered {
    size_t ip_at;
    size_t ip_size; // of the header
    size_t l4_at;
    size_t end;
    uint8_t protocol;
    bool v4;
    size_t field; // of the L4 checksum; 0: none that can be told
};

static bool is_ip(const uint8_t *bytes, size_t size, struct covered *covered)
{
    if (size < FRAME_IPV4_L4)
        return false;
    *covered = (struct covered){.ip_at = FRAME_IP_AT};
    const uint8_t *ip = bytes + FRAME_IP_AT;
    bool fragment = false;
    switch (load_be16(bytes + 12)) {
    case 0x0800:
        covered->v4 = true;
        covered->ip_size = (ip[0] & 15) * 4u;
        covered->end = FRAME_IP_AT + (size_t)load_be16(ip + 2);
        covered->protocol = ip[9];
        fragment = (load_be16(ip + 6) & 0x3fff) != 0;
        break;
    case 0x86dd:
        covered->ip_size = 40;
        covered->end = FRAME_IPV6_L4 + (size_t)load_be16(ip + 4);
        covered->protocol = ip[6];
        break;
    default:
        return false;
    }
    covered->l4_at = FRAME_IP_AT + covered->ip_size;
    if (covered->end > size || covered->l4_at > covered->end)
        return false;
    size_t field = covered->protocol == IPPROTO_TCP                      ? 16
                   : covered->protocol == IPPROTO_UDP                    ? 6
                   : covered->protocol == IPPROTO_ICMP && covered->v4    ? 2
                   : covered->protocol == IPPROTO_ICMPV6 && !covered->v4 ? 2
                                                                         : 0;
    if (field && !fragment && covered->l4_at + field + 2 <= covered->end)
        covered->field = covered->l4_at + field;
    return true;
}

// UDP's own length says how far its checksum reaches.
static size_t covered_size(const uint8_t *bytes, const struct covered *covered)
{
    size_t size = covered->end - covered->l4_at;
    if (covered->protocol == IPPROTO_UDP && size >= 6) {
        size_t length = load_be16(bytes + covered->l4_at + 4);
        return length < size ? length : size;
    }
    return size;
}

// The checksum of the upper layer with its field as it stands.
static uint16_t transport_checksum(const uint8_t *bytes, const struct covered *covered)
{
    uint32_t sum = 0;
    size_t size = covered_size(bytes, covered);
    if (covered->protocol != IPPROTO_ICMP) {
        size_t address = covered->ip_at + (covered->v4 ? 12 : 8);
        for (size_t i = 0; i < (covered->v4 ? 8 : 32); i += 2)
            sum += load_be16(bytes + address + i);
        sum += covered->protocol + (uint32_t)size;
    }
    return frame_checksum(bytes + covered->l4_at, size, sum);
}

void frame_fix_checksums(struct frame *frame)
{
    struct covered covered;
    if (!is_ip(frame->bytes, frame->size, &covered))
        return;
    uint8_t *ip = frame->bytes + covered.ip_at;
    if (covered.v4) {
        store_be16(ip + 10, 0);
        store_be16(ip + 10, frame_checksum(ip, covered.ip_size, 0));
    }
    bool udp = covered.protocol == IPPROTO_UDP;
    if (!covered.field || (udp && load_be16(frame->bytes + covered.field) == 0))
        return;
    store_be16(frame->bytes + covered.field, 0);
    uint16_t checksum = transport_checksum(frame->bytes, &covered);
    store_be16(frame->bytes + covered.field, udp && checksum == 0 ? 0xffff : checksum);
}

void frame_hop(uint8_t *ip)
{
    if (ip[0] >> 4 == 6) {
        ip[7]--;
        return;
    }
    ip[8]--;
    store_be16(ip + 10, 0);
    store_be16(ip + 10, frame_checksum(ip, (ip[0] & 15) * 4u, 0));
}

bool frame_checksums_are_right(const uint8_t *bytes, size_t size)
{
    struct covered covered;
    if (!is_ip(bytes, size, &covered))
        return false;
    if (covered.v4 && frame_checksum(bytes + covered.ip_at, covered.ip_size, 0) != 0)
        return false;
    if (!covered.field)
        return true;
    if (covered.protocol == IPPROTO_UDP && load_be16(bytes + covered.field) == 0)
        return covered.v4; // RFC 8200 section 8.1
    return transport_checksum(bytes, &covered) == 0;
}

static void build_arp(struct frame *frame, const struct frame_spec *spec)
{
    struct ip_address sender = address_of(spec->source, "192.0.2.1");
    struct ip_address target = address_of(spec->destination, "192.0.2.2");
    append_be16(frame, 1);
    append_be16(frame, 0x0800);
    append_u8(frame, FRAME_MAC_SIZE);
    append_u8(frame, 4);
    append_be16(frame, spec->arp_operation);
    append(frame, spec->source_mac ? spec->source_mac : frame_mac_peers, FRAME_MAC_SIZE);
    append(frame, sender.bytes + 12, 4);
    append(frame, spec->arp_target_mac, FRAME_MAC_SIZE);
    append(frame, target.bytes + 12, 4);
}

static void build_ipv4(struct frame *frame, const struct frame_spec *spec)
{
    struct ip_address source = address_of(spec->source, "192.0.2.1");
    struct ip_address destination = address_of(spec->destination, "192.0.2.2");
    CHECK(spec->ipv4_options.size % 4 == 0 && spec->ipv4_options.size <= 40);
    append_u8(frame, (uint8_t)(0x45 + spec->ipv4_options.size / 4));
    append_u8(frame, spec->traffic_class);
    append_be16(frame, 0); // total length, set at the end
    append_be16(frame, spec->ipv4_id);
    append_be16(frame,
                (uint16_t)((spec->dont_fragment ? 0x4000u : 0u) |
                           (spec->more_fragments ? 0x2000u : 0u) | spec->fragment_offset / 8u));
    append_u8(frame, spec->ttl ? spec->ttl : 64);
    append_u8(frame, spec->protocol ? spec->protocol : IPPROTO_TCP);
    append_be16(frame, 0); // checksum, set at the end
    append(frame, source.bytes + 12, 4);
    append(frame, destination.bytes + 12, 4);
    append(frame, spec->ipv4_options.data, spec->ipv4_options.size);
}

static void build_extension(struct frame *frame, const struct frame_spec *spec, uint8_t type,
                            uint8_t next)
{
    static const uint8_t pad[6] = {1, 4}; // PadN
    append_u8(frame, next);
    switch (type) {
    case IPPROTO_FRAGMENT:
        append_u8(frame, 0);
        append_be16(frame, (uint16_t)(spec->fragment_offset | spec->more_fragments));
        append_be32(frame, 0x1d1d1d1d);
        break;
    case IPPROTO_ROUTING:
        append_u8(frame, 0);
        append_u8(frame, spec->routing_type);
        append_u8(frame, spec->routing_stops);
        append_be32(frame, 0);
        break;
    case IPPROTO_AH:
        append_u8(frame, 2); // 16 bytes in words of four, less two
        append(frame, NULL, 14);
        break;
    default:
        append_u8(frame, 0);
        append(frame, pad, sizeof(pad));
        break;
    }
}

static void build_ipv6(struct frame *frame, const struct frame_spec *spec)
{
    struct ip_address source = address_of(spec->source, NULL);
    struct ip_address destination = address_of(spec->destination, "2001:db8::2");
    uint8_t protocol = spec->protocol ? spec->protocol : IPPROTO_TCP;
    uint8_t count = spec->extension_count;
    append_be32(frame, 6u << 28 | (uint32_t)spec->traffic_class << 20);
    append_be16(frame, 0); // payload length, set at the end
    append_u8(frame, count > 0 ? spec->extensions[0] : protocol);
    append_u8(frame, spec->ttl ? spec->ttl : spec->nd_target ? 255 : 64);
    append(frame, source.bytes, 16);
    append(frame, destination.bytes, 16);
    for (unsigned i = 0; i < count; i++)
        build_extension(frame, spec, spec->extensions[i],
                        i + 1 < count ? spec->extensions[i + 1] : protocol);
}

// The upper layer's header. Returns the offset of its checksum in the frame, or 0.
static size_t build_transport(struct frame *frame, const struct frame_spec *spec)
{
    size_t at = frame->size;
    switch (spec->protocol ? spec->protocol : IPPROTO_TCP) {
    case IPPROTO_TCP:
        CHECK(spec->tcp_options.size % 4 == 0 && spec->tcp_options.size <= 40);
        append_be16(frame, spec->source_port);
        append_be16(frame, spec->destination_port);
        append_be32(frame, spec->tcp_numbers ? spec->tcp_sequence : 0x01020304);
        append_be32(frame, spec->tcp_numbers ? spec->tcp_acknowledged : 0x01020305);
        append_u8(frame, (uint8_t)(0x50 + spec->tcp_options.size / 4 * 16));
        append_u8(frame, spec->tcp_flags ? spec->tcp_flags : 0x10);
        append_be16(frame, spec->tcp_window ? spec->tcp_window : 0xffff);
        append_be16(frame, 0); // checksum
        append_be16(frame, spec->tcp_urgent);
        append(frame, spec->tcp_options.data, spec->tcp_options.size);
        return at + 16;
    case IPPROTO_UDP:
        append_be16(frame, spec->source_port);
        append_be16(frame, spec->destination_port);
        append_be16(frame, (uint16_t)(8 + spec->payload_size));
        append_be16(frame, 0);
        return spec->udp_without_checksum ? 0 : at + 6;
    case IPPROTO_ICMP:
    case IPPROTO_ICMPV6:
        append_u8(frame, spec->icmp_type);
        append_u8(frame, spec->icmp_code);
        append_be16(frame, 0);
        append_be32(frame, spec->icmp_rest);
        return at + 2;
    default:
        return 0;
    }
}

static void build_payload(struct frame *frame, const struct frame_spec *spec)
{
    if (spec->nd_target) {
        struct ip_address target = address_of(spec->nd_target, NULL);
        append(frame, target.bytes, 16);
        if (spec->nd_without_option)
            return;
        append_u8(frame, spec->icmp_type == 135 ? 1 : 2);
        append_u8(frame, 1);
        append(frame, spec->source_mac ? spec->source_mac : frame_mac_peers, FRAME_MAC_SIZE);
        return;
    }
    uint8_t *payload = append(frame, spec->payload, spec->payload_size);
    for (size_t i = 0; !spec->payload && i < spec->payload_size; i++)
        payload[i] = (uint8_t)i;
}

void frame_build(struct frame *frame, const struct frame_spec *spec)
{
    frame->size = 0;
    append(frame, spec->destination_mac ? spec->destination_mac : frame_mac_ours, FRAME_MAC_SIZE);
    append(frame, spec->source_mac ? spec->source_mac : frame_mac_peers, FRAME_MAC_SIZE);
    bool v4 = !is_v6(spec);
    append_be16(frame, spec->arp_operation ? 0x0806 : v4 ? 0x0800 : 0x86dd);
    if (spec->arp_operation) {
        build_arp(frame, spec);
        append(frame, NULL, spec->padding_size);
        return;
    }

    if (v4)
        build_ipv4(frame, spec);
    else
        build_ipv6(frame, spec);
    size_t l4_at = frame->size;
    size_t field = spec->fragment_offset == 0 ? build_transport(frame, spec) : 0;
    build_payload(frame, spec);

    uint8_t *ip = frame->bytes + FRAME_IP_AT;
    size_t ip_size = frame->size - FRAME_IP_AT;
    store_be16(ip + (v4 ? 2 : 4), (uint16_t)(v4 ? ip_size : ip_size - 40));
    if (v4)
        store_be16(ip + 10, frame_checksum(ip, l4_at - FRAME_IP_AT, 0));
    if (field) {
        // Behind extension headers too, which frame_fix_checksums() does not walk.
        struct covered covered = {
            .ip_at = FRAME_IP_AT,
            .l4_at = l4_at,
            .end = frame->size,
            .protocol = spec->protocol ? spec->protocol : IPPROTO_TCP,
            .v4 = v4,
        };
        uint16_t checksum = transport_checksum(frame->bytes, &covered);
        bool udp = covered.protocol == IPPROTO_UDP;
        store_be16(frame->bytes + field, udp && checksum == 0 ? 0xffff : checksum);
    }
    append(frame, NULL, spec->padding_size);
}

void frame_fragment(struct frame *fragment, const struct frame *whole, uint32_t id, size_t offset,
                    size_t size)
{
    const uint8_t *ip = whole->bytes + FRAME_IP_AT;
    bool v4 = ip[0] >> 4 == 4;
    size_t header_size = v4 ? 20 : 40;
    size_t total = whole->size - FRAME_IP_AT - header_size;
    CHECK(offset % 8 == 0 && offset + size <= total);
    bool more = offset + size < total;
    fragment->size = 0;
    append(fragment, whole->bytes, FRAME_IP_AT + header_size);
    uint8_t *header = fragment->bytes + FRAME_IP_AT;
    if (v4) {
        store_be16(header + 2, (uint16_t)(header_size + size));
        store_be16(header + 4, (uint16_t)id);
        store_be16(header + 6, (uint16_t)(offset / 8 | (more ? 0x2000 : 0)));
        store_be16(header + 10, 0);
        store_be16(header + 10, frame_checksum(header, header_size, 0));
    } else {
        store_be16(header + 4, (uint16_t)(8 + size));
        append_u8(fragment, header[6]);
        append_u8(fragment, 0);
        append_be16(fragment, (uint16_t)(offset | more));
        append_be32(fragment, id);
        header[6] = IPPROTO_FRAGMENT;
    }
    append(fragment, ip + header_size + offset, size);
}

bool frame_put_together(const struct frame *const *fragments, size_t count, size_t skip,
                        struct frame *whole)
{
    static bool seen[FRAME_SIZE_MAX];
    memset(seen, 0, sizeof(seen));
    size_t total = 0, covered = 0;
    for (size_t i = 0; i < count; i++) {
        const uint8_t *ip = fragments[i]->bytes + FRAME_IP_AT + skip;
        bool v4 = ip[0] >> 4 == 4;
        size_t header_size = v4 ? 20 : 40, data_at = v4 ? 20 : 48;
        size_t end = v4 ? load_be16(ip + 2) : 40u + load_be16(ip + 4);
        uint16_t field = load_be16(ip + (v4 ? 6 : 42));
        size_t offset = v4 ? (field & 0x1fffu) * 8u : field & 0xfff8u;
        bool more = v4 ? field & 0x2000 : field & 1;
        if (end != fragments[i]->size - FRAME_IP_AT - skip || end <= data_at ||
            (v4 && frame_checksum(ip, 20, 0) != 0) || (!v4 && ip[6] != IPPROTO_FRAGMENT))
            return false;
        size_t to = FRAME_IP_AT + header_size + offset;
        for (size_t b = data_at; b < end; b++, to++) {
            if (to >= FRAME_SIZE_MAX || seen[to])
                return false;
            seen[to] = true;
            whole->bytes[to] = ip[b];
            covered++;
        }
        if (!more)
            total = to;
        if (offset == 0) {
            memcpy(whole->bytes, fragments[i]->bytes, FRAME_IP_AT);
            store_be16(whole->bytes + 12, v4 ? 0x0800 : 0x86dd);
            uint8_t *header = whole->bytes + FRAME_IP_AT;
            memcpy(header, ip, header_size);
            if (v4)
                memset(header + 4, 0, 4);
            else
                header[6] = ip[40];
        }
    }
    bool v4 = whole->bytes[FRAME_IP_AT] >> 4 == 4;
    size_t headers = FRAME_IP_AT + (v4 ? 20u : 40u);
    if (total == 0 || covered != total - headers)
        return false;
    whole->size = total;
    store_be16(whole->bytes + FRAME_IP_AT + (v4 ? 2 : 4),
               (uint16_t)(v4 ? total - FRAME_IP_AT : total - headers));
    if (v4) {
        store_be16(whole->bytes + FRAME_IP_AT + 10, 0);
        store_be16(whole->bytes + FRAME_IP_AT + 10,
                   frame_checksum(whole->bytes + FRAME_IP_AT, 20, 0));
    }
    return true;
}
