// Any bytes as a statistics segment, which comes from whoever listens at the socket. Of one that is
// not refused all is read and printed; and again when all its bytes have changed, which its writer
// may do at any time.
#include <fcntl.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/check.h"
#include "base/stats.h"
#include "controlplane/cli/rates.h"
#include "tests/fuzz/fuzz.h"

#define SEGMENT_BYTES_MAX 65536

static int segment_of(const uint8_t *data, size_t size)
{
    int fd = memfd_create("fuzz", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    CHECK(fd >= 0);
    CHECK(write(fd, data, size) == (ssize_t)size);
    CHECK(fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK) == 0);
    return fd;
}

static void change(int fd, const uint8_t *data, size_t size)
{
    uint8_t *other = malloc(size + 1);
    CHECK(other);
    for (size_t i = 0; i < size; i++)
        other[i] = (uint8_t)~data[i];
    CHECK(pwrite(fd, other, size, 0) == (ssize_t)size);
    free(other);
}

static bool is_printable(const char *text, size_t room)
{
    size_t length = strnlen(text, room);
    for (size_t i = 0; i < length; i++) {
        if (text[i] < ' ' || text[i] > '~')
            return false;
    }
    return length < room;
}

static void read_instance(const struct stats_reader *reader, size_t family, uint32_t instance)
{
    char label[STATS_LABEL_SIZE];
    if (stats_reader_label(reader, family, instance, label))
        CHECK(label[0] && is_printable(label, sizeof(label)));
    uint64_t sum = 0;
    for (uint32_t writer = 0; writer < stats_reader_writers(reader); writer++)
        sum += stats_reader_value(reader, family, instance, writer);
    CHECK(stats_reader_sum(reader, family, instance) == sum);
}

static void read_all(const struct stats_reader *reader)
{
    for (size_t family = 0; family < stats_reader_family_count(reader); family++) {
        struct stats_family about = stats_reader_family(reader, family);
        size_t found;
        CHECK(is_printable(about.name, STATS_NAME_SIZE));
        CHECK(is_printable(about.help, STATS_HELP_SIZE));
        CHECK(stats_reader_find(reader, about.name, &found) == ERROR_NONE && found <= family);
        for (uint32_t instance = 0; instance < about.capacity; instance++)
            read_instance(reader, family, instance);
    }
    stats_reader_revision(reader);
}

static void print_all(const struct rates *rates)
{
    char *text;
    size_t size;
    FILE *out = open_memstream(&text, &size);
    CHECK(out);
    rates_print_headings(rates, out);
    rates_print_line(rates, out);
    CHECK(rates_print_table(rates, 5, out) == ERROR_NONE);
    CHECK(fflush(out) == 0);
    size_t before = size;
    CHECK(rates_print_json(rates, out) == ERROR_NONE);
    CHECK(fclose(out) == 0);
    json_t *line = json_loadb(text + before, size - before, 0, NULL);
    CHECK(line);
    json_decref(line);
    free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size > SEGMENT_BYTES_MAX)
        return 0;
    int fd = segment_of(data, size);
    struct stats_reader *reader;
    if (stats_reader_open(fd, &reader) == ERROR_NONE) {
        struct rates *rates;
        CHECK(rates_create(reader, 0, &rates) == ERROR_NONE);
        read_all(reader);
        change(fd, data, size);
        rates_turn(rates, 1);
        read_all(reader);
        print_all(rates);
        rates_destroy(rates);
        stats_reader_close(reader);
    }
    close(fd);
    return 0;
}
