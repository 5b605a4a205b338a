#include "dataplane/packet/wire/drop.h"

#include <string.h>

#include "tests/test.h"

static void every_reason_has_a_name_of_its_own_and_a_help(void **state)
{
    for (int i = 0; i < DROP_REASONS; i++) {
        const char *name = drop_name((enum drop_reason)i);
        assert_true(strlen(name) > 0 && strlen(name) < 24);
        // Names are labels of counters: lower case and hyphens.
        assert_int_equal(strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789-"), strlen(name));
        assert_true(strlen(drop_help((enum drop_reason)i)) > 0);
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_reason_has_a_name_of_its_own_and_a_help),
        cmocka_unit_test(names_follow_their_enumerators),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
