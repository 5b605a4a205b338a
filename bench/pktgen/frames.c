#include "bench/pktgen/frames.h"

#include <net/ethernet.h>

#include "base/check.h"
#include "dataplane/packet/wire/wire_priv.h"

#define IP            WIRE_ETHERNET_SIZE
#define SOURCE_PORT_0 1024u

uint16_t frames_size_min(bool v4, bool syn)
{
    int headers =
        IP + (v4 ? WIRE_IPV4_SIZE : WIRE_IPV6_SIZE) + (syn ? WIRE_TCP_SIZE : WIRE_UDP_SIZE);
    int size = headers + SIGNATURE_SIZE + FRAMES_FCS;
    return (uint16_t)(size > FRAMES_SIZE_MIN ? size : FRAMES_SIZE_MIN);
}

bool frames_are_from(const struct profile *profile, const struct ip_address *address)
{
    uint32_t last = (profile->flows - 1) / FRAMES_FLOWS_A_SOURCE;
    return memcmp(address->bytes, profile->from.bytes, 12) == 0 &&
           load_be32(address->bytes + 12) - load_be32(profile->from.bytes + 12) <= last;
}

// All that flows share; the first flow's address, no port and no signature.
static void fill(const struct frames *frames, struct frame_template *template,
                 const struct profile *profile, uint16_t size)
{
    *template = (struct frame_template){.size = (uint16_t)(size - FRAMES_FCS)};
    uint8_t *bytes = template->bytes;
    uint8_t *l4 = bytes + frames->l4;
    uint16_t l4_size = (uint16_t)(template->size - frames->l4);
    uint8_t protocol = profile->syn ? IPPROTO_TCP : IPPROTO_UDP;
    memcpy(bytes, profile->destination_mac, WIRE_MAC_SIZE);
    memcpy(bytes + WIRE_MAC_SIZE, profile->source_mac, WIRE_MAC_SIZE);
    store_be16(bytes + ETHERNET_TYPE, frames->v4 ? ETHERTYPE_IP : ETHERTYPE_IPV6);
    const struct ip_header header = {.source = profile->from,
                                     .destination = profile->to,
                                     .hop_limit = HOP_LIMIT_DEFAULT,
                                     .protocol = protocol};
    wire_ip_write(bytes + IP, &header, l4_size);
    store_be16(l4 + 2, profile->port);
    if (profile->syn) {
        l4[TCP_DATA_OFFSET] = (WIRE_TCP_SIZE / 4) << 4;
        l4[TCP_FLAGS] = WIRE_TCP_SYN;
        store_be16(l4 + TCP_WINDOW, 0xffff);
    } else {
        store_be16(l4 + UDP_LENGTH, l4_size);
    }
    uint64_t pseudo = checksum_pseudo(&profile->from, &profile->to, protocol, l4_size);
    checksum_store(bytes + frames->l4_checksum,
                   checksum_finish(checksum_add(pseudo, span_of(l4, l4_size))));
}

void frames_init(struct frames *frames, const struct profile *profile)
{
    static const uint8_t imix_order[12] = {0, 1, 0, 0, 1, 0, 2, 0, 1, 0, 0, 1};
    bool v4 = ip_is_v4(&profile->from);
    uint16_t least = frames_size_min(v4, profile->syn);
    const uint16_t imix_sizes[3] = {least, 594, FRAMES_SIZE_MAX};
    CHECK(profile->flows > 0 && v4 == ip_is_v4(&profile->to) && profile->size % 2 == 0);
    CHECK(profile->size == FRAMES_IMIX || profile->size >= least);
    uint16_t l4 = (uint16_t)(IP + (v4 ? WIRE_IPV4_SIZE : WIRE_IPV6_SIZE));
    *frames = (struct frames){
        .order_count = 1,
        .flows = profile->flows,
        .first = load_be32(profile->from.bytes + 12),
        .v4 = v4,
        .source = (uint16_t)(IP + (v4 ? WIRE_IPV4_SOURCE : WIRE_IPV6_SOURCE + 12)),
        .l4 = l4,
        .l4_checksum = (uint16_t)(l4 + (profile->syn ? TCP_CHECKSUM : UDP_CHECKSUM)),
    };
    if (profile->size != FRAMES_IMIX) {
        fill(frames, &frames->templates[0], profile, profile->size);
        return;
    }
    for (int i = 0; i < 3; i++)
        fill(frames, &frames->templates[i], profile, imix_sizes[i]);
    memcpy(frames->order, imix_order, sizeof(imix_order));
    frames->order_count = sizeof(imix_order);
}

static void change_checksum(uint8_t *field, uint64_t difference)
{
    uint16_t sum = checksum_apply(checksum_load(field), difference);
    // Zero says that there is none (RFC 768); to TCP and IP both zeros are the same.
    checksum_store(field, sum ? sum : 0xffff);
}

uint16_t frames_write(const struct frames *frames, uint64_t sequence, uint16_t trial,
                      uint64_t cycles, uint8_t *out)
{
    uint32_t turn = frames->order_count > 1 ? (uint32_t)(sequence % frames->order_count) : 0;
    const struct frame_template *template = &frames->templates[frames->order[turn]];
    const uint8_t *before = template->bytes;
    size_t tail = template->size - (size_t)SIGNATURE_SIZE;
    size_t source = frames->source;
    size_t l4 = frames->l4;
    uint32_t flow = (uint32_t)(sequence % frames->flows);
    memcpy(out, before, template->size);
    store_be32(out + source, frames->first + flow / FRAMES_FLOWS_A_SOURCE);
    store_be16(out + l4, (uint16_t)(SOURCE_PORT_0 + flow % FRAMES_FLOWS_A_SOURCE));
    const struct signature signature = {
        .trial = trial, .sequence = (uint32_t)sequence, .cycles = cycles};
    signature_write(&signature, out + tail);

    uint64_t address = checksum_difference(0, before + source, out + source, 4);
    if (frames->v4)
        change_checksum(out + IP + IPV4_CHECKSUM, address);
    uint64_t rest = checksum_difference(address, before + l4, out + l4, 2);
    rest = checksum_difference(rest, before + tail, out + tail, SIGNATURE_SIZE);
    change_checksum(out + frames->l4_checksum, rest);
    return template->size;
}
