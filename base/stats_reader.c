// The reader's half of the statistics segment. What it maps was written by another process, which
// may be of another version, broken or hostile: the header and the directory are copied once,
// checked as copies and used as copies, so that nothing that changes later can lead a read outside
// the mapping; and only a segment that is sealed against shrinking is mapped at all, since a read
// past the end of a truncated file is SIGBUS.
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "base/check.h"
#include "base/stats_priv.h"

struct stats_reader {
    const uint8_t *base; // the mapping
    size_t size;
    struct stats_header header;     // a checked copy; its revision is stale
    struct stats_entry directory[]; // checked copies; their labels_used are stale
};

static bool stats_lies_within(uint64_t offset, uint64_t length, uint64_t alignment, uint64_t size)
{
    return offset % alignment == 0 && offset <= size && length <= size - offset;
}

static enum error stats_header_check(const struct stats_header *header, uint64_t size)
{
    if (header->magic != STATS_MAGIC)
        return ERROR_INVALID;
    if (header->version != STATS_VERSION)
        return ERROR_UNSUPPORTED;
    if (header->size != size || header->family_count > STATS_FAMILIES_MAX ||
        header->writer_count == 0 || header->writer_count > STATS_WRITERS_MAX)
        return ERROR_INVALID;
    if (!stats_lies_within(header->directory_offset,
                           header->family_count * sizeof(struct stats_entry),
                           _Alignof(struct stats_entry), size))
        return ERROR_INVALID;
    // The size is bounded (stats_size), so the product below cannot wrap.
    if (header->block_size > size || header->block_size % sizeof(uint64_t) != 0 ||
        !stats_lies_within(header->blocks_offset, header->writer_count * header->block_size,
                           sizeof(uint64_t), size))
        return ERROR_INVALID;
    return ERROR_NONE;
}

// A text that ends, and may be printed: a terminal would obey what is not printable.
static bool stats_text_is_valid(const char *text, size_t room)
{
    for (size_t i = 0; i < room; i++) {
        if (text[i] == '\0')
            return true;
        if (text[i] < ' ' || text[i] > '~')
            return false;
    }
    return false;
}

static bool stats_entry_is_valid(const struct stats_header *header, const struct stats_entry *entry)
{
    return stats_text_is_valid(entry->name, sizeof(entry->name)) &&
           stats_text_is_valid(entry->help, sizeof(entry->help)) &&
           (entry->type == STATS_COUNTER || entry->type == STATS_GAUGE) &&
           stats_lies_within(entry->labels_offset, entry->capacity * sizeof(struct stats_label),
                             _Alignof(struct stats_label), header->size) &&
           entry->capacity > 0 && entry->capacity <= STATS_CAPACITY_MAX && entry->stride > 0 &&
           entry->stride <= STATS_ROW_MAX &&
           stats_lies_within(entry->slots_offset,
                             ((entry->capacity - 1) * (uint64_t)entry->stride + 1) *
                                 sizeof(uint64_t),
                             sizeof(uint64_t), header->block_size);
}

// The size of a file that can be mapped without fear.
static enum error stats_size(int fd, uint64_t *size)
{
    int seals = fcntl(fd, F_GET_SEALS);
    if (seals < 0 || !(seals & F_SEAL_SHRINK))
        return ERROR_INVALID;
    struct stat status;
    if (fstat(fd, &status) != 0)
        return ERROR_SYSTEM;
    if (status.st_size < (off_t)sizeof(struct stats_header))
        return ERROR_TRUNCATED;
    if ((uint64_t)status.st_size > STATS_SIZE_MAX)
        return ERROR_TOO_LARGE;
    *size = (uint64_t)status.st_size;
    return ERROR_NONE;
}

enum error stats_reader_open(int fd, struct stats_reader **reader)
{
    uint64_t size;
    enum error error = stats_size(fd, &size);
    if (error)
        return error;
    const uint8_t *base = mmap(NULL, size, PROT_READ, MAP_SHARED, fd, 0);
    if (base == MAP_FAILED)
        return ERROR_SYSTEM;

    struct stats_header header;
    memcpy(&header, base, sizeof(header));
    error = stats_header_check(&header, size);
    if (error)
        goto fail_unmap;
    size_t directory_size = header.family_count * sizeof(struct stats_entry);
    struct stats_reader *opened = malloc(sizeof(*opened) + directory_size);
    if (!opened) {
        error = ERROR_NO_MEMORY;
        goto fail_unmap;
    }
    opened->base = base;
    opened->size = size;
    opened->header = header;
    memcpy(opened->directory, base + header.directory_offset, directory_size);
    for (uint32_t i = 0; i < header.family_count; i++) {
        if (!stats_entry_is_valid(&header, &opened->directory[i])) {
            error = ERROR_INVALID;
            goto fail_free;
        }
    }
    *reader = opened;
    return ERROR_NONE;

fail_free:
    free(opened);
fail_unmap:
    munmap((void *)(uintptr_t)base, size);
    return error;
}

void stats_reader_close(struct stats_reader *reader)
{
    if (!reader)
        return;
    munmap((void *)(uintptr_t)reader->base, reader->size);
    free(reader);
}

uint64_t stats_reader_revision(const struct stats_reader *reader)
{
    const struct stats_header *header = (const struct stats_header *)reader->base;
    return atomic_load_explicit(&header->revision, memory_order_acquire);
}

uint32_t stats_reader_writers(const struct stats_reader *reader)
{
    return reader->header.writer_count;
}

size_t stats_reader_family_count(const struct stats_reader *reader)
{
    return reader->header.family_count;
}

static const struct stats_entry *stats_reader_entry(const struct stats_reader *reader,
                                                    size_t family)
{
    CHECK(family < reader->header.family_count);
    return &reader->directory[family];
}

struct stats_family stats_reader_family(const struct stats_reader *reader, size_t family)
{
    const struct stats_entry *entry = stats_reader_entry(reader, family);
    return (struct stats_family){
        .name = entry->name,
        .help = entry->help,
        .type = (enum stats_type)entry->type,
        .capacity = entry->capacity,
    };
}

enum error stats_reader_find(const struct stats_reader *reader, const char *name, size_t *family)
{
    for (uint32_t i = 0; i < reader->header.family_count; i++) {
        if (strcmp(reader->directory[i].name, name) == 0) {
            *family = i;
            return ERROR_NONE;
        }
    }
    return ERROR_NOT_FOUND;
}

// How many labels of a family were ever set; the live value, for the copy is from the opening.
static uint32_t stats_reader_labels_used(const struct stats_reader *reader, size_t family)
{
    const struct stats_entry *live =
        (const struct stats_entry *)(reader->base + reader->header.directory_offset) + family;
    return atomic_load_explicit(&live->labels_used, memory_order_acquire);
}

bool stats_reader_label(const struct stats_reader *reader, size_t family, uint32_t instance,
                        char *out)
{
    const struct stats_entry *entry = stats_reader_entry(reader, family);
    CHECK(instance < entry->capacity);
    if (instance >= stats_reader_labels_used(reader, family))
        return false;
    const struct stats_label *label =
        (const struct stats_label *)(reader->base + entry->labels_offset) + instance;
    // Bounded: an owner that died while it wrote leaves the count odd for good.
    for (int tries = 0; tries < STATS_LABEL_RETRIES; tries++) {
        uint64_t words[STATS_LABEL_WORDS];
        uint64_t before = atomic_load_explicit(&label->sequence, memory_order_acquire);
        if (before % 2 != 0)
            continue;
        for (size_t i = 0; i < STATS_LABEL_WORDS; i++)
            words[i] = atomic_load_explicit(&label->words[i], memory_order_acquire);
        if (atomic_load_explicit(&label->sequence, memory_order_relaxed) != before)
            continue;
        memcpy(out, words, sizeof(words));
        return out[0] != '\0' && stats_text_is_valid(out, STATS_LABEL_SIZE);
    }
    return false;
}

uint64_t stats_reader_value(const struct stats_reader *reader, size_t family, uint32_t instance,
                            uint32_t writer)
{
    const struct stats_entry *entry = stats_reader_entry(reader, family);
    CHECK(instance < entry->capacity && writer < reader->header.writer_count);
    uint64_t offset = reader->header.blocks_offset + writer * reader->header.block_size +
                      entry->slots_offset + (uint64_t)instance * entry->stride * sizeof(uint64_t);
    return __atomic_load_n((const uint64_t *)(reader->base + offset), __ATOMIC_RELAXED);
}

uint64_t stats_reader_sum(const struct stats_reader *reader, size_t family, uint32_t instance)
{
    uint64_t sum = 0;
    for (uint32_t writer = 0; writer < reader->header.writer_count; writer++)
        sum += stats_reader_value(reader, family, instance, writer);
    return sum;
}
