#include "member/connection.h"

#include <netinet/in.h>
#include <string.h>

#include "base/byteorder.h"
#include "base/cursor.h"

#define ECN_MASK   3
#define ECN_NONE   0
#define ECN_ECT_1  1
#define ECN_ECT_0  2
#define ECN_MARKED 3
#define FRAGMENTED 0x3fff // more fragments, or an offset
#define TCP_SKIP   9      // from the ports to the flags: sequence numbers and the header's size

static bool read_ipv4(struct cursor *cursor, struct connection *connection)
{
    uint8_t head = cursor_u8(cursor);
    cursor_take(cursor, 5); // traffic class, length, identification
    uint16_t fragment = cursor_be16(cursor);
    cursor_u8(cursor); // TTL
    connection->protocol = cursor_u8(cursor);
    cursor_be16(cursor); // checksum
    const uint8_t *source = cursor_take(cursor, 4);
    const uint8_t *destination = cursor_take(cursor, 4);
    if (!cursor_ok(cursor) || fragment & FRAGMENTED || (head & 15) < 5)
        return false;
    connection->client = ip_from_v4(source);
    connection->service = ip_from_v4(destination);
    cursor_take(cursor, ((head & 15) - 5) * 4u);
    return true;
}

static bool read_ipv6(struct cursor *cursor, struct connection *connection)
{
    cursor_take(cursor, 6); // version, traffic class, flow label, length
    connection->protocol = cursor_u8(cursor);
    cursor_u8(cursor); // hop limit
    const uint8_t *source = cursor_take(cursor, 16);
    const uint8_t *destination = cursor_take(cursor, 16);
    if (!cursor_ok(cursor))
        return false;
    connection->client = ip_from_v6(source);
    connection->service = ip_from_v6(destination);
    return true;
}

bool connection_read(struct span packet, struct connection *connection)
{
    *connection = (struct connection){.protocol = 0};
    struct cursor cursor = cursor_of(packet);
    bool v4 = packet.size > 0 && packet.data[0] >> 4 == 4;
    if (!(v4 ? read_ipv4(&cursor, connection) : read_ipv6(&cursor, connection)))
        return false;
    const uint8_t *ports = cursor_take(&cursor, 4);
    if (connection->protocol == IPPROTO_TCP) {
        cursor_take(&cursor, TCP_SKIP);
        connection->tcp_flags = cursor_u8(&cursor);
    } else if (connection->protocol != IPPROTO_UDP) {
        return false;
    }
    if (!cursor_ok(&cursor))
        return false;
    memcpy(&connection->client_port, ports, 2);
    memcpy(&connection->service_port, ports + 2, 2);
    return true;
}

// What the inner field becomes: RFC 6040 figure 4.
static uint8_t ecn_of(uint8_t inner, uint8_t outer)
{
    if (outer == ECN_MARKED)
        return ECN_MARKED;
    return inner == ECN_ECT_0 && outer == ECN_ECT_1 ? ECN_ECT_1 : inner;
}

bool connection_carry_ecn(uint8_t *packet, uint8_t outer_traffic_class)
{
    bool v4 = packet[0] >> 4 == 4;
    uint8_t outer = outer_traffic_class & ECN_MASK;
    uint8_t inner = (v4 ? packet[1] : packet[1] >> 4) & ECN_MASK;
    if (inner == ECN_NONE)
        return outer != ECN_MARKED;
    uint8_t now = ecn_of(inner, outer);
    if (!v4) {
        packet[1] = (uint8_t)((packet[1] & ~(ECN_MASK << 4)) | now << 4);
        return true;
    }
    // RFC 1624, equation 3: the field is the lower byte of the header's first word.
    uint32_t sum = (uint16_t)~load_be16(packet + 10);
    sum += (uint16_t)~load_be16(packet);
    packet[1] = (uint8_t)((packet[1] & ~ECN_MASK) | now);
    sum += load_be16(packet);
    sum = (sum & 0xffff) + (sum >> 16);
    sum = (sum & 0xffff) + (sum >> 16);
    store_be16(packet + 10, (uint16_t)~sum);
    return true;
}
