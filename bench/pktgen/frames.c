#include "bench/pktgen/frames.h"

#include "base/check.h"
#include "dataplane/packet/wire/checksum.h"

#define IP            WIRE_ETHERNET_SIZE
#define IPV4_CHECKSUM (IP + 10)
#define L4            (IP + WIRE_IPV4_SIZE)
#define UDP_CHECKSUM  (L4 + 6)
#define TCP_CHECKSUM  (L4 + 16)
#define SOURCE_PORT_0 1024u

// All that flows share; the first flow's address, no port and no signature.
static void fill(struct frame_template *template, const struct profile *profile, uint16_t size)
{
    *template = (struct frame_template){.size = (uint16_t)(size - FRAMES_FCS)};
    uint8_t *bytes = template->bytes;
    uint16_t ip_size = (uint16_t)(template->size - IP);
    uint16_t l4_size = (uint16_t)(ip_size - WIRE_IPV4_SIZE);
    uint8_t protocol = profile->syn ? IPPROTO_TCP : IPPROTO_UDP;
    memcpy(bytes, profile->destination_mac, WIRE_MAC_SIZE);
    memcpy(bytes + WIRE_MAC_SIZE, profile->source_mac, WIRE_MAC_SIZE);
    store_be16(bytes + 12, 0x0800);
    bytes[IP] = 0x45;
    store_be16(bytes + IP + 2, ip_size);
    store_be16(bytes + IP + 6, 0x4000); // don't fragment
    bytes[IP + 8] = 64;
    bytes[IP + 9] = protocol;
    memcpy(bytes + IP + WIRE_IPV4_SOURCE, profile->from.bytes + 12, 4);
    memcpy(bytes + IP + WIRE_IPV4_DESTINATION, profile->to.bytes + 12, 4);
    store_be16(bytes + L4 + 2, profile->port);
    if (profile->syn) {
        bytes[L4 + 12] = (WIRE_TCP_SIZE / 4) << 4;
        bytes[L4 + 13] = WIRE_TCP_SYN;
        store_be16(bytes + L4 + 14, 0xffff);
    } else {
        store_be16(bytes + L4 + 4, l4_size);
    }
    uint16_t sum = checksum_finish(checksum_add(0, span_of(bytes + IP, WIRE_IPV4_SIZE)));
    memcpy(bytes + IPV4_CHECKSUM, &sum, sizeof(sum));
    uint64_t pseudo = checksum_pseudo(&profile->from, &profile->to, protocol, l4_size);
    sum = checksum_finish(checksum_add(pseudo, span_of(bytes + L4, l4_size)));
    memcpy(bytes + (profile->syn ? TCP_CHECKSUM : UDP_CHECKSUM), &sum, sizeof(sum));
}

void frames_init(struct frames *frames, const struct profile *profile)
{
    static const uint16_t imix_sizes[3] = {64, 594, FRAMES_SIZE_MAX};
    static const uint8_t imix_order[12] = {0, 1, 0, 0, 1, 0, 2, 0, 1, 0, 0, 1};
    CHECK(profile->flows > 0 && profile->size % 2 == 0);
    *frames = (struct frames){.order_count = 1,
                              .flows = profile->flows,
                              .first = load_be32(profile->from.bytes + 12),
                              .syn = profile->syn};
    if (profile->size != FRAMES_IMIX) {
        fill(&frames->templates[0], profile, profile->size);
        return;
    }
    for (int i = 0; i < 3; i++)
        fill(&frames->templates[i], profile, imix_sizes[i]);
    memcpy(frames->order, imix_order, sizeof(imix_order));
    frames->order_count = sizeof(imix_order);
}

static void change_checksum(uint8_t *field, uint64_t difference)
{
    uint16_t sum;
    memcpy(&sum, field, sizeof(sum));
    sum = checksum_apply(sum, difference);
    // Zero says that there is none (RFC 768); to TCP and IP both zeros are the same.
    if (sum == 0)
        sum = 0xffff;
    memcpy(field, &sum, sizeof(sum));
}

uint16_t frames_write(const struct frames *frames, uint64_t sequence, uint16_t trial,
                      uint64_t cycles, uint8_t *out)
{
    uint32_t turn = frames->order_count > 1 ? (uint32_t)(sequence % frames->order_count) : 0;
    const struct frame_template *template = &frames->templates[frames->order[turn]];
    const uint8_t *before = template->bytes;
    size_t tail = template->size - (size_t)SIGNATURE_SIZE;
    uint32_t flow = (uint32_t)(sequence % frames->flows);
    memcpy(out, before, template->size);
    store_be32(out + IP + WIRE_IPV4_SOURCE, frames->first + flow / FRAMES_FLOWS_A_SOURCE);
    store_be16(out + L4, (uint16_t)(SOURCE_PORT_0 + flow % FRAMES_FLOWS_A_SOURCE));
    const struct signature signature = {
        .trial = trial, .sequence = (uint32_t)sequence, .cycles = cycles};
    signature_write(&signature, out + tail);

    uint64_t address =
        checksum_difference(0, before + IP + WIRE_IPV4_SOURCE, out + IP + WIRE_IPV4_SOURCE, 4);
    change_checksum(out + IPV4_CHECKSUM, address);
    uint64_t rest = checksum_difference(address, before + L4, out + L4, 2);
    rest = checksum_difference(rest, before + tail, out + tail, SIGNATURE_SIZE);
    change_checksum(out + (frames->syn ? TCP_CHECKSUM : UDP_CHECKSUM), rest);
    return template->size;
}
