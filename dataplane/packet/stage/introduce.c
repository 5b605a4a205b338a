// How a FullNAT member learns who the client is, which it sees as a local address of ours.
//
// PROXY protocol, version 2: a header in front of the first byte of the client's stream. Where that
// is, the member's SYN-ACK says, which nobody but the member can make up: from then on nothing of
// the client's passes without the header in front of it. The acknowledgement that ends the
// handshake carries it, so that a server that speaks first has it, too, and where that segment is
// lost the member sends its SYN-ACK again, as ever, and the client acknowledges once more. In front
// of data it is a segment of its own, so that none grows beyond what its way carries.
//
// The header is not kept and not timed: a member that does not acknowledge it acknowledges nothing
// behind it either, so the client sends its first bytes again, and with them goes the header again.
// Once it is acknowledged all that is left is to add its size to the client's sequence numbers, and
// to take it from what the member acknowledges, which the short path does.
//
// TOA: an option in the client's acknowledgement of the SYN-ACK, from which the member's kernel
// makes the connection, and in all that acknowledge no more than that, until the member shows that
// it has the connection: it has sent data, or acknowledged some. Then the flow is like any other.
// An option that a client wrote itself is taken out until then. An acknowledgement alone shows
// nothing: a kernel sends it without a connection, too, to a client whose segment is out of its
// window. docs/decisions/0026-the-option-is-told-until-the-member-speaks.md
#include "dataplane/packet/stage/stage_priv.h"
#include "dataplane/packet/wire/options.h"
#include "dataplane/packet/wire/proxy.h"
#include "dataplane/packet/wire/stream.h"
#include "dataplane/packet/wire/toa.h"

enum introduction introduction_of(const struct tables_member *member, uint8_t protocol)
{
    if (protocol != IPPROTO_TCP)
        return INTRODUCTION_NONE;
    switch ((enum config_client_address)member->client_address) {
    case CONFIG_CLIENT_ADDRESS_PROXY_V2:
        return INTRODUCTION_AWAITED;
    case CONFIG_CLIENT_ADDRESS_TOA:
        return INTRODUCTION_OPTION_AWAITED;
    case CONFIG_CLIENT_ADDRESS_NONE:
        break;
    }
    return INTRODUCTION_NONE;
}

static void reach(struct flow_pair *pair, enum introduction introduction)
{
    pair->beyond = (uint8_t)((pair->beyond & BEYOND_CROSSES) | introduction);
}

struct wire_addition introduction_addition(const struct flow_pair *pair)
{
    return (struct wire_addition){
        .begins = pair->stream_begins,
        .size = wire_proxy_size(ip_is_v4(&pair->client)),
        .taken = introduction_reached(pair) == INTRODUCTION_TAKEN,
    };
}

bool introduction_takes(const struct flow_pair *pair, uint32_t acknowledged)
{
    struct wire_addition addition = introduction_addition(pair);
    return addition.taken || wire_stream_offset(&addition, acknowledged) >= (int32_t)addition.size;
}

static uint32_t write_header(const struct stage *stage, const struct flow_pair *pair, uint8_t *out)
{
    const struct tables_service *service = &stage->tables->services[pair->service];
    const struct wire_proxy proxy = {
        .client = &pair->client,
        .service = &service->address,
        .client_port = pair->client_port,
        .service_port = service->port,
    };
    return wire_proxy_write(out, &proxy);
}

// Into a segment without data.
static bool carry_header(struct stage *stage, struct packet *packet, const struct flow_pair *pair)
{
    uint8_t header[WIRE_PROXY_SIZE_MAX];
    uint32_t size = write_header(stage, pair, header);
    uint32_t padding = rte_pktmbuf_data_len(packet->mbuf) - packet->wire.end;
    rte_pktmbuf_trim(packet->mbuf, (uint16_t)padding);
    if (!rte_pktmbuf_append(packet->mbuf, (uint16_t)size)) {
        packet_drop(packet, DROP_NO_BUFFER);
        return false;
    }
    wire_stream_append(packet->frame, &packet->wire, header, size);
    stats_add(stage->counters.introductions, 1);
    return true;
}

// In a segment of its own, which goes where the packet is to go, in front of it.
static bool send_header(struct stage *stage, struct packet *packet, const struct flow_pair *pair)
{
    uint8_t header[WIRE_PROXY_SIZE_MAX];
    uint32_t size = write_header(stage, pair, header);
    struct rte_mbuf *mbuf = rte_pktmbuf_alloc(stage->ports[packet->in_port]->buffers);
    if (!mbuf || rte_pktmbuf_tailroom(mbuf) < WIRE_STREAM_FRAME_MAX(WIRE_PROXY_SIZE_MAX)) {
        rte_pktmbuf_free(mbuf);
        packet_drop(packet, DROP_NO_BUFFER);
        return false;
    }
    struct packet ahead = *packet;
    ahead.mbuf = mbuf;
    ahead.frame = rte_pktmbuf_mtod(mbuf, uint8_t *);
    ahead.size_max = 0;
    uint32_t frame_size =
        wire_stream_write(ahead.frame, packet->frame, &packet->wire, pair->stream_begins,
                          span_of(header, size), &ahead.wire);
    rte_pktmbuf_append(mbuf, (uint16_t)frame_size);
    const struct tables_member *member = &stage->tables->members[pair->member];
    forward_send(stage, &ahead, member->out_port,
                 neighbour_view(stage->neighbours, member->neighbour));
    stage_dispatch(stage, &ahead);
    stats_add(stage->counters.introductions, 1);
    return true;
}

// A SYN carries nothing in front of the header, nor makes the member take it so.
static bool open_plainly(struct packet *packet)
{
    if (packet->wire.fragment) {
        packet_drop(packet, DROP_FRAGMENT);
        return false;
    }
    uint32_t cut = wire_stream_plain_syn(packet->frame, &packet->wire);
    packet->wire.end = (uint16_t)(packet->wire.end - cut);
    if (cut > 0)
        rte_pktmbuf_trim(packet->mbuf,
                         (uint16_t)(rte_pktmbuf_data_len(packet->mbuf) - packet->wire.end));
    return true;
}

// A segment of the client's that begins where its stream does, before the member has acknowledged
// the header.
static bool begin_stream(struct stage *stage, struct packet *packet, struct flow_pair *pair)
{
    uint8_t *tcp = packet->frame + packet->wire.l4_offset;
    uint32_t added = introduction_addition(pair).size;
    if (packet->wire.tcp_flags & WIRE_TCP_RST) {
        if (introduction_reached(pair) != INTRODUCTION_DUE)
            wire_stream_shift(tcp, added);
        return true;
    }
    // A fragment's data may come in the others.
    if (wire_stream_occupies(packet->frame, &packet->wire) == 0 && !packet->wire.fragment) {
        if (introduction_reached(pair) == INTRODUCTION_FOLLOWED) {
            wire_stream_shift(tcp, added); // of an acknowledgement that was overtaken
            return true;
        }
        reach(pair, INTRODUCTION_SENT);
        return carry_header(stage, packet, pair);
    }
    // The first time right behind the header that an acknowledgement carried; when it comes again,
    // either may be lost.
    bool behind = introduction_reached(pair) == INTRODUCTION_SENT;
    reach(pair, INTRODUCTION_FOLLOWED);
    if (!behind && !send_header(stage, packet, pair))
        return false;
    wire_stream_shift(tcp, added);
    return true;
}

// Where it fits; a segment that it does not fit goes without, and is counted.
static void carry_option(struct stage *stage, struct packet *packet, const struct flow_pair *pair)
{
    uint8_t option[WIRE_TOA_SIZE_MAX];
    uint32_t size = wire_toa_write(option, &pair->client, pair->client_port);
    const struct wire_packet *wire = &packet->wire;
    size_t header_size =
        wire_tcp_header_size(packet->frame + wire->l4_offset, (size_t)wire->end - wire->l4_offset);
    uint32_t ip_size = (uint32_t)wire->end - wire->l3_offset;
    if (wire->fragment || header_size + size > WIRE_TCP_SIZE + WIRE_OPTIONS_MAX ||
        ip_size + size > stage->tables->members[pair->member].ip_size_max ||
        !rte_pktmbuf_prepend(packet->mbuf, (uint16_t)size)) {
        stats_add(stage->counters.client_options_omitted, 1);
        return;
    }
    packet->frame = wire_stream_insert_option(packet->frame, &packet->wire, span_of(option, size));
    stats_add(stage->counters.client_options, 1);
}

static void introduce_by_option(struct stage *stage, struct packet *packet,
                                const struct flow_pair *pair)
{
    uint8_t *tcp = packet->frame + packet->wire.l4_offset;
    uint8_t flags = packet->wire.tcp_flags & (WIRE_TCP_SYN | WIRE_TCP_RST | WIRE_TCP_ACK);
    wire_stream_blank_option(packet->frame, &packet->wire, WIRE_OPTION_TOA);
    if (introduction_reached(pair) == INTRODUCTION_OPTION && flags == WIRE_TCP_ACK &&
        wire_stream_acknowledged(tcp) == pair->stream_begins)
        carry_option(stage, packet, pair);
}

// A client's segment that begins in front of its stream, as that of one who asks whether the member
// is there (RFC 9293 section 3.8.4), must not reach into it: of what it has there the member would
// take the header to be. Of a fragment, others may.
static bool stay_in_front(struct packet *packet, int32_t offset)
{
    uint32_t occupies = wire_stream_occupies(packet->frame, &packet->wire);
    if (offset + (int64_t)occupies <= 0 && !packet->wire.fragment)
        return true;
    packet_drop(packet, DROP_PROXY_HEADER);
    return false;
}

bool introduce(struct stage *stage, struct packet *packet, struct flow_pair *pair)
{
    if (introduction_reached(pair) < INTRODUCTION_AWAITED) {
        introduce_by_option(stage, packet, pair);
        return true;
    }
    // A pointer to urgent data may lead into the header, and takes that byte out of it.
    if (introduction_reached(pair) != INTRODUCTION_TAKEN && (packet->wire.tcp_flags & WIRE_TCP_URG))
        wire_stream_calm(packet->frame, &packet->wire);
    if (packet->wire.tcp_flags & WIRE_TCP_SYN)
        return open_plainly(packet);
    if (introduction_reached(pair) == INTRODUCTION_AWAITED)
        return true; // of a connection that the member does not have
    uint8_t *tcp = packet->frame + packet->wire.l4_offset;
    const struct wire_addition addition = introduction_addition(pair);
    int32_t offset = wire_stream_offset(&addition, wire_stream_sequence(tcp));
    if (!addition.taken && offset == 0)
        return begin_stream(stage, packet, pair);
    if (!addition.taken && offset < 0)
        return stay_in_front(packet, offset);
    wire_stream_shift(tcp, addition.size);
    return true;
}

// The member's SYN-ACK says where the client's stream begins; of another connection, elsewhere.
static void answer_syn(struct flow_pair *pair, uint8_t *tcp)
{
    uint32_t begins = wire_stream_acknowledged(tcp);
    if (introduction_reached(pair) == INTRODUCTION_AWAITED || begins != pair->stream_begins) {
        pair->stream_begins = begins;
        reach(pair, INTRODUCTION_DUE);
    }
    wire_stream_narrow(tcp, introduction_addition(pair).size);
}

// Whether a member that says that has made the connection: it says, or takes, more than its
// SYN-ACK.
static bool has_connection(const struct flow_pair *pair, const struct wire_segment *says)
{
    return !(says->flags & WIRE_TCP_RST) && (says->has_data || (says->flags & WIRE_TCP_FIN) ||
                                             (uint16_t)says->acknowledged != pair->client_begins);
}

// The member's SYN-ACK says what the client will acknowledge, and where the client's stream begins.
static void option_answered(const struct packet *packet, struct flow_pair *pair)
{
    const struct wire_segment says = wire_segment_read(
        packet->frame + packet->wire.l4_offset, (size_t)packet->wire.end - packet->wire.l4_offset);
    if (says.flags & WIRE_TCP_SYN) {
        pair->stream_begins = says.sequence + 1;
        pair->client_begins = (uint16_t)says.acknowledged;
        reach(pair, INTRODUCTION_OPTION);
    } else if (introduction_reached(pair) == INTRODUCTION_OPTION && has_connection(pair, &says)) {
        reach(pair, INTRODUCTION_NONE);
        pair->stream_begins = 0; // nothing is judged by it any more
    }
}

void introduction_answered(const struct packet *packet, struct flow_pair *pair)
{
    uint8_t *tcp = packet->frame + packet->wire.l4_offset;
    uint8_t flags = packet->wire.tcp_flags;
    if (!(flags & WIRE_TCP_ACK))
        return;
    if (introduction_reached(pair) < INTRODUCTION_AWAITED) {
        option_answered(packet, pair);
        return;
    }
    if (flags & WIRE_TCP_SYN) {
        answer_syn(pair, tcp);
        return;
    }
    if (introduction_reached(pair) == INTRODUCTION_AWAITED)
        return;
    struct wire_addition addition = introduction_addition(pair);
    if (introduction_takes(pair, wire_stream_acknowledged(tcp)))
        reach(pair, INTRODUCTION_TAKEN);
    wire_stream_unshift(tcp, (size_t)packet->wire.end - packet->wire.l4_offset, &addition);
}
