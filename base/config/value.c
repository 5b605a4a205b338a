#include "base/config/value_priv.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/check.h"
#include "base/ip.h"
#include "base/nearest.h"

static const struct value_unit duration_units[] = {{"ns", 1},
                                                   {"us", 1000},
                                                   {"ms", 1000000},
                                                   {"s", 1000000000},
                                                   {"m", 60000000000u},
                                                   {"h", 3600000000000},
                                                   {.text = NULL, .factor = 0}};
static const struct value_unit size_units[] = {
    {"B", 1}, {"KiB", 1u << 10}, {"MiB", 1u << 20}, {"GiB", 1u << 30}, {.text = NULL, .factor = 0}};
static const struct value_unit rate_units[] = {{"/s", 1}, {.text = NULL, .factor = 0}};

const struct value_unit *value_units(enum schema_type type)
{
    switch (type) {
    case SCHEMA_DURATION:
        return duration_units;
    case SCHEMA_SIZE:
        return size_units;
    case SCHEMA_RATE:
        return rate_units;
    default:
        return NULL;
    }
}

__attribute__((format(printf, 3, 4))) static bool fail(struct value_fault *fault,
                                                       const char *message, const char *remedy, ...)
{
    snprintf(fault->message, sizeof(fault->message), "%s", message);
    va_list arguments;
    va_start(arguments, remedy);
    vsnprintf(fault->remedy, sizeof(fault->remedy), remedy, arguments);
    va_end(arguments);
    return false;
}

static const char *quantity_noun(enum schema_type type)
{
    switch (type) {
    case SCHEMA_DURATION:
        return "a duration";
    case SCHEMA_SIZE:
        return "a size";
    case SCHEMA_RATE:
        return "a rate";
    default:
        return "a whole number";
    }
}

void value_format_number(enum schema_type type, uint64_t number, char out[static VALUE_TEXT_SIZE])
{
    const struct value_unit *units = value_units(type);
    const struct value_unit *largest = units;
    for (const struct value_unit *unit = units; unit && unit->text; unit++) {
        if (number % unit->factor == 0)
            largest = unit;
    }
    snprintf(out, VALUE_TEXT_SIZE, "%" PRIu64 "%s", number / (largest ? largest->factor : 1),
             largest ? largest->text : "");
}

static bool fail_number(const struct schema_field *field, const char *message,
                        struct value_fault *fault)
{
    char least[VALUE_TEXT_SIZE], most[VALUE_TEXT_SIZE];
    value_format_number(field->type, field->least, least);
    value_format_number(field->type, field->most, most);
    return fail(fault, message, "write %s from %.40s to %.40s", quantity_noun(field->type), least,
                most);
}

static bool fail_unit(const struct schema_field *field, struct value_fault *fault)
{
    const struct value_unit *units = value_units(field->type);
    char list[64] = "";
    for (const struct value_unit *unit = units; unit->text; unit++) {
        strcat(list, unit == units ? "" : unit[1].text ? ", " : " or ");
        strcat(list, unit->text);
    }
    return fail(fault, "not a number with a unit", "write %s as digits and %s %s, as in %s",
                quantity_noun(field->type), units[1].text ? "one of the units" : "the unit", list,
                field->initial);
}

// Digits alone. The rest of the text is left in `*rest`; `*fits` is false above 64 bits.
static bool parse_digits(const char *text, uint64_t *number, const char **rest, bool *fits)
{
    size_t count = strspn(text, "0123456789");
    // 010 is ten to people, eight to YAML 1.1.
    if (count == 0 || (count > 1 && text[0] == '0'))
        return false;
    *number = 0;
    *fits = true;
    for (size_t i = 0; i < count; i++) {
        if (__builtin_mul_overflow(*number, 10u, number) ||
            __builtin_add_overflow(*number, (uint64_t)(text[i] - '0'), number))
            *fits = false;
    }
    *rest = text + count;
    return true;
}

static bool parse_number(const struct schema_field *field, const char *text, uint64_t *number,
                         struct value_fault *fault)
{
    const struct value_unit *unit = value_units(field->type);
    const char *rest;
    bool fits;
    if (!parse_digits(text, number, &rest, &fits))
        return unit ? fail_unit(field, fault) : fail_number(field, "not a whole number", fault);
    if (unit) {
        while (unit->text && strcmp(unit->text, rest) != 0)
            unit++;
        if (!unit->text)
            return fail_unit(field, fault);
        fits = fits && !__builtin_mul_overflow(*number, unit->factor, number);
    } else if (*rest != '\0') {
        return fail_number(field, "not a whole number", fault);
    }
    if (!fits || *number < field->least || *number > field->most)
        return fail_number(field, "out of range", fault);
    return true;
}

static void store_number(const struct schema_field *field, uint64_t number, void *to)
{
    // Little-endian: the low bytes come first, and the range has seen to the rest being zero.
    CHECK(field->size == sizeof(uint64_t) || number >> (8u * field->size) == 0);
    memcpy(to, &number, field->size);
}

static uint64_t load_number(const struct schema_field *field, const void *from)
{
    uint64_t number = 0;
    CHECK(field->size <= sizeof(number));
    memcpy(&number, from, field->size);
    return number;
}

bool value_parse_cores(const struct schema_field *field, const char *text, uint32_t *first,
                       uint32_t *last, struct value_fault *fault)
{
    static const char remedy[] =
        "write a processor's number or a range such as 0-3, up to %" PRIu64;
    uint64_t from, to;
    const char *rest;
    bool fits, to_fits = true;
    if (!parse_digits(text, &from, &rest, &fits))
        return fail(fault, text[0] ? "not a core" : "no value", remedy, field->most);
    to = from;
    if (*rest == '-' && !parse_digits(rest + 1, &to, &rest, &to_fits))
        return fail(fault, "not a range of cores", remedy, field->most);
    if (*rest != '\0')
        return fail(fault, "not a core", remedy, field->most);
    if (!fits || !to_fits || from > field->most || to > field->most)
        return fail(fault, "out of range", remedy, field->most);
    if (from > to)
        return fail(fault, "a range that runs backwards", remedy, field->most);
    *first = (uint32_t)from;
    *last = (uint32_t)to;
    return true;
}

static bool parse_word(const struct schema_field *field, const char *text, void *to,
                       struct value_fault *fault)
{
    char list[128] = "";
    uint32_t count = 0;
    for (uint32_t i = 0; field->words[i]; i++, count++) {
        if (strcmp(field->words[i], text) == 0) {
            memcpy(to, &i, sizeof(i));
            return true;
        }
        size_t used = strlen(list);
        snprintf(list + used, sizeof(list) - used, "%s%s",
                 i == 0                ? ""
                 : field->words[i + 1] ? ", "
                                       : " or ",
                 field->words[i]);
    }
    const char *nearest = nearest_word(text, field->words, count);
    if (nearest)
        return fail(fault, "not one of the words for this", "did you mean %s? It takes %s", nearest,
                    list);
    return fail(fault, "not one of the words for this", "write %s", list);
}

#define LETTERS_AND_DIGITS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"

// Names go into paths, labels and tables: no blanks, no quotes. Colons because a member may be
// named by its IPv6 address.
static bool parse_name(const struct schema_field *field, const char *text, void *to,
                       struct value_fault *fault)
{
    size_t length = strlen(text);
    if (length == 0 || length >= CONFIG_NAME_SIZE || strchr("-.", text[0]) ||
        strspn(text, LETTERS_AND_DIGITS "-_.:") != length)
        return fail(fault, "not a name",
                    "write 1 to %d letters, digits and - _ . :, not beginning with - or .",
                    CONFIG_NAME_SIZE - 1);
    memset(to, 0, field->size);
    memcpy(to, text, length);
    return true;
}

static bool parse_interface(const struct schema_field *field, const char *text, void *to,
                            struct value_fault *fault)
{
    size_t length = strlen(text);
    if (length == 0 || length > field->most || strspn(text, LETTERS_AND_DIGITS "-_.") != length ||
        strspn(text, ".") == length)
        return fail(fault, "not the name of an interface",
                    "write 1 to %" PRIu64 " letters, digits and - _ .", field->most);
    memset(to, 0, field->size);
    memcpy(to, text, length);
    return true;
}

static bool parse_text(const struct schema_field *field, const char *text, struct arena *arena,
                       void *to, struct value_fault *fault)
{
    size_t length = strlen(text);
    bool printable = length > 0;
    for (size_t i = 0; i < length; i++)
        printable = printable && text[i] > ' ' && text[i] < 0x7f;
    if (field->type == SCHEMA_PATH && (!printable || text[0] != '/' || length > field->most))
        return fail(fault, "not an absolute path",
                    "write a path that begins with / and has at most %" PRIu64
                    " characters, none a blank",
                    field->most);
    if (!printable || text[0] == ',' || length > field->most)
        return fail(fault, "not a device",
                    "write a PCI address such as 0000:01:00.0 or a DPDK device string such as "
                    "net_af_xdp0,iface=eth1");
    char *copy = arena_copy(arena, text, length);
    memcpy(to, &copy, sizeof(copy));
    return true;
}

static bool parse_address(const char *text, void *to, struct value_fault *fault)
{
    struct ip_address address;
    if (ip_parse(text, &address) != ERROR_NONE)
        return fail(fault, "not an IP address", "write an address such as %s%s", "192.0.2.1",
                    strchr(text, '/') ? ", without a length" : " or 2001:db8::1");
    if (!ip_is_unicast(&address))
        return fail(fault, "not the address of one machine",
                    "unspecified, loopback, multicast and broadcast addresses do not work here");
    memcpy(to, &address, sizeof(address));
    return true;
}

const char *value_edge_fault(const struct ip_prefix *network, const struct ip_address *address)
{
    // RFC 3021 and RFC 6164: on a /31 or /127 both addresses are hosts.
    if (network->length >= 127)
        return NULL;
    struct ip_address first = ip_prefix_edge(network, false);
    struct ip_address last = ip_prefix_edge(network, true);
    if (ip_equal(address, &first))
        return "the network's own address";
    if (ip_is_v4(address) && ip_equal(address, &last))
        return "the network's broadcast address";
    return NULL;
}

static bool parse_own(const char *text, void *to, struct value_fault *fault)
{
    struct ip_prefix own;
    if (ip_prefix_parse(text, &own) != ERROR_NONE)
        return fail(fault, "not an address with the length of its network",
                    "write it as in 192.0.2.1/24 or 2001:db8::1/64");
    if (!ip_is_unicast(&own.address) || own.length == 0 ||
        (own.length == 96 && ip_is_v4(&own.address)))
        return fail(fault, "not the address of one machine",
                    "unspecified, loopback, multicast and broadcast addresses do not work here");
    const char *edge = value_edge_fault(&own, &own.address);
    if (edge)
        return fail(fault, edge,
                    "write the address of this machine, with the length of its network");
    memcpy(to, &own, sizeof(own));
    return true;
}

static bool parse_network(const char *text, void *to, struct value_fault *fault)
{
    struct ip_prefix prefix;
    if (ip_prefix_parse(text, &prefix) != ERROR_NONE)
        return fail(fault, "not a network", "write it as in 192.0.2.0/24 or 2001:db8::/32");
    struct ip_prefix network = {.address = ip_prefix_edge(&prefix, false), .length = prefix.length};
    if (!ip_equal(&prefix.address, &network.address)) {
        char meant[IP_TEXT_SIZE];
        return fail(fault, "not a network: bits are set behind its length", "did you mean %s?",
                    ip_prefix_format(&network, meant));
    }
    bool is_default = prefix.length == (ip_is_v4(&prefix.address) ? 96 : 0);
    struct ip_address last = ip_prefix_edge(&prefix, true);
    if (!is_default && !ip_is_unicast(&prefix.address) && !ip_is_unicast(&last))
        return fail(fault, "not a network of machines",
                    "loopback and multicast networks are not routed");
    memcpy(to, &prefix, sizeof(prefix));
    return true;
}

static bool parse_ports(const struct schema_field *field, const char *text, void *to,
                        struct value_fault *fault)
{
    uint64_t first = 0, last;
    const char *rest;
    bool fits, fits_too = true;
    bool good = parse_digits(text, &first, &rest, &fits);
    last = first;
    if (good && *rest == '-')
        good = parse_digits(rest + 1, &last, &rest, &fits_too);
    if (!good || *rest != '\0' || !fits || !fits_too || last > field->most)
        return fail(fault, "not a port or a range of ports",
                    "write a port from 0 to %" PRIu64 ", or a range as in 8000-8999", field->most);
    if (first > last)
        return fail(fault, "the range ends before it begins",
                    "did you mean %" PRIu64 "-%" PRIu64 "?", last, first);
    struct config_port_range range = {.first = (uint16_t)first, .last = (uint16_t)last};
    memcpy(to, &range, sizeof(range));
    return true;
}

static bool parse_any(const struct schema_field *field, const char *text, struct arena *arena,
                      void *to, struct value_fault *fault)
{
    uint64_t number = 0;
    switch (field->type) {
    case SCHEMA_COUNT:
    case SCHEMA_DURATION:
    case SCHEMA_SIZE:
    case SCHEMA_RATE:
        if (!parse_number(field, text, &number, fault))
            return false;
        store_number(field, number, to);
        return true;
    case SCHEMA_NAME:
        return parse_name(field, text, to, fault);
    case SCHEMA_INTERFACE:
        return parse_interface(field, text, to, fault);
    case SCHEMA_PATH:
    case SCHEMA_DEVICE:
        return parse_text(field, text, arena, to, fault);
    case SCHEMA_WORD:
        return parse_word(field, text, to, fault);
    case SCHEMA_ADDRESS:
        return parse_address(text, to, fault);
    case SCHEMA_OWN:
        return parse_own(text, to, fault);
    case SCHEMA_NETWORK:
        return parse_network(text, to, fault);
    case SCHEMA_PORTS:
        return parse_ports(field, text, to, fault);
    case SCHEMA_CORES:
    case SCHEMA_POOL:
    case SCHEMA_RECORD:
        break;
    }
    CHECK(false); // not a value
    return false;
}

// What is wrong with nothing is that it is nothing.
static bool name_nothing(const char *text, struct value_fault *fault)
{
    if (text[0] == '\0')
        snprintf(fault->message, sizeof(fault->message), "no value");
    return false;
}

bool value_parse(const struct schema_field *field, const char *text, struct arena *arena, void *to,
                 struct value_fault *fault)
{
    return parse_any(field, text, arena, to, fault) || name_nothing(text, fault);
}

static const char *text_at(const void *at)
{
    const char *text;
    memcpy(&text, at, sizeof(text));
    return text;
}

static void format_ports(const struct config_port_range *range, char out[static VALUE_TEXT_SIZE])
{
    if (range->first == range->last)
        snprintf(out, VALUE_TEXT_SIZE, "%u", range->first);
    else
        snprintf(out, VALUE_TEXT_SIZE, "%u-%u", range->first, range->last);
}

void value_format(const struct schema_field *field, const void *at, const struct config *config,
                  char out[static VALUE_TEXT_SIZE])
{
    switch (field->type) {
    case SCHEMA_COUNT:
    case SCHEMA_CORES:
    case SCHEMA_DURATION:
    case SCHEMA_SIZE:
    case SCHEMA_RATE:
        value_format_number(field->type, load_number(field, at), out);
        return;
    case SCHEMA_NAME:
    case SCHEMA_INTERFACE:
        snprintf(out, VALUE_TEXT_SIZE, "%s", (const char *)at);
        return;
    case SCHEMA_PATH:
    case SCHEMA_DEVICE:
        snprintf(out, VALUE_TEXT_SIZE, "%s", text_at(at));
        return;
    case SCHEMA_WORD:
        snprintf(out, VALUE_TEXT_SIZE, "%s", field->words[load_number(field, at)]);
        return;
    case SCHEMA_ADDRESS:
        ip_format(at, out);
        return;
    case SCHEMA_OWN:
    case SCHEMA_NETWORK:
        ip_prefix_format(at, out);
        return;
    case SCHEMA_PORTS:
        format_ports(at, out);
        return;
    case SCHEMA_POOL:
        snprintf(out, VALUE_TEXT_SIZE, "%s", config->pools[load_number(field, at)].name);
        return;
    case SCHEMA_RECORD:
        break;
    }
    CHECK(false); // not a value
}
