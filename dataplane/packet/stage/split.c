// A packet that is too large for its way, and may be fragmented, is: RFC 1812 section 5.2.1.1 asks
// that of a router. It happens where the ports' MTUs differ and in front of tunnels, whose members
// then put the packet together, and not the tunnel's end: the pieces are those of the inner packet.
// This is the slow way, with a copy of every byte; senders that set DF are told the size instead.
#include "dataplane/packet/stage/stage_priv.h"
#include "dataplane/packet/wire/fragment.h"

// A packet of 64 KiB on a way for 2 KiB; one in more pieces is dropped.
#define PIECES_MAX 32

// Copies the header and the bytes from `offset` on behind it into an empty mbuf.
static void fill(const struct packet *packet, uint32_t offset, uint32_t size, bool last,
                 struct packet *piece)
{
    uint32_t l3_offset = packet->wire.l3_offset;
    uint32_t headers_size = l3_offset + WIRE_IPV4_SIZE;
    piece->frame = (uint8_t *)rte_pktmbuf_append(piece->mbuf, (uint16_t)(headers_size + size));
    CHECK(piece->frame); // buffers hold a port's largest packet
    memcpy(piece->frame, packet->frame, headers_size);
    uint8_t *to = piece->frame + headers_size;
    const uint8_t *from = rte_pktmbuf_read(packet->mbuf, headers_size + offset, size, to);
    if (from != to)
        memcpy(to, from, size);
    wire_split_header(piece->frame + l3_offset, offset, size, last);
    piece->wire.fragment = true;
    piece->wire.end = (uint16_t)(headers_size + size);
}

void stage_split(struct stage *stage, const struct packet *packet)
{
    uint32_t total = (uint32_t)packet->wire.end - packet->wire.l3_offset - WIRE_IPV4_SIZE;
    uint32_t step = (packet->size_max - (uint32_t)WIRE_IPV4_SIZE) & ~7u;
    uint32_t count = (total + step - 1) / step;
    struct rte_mbuf *mbufs[PIECES_MAX];
    if (count > PIECES_MAX) {
        stage_drop_of(stage, packet->mbuf, DROP_MTU, packet->service);
        return;
    }
    if (rte_pktmbuf_alloc_bulk(stage->ports[packet->out_port]->buffers, mbufs, count) != 0) {
        stage_drop_of(stage, packet->mbuf, DROP_NO_BUFFER, packet->service);
        return;
    }
    for (uint32_t i = 0; i < count; i++) {
        struct packet piece = *packet;
        piece.mbuf = mbufs[i];
        piece.size_max = 0;
        piece.chances = NULL;
        uint32_t offset = i * step;
        bool last = i + 1 == count;
        fill(packet, offset, last ? total - offset : step, last, &piece);
        forward_piece(stage, &piece);
        stage_dispatch(stage, &piece);
    }
    stats_add(stage->counters.split, 1);
    if (!packet->reply)
        forward_tally(stage, packet, rte_pktmbuf_pkt_len(packet->mbuf));
    rte_pktmbuf_free(packet->mbuf);
}
