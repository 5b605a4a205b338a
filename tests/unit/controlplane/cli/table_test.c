#include "controlplane/cli/table.h"

#include <stdlib.h>
#include <string.h>

#include "tests/test.h"

// What a table of these cells (NULL ends them) looks like. The caller frees it.
static char *printed(const struct table_column *columns, size_t count, const char *const *cells)
{
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);
    struct table table;
    assert_int_equal(table_init(&table, columns, count), ERROR_NONE);
    for (; *cells; cells++)
        table_cell(&table, *cells);
    assert_int_equal(table_print(&table, out), ERROR_NONE);
    table_fini(&table);
    fclose(out);
    return text;
}

static void assert_printed(const struct table_column *columns, size_t count,
                           const char *const *cells, const char *expected)
{
    char *text = printed(columns, count, cells);
    assert_string_equal(text, expected);
    free(text);
}

static void makes_columns_as_wide_as_their_widest_cell(void **state)
{
    static const struct table_column columns[] = {
        {"NAME", TABLE_LEFT}, {"PACKETS", TABLE_RIGHT}, {"HELP", TABLE_LEFT}};
    static const char *const cells[] = {"a",         "1",         "x", "longer-name",
                                        "123456789", "two words", NULL};
    assert_printed(columns, 3, cells,
                   "NAME           PACKETS  HELP\n"
                   "a                    1  x\n"
                   "longer-name  123456789  two words\n");
}

static void aligns_a_last_column_of_numbers(void **state)
{
    static const struct table_column columns[] = {{"A", TABLE_LEFT}, {"N", TABLE_RIGHT}};
    static const char *const cells[] = {"x", "1", "y", "100", NULL};
    assert_printed(columns, 2, cells,
                   "A    N\n"
                   "x    1\n"
                   "y  100\n");
}

static void counts_a_code_point_as_one_column(void **state)
{
    static const struct table_column columns[] = {{"NAME", TABLE_LEFT}, {"B", TABLE_LEFT}};
    static const char *const cells[] = {"m\u00fcnchen", "x", "berlin1", "y", NULL};
    assert_printed(columns, 2, cells,
                   "NAME     B\n"
                   "m\u00fcnchen  x\n"
                   "berlin1  y\n");
}

static void makes_text_from_outside_harmless(void **state)
{
    static const struct table_column columns[] = {{"NAME", TABLE_LEFT}, {"B", TABLE_LEFT}};
    static const char *const cells[] = {"\033[2J\n\x7f", "", NULL};
    assert_printed(columns, 2, cells,
                   "NAME    B\n"
                   "?[2J??  -\n");
}

static void prints_no_headings_where_there_are_none(void **state)
{
    static const struct table_column columns[] = {{NULL, TABLE_LEFT}, {NULL, TABLE_LEFT}};
    static const char *const cells[] = {"pid", "1", "uptime", "2s", NULL};
    assert_printed(columns, 2, cells,
                   "pid     1\n"
                   "uptime  2s\n");
}

static void prints_headings_over_no_rows(void **state)
{
    static const struct table_column columns[] = {{"NAME", TABLE_LEFT}, {"N", TABLE_RIGHT}};
    static const char *const cells[] = {NULL};
    assert_printed(columns, 2, cells, "NAME  N\n");
}

static void humanises_bytes(void **state)
{
    static const struct {
        uint64_t bytes;
        const char *text;
    } cases[] = {
        {0, "0 B"},
        {1, "1 B"},
        {1023, "1023 B"},
        {1024, "1.0 KiB"},
        {1536, "1.5 KiB"},
        {1048575, "1.0 MiB"}, // never 1024.0 KiB
        {1048576, "1.0 MiB"},
        {(uint64_t)5 << 30, "5.0 GiB"},
        {(uint64_t)3 << 40, "3.0 TiB"},
        {UINT64_MAX, "16.0 EiB"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char out[TABLE_BYTES_SIZE];
        assert_string_equal(table_bytes(cases[i].bytes, out), cases[i].text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(makes_columns_as_wide_as_their_widest_cell),
        cmocka_unit_test(aligns_a_last_column_of_numbers),
        cmocka_unit_test(counts_a_code_point_as_one_column),
        cmocka_unit_test(makes_text_from_outside_harmless),
        cmocka_unit_test(prints_no_headings_where_there_are_none),
        cmocka_unit_test(prints_headings_over_no_rows),
        cmocka_unit_test(humanises_bytes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
