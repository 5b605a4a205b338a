#include "dataplane/packet/port/system_priv.h"

#include <sys/stat.h>

#include "dataplane/packet/port/port_priv.h"
#include "tests/unit/dataplane/packet/port/fixture.h"

static cpu_set_t cpus(uint32_t bits)
{
    cpu_set_t set;
    CPU_ZERO(&set);
    for (uint32_t i = 0; i < 32; i++) {
        if (bits & (1u << i))
            CPU_SET(i, &set);
    }
    return set;
}

struct argument_case {
    uint32_t allowed;
    uint32_t cores[3];
    uint32_t core_count;
    uint64_t memory_bytes;
    bool huge_pages;
    int log_level;
    char *devices[2];
    const char *expected;
};

static void assert_arguments(struct argument_case *row)
{
    struct fixture fixture;
    fixture_init(&fixture);
    fixture.config.node.cores = row->cores;
    fixture.config.node.core_count = row->core_count;
    fixture.config.node.memory_bytes = row->memory_bytes;
    fixture.config.node.log_level = row->log_level;
    for (size_t j = 0; j < 2 && row->devices[j]; j++)
        fixture_add_port(&fixture, "p", row->devices[j]);
    cpu_set_t allowed = cpus(row->allowed);
    struct system_args args;
    assert_int_equal(
        system_args_init(&fixture.config, &allowed, row->huge_pages, &args, fixture.why),
        ERROR_NONE);
    char text[512] = "";
    for (int j = 0; j < args.count; j++) {
        size_t used = strlen(text);
        snprintf(text + used, sizeof(text) - used, "%s%s", j ? " " : "", args.items[j]);
    }
    assert_string_equal(text, row->expected);
    assert_null(args.items[args.count]);
    system_args_fini(&args);
}

static void the_argument_list_follows_the_configuration(void **state)
{
    struct argument_case table[] = {
        {0x3,
         {0, 1},
         2,
         512u << 20,
         true,
         LOG_INFO,
         {"net_null0", NULL},
         "weir-dataplane --in-memory -m 512 --no-telemetry --log-level warning --no-pci "
         "--lcores 0@(0-1),1@0,2@1"},
        {0x3,
         {1},
         1,
         (512u << 20) + 1,
         false,
         LOG_DEBUG,
         {"net_af_xdp0,iface=a0", NULL},
         "weir-dataplane --no-huge --no-shconf -m 513 --no-telemetry --log-level info --no-pci "
         "--lcores 0@(0-1),1@1"},
        {0xb9,
         {4, 5, 7},
         3,
         64u << 20,
         true,
         LOG_ERROR,
         {"0000:01:00.0", "02:00.1,a=b"},
         "weir-dataplane --in-memory -m 64 --no-telemetry --log-level warning -a 0000:01:00.0 "
         "-a 02:00.1,a=b --lcores 0@(0,3-5,7),1@4,2@5,3@7"},
        {0x1,
         {0, 0},
         2,
         64u << 20,
         true,
         LOG_INFO,
         {"net_null0", "0000:01:00.0"},
         "weir-dataplane --in-memory -m 64 --no-telemetry --log-level warning -a 0000:01:00.0 "
         "--lcores 0@(0),1@0,2@0"},
    };
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++)
        assert_arguments(&table[i]);
}

static void a_core_that_is_not_there_is_named_with_those_that_are(void **state)
{
    static const uint32_t missing[] = {2, 31, 5000};
    for (size_t i = 0; i < sizeof(missing) / sizeof(missing[0]); i++) {
        struct fixture fixture;
        fixture_init(&fixture);
        fixture.cores[1] = missing[i];
        fixture.cores[0] = 0;
        cpu_set_t allowed = cpus(0xb);
        struct system_args args;
        assert_int_equal(system_args_init(&fixture.config, &allowed, true, &args, fixture.why),
                         ERROR_NOT_FOUND);
        char expected[PORT_WHY_SIZE];
        snprintf(expected, sizeof(expected),
                 "node.cores: core %u is not there, or this process may not use it; it may use "
                 "0-1,3",
                 missing[i]);
        assert_string_equal(fixture.why, expected);
    }
}

static void write_count(const char *directory, const char *file, unsigned count)
{
    char path[256];
    snprintf(path, sizeof(path), "%s/%s", directory, file);
    FILE *out = fopen(path, "we");
    assert_non_null(out);
    fprintf(out, "%u\n", count);
    fclose(out);
}

static void huge_pages_of_all_sizes_are_summed(void **state)
{
    char directory[] = "/tmp/weir-port-test-XXXXXX";
    assert_non_null(mkdtemp(directory));
    struct system_huge_pages none = system_huge_pages_read(directory);
    assert_int_equal(none.page_bytes, 0);

    char small[64], large[64];
    snprintf(small, sizeof(small), "%s/hugepages-2048kB", directory);
    snprintf(large, sizeof(large), "%s/hugepages-1048576kB", directory);
    assert_int_equal(mkdir(small, 0700) + mkdir(large, 0700), 0);
    write_count(small, "free_hugepages", 3);
    write_count(small, "nr_hugepages", 8);
    write_count(large, "free_hugepages", 2);
    write_count(large, "nr_hugepages", 2);
    struct system_huge_pages pages = system_huge_pages_read(directory);
    assert_true(pages.free_bytes == (2ull << 30) + (6u << 20));
    assert_int_equal(pages.page_bytes, 2u << 20);
    assert_int_equal(pages.page_count, 8);

    char command[128];
    snprintf(command, sizeof(command), "rm -r %s", directory);
    assert_true(fixture_shell(command));
    assert_int_equal(system_huge_pages_read("/nonexistent").free_bytes, 0);
}

static void huge_pages_are_chosen_by_what_is_free_and_what_is_asked(void **state)
{
    static const char short_of[] =
        "node.memory is 512 MiB, but 6 MiB are free in huge pages: echo 261 > "
        "/sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages";
    static const char without[] =
        "node.memory is 512 MiB, but 0 MiB are free in huge pages: this kernel has none, set "
        "node.huge-pages to off";
    static const struct {
        enum config_huge_pages asked;
        uint64_t free_mebibytes;
        uint64_t page_bytes;
        enum error error;
        bool use, warn;
        const char *why;
    } table[] = {
        {CONFIG_HUGE_PAGES_AUTO, 512, 2u << 20, ERROR_NONE, true, false, ""},
        {CONFIG_HUGE_PAGES_AUTO, 6, 2u << 20, ERROR_NONE, false, true, short_of},
        {CONFIG_HUGE_PAGES_AUTO, 0, 0, ERROR_NONE, false, true, without},
        {CONFIG_HUGE_PAGES_ON, 600, 2u << 20, ERROR_NONE, true, false, ""},
        {CONFIG_HUGE_PAGES_ON, 6, 2u << 20, ERROR_NO_MEMORY, false, false, short_of},
        {CONFIG_HUGE_PAGES_OFF, 600, 2u << 20, ERROR_NONE, false, false, ""},
        {CONFIG_HUGE_PAGES_OFF, 0, 0, ERROR_NONE, false, false, ""},
    };
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        struct config_node node = {.memory_bytes = 512u << 20, .huge_pages = table[i].asked};
        struct system_huge_pages pages = {.free_bytes = table[i].free_mebibytes << 20,
                                          .page_bytes = table[i].page_bytes,
                                          .page_count = 8};
        bool use, warn;
        char why[PORT_WHY_SIZE] = "";
        assert_int_equal(system_huge_pages_choose(&node, &pages, &use, &warn, why), table[i].error);
        assert_int_equal(use, table[i].use);
        assert_int_equal(warn, table[i].warn);
        assert_string_equal(why, table[i].why);
    }
}

static void programs_without_a_file_name_settings_their_own_way(void **state)
{
    static const struct port_words others = {
        .memory = "--memory", .no_huge_pages = "", .fewer_buffers = ""};
    const struct port_words *before = port_words();
    struct config_node node = {.memory_bytes = 512u << 20};
    struct system_huge_pages pages = {.free_bytes = 0};
    bool use, warn;
    char why[PORT_WHY_SIZE];
    port_use_words(&others);
    assert_int_equal(system_huge_pages_choose(&node, &pages, &use, &warn, why), ERROR_NONE);
    port_use_words(before);
    assert_string_equal(why, "--memory is 512 MiB, but 0 MiB are free in huge pages: this kernel "
                             "has none");
}

static void available_memory_is_what_the_kernel_says(void **state)
{
    char path[] = "/tmp/weir-port-test-XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    FILE *out = fdopen(fd, "w");
    assert_non_null(out);
    fputs("MemTotal:       8000000 kB\nMemFree:         100 kB\nMemAvailable:    2048 kB\n", out);
    fclose(out);
    assert_int_equal(system_memory_available_read(path), 2u << 20);
    unlink(path);
    assert_true(system_memory_available_read(path) == UINT64_MAX);
    uint64_t available = system_memory_available_read("/proc/meminfo");
    assert_true(available > 0 && available < UINT64_MAX);
}

static void more_ordinary_memory_than_there_is_is_refused(void **state)
{
    char why[PORT_WHY_SIZE] = "";
    uint64_t available = 1024u << 20;
    assert_int_equal(system_memory_take(&available, 512u << 20, "node.memory", why), ERROR_NONE);
    assert_int_equal(system_memory_take(&available, 513u << 20, "node.flows.per-worker", why),
                     ERROR_NO_MEMORY);
    assert_string_equal(why, "node.flows.per-worker: 513 MiB, but 512 MiB of ordinary memory are "
                             "available: set it to less, or end what holds the rest");
    assert_int_equal(system_memory_take(&available, 512u << 20, "node.flows.per-worker", why),
                     ERROR_NONE);
    assert_int_equal(available, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_argument_list_follows_the_configuration),
        cmocka_unit_test(a_core_that_is_not_there_is_named_with_those_that_are),
        cmocka_unit_test(huge_pages_of_all_sizes_are_summed),
        cmocka_unit_test(programs_without_a_file_name_settings_their_own_way),
        cmocka_unit_test(huge_pages_are_chosen_by_what_is_free_and_what_is_asked),
        cmocka_unit_test(available_memory_is_what_the_kernel_says),
        cmocka_unit_test(more_ordinary_memory_than_there_is_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
