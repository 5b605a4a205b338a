#include "base/ip.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>

bool ip_prefix_contains(const struct ip_prefix *prefix, const struct ip_address *address)
{
    size_t whole = prefix->length / 8;
    if (memcmp(prefix->address.bytes, address->bytes, whole) != 0)
        return false;
    unsigned rest = prefix->length % 8;
    if (rest == 0)
        return true;
    uint8_t mask = (uint8_t)(0xff00u >> rest);
    return ((prefix->address.bytes[whole] ^ address->bytes[whole]) & mask) == 0;
}

struct ip_address ip_prefix_edge(const struct ip_prefix *prefix, bool ones)
{
    struct ip_address edge = prefix->address;
    for (unsigned bit = prefix->length; bit < 128; bit++) {
        uint8_t mask = (uint8_t)(0x80u >> (bit % 8));
        edge.bytes[bit / 8] =
            (uint8_t)(ones ? edge.bytes[bit / 8] | mask : edge.bytes[bit / 8] & ~mask);
    }
    return edge;
}

bool ip_is_unicast(const struct ip_address *address)
{
    const uint8_t *b = address->bytes;
    if (ip_is_v4(address)) {
        // RFC 1122 section 3.2.1.3: 0/8 and 127/8 never appear on the wire, 224/4 and 240/4 are not
        // unicast.
        return b[12] != 0 && b[12] != 127 && b[12] < 224;
    }
    static const uint8_t zeros[15];
    bool unspecified_or_loopback = memcmp(b, zeros, 15) == 0 && b[15] <= 1;
    return !unspecified_or_loopback && b[0] != 0xff;
}

bool ip_is_link_local(const struct ip_address *address)
{
    const uint8_t *b = address->bytes;
    if (ip_is_v4(address))
        return b[12] == 169 && b[13] == 254;
    return b[0] == 0xfe && (b[1] & 0xc0) == 0x80;
}

bool ip_is_of_a_link(const struct ip_address *address)
{
    return !ip_is_v4(address) && ip_is_link_local(address);
}

static bool is_unique_local(const struct ip_address *address)
{
    return (address->bytes[0] & 0xfe) == 0xfc;
}

// How well it suits as the source of what goes to `target`; 0: not at all. RFC 6724 section 5: of
// its rules scope (2), label (6) and prefix (8) can tell addresses of one link apart.
static unsigned rank_of_source(const struct ip_prefix *own, const struct ip_address *target)
{
    bool link_local = ip_is_link_local(&own->address);
    if (!ip_same_version(&own->address, target) || (link_local && !ip_is_link_local(target)))
        return 0;
    if (ip_prefix_contains(own, target))
        return 4u + own->length;
    if (link_local)
        return 3;
    return is_unique_local(&own->address) == is_unique_local(target) ? 2 : 1;
}

const struct ip_address *ip_source_towards(const struct ip_prefix *own, uint32_t count,
                                           const struct ip_address *target)
{
    const struct ip_address *best = NULL;
    unsigned best_rank = 0;
    for (uint32_t i = 0; i < count; i++) {
        unsigned rank = rank_of_source(&own[i], target);
        if (rank > best_rank) {
            best_rank = rank;
            best = &own[i].address;
        }
    }
    return best;
}

enum error ip_parse(const char *text, struct ip_address *address)
{
    uint8_t bytes[16];
    if (inet_pton(AF_INET, text, bytes) == 1) {
        *address = ip_from_v4(bytes);
        return ERROR_NONE;
    }
    if (inet_pton(AF_INET6, text, bytes) != 1)
        return ERROR_INVALID;
    struct ip_address parsed = ip_from_v6(bytes);
    if (ip_is_v4(&parsed))
        return ERROR_INVALID;
    *address = parsed;
    return ERROR_NONE;
}

enum error ip_prefix_parse(const char *text, struct ip_prefix *prefix)
{
    const char *slash = strchr(text, '/');
    char address_text[IP_TEXT_SIZE];
    if (!slash || (size_t)(slash - text) >= sizeof(address_text))
        return ERROR_INVALID;
    memcpy(address_text, text, (size_t)(slash - text));
    address_text[slash - text] = '\0';

    struct ip_prefix parsed;
    enum error error = ip_parse(address_text, &parsed.address);
    if (error)
        return error;

    // strtoul would also take signs and blanks.
    const char *digits = slash + 1;
    size_t count = strspn(digits, "0123456789");
    if (count == 0 || count > 3 || digits[count] != '\0')
        return ERROR_INVALID;
    unsigned long length = strtoul(digits, NULL, 10);
    bool v4 = ip_is_v4(&parsed.address);
    if (length > (v4 ? 32 : 128))
        return ERROR_INVALID;
    parsed.length = (uint8_t)(v4 ? 96 + length : length);
    *prefix = parsed;
    return ERROR_NONE;
}

const char *ip_format(const struct ip_address *address, char *out)
{
    if (ip_is_v4(address))
        inet_ntop(AF_INET, address->bytes + 12, out, IP_TEXT_SIZE);
    else
        inet_ntop(AF_INET6, address->bytes, out, IP_TEXT_SIZE);
    return out;
}

const char *ip_prefix_format(const struct ip_prefix *prefix, char *out)
{
    ip_format(&prefix->address, out);
    unsigned length = ip_is_v4(&prefix->address) ? prefix->length - 96u : prefix->length;
    size_t used = strlen(out);
    snprintf(out + used, IP_TEXT_SIZE - used, "/%u", length);
    return out;
}
