#include "base/nearest.h"

#include <string.h>

#include "tests/test.h"

static const char *const known[] = {"ports", "pools", NULL, "vips", "neighbours", "status", "ip"};
#define KNOWN_COUNT (sizeof(known) / sizeof(known[0]))

static void names_the_word_that_was_meant(void **state)
{
    static const struct {
        const char *word;
        const char *meant; // NULL: none
    } cases[] = {
        {"ports", "ports"},          // itself
        {"PORTS", "ports"},          // case
        {"port", "ports"},           // one missing
        {"porrts", "ports"},         // one too many
        {"parts", "ports"},          // one wrong
        {"prots", "ports"},          // swapped neighbours are one change
        {"neighbors", "neighbours"}, // American
        {"nieghbuors", "neighbours"},
        {"poots", "ports"}, // as near to pools: the first wins
        {"oi", NULL},
        {"pi", "ip"},
        {"vlans", NULL},
        {"prtsx", NULL},
        {"i", "ip"},
        {"x", NULL},
        {"", NULL},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const char *nearest = nearest_word(cases[i].word, known, KNOWN_COUNT);
        if (!cases[i].meant)
            assert_null(nearest);
        else if (!nearest)
            fail_msg("nothing is near %s", cases[i].word);
        else
            assert_string_equal(nearest, cases[i].meant);
    }
}

static void finds_nothing_near_a_word_over_the_length(void **state)
{
    char longest[NEAREST_LENGTH_MAX + 1];
    char longer[NEAREST_LENGTH_MAX + 2];
    memset(longest, 'a', sizeof(longest) - 1);
    longest[sizeof(longest) - 1] = '\0';
    memset(longer, 'a', sizeof(longer) - 1);
    longer[sizeof(longer) - 1] = '\0';

    const char *words[] = {longer, longest};
    assert_ptr_equal(nearest_word(longest, words, 2), longest);
    assert_null(nearest_word(longer, words, 2));
    assert_null(nearest_word(longest, words, 0));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_the_word_that_was_meant),
        cmocka_unit_test(finds_nothing_near_a_word_over_the_length),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
