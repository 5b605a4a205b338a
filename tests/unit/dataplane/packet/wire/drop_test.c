#include "dataplane/packet/wire/drop.h"

#include <stdlib.h>
#include <string.h>

#include "tests/test.h"

#define PAGE_BYTES_MAX (1u << 16)

static void every_reason_has_a_name_of_its_own_and_a_help(void **state)
{
    for (int i = 0; i < DROP_REASONS; i++) {
        const char *name = drop_name((enum drop_reason)i);
        assert_true(strlen(name) > 0 && strlen(name) < 24);
        // Names are labels of counters: lower case and hyphens.
        assert_int_equal(strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789-"), strlen(name));
        assert_true(strlen(drop_help((enum drop_reason)i)) > 0);
        assert_int_equal(strlen(drop_remedy((enum drop_reason)i)) > 0, i != DROP_NONE);
        for (int j = 0; j < i; j++)
            assert_string_not_equal(name, drop_name((enum drop_reason)j));
    }
}

static void names_follow_their_enumerators(void **state)
{
    assert_string_equal(drop_name(DROP_NONE), "none");
    assert_string_equal(drop_name(DROP_TCP_FLAGS), "tcp-flags");
    assert_string_equal(drop_name(DROP_TX_FULL), "tx-full");
    assert_string_equal(drop_help(DROP_TTL), "TTL or hop limit ran out here");
}

// What would break the page's table, or a line of the log.
static void texts_fit_a_table(void **state)
{
    for (int i = 0; i < DROP_REASONS; i++) {
        assert_null(strpbrk(drop_help((enum drop_reason)i), "|\n"));
        assert_null(strpbrk(drop_remedy((enum drop_reason)i), "|\n"));
    }
}

static void the_page_is_fresh(void **state)
{
    char path[4096];
    const char *root = getenv("WEIR_SOURCE_ROOT");
    assert_non_null(root);
    snprintf(path, sizeof(path), "%s/docs/drops.md", root);
    FILE *in = fopen(path, "r");
    if (!in)
        fail_msg("%s is missing: run `ninja -C build drops-docs`", path);
    char *made = NULL, *committed = calloc(1, PAGE_BYTES_MAX);
    assert_non_null(committed);
    assert_true(fread(committed, 1, PAGE_BYTES_MAX - 1, in) > 0);
    fclose(in);
    size_t size;
    FILE *out = open_memstream(&made, &size);
    drop_print_reference(out);
    fclose(out);
    if (strcmp(made, committed) != 0)
        fail_msg("%s is stale: run `ninja -C build drops-docs` and commit it", path);
    free(committed);
    free(made);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_reason_has_a_name_of_its_own_and_a_help),
        cmocka_unit_test(names_follow_their_enumerators),
        cmocka_unit_test(texts_fit_a_table),
        cmocka_unit_test(the_page_is_fresh),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
