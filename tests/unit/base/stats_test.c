#include "base/stats.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/check.h"
#include "base/random.h"
#include "base/stats_priv.h"
#include "tests/test.h"

enum {
    DROPS,
    MEMBER_FLOWS,
    FAMILIES
};

static const struct stats_family families[FAMILIES] = {
    [DROPS] = {"weir_drops_packets_total", "Packets dropped, by reason", STATS_COUNTER, 9, false},
    [MEMBER_FLOWS] = {"weir_member_flows", "Flows held for a member", STATS_GAUGE, 16384, false},
};

#define WRITERS 3

static struct stats *new_stats(void)
{
    struct stats *stats;
    assert_int_equal(stats_create(families, FAMILIES, WRITERS, &stats), ERROR_NONE);
    return stats;
}

static struct stats_reader *new_reader(const struct stats *stats)
{
    struct stats_reader *reader;
    assert_int_equal(stats_reader_open(stats_fd(stats), &reader), ERROR_NONE);
    return reader;
}

static void a_reader_sees_the_families_as_they_were_declared(void **state)
{
    struct stats *stats = new_stats();
    struct stats_reader *reader = new_reader(stats);
    assert_int_equal(stats_reader_writers(reader), WRITERS);
    assert_int_equal(stats_reader_family_count(reader), FAMILIES);
    for (size_t i = 0; i < FAMILIES; i++) {
        struct stats_family family = stats_reader_family(reader, i);
        assert_string_equal(family.name, families[i].name);
        assert_string_equal(family.help, families[i].help);
        assert_int_equal(family.type, families[i].type);
        assert_int_equal(family.capacity, families[i].capacity);
        size_t found = SIZE_MAX;
        assert_int_equal(stats_reader_find(reader, families[i].name, &found), ERROR_NONE);
        assert_int_equal(found, i);
    }
    size_t found;
    assert_int_equal(stats_reader_find(reader, "weir_nothing", &found), ERROR_NOT_FOUND);
    stats_reader_close(reader);
    stats_destroy(stats);
}

static void counts_of_all_writers_add_up_and_stay_apart(void **state)
{
    struct stats *stats = new_stats();
    struct stats_reader *reader = new_reader(stats);
    for (uint32_t writer = 0; writer < WRITERS; writer++) {
        stats_add(&stats_slots(stats, DROPS, writer)[8], 100 + writer);
        stats_add(&stats_slots(stats, DROPS, writer)[8], 1000);
        stats_set(&stats_slots(stats, MEMBER_FLOWS, writer)[16383], 5);
    }
    for (uint32_t writer = 0; writer < WRITERS; writer++)
        assert_int_equal(stats_reader_value(reader, DROPS, 8, writer), 1100 + writer);
    assert_int_equal(stats_reader_sum(reader, DROPS, 8), 3303);
    assert_int_equal(stats_reader_sum(reader, DROPS, 7), 0);
    assert_int_equal(stats_reader_sum(reader, MEMBER_FLOWS, 0), 0);
    assert_int_equal(stats_reader_sum(reader, MEMBER_FLOWS, 16383), 15);
    stats_reader_close(reader);
    stats_destroy(stats);
}

static void labels_and_revision_follow_their_owner(void **state)
{
    struct stats *stats = new_stats();
    struct stats_reader *reader = new_reader(stats);
    char label[STATS_LABEL_SIZE];
    assert_false(stats_reader_label(reader, DROPS, 3, label));
    stats_set_label(stats, DROPS, 3, "reason=\"truncated\"");
    assert_true(stats_reader_label(reader, DROPS, 3, label));
    assert_string_equal(label, "reason=\"truncated\"");
    assert_false(stats_reader_label(reader, DROPS, 2, label));
    assert_false(stats_reader_label(reader, DROPS, 4, label));
    assert_false(stats_reader_label(reader, MEMBER_FLOWS, 3, label));

    stats_set_label(stats, DROPS, 3, "x=\"y\""); // nothing of the longer one is left
    assert_true(stats_reader_label(reader, DROPS, 3, label));
    assert_string_equal(label, "x=\"y\"");
    stats_set_label(stats, DROPS, 3, "");
    assert_false(stats_reader_label(reader, DROPS, 3, label));

    char longest[STATS_LABEL_SIZE];
    memset(longest, 'l', sizeof(longest) - 1);
    longest[sizeof(longest) - 1] = '\0';
    stats_set_label(stats, DROPS, 8, longest);
    assert_true(stats_reader_label(reader, DROPS, 8, label));
    assert_string_equal(label, longest);

    assert_int_equal(stats_reader_revision(reader), 0);
    stats_set_revision(stats, 42);
    assert_int_equal(stats_reader_revision(reader), 42);
    stats_reader_close(reader);
    stats_destroy(stats);
}

static void writers_share_no_cache_line(void **state)
{
    struct stats *stats = new_stats();
    for (size_t family = 0; family < FAMILIES; family++) {
        for (uint32_t writer = 0; writer < WRITERS; writer++) {
            uintptr_t start = (uintptr_t)stats_slots(stats, family, writer);
            assert_int_equal(start % 64, 0);
            uintptr_t end = start + families[family].capacity * sizeof(uint64_t);
            for (size_t other = 0; other < FAMILIES; other++) {
                for (uint32_t w = 0; w < WRITERS; w++) {
                    uintptr_t at = (uintptr_t)stats_slots(stats, other, w);
                    assert_true((other == family && w == writer) || at < start || at >= end);
                }
            }
        }
    }
    uintptr_t first = (uintptr_t)stats_slots(stats, 0, 0);
    assert_int_equal(((uintptr_t)stats_slots(stats, 0, 1) - first) % 4096, 0);
    stats_destroy(stats);
}

static void families_beside_each_other_share_cache_lines_and_nothing_else(void **state)
{
    static const struct stats_family rows[] = {
        {"weir_before_total", "", STATS_COUNTER, 3, false},
        {"weir_packets_total", "", STATS_COUNTER, 50, false},
        {"weir_bytes_total", "", STATS_COUNTER, 50, true},
        {"weir_flows", "", STATS_GAUGE, 50, true},
        {"weir_after_total", "", STATS_COUNTER, 50, false},
    };
    enum {
        ROWS = sizeof(rows) / sizeof(rows[0])
    };
    struct stats *stats;
    assert_int_equal(stats_create(rows, ROWS, 2, &stats), ERROR_NONE);
    struct stats_reader *reader = new_reader(stats);
    for (uint32_t i = 0; i < 50; i++) {
        uintptr_t packets = (uintptr_t)stats_slot(stats, 1, 1, i);
        assert_int_equal((uintptr_t)stats_slot(stats, 2, 1, i), packets + 8);
        assert_int_equal((uintptr_t)stats_slot(stats, 3, 1, i), packets + 16);
        assert_int_equal(packets / 64, (packets + 16) / 64);
    }
    // Each slot is one instance's alone, and a reader finds it there.
    uint64_t written = 0;
    for (size_t family = 0; family < ROWS; family++) {
        assert_int_equal(stats_reader_family(reader, family).capacity, rows[family].capacity);
        for (uint32_t writer = 0; writer < 2; writer++) {
            for (uint32_t i = 0; i < rows[family].capacity; i++)
                stats_add(stats_slot(stats, family, writer, i), ++written);
        }
    }
    uint64_t expected = 0;
    for (size_t family = 0; family < ROWS; family++) {
        for (uint32_t writer = 0; writer < 2; writer++) {
            for (uint32_t i = 0; i < rows[family].capacity; i++)
                assert_int_equal(stats_reader_value(reader, family, i, writer), ++expected);
        }
    }
    stats_reader_close(reader);
    stats_destroy(stats);
}

static uint64_t allocated_bytes(const struct stats *stats)
{
    struct stat status;
    assert_int_equal(fstat(stats_fd(stats), &status), 0);
    return (uint64_t)status.st_blocks * 512;
}

static void what_is_not_used_costs_nothing_written_or_read(void **state)
{
    struct stats_family many[4] = {
        {"weir_a_total", "a", STATS_COUNTER, 16384, false},
        {"weir_b_total", "b", STATS_COUNTER, 16384, false},
        {"weir_c_total", "c", STATS_COUNTER, 16384, false},
        {"weir_d_total", "d", STATS_COUNTER, 16384, false},
    };
    struct stats *stats;
    assert_int_equal(stats_create(many, 4, 64, &stats), ERROR_NONE);
    struct stat status;
    assert_int_equal(fstat(stats_fd(stats), &status), 0);
    assert_true(status.st_size > 32 << 20);
    assert_true(allocated_bytes(stats) <= 8192);

    // A reader that looks for every label finds out without touching their pages.
    struct stats_reader *reader = new_reader(stats);
    char label[STATS_LABEL_SIZE];
    stats_set_label(stats, 1, 0, "m=\"0\"");
    for (size_t family = 0; family < 4; family++)
        for (uint32_t instance = 0; instance < 16384; instance++)
            assert_int_equal(stats_reader_label(reader, family, instance, label),
                             family == 1 && instance == 0);
    stats_set_label(stats, 2, 16383, ""); // hiding what was never shown is free, too
    assert_true(allocated_bytes(stats) <= 16384);
    stats_reader_close(reader);
    stats_destroy(stats);
}

static void whoever_gets_the_descriptor_can_only_read(void **state)
{
    struct stats *stats = new_stats();
    char path[64];
    snprintf(path, sizeof(path), "/proc/self/fd/%d", stats_fd(stats));
    int again = open(path, O_RDWR | O_CLOEXEC);
    int fds[] = {stats_fd(stats), again};
    for (size_t i = 0; i < 2; i++) {
        if (fds[i] < 0)
            continue; // it cannot even be opened to write
        assert_true(write(fds[i], "x", 1) < 0);
        assert_int_not_equal(ftruncate(fds[i], 0), 0);
        assert_int_not_equal(ftruncate(fds[i], 1 << 30), 0);
        assert_int_not_equal(fallocate(fds[i], FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, 4096),
                             0);
        assert_ptr_equal(mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fds[i], 0),
                         MAP_FAILED);
        void *mapped = mmap(NULL, 4096, PROT_READ, MAP_SHARED, fds[i], 0);
        assert_ptr_not_equal(mapped, MAP_FAILED);
        assert_int_not_equal(mprotect(mapped, 4096, PROT_READ | PROT_WRITE), 0);
        munmap(mapped, 4096);
    }
    if (again >= 0)
        close(again);
    stats_destroy(stats);
}

static void a_reader_outlives_the_descriptor_and_the_owner(void **state)
{
    struct stats *stats = new_stats();
    int fd = dup(stats_fd(stats));
    stats_slots(stats, DROPS, 0)[1] = 17;
    struct stats_reader *reader;
    assert_int_equal(stats_reader_open(fd, &reader), ERROR_NONE);
    close(fd);
    stats_destroy(stats);
    assert_int_equal(stats_reader_sum(reader, DROPS, 1), 17);
    stats_reader_close(reader);
}

// A sealed copy of a segment, `size` bytes of it, to be broken.
struct copy {
    int fd;
    uint8_t *bytes;
    size_t size;
};

static struct copy copy_of(const struct stats *stats, size_t size)
{
    struct stat status;
    assert_int_equal(fstat(stats_fd(stats), &status), 0);
    struct copy copy = {.size = size ? size : (size_t)status.st_size};
    copy.fd = memfd_create("copy", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    assert_true(copy.fd >= 0);
    assert_int_equal(ftruncate(copy.fd, (off_t)copy.size), 0);
    copy.bytes = mmap(NULL, copy.size, PROT_READ | PROT_WRITE, MAP_SHARED, copy.fd, 0);
    assert_ptr_not_equal(copy.bytes, MAP_FAILED);
    assert_true(pread(stats_fd(stats), copy.bytes, copy.size, 0) == (ssize_t)copy.size);
    assert_int_equal(fcntl(copy.fd, F_ADD_SEALS, F_SEAL_SHRINK), 0);
    return copy;
}

static void drop_copy(struct copy *copy)
{
    munmap(copy->bytes, copy->size);
    close(copy->fd);
}

// Reads all there is to read.
static void walk(const struct stats_reader *reader)
{
    char label[STATS_LABEL_SIZE];
    for (size_t family = 0; family < stats_reader_family_count(reader); family++) {
        struct stats_family about = stats_reader_family(reader, family);
        size_t found;
        CHECK(strlen(about.name) < STATS_NAME_SIZE && strlen(about.help) < STATS_HELP_SIZE);
        CHECK(stats_reader_find(reader, about.name, &found) == ERROR_NONE);
        for (uint32_t instance = 0; instance < about.capacity; instance++) {
            if (stats_reader_label(reader, family, instance, label))
                CHECK(strlen(label) < STATS_LABEL_SIZE);
            stats_reader_sum(reader, family, instance);
        }
    }
    stats_reader_revision(reader);
}

static enum error open_and_walk(int fd)
{
    struct stats_reader *reader;
    enum error error = stats_reader_open(fd, &reader);
    if (!error) {
        walk(reader);
        stats_reader_close(reader);
    }
    return error;
}

static struct stats *small_stats(void)
{
    static const struct stats_family small[] = {
        {"weir_a_total", "a", STATS_COUNTER, 3, false},
        {"weir_b", "b", STATS_GAUGE, 20, false},
    };
    struct stats *stats;
    assert_int_equal(stats_create(small, 2, 2, &stats), ERROR_NONE);
    stats_set_label(stats, 0, 0, "a=\"0\"");
    stats_set_label(stats, 1, 19, "b=\"19\"");
    return stats;
}

static void each_broken_field_is_refused(void **state)
{
#define HEADER(field) \
    offsetof(struct stats_header, field), sizeof(((struct stats_header *)0)->field)
#define ENTRY(field)                                                   \
    sizeof(struct stats_header) + offsetof(struct stats_entry, field), \
        sizeof(((struct stats_entry *)0)->field)
    static const struct {
        size_t offset;
        size_t size;
        uint64_t value;
        enum error error;
    } cases[] = {
        {HEADER(magic), 0, ERROR_INVALID},
        {HEADER(version), STATS_VERSION + 1, ERROR_UNSUPPORTED},
        {HEADER(family_count), STATS_FAMILIES_MAX + 1, ERROR_INVALID},
        {HEADER(family_count), STATS_FAMILIES_MAX, ERROR_INVALID},
        {HEADER(writer_count), 0, ERROR_INVALID},
        {HEADER(writer_count), 3, ERROR_INVALID},
        {HEADER(writer_count), UINT32_MAX, ERROR_INVALID},
        {HEADER(size), 4096, ERROR_INVALID},
        {HEADER(directory_offset), UINT64_MAX - 63, ERROR_INVALID},
        {HEADER(directory_offset), 4, ERROR_INVALID},
        {HEADER(directory_offset), 1 << 20, ERROR_INVALID},
        {HEADER(blocks_offset), UINT64_MAX - 7, ERROR_INVALID},
        {HEADER(blocks_offset), 1, ERROR_INVALID},
        {HEADER(block_size), UINT64_MAX - 7, ERROR_INVALID},
        {HEADER(block_size), 1ull << 63, ERROR_INVALID},
        {HEADER(block_size), 64, ERROR_INVALID}, // smaller than its slots
        {ENTRY(type), 2, ERROR_INVALID},
        {ENTRY(capacity), UINT32_MAX, ERROR_INVALID},
        {ENTRY(capacity), STATS_CAPACITY_MAX, ERROR_INVALID},
        {ENTRY(labels_offset), UINT64_MAX - 7, ERROR_INVALID},
        {ENTRY(labels_offset), 12, ERROR_INVALID},
        {ENTRY(slots_offset), UINT64_MAX - 7, ERROR_INVALID},
        {ENTRY(slots_offset), 4088, ERROR_INVALID},
        {ENTRY(stride), 0, ERROR_INVALID},
        {ENTRY(stride), STATS_ROW_MAX + 1, ERROR_INVALID},
        {ENTRY(stride), UINT32_MAX, ERROR_INVALID},
        {ENTRY(capacity), 0, ERROR_INVALID},
        {ENTRY(labels_used), UINT32_MAX, ERROR_NONE}, // only asked about instances there are
    };
    struct stats *stats = small_stats();
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct copy copy = copy_of(stats, 0);
        memcpy(copy.bytes + cases[i].offset, &cases[i].value, cases[i].size);
        if (open_and_walk(copy.fd) != cases[i].error)
            fail_msg("case %zu: %s", i, error_text(open_and_walk(copy.fd)));
        drop_copy(&copy);
    }
    // Names and helps without their ends.
    const size_t texts[] = {
        sizeof(struct stats_header) + offsetof(struct stats_entry, name),
        sizeof(struct stats_header) + offsetof(struct stats_entry, help),
    };
    for (size_t i = 0; i < 2; i++) {
        struct copy copy = copy_of(stats, 0);
        memset(copy.bytes + texts[i], 'x', i == 0 ? STATS_NAME_SIZE : STATS_HELP_SIZE);
        assert_int_equal(open_and_walk(copy.fd), ERROR_INVALID);
        drop_copy(&copy);
    }
    stats_destroy(stats);
}

static void a_truncated_segment_is_refused_at_every_length(void **state)
{
    struct stats *stats = small_stats();
    struct copy whole = copy_of(stats, 0);
    for (size_t size = 1; size < whole.size; size += size < 1024 ? 97 : 2039) {
        struct copy copy = copy_of(stats, size);
        assert_int_not_equal(open_and_walk(copy.fd), ERROR_NONE);
        drop_copy(&copy);
    }
    assert_int_equal(open_and_walk(whole.fd), ERROR_NONE);
    drop_copy(&whole);
    stats_destroy(stats);
}

static void random_damage_never_crashes_a_reader(void **state)
{
    struct stats *stats = small_stats();
    struct random random = random_from_seed(5);
    for (int round = 0; round < 400; round++) {
        struct copy copy = copy_of(stats, 0);
        // Header, directory and the first labels.
        for (uint64_t i = 0; i <= random_below(&random, 4); i++) {
            uint64_t value = random_next(&random) >> random_below(&random, 64);
            memcpy(copy.bytes + random_below(&random, 800), &value, 1u << random_below(&random, 4));
        }
        open_and_walk(copy.fd);
        drop_copy(&copy);
    }
    stats_destroy(stats);
}

static void what_changes_after_opening_leads_nowhere(void **state)
{
    struct stats *stats = small_stats();
    struct copy copy = copy_of(stats, 0);
    struct stats_reader *reader;
    assert_int_equal(stats_reader_open(copy.fd, &reader), ERROR_NONE);
    memset(copy.bytes, 0xff, copy.size);
    assert_int_equal(stats_reader_family_count(reader), 2);
    assert_string_equal(stats_reader_family(reader, 0).name, "weir_a_total");
    char label[STATS_LABEL_SIZE];
    assert_false(stats_reader_label(reader, 1, 19, label)); // an odd count, for good
    walk(reader);
    stats_reader_close(reader);
    drop_copy(&copy);
    stats_destroy(stats);
}

static void what_could_be_truncated_under_a_reader_is_refused(void **state)
{
    struct stats *stats = small_stats();
    int unsealed = memfd_create("unsealed", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    struct copy copy = copy_of(stats, 0);
    assert_true(write(unsealed, copy.bytes, copy.size) == (ssize_t)copy.size);
    assert_int_equal(open_and_walk(unsealed), ERROR_INVALID);
    assert_int_equal(fcntl(unsealed, F_ADD_SEALS, F_SEAL_SHRINK), 0);
    assert_int_equal(open_and_walk(unsealed), ERROR_NONE);

    int pipes[2];
    assert_int_equal(pipe2(pipes, O_CLOEXEC), 0);
    assert_int_equal(open_and_walk(pipes[0]), ERROR_INVALID);
    assert_int_equal(open_and_walk(-1), ERROR_INVALID);
    close(pipes[0]);
    close(pipes[1]);
    close(unsealed);
    drop_copy(&copy);
    stats_destroy(stats);
}

static _Atomic bool labels_stop;

static void *relabel(void *argument)
{
    struct stats *stats = argument;
    char label[STATS_LABEL_SIZE];
    for (unsigned i = 0; !atomic_load(&labels_stop); i++) {
        memset(label, 'a' + (int)(i % 26), sizeof(label) - 1);
        label[sizeof(label) - 1] = '\0';
        stats_set_label(stats, DROPS, 0, label);
        stats_add(&stats_slots(stats, DROPS, 0)[0], 1);
    }
    return NULL;
}

static void a_label_is_never_seen_half_written(void **state)
{
    struct stats *stats = new_stats();
    struct stats_reader *reader = new_reader(stats);
    pthread_t writer;
    atomic_store(&labels_stop, false);
    assert_int_equal(pthread_create(&writer, NULL, relabel, stats), 0);
    // Until the two threads have met often enough.
    uint32_t changes = 0;
    char first = 0;
    uint64_t last = 0;
    while (changes < 500) {
        char label[STATS_LABEL_SIZE];
        uint64_t count = stats_reader_sum(reader, DROPS, 0);
        CHECK(count >= last);
        last = count;
        if (!stats_reader_label(reader, DROPS, 0, label))
            continue;
        changes += label[0] != first;
        first = label[0];
        for (size_t j = 1; j < STATS_LABEL_SIZE - 1; j++)
            CHECK(label[j] == label[0]);
    }
    atomic_store(&labels_stop, true);
    pthread_join(writer, NULL);
    stats_reader_close(reader);
    stats_destroy(stats);
}

// Whether declaring this family is one of our bugs, found by CHECK.
static bool is_refused(const struct stats_family *declared, size_t count)
{
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        struct stats *stats;
        close(STDERR_FILENO);
        stats_create(declared, count, 1, &stats);
        _exit(0);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    return WIFSIGNALED(status);
}

static void families_keep_prometheus_conventions(void **state)
{
    static const struct {
        const char *name;
        enum stats_type type;
        bool refused;
    } cases[] = {
        {"weir_a_total", STATS_COUNTER, false},
        {"weir_a", STATS_COUNTER, true},
        {"weir_a", STATS_GAUGE, false},
        {"weir_a_total", STATS_GAUGE, true},
        {"weir-a", STATS_GAUGE, true},
        {"9weir", STATS_GAUGE, true},
        {"", STATS_GAUGE, true},
        {"_total", STATS_COUNTER, true},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct stats_family family = {cases[i].name, "", cases[i].type, 1, false};
        assert_int_equal(is_refused(&family, 1), cases[i].refused);
    }
    const struct stats_family twice[] = {{"weir_a", "", STATS_GAUGE, 1, false},
                                         {"weir_a", "", STATS_GAUGE, 1, false}};
    assert_true(is_refused(twice, 2));
    // Rows are of families of one size.
    const struct stats_family row[] = {{"weir_a", "", STATS_GAUGE, 1, false},
                                       {"weir_b", "", STATS_GAUGE, 1, true}};
    assert_false(is_refused(row, 2));
    assert_true(is_refused(row + 1, 1));
    const struct stats_family uneven[] = {{"weir_a", "", STATS_GAUGE, 1, false},
                                          {"weir_b", "", STATS_GAUGE, 2, true}};
    assert_true(is_refused(uneven, 2));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_reader_sees_the_families_as_they_were_declared),
        cmocka_unit_test(counts_of_all_writers_add_up_and_stay_apart),
        cmocka_unit_test(labels_and_revision_follow_their_owner),
        cmocka_unit_test(writers_share_no_cache_line),
        cmocka_unit_test(families_beside_each_other_share_cache_lines_and_nothing_else),
        cmocka_unit_test(what_is_not_used_costs_nothing_written_or_read),
        cmocka_unit_test(whoever_gets_the_descriptor_can_only_read),
        cmocka_unit_test(a_reader_outlives_the_descriptor_and_the_owner),
        cmocka_unit_test(each_broken_field_is_refused),
        cmocka_unit_test(a_truncated_segment_is_refused_at_every_length),
        cmocka_unit_test(random_damage_never_crashes_a_reader),
        cmocka_unit_test(what_changes_after_opening_leads_nowhere),
        cmocka_unit_test(what_could_be_truncated_under_a_reader_is_refused),
        cmocka_unit_test(a_label_is_never_seen_half_written),
        cmocka_unit_test(families_keep_prometheus_conventions),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
