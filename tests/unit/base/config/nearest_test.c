#include "base/config/nearest_priv.h"

#include "tests/test.h"

#include <string.h>

struct nearest_row {
    const char *given;
    const char *best; // NULL: none is near
    size_t distance;
};

static const struct nearest_row rows[] = {
    {"weight", "weight", 0},
    {"wieght", "weight", 1},
    {"weigth", "weight", 1},
    {"weght", "weight", 1},
    {"weights", "weight", 1},
    {"stat", "state", 1},
    {"nmae", "name", 1},
    {"prot", "port", 1},
    {"adress", "address", 1},
    {"addrses", "address", 1},
    {"wigt", "weight", 2},
    {"xyzzy", NULL, 0},
    {"", NULL, 0},
    {"a", NULL, 0},
};

static void finds_the_word_that_was_meant(void **state)
{
    static const char *const words[] = {"name", "address", "port", "weight", "state"};
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct nearest nearest = nearest_start(rows[i].given);
        for (size_t j = 0; j < sizeof(words) / sizeof(words[0]); j++)
            nearest_offer(&nearest, words[j]);
        if (!rows[i].best) {
            assert_null(nearest.best);
            continue;
        }
        assert_string_equal(nearest.best, rows[i].best);
        assert_int_equal(nearest.distance, rows[i].distance);
    }
}

static void gives_up_on_words_longer_than_any_name(void **state)
{
    char given[80] = "";
    char candidate[80] = "";
    memset(given, 'a', 64);
    memset(candidate, 'a', 63);
    struct nearest nearest = nearest_start(given);
    nearest_offer(&nearest, candidate);
    assert_null(nearest.best);

    given[63] = '\0';
    candidate[62] = 'b';
    nearest = nearest_start(given);
    nearest_offer(&nearest, candidate);
    assert_string_equal(nearest.best, candidate);
    assert_int_equal(nearest.distance, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(finds_the_word_that_was_meant),
        cmocka_unit_test(gives_up_on_words_longer_than_any_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
