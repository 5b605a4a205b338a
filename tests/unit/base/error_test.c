#include "base/error.h"

#include <string.h>

#include "tests/test.h"

static const enum error errors[] = {
#define ERROR_ENTRY(name, value, text) name,
    ERROR_LIST(ERROR_ENTRY)
#undef ERROR_ENTRY
};
#define ERROR_COUNT (sizeof(errors) / sizeof(errors[0]))

static void success_is_zero_and_every_failure_negative(void **state)
{
    assert_int_equal(ERROR_NONE, 0);
    for (size_t i = 1; i < ERROR_COUNT; i++)
        assert_true(errors[i] < 0);
}

static void every_error_has_a_text_and_a_value_of_its_own(void **state)
{
    for (size_t i = 0; i < ERROR_COUNT; i++) {
        assert_string_not_equal(error_text(errors[i]), error_text((enum error)1));
        for (size_t j = 0; j < i; j++) {
            assert_int_not_equal(errors[i], errors[j]);
            assert_string_not_equal(error_text(errors[i]), error_text(errors[j]));
        }
    }
}

static void a_stranger_is_an_unknown_error(void **state)
{
    assert_string_equal(error_text((enum error)1), "unknown error");
    assert_string_equal(error_text((enum error) - 1000), "unknown error");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(success_is_zero_and_every_failure_negative),
        cmocka_unit_test(every_error_has_a_text_and_a_value_of_its_own),
        cmocka_unit_test(a_stranger_is_an_unknown_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
