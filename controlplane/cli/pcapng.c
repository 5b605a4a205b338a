#include "controlplane/cli/pcapng.h"

#include <string.h>

// Section 4, block types; section 3.5 and those of the blocks, options.
#define BLOCK_SECTION      0x0a0d0d0au
#define BLOCK_INTERFACE    1u
#define BLOCK_PACKET       6u
#define BYTE_ORDER_MAGIC   0x1a2b3c4du
#define LINK_ETHERNET      1u
#define OPTION_END         0u
#define OPTION_COMMENT     1u
#define OPTION_APPLICATION 4u // of a section
#define OPTION_NAME        2u // of an interface
#define OPTION_RESOLUTION  9u // of an interface's time stamps
#define OPTION_FLAGS       2u // of a packet
#define NANOSECONDS        9u // 10^-9

// Type and length before a block's body, the length again behind it.
#define BLOCK_AROUND 12u

static void write_u16(FILE *out, uint32_t value)
{
    uint16_t word = (uint16_t)value;
    fwrite(&word, sizeof(word), 1, out);
}

static void write_u32(FILE *out, uint32_t value)
{
    fwrite(&value, sizeof(value), 1, out);
}

static size_t padded(size_t size)
{
    return (size + 3) & ~(size_t)3;
}

static void write_padded(FILE *out, const void *bytes, size_t size)
{
    static const uint8_t zeros[4];
    if (size)
        fwrite(bytes, 1, size, out);
    fwrite(zeros, 1, padded(size) - size, out);
}

static size_t text_size(const char *text)
{
    return text ? strnlen(text, PCAPNG_TEXT_MAX) : 0;
}

static size_t option_size(size_t size)
{
    return size ? 4 + padded(size) : 0;
}

static void write_option(FILE *out, uint32_t code, const void *bytes, size_t size)
{
    if (!size)
        return;
    write_u16(out, code);
    write_u16(out, (uint32_t)size);
    write_padded(out, bytes, size);
}

// `body` is what lies between the lengths.
static size_t begin_block(FILE *out, uint32_t type, size_t body)
{
    write_u32(out, type);
    write_u32(out, (uint32_t)(BLOCK_AROUND + body));
    return BLOCK_AROUND + body;
}

static void end_block(FILE *out, size_t size)
{
    write_u16(out, OPTION_END);
    write_u16(out, 0);
    write_u32(out, (uint32_t)size);
}

size_t pcapng_section(FILE *out, const char *application)
{
    size_t name = text_size(application);
    size_t size = begin_block(out, BLOCK_SECTION, 16 + option_size(name) + 4);
    write_u32(out, BYTE_ORDER_MAGIC);
    write_u16(out, 1); // version 1.0
    write_u16(out, 0);
    write_u32(out, UINT32_MAX); // the section's length is not known
    write_u32(out, UINT32_MAX);
    write_option(out, OPTION_APPLICATION, application, name);
    end_block(out, size);
    return size;
}

size_t pcapng_interface(FILE *out, const char *name, uint32_t snap)
{
    static const uint8_t resolution = NANOSECONDS;
    size_t length = text_size(name);
    size_t size = begin_block(out, BLOCK_INTERFACE, 8 + option_size(length) + option_size(1) + 4);
    write_u16(out, LINK_ETHERNET);
    write_u16(out, 0);
    write_u32(out, snap);
    write_option(out, OPTION_NAME, name, length);
    write_option(out, OPTION_RESOLUTION, &resolution, 1);
    end_block(out, size);
    return size;
}

size_t pcapng_packet(FILE *out, const struct pcapng_packet *packet)
{
    size_t comment = text_size(packet->comment);
    uint32_t flags = packet->direction;
    size_t size = begin_block(out, BLOCK_PACKET,
                              20 + padded(packet->frame.size) + option_size(comment) +
                                  option_size(sizeof(flags)) + 4);
    write_u32(out, packet->interface);
    write_u32(out, (uint32_t)(packet->time_ns >> 32));
    write_u32(out, (uint32_t)packet->time_ns);
    write_u32(out, (uint32_t)packet->frame.size);
    write_u32(out, packet->size);
    write_padded(out, packet->frame.data, packet->frame.size);
    write_option(out, OPTION_COMMENT, packet->comment, comment);
    write_option(out, OPTION_FLAGS, &flags, sizeof(flags));
    end_block(out, size);
    return size;
}
