// ICMP and ICMPv6 errors: which packet one is about, and the translation of both together, the
// message and the packet that it quotes, where addresses and ports are rewritten (RFC 5508 section
// 4.2). A quoted packet is cut short, may be of any age, and is whatever its sender says: all of it
// is read through the cursor, and its checksums are changed by difference where they are quoted.
#pragma once

#include "dataplane/packet/wire/echo.h"
#include "dataplane/packet/wire/stream.h"

// The packet that an error is about, of TCP or UDP, or an echo message.
struct icmp_error {
    uint16_t ip_offset; // of its IP header, bytes from the frame's start
    uint16_t l4_offset; // of its TCP, UDP or ICMP header
    uint16_t end;       // one past the last byte of it that is quoted
    uint8_t protocol;
    uint8_t echo;              // enum echo
    uint16_t source_port;      // network byte order; of echo as in echo_read()
    uint16_t destination_port; //
    struct ip_address source;
    struct ip_address destination;
};

// Whether a packet that wire_parse() accepted is an error of a kind that is passed on: unreachable
// and too big, time exceeded, parameter problem. Source quenches and redirects are not: RFC 6633,
// and a redirect is about its own link.
bool icmp_error_is(const struct wire_packet *packet);

// Reads what an error is about. `frame` is what lies in one piece of memory. DROP_ICMP_MALFORMED:
// it does not quote the IP header and the first eight bytes behind it (RFC 792; RFC 4443 section
// 3). DROP_ICMP_NO_FLOW: what it quotes has no ports: another protocol, another message than echo,
// or a later fragment.
enum drop_reason icmp_error_read(struct span frame, const struct wire_packet *packet,
                                 struct icmp_error *error);

// Reads a packet that is quoted somewhere, its offsets being counted from the start of `bytes`, and
// tells its size as it was sent. Else as icmp_error_read().
enum drop_reason icmp_error_read_quoted(struct span bytes, bool v4, struct icmp_error *error,
                                        uint32_t *size);

// What a translation changes: NULL leaves an address and its port as they are. All addresses have
// the packet's version, ports are in network byte order.
struct icmp_error_change {
    const struct ip_address *source; // of the message itself
    const struct ip_address *destination;
    const struct ip_address *quoted_source;
    const struct ip_address *quoted_destination;
    uint16_t quoted_source_port;
    uint16_t quoted_destination_port;
    const struct wire_addition *quoted_addition; // of a TCP segment; NULL: nothing was added
};

// An error of our own.
enum icmp_error_kind {
    ICMP_ERROR_TOO_BIG,          // IPv4: fragmentation needed (RFC 1191)
    ICMP_ERROR_TIME_EXCEEDED,    // in transit
    ICMP_ERROR_PORT_UNREACHABLE, //
    ICMP_ERROR_HOST_UNREACHABLE, // IPv6: address unreachable
    ICMP_ERROR_KINDS,
};

// Bytes of the largest frame that icmp_error_write() makes: with IPv4 it quotes so much that the
// message has 576 bytes (RFC 1812 section 4.3.2.3), with IPv6 1280 (RFC 4443 section 2.4 c).
#define ICMP_ERROR_FRAME_MAX (WIRE_ETHERNET_SIZE + 1280)

// Writes an error of `source` at `mac` about a packet that wire_parse() accepted, back to the
// station and the address that sent it. `frame` is what of the packet lies in one piece, `mtu`
// counts for ICMP_ERROR_TOO_BIG. Returns the size of what is written to `out`. Whether the packet
// is one that may be answered the caller has seen to.
uint32_t icmp_error_write(uint8_t *out, struct span frame, const struct wire_packet *packet,
                          enum icmp_error_kind kind, uint32_t mtu, const struct ip_address *source,
                          const uint8_t *mac);

// Makes bytes of an IP packet the body of an error: writes IP and ICMP headers in front of
// `quoted`, of which there are `size` bytes, at most icmp_error_quoted_max(). Returns where they
// start, at most ICMP_ERROR_HEADERS_MAX bytes in front.
#define ICMP_ERROR_HEADERS_MAX (WIRE_IPV6_SIZE + 8)
uint32_t icmp_error_quoted_max(bool v4);
uint8_t *icmp_error_wrap(uint8_t *quoted, uint32_t size, enum icmp_error_kind kind, uint32_t mtu,
                         const struct ip_address *source, const struct ip_address *destination);

// Translates an error in place: the checksums of both IP headers, of the quoted header behind its
// own as far as it is there, and of the message, by difference.
void icmp_error_translate(uint8_t *frame, const struct wire_packet *packet,
                          const struct icmp_error *error, const struct icmp_error_change *change);
