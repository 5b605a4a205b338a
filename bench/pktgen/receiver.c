#include "bench/pktgen/receiver.h"

#include "bench/pktgen/signature.h"

struct receiver receiver_start(uint16_t trial)
{
    return (struct receiver){.trial = trial};
}

static uint64_t *word_of(struct receiver *receiver, uint64_t sequence)
{
    return &receiver->seen[sequence % RECEIVER_WINDOW / 64];
}

static uint64_t bit_of(uint64_t sequence)
{
    return UINT64_C(1) << (sequence % 64);
}

// Moves the window's end behind `sequence`.
static void advance(struct receiver *receiver, uint64_t sequence)
{
    if (sequence - receiver->next >= RECEIVER_WINDOW) {
        memset(receiver->seen, 0, sizeof(receiver->seen));
    } else {
        for (uint64_t at = receiver->next; at <= sequence; at++)
            *word_of(receiver, at) &= ~bit_of(at);
    }
    receiver->next = sequence + 1;
}

static void count(struct receiver *receiver, uint64_t sequence, uint64_t cycles)
{
    if (sequence >= receiver->next) {
        advance(receiver, sequence);
    } else if (receiver->next - sequence > RECEIVER_WINDOW) {
        receiver->reordered++;
    } else if (*word_of(receiver, sequence) & bit_of(sequence)) {
        receiver->duplicates++;
        return;
    } else {
        receiver->reordered++;
    }
    *word_of(receiver, sequence) |= bit_of(sequence);
    receiver->received++;
    latency_add(&receiver->latency, cycles);
}

static bool is_neighbours(const struct wire_packet *packet)
{
    // RFC 4861 sections 4.3 and 4.4: solicitation and advertisement.
    return packet->kind == WIRE_ARP ||
           (packet->kind == WIRE_IPV6 && packet->protocol == IPPROTO_ICMPV6 && !packet->fragment &&
            (packet->icmp_type == 135 || packet->icmp_type == 136));
}

enum received receiver_take(struct receiver *receiver, struct span frame, uint64_t now,
                            struct wire_packet *packet)
{
    struct signature signature;
    if (wire_parse(frame, (uint32_t)frame.size, WIRE_KNOWN_NOTHING, packet) != DROP_NONE)
        goto foreign;
    if (is_neighbours(packet))
        return RECEIVED_NEIGHBOUR;
    if (packet->kind == WIRE_OTHER ||
        !signature_read(span_of(frame.data, packet->end), &signature) ||
        signature.trial != receiver->trial || signature.cycles > now)
        goto foreign;
    // The upper half is that of the sequence nearest to the last that was sent.
    uint32_t behind = (uint32_t)receiver->sent - signature.sequence;
    if (behind == 0 || behind > receiver->sent)
        goto foreign;
    count(receiver, receiver->sent - behind, now - signature.cycles);
    return RECEIVED_PACKET;

foreign:
    receiver->foreign++;
    return RECEIVED_FOREIGN;
}
