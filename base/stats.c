// The owner's half of the statistics segment. The reader's half, which trusts nothing that this
// one wrote, is stats_reader.c.
#include <ctype.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/check.h"
#include "base/stats_priv.h"

struct stats {
    int fd;
    uint8_t *base; // the mapping
    size_t size;
    size_t family_count;
    uint32_t writer_count;
};

static struct stats_header *stats_header(const struct stats *stats)
{
    return (struct stats_header *)stats->base;
}

static struct stats_entry *stats_entry(const struct stats *stats, size_t family)
{
    CHECK(family < stats->family_count);
    uint8_t *directory = stats->base + stats_header(stats)->directory_offset;
    return (struct stats_entry *)directory + family;
}

// https://prometheus.io/docs/concepts/data_model/ for the characters, and
// https://prometheus.io/docs/practices/naming/ for the ending of a counter.
static bool stats_name_is_conventional(const char *name, enum stats_type type)
{
    static const char total[] = "_total";
    size_t length = strlen(name);
    if (length == 0 || length >= STATS_NAME_SIZE || isdigit((unsigned char)name[0]))
        return false;
    for (size_t i = 0; i < length; i++)
        if (!isalnum((unsigned char)name[i]) && name[i] != '_' && name[i] != ':')
            return false;
    bool ends_in_total =
        length > strlen(total) && strcmp(name + length - strlen(total), total) == 0;
    return ends_in_total == (type == STATS_COUNTER);
}

static void stats_check_families(const struct stats_family *families, size_t count)
{
    CHECK(count > 0 && count <= STATS_FAMILIES_MAX);
    for (size_t i = 0; i < count; i++) {
        CHECK(stats_name_is_conventional(families[i].name, families[i].type));
        CHECK(strlen(families[i].help) < STATS_HELP_SIZE);
        CHECK(families[i].capacity > 0 && families[i].capacity <= STATS_CAPACITY_MAX);
        CHECK(!families[i].beside || (i > 0 && families[i].capacity == families[i - 1].capacity));
        for (size_t j = 0; j < i; j++)
            CHECK(strcmp(families[i].name, families[j].name) != 0);
    }
}

// How many families share the row of the one at `first`.
static uint32_t stats_row(const struct stats_family *families, size_t count, size_t first)
{
    uint32_t row = 1;
    while (first + row < count && families[first + row].beside)
        row++;
    CHECK(row <= STATS_ROW_MAX);
    return row;
}

static uint32_t stats_power_of_two(uint32_t at_least)
{
    uint32_t power = 1;
    while (power < at_least)
        power *= 2;
    return power;
}

// Lays the families out one after the other. With `directory` NULL only the header's sizes are
// computed.
static struct stats_header stats_lay_out(const struct stats_family *families, size_t count,
                                         uint32_t writers, struct stats_entry *directory)
{
    struct stats_header header = {
        .magic = STATS_MAGIC,
        .version = STATS_VERSION,
        .family_count = (uint32_t)count,
        .writer_count = writers,
        .directory_offset = stats_round_up(sizeof(header), STATS_CACHE_LINE),
    };
    uint64_t labels = stats_round_up(header.directory_offset + count * sizeof(struct stats_entry),
                                     STATS_CACHE_LINE);
    uint64_t slots = 0, row_offset = 0;
    uint32_t stride = 1;
    for (size_t i = 0; i < count; i++) {
        uint32_t capacity = families[i].capacity;
        if (!families[i].beside) {
            stride = stats_power_of_two(stats_row(families, count, i));
            row_offset = slots;
            slots +=
                stats_round_up((uint64_t)capacity * stride * sizeof(uint64_t), STATS_CACHE_LINE);
        } else {
            row_offset += sizeof(uint64_t);
        }
        if (directory) {
            struct stats_entry *entry = &directory[i];
            memcpy(entry->name, families[i].name, strlen(families[i].name));
            memcpy(entry->help, families[i].help, strlen(families[i].help));
            entry->type = families[i].type;
            entry->capacity = capacity;
            entry->labels_offset = labels;
            entry->slots_offset = row_offset;
            entry->stride = stride;
        }
        labels += stats_round_up(capacity * sizeof(struct stats_label), STATS_CACHE_LINE);
    }
    header.blocks_offset = stats_round_up(labels, STATS_PAGE);
    header.block_size = stats_round_up(slots, STATS_PAGE);
    header.size = header.blocks_offset + writers * header.block_size;
    return header;
}

// The owner maps the segment writable first and then seals it against all other writing, for good:
// whoever is handed the descriptor, or opens it again by /proc, can neither write, nor map it
// writable, nor change its size under a reader.
static enum error stats_map(struct stats *stats, uint64_t size)
{
    const int seals = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_FUTURE_WRITE | F_SEAL_SEAL;
    stats->fd = memfd_create("weir-statistics", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (stats->fd < 0)
        return ERROR_SYSTEM;
    if (ftruncate(stats->fd, (off_t)size) != 0)
        goto fail_close;
    stats->base = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, stats->fd, 0);
    if (stats->base == MAP_FAILED)
        goto fail_close;
    if (fcntl(stats->fd, F_ADD_SEALS, seals) != 0)
        goto fail_unmap;
    stats->size = size;
    return ERROR_NONE;

fail_unmap:
    munmap(stats->base, size);
fail_close:
    close(stats->fd);
    return ERROR_SYSTEM;
}

enum error stats_create(const struct stats_family *families, size_t count, uint32_t writers,
                        struct stats **stats)
{
    stats_check_families(families, count);
    CHECK(writers > 0 && writers <= STATS_WRITERS_MAX);
    struct stats_header header = stats_lay_out(families, count, writers, NULL);
    if (header.size > STATS_SIZE_MAX)
        return ERROR_TOO_LARGE;
    struct stats *created = malloc(sizeof(*created));
    if (!created)
        return ERROR_NO_MEMORY;
    *created = (struct stats){.family_count = count, .writer_count = writers};
    enum error error = stats_map(created, header.size);
    if (error) {
        free(created);
        return error;
    }
    void *directory = created->base + header.directory_offset;
    header = stats_lay_out(families, count, writers, directory);
    memcpy(created->base, &header, sizeof(header));
    *stats = created;
    return ERROR_NONE;
}

void stats_destroy(struct stats *stats)
{
    if (!stats)
        return;
    munmap(stats->base, stats->size);
    close(stats->fd);
    free(stats);
}

int stats_fd(const struct stats *stats)
{
    return stats->fd;
}

uint64_t *stats_slots(struct stats *stats, size_t family, uint32_t writer)
{
    CHECK(writer < stats->writer_count);
    const struct stats_header *header = stats_header(stats);
    uint64_t offset = header->blocks_offset + writer * header->block_size +
                      stats_entry(stats, family)->slots_offset;
    return (uint64_t *)(stats->base + offset);
}

uint64_t *stats_slot(struct stats *stats, size_t family, uint32_t writer, uint32_t instance)
{
    const struct stats_entry *entry = stats_entry(stats, family);
    CHECK(instance < entry->capacity);
    return stats_slots(stats, family, writer) + (size_t)instance * entry->stride;
}

void stats_set_label(struct stats *stats, size_t family, uint32_t instance, const char *label)
{
    struct stats_entry *entry = stats_entry(stats, family);
    CHECK(instance < entry->capacity);
    size_t length = strlen(label);
    CHECK(length < STATS_LABEL_SIZE);
    uint32_t used = atomic_load_explicit(&entry->labels_used, memory_order_relaxed);
    if (instance >= used && length == 0)
        return; // empty from the start

    uint64_t words[STATS_LABEL_WORDS] = {0};
    memcpy(words, label, length);
    struct stats_label *at = (struct stats_label *)(stats->base + entry->labels_offset) + instance;
    // A sequence lock without fences: each word's release keeps it after the odd count, and the
    // even count's release keeps that after the words. Readers load the words by acquire (Boehm,
    // "Can seqlocks get along with programming language memory models?", 2012).
    uint64_t sequence = atomic_load_explicit(&at->sequence, memory_order_relaxed);
    atomic_store_explicit(&at->sequence, sequence + 1, memory_order_relaxed);
    for (size_t i = 0; i < STATS_LABEL_WORDS; i++)
        atomic_store_explicit(&at->words[i], words[i], memory_order_release);
    atomic_store_explicit(&at->sequence, sequence + 2, memory_order_release);
    if (instance >= used)
        atomic_store_explicit(&entry->labels_used, instance + 1, memory_order_release);
}

void stats_set_revision(struct stats *stats, uint64_t revision)
{
    atomic_store_explicit(&stats_header(stats)->revision, revision, memory_order_release);
}
