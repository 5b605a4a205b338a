#include "dataplane/packet/trace/facts.h"

#include <net/ethernet.h>
#include <netinet/in.h>
#include <stdarg.h>
#include <stdio.h>

#include "base/cursor.h"

#define FRAGMENT_OFFSET 0x1fff // of IPv4's flags and offset
#define IPV6_OFFSET     0xfff8 // of the fragment header's
#define EXTENSIONS_MAX  8

static void read_upper(struct cursor *cursor, struct facts *facts)
{
    struct cursor upper = *cursor;
    if (facts->protocol == IPPROTO_ICMP || facts->protocol == IPPROTO_ICMPV6) {
        facts->icmp_type = cursor_u8(&upper);
        return;
    }
    if (facts->protocol != IPPROTO_TCP && facts->protocol != IPPROTO_UDP)
        return;
    facts->source_port = cursor_be16(&upper);
    facts->destination_port = cursor_be16(&upper);
    facts->has_ports = cursor_ok(&upper);
    if (facts->protocol == IPPROTO_TCP) {
        cursor_take(&upper, 9); // RFC 9293 section 3.1
        facts->tcp_flags = cursor_u8(&upper);
    }
}

static void read_ipv4(struct cursor *cursor, struct facts *facts)
{
    facts->kind = FACTS_IPV4;
    uint8_t header_words = cursor_u8(cursor) & 0x0f;
    cursor_take(cursor, 5);
    uint16_t fragment = cursor_be16(cursor);
    cursor_take(cursor, 1);
    facts->protocol = cursor_u8(cursor);
    cursor_take(cursor, 2);
    const uint8_t *addresses = cursor_take(cursor, 8);
    if (!addresses)
        return;
    facts->addressed = true;
    facts->source = ip_from_v4(addresses);
    facts->destination = ip_from_v4(addresses + 4);
    if (header_words < 5 || fragment & FRAGMENT_OFFSET ||
        !cursor_take(cursor, (size_t)(header_words - 5) * 4))
        return;
    read_upper(cursor, facts);
}

// Steps over an extension header (RFC 8200 section 4). False: what follows has no upper layer.
static bool skip_extension(struct cursor *cursor, struct facts *facts)
{
    uint8_t next = cursor_u8(cursor);
    uint8_t size = cursor_u8(cursor);
    if (facts->protocol == IPPROTO_FRAGMENT) {
        uint16_t offset = cursor_be16(cursor) & IPV6_OFFSET;
        cursor_take(cursor, 4);
        facts->protocol = next;
        return cursor_ok(cursor) && offset == 0;
    }
    bool authentication = facts->protocol == IPPROTO_AH; // RFC 4302 counts in four bytes
    cursor_take(cursor, (authentication ? (size_t)(size + 2) * 4 : (size_t)(size + 1) * 8) - 2);
    facts->protocol = next;
    return cursor_ok(cursor);
}

static void read_ipv6(struct cursor *cursor, struct facts *facts)
{
    facts->kind = FACTS_IPV6;
    cursor_take(cursor, 6);
    facts->protocol = cursor_u8(cursor);
    cursor_take(cursor, 1);
    const uint8_t *addresses = cursor_take(cursor, 32);
    if (!addresses)
        return;
    facts->addressed = true;
    facts->source = ip_from_v6(addresses);
    facts->destination = ip_from_v6(addresses + 16);
    for (int i = 0; i < EXTENSIONS_MAX; i++) {
        switch (facts->protocol) {
        case IPPROTO_HOPOPTS:
        case IPPROTO_ROUTING:
        case IPPROTO_DSTOPTS:
        case IPPROTO_FRAGMENT:
        case IPPROTO_AH:
            if (!skip_extension(cursor, facts))
                return;
            break;
        default:
            read_upper(cursor, facts);
            return;
        }
    }
}

// RFC 826, for IPv4 over Ethernet.
static void read_arp(struct cursor *cursor, struct facts *facts)
{
    facts->kind = FACTS_ARP;
    cursor_take(cursor, 6);
    facts->arp_operation = cursor_be16(cursor);
    const uint8_t *body = cursor_take(cursor, 20);
    if (!body)
        return;
    facts->addressed = true;
    facts->source = ip_from_v4(body + 6);
    facts->destination = ip_from_v4(body + 16);
}

void facts_read(struct span frame, struct facts *facts)
{
    struct cursor cursor = cursor_of(frame);
    cursor_take(&cursor, 12);
    facts->ether_type = cursor_be16(&cursor);
    switch (facts->ether_type) {
    case ETHERTYPE_IP:
        read_ipv4(&cursor, facts);
        break;
    case ETHERTYPE_IPV6:
        read_ipv6(&cursor, facts);
        break;
    case ETHERTYPE_ARP:
        read_arp(&cursor, facts);
        break;
    default:
        break;
    }
}

struct line {
    char *out;
    size_t used;
};

__attribute__((format(printf, 2, 3))) static void append(struct line *line, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    int added = vsnprintf(line->out + line->used, FACTS_TEXT_SIZE - line->used, format, arguments);
    va_end(arguments);
    if (added > 0)
        line->used += (size_t)added;
    if (line->used >= FACTS_TEXT_SIZE)
        line->used = FACTS_TEXT_SIZE - 1;
}

static void append_end(struct line *line, const struct ip_address *address, bool has_port,
                       uint16_t port)
{
    char text[IP_TEXT_SIZE];
    bool brackets = has_port && !ip_is_v4(address); // RFC 3986 section 3.2.2
    append(line, "%s%s%s", brackets ? "[" : "", ip_format(address, text), brackets ? "]" : "");
    if (has_port)
        append(line, ":%u", port);
}

static void append_flags(struct line *line, uint8_t flags)
{
    static const char *const names[] = {"FIN", "SYN", "RST", "PSH", "ACK", "URG", "ECE", "CWR"};
    const char *gap = " ";
    for (int bit = 0; bit < 8; bit++) {
        if (flags >> bit & 1)
            append(line, "%s%s", gap, names[bit]);
        gap = flags & ((2u << bit) - 1) ? "+" : " ";
    }
}

static void append_upper(struct line *line, const struct facts *facts)
{
    switch (facts->protocol) {
    case IPPROTO_TCP:
        append(line, " tcp");
        append_flags(line, facts->tcp_flags);
        break;
    case IPPROTO_UDP:
        append(line, " udp");
        break;
    case IPPROTO_ICMP:
        append(line, " icmp type %u", facts->icmp_type);
        break;
    case IPPROTO_ICMPV6:
        append(line, " icmp6 type %u", facts->icmp_type);
        break;
    default:
        append(line, " protocol %u", facts->protocol);
        break;
    }
}

const char *facts_text(const struct facts *facts, char *out)
{
    struct line line = {.out = out, .used = 0};
    *out = '\0';
    if (!facts->addressed) {
        append(&line, "EtherType 0x%04x", facts->ether_type);
        return out;
    }
    append_end(&line, &facts->source, facts->has_ports, facts->source_port);
    append(&line, " > ");
    append_end(&line, &facts->destination, facts->has_ports, facts->destination_port);
    if (facts->kind == FACTS_ARP)
        append(&line, " arp %s", facts->arp_operation == 1 ? "request" : "reply");
    else
        append_upper(&line, facts);
    return out;
}
