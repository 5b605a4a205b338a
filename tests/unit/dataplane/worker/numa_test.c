// NUMA nodes read from a folder like the kernel's.
#include "dataplane/worker/numa.h"

#include <linux/mempolicy.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "tests/test.h"

static char directory[] = "/tmp/weir-numa-XXXXXX";

static void write_node(int node, const char *cores)
{
    char path[128];
    snprintf(path, sizeof(path), "%s/node%d", directory, node);
    assert_int_equal(mkdir(path, 0755), 0);
    strcat(path, "/cpulist");
    FILE *out = fopen(path, "we");
    assert_non_null(out);
    fputs(cores, out);
    fclose(out);
}

// Nodes need not follow each other, and one may have memory alone.
static int make_directory(void **state)
{
    assert_non_null(mkdtemp(directory));
    write_node(0, "0-3,16-19\n");
    write_node(2, "4,6-7\n");
    write_node(3, "\n");
    return 0;
}

static int remove_directory(void **state)
{
    char command[64];
    snprintf(command, sizeof(command), "rm -r %s", directory);
    return system(command);
}

static void a_processor_is_found_in_lists_and_ranges(void **state)
{
    static const struct {
        uint32_t core;
        int node;
    } table[] = {{0, 0},         {3, 0},  {4, 2},  {5, NUMA_NONE}, {7, 2},
                 {8, NUMA_NONE}, {16, 0}, {19, 0}, {20, NUMA_NONE}};
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++)
        assert_int_equal(numa_node_of_core(directory, table[i].core), table[i].node);
    assert_int_equal(numa_node_of_core("/nowhere", 0), NUMA_NONE);
}

static void the_processors_of_a_node_are_told(void **state)
{
    char text[NUMA_TEXT_SIZE];
    assert_string_equal(numa_cores_text(directory, 0, text), "0-3,16-19");
    assert_string_equal(numa_cores_text(directory, 3, text), "");
    assert_string_equal(numa_cores_text(directory, 1, text), "");
}

static void workers_of_other_nodes_are_far(void **state)
{
    static const int nodes[] = {0, 2, NUMA_NONE, 0, 3};
    static const struct {
        int node;
        const char *far;
    } table[] = {{0, "1,4"}, {2, "0,3,4"}, {1, "0,1,3,4"}, {NUMA_NONE, ""}};
    char text[NUMA_TEXT_SIZE];
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        numa_far_workers(nodes, 5, table[i].node, text);
        assert_string_equal(text, table[i].far);
    }
    numa_far_workers(nodes, 1, 0, text);
    assert_string_equal(text, "");
}

static int policy(void)
{
    int mode = -1;
    return syscall(SYS_get_mempolicy, &mode, NULL, 0ul, NULL, 0ul) == 0 ? mode : -1;
}

static void a_node_is_preferred_until_none_is(void **state)
{
    if (policy() != MPOL_DEFAULT) {
        print_message("skipped: no memory policies here\n");
        skip();
    }
    numa_prefer(0);
    assert_int_equal(policy(), MPOL_PREFERRED);
    numa_prefer(NUMA_NONE);
    assert_int_equal(policy(), MPOL_DEFAULT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_processor_is_found_in_lists_and_ranges),
        cmocka_unit_test(the_processors_of_a_node_are_told),
        cmocka_unit_test(workers_of_other_nodes_are_far),
        cmocka_unit_test(a_node_is_preferred_until_none_is),
    };
    return cmocka_run_group_tests(tests, make_directory, remove_directory);
}
