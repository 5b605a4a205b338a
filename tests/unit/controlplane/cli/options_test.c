#include "controlplane/cli/options.h"

#include <string.h>

#include "tests/test.h"

#define LINE_WORDS_MAX 80
#define WORDS_16       "a b c d e f g h a b c d e f g h "

// Splits a command line at its blanks, in place.
static int split(char *line, const char **words)
{
    int count = 0;
    for (char *word = strtok(line, " "); word; word = strtok(NULL, " ")) {
        assert_in_range(count, 0, LINE_WORDS_MAX - 1);
        words[count++] = word;
    }
    return count;
}

static void takes_options_anywhere(void **state)
{
    static const char *const lines[] = {
        "--socket /s show flows --limit 5 --json --client 2001:db8::1",
        "show --json flows --socket=/s --client=2001:db8::1 --limit=5",
        "--client 2001:db8::1 --limit 5 --json --socket /s -- show flows",
    };
    for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
        char line[256];
        const char *words[LINE_WORDS_MAX];
        char why[OPTIONS_WHY_SIZE];
        struct options options;
        strcpy(line, lines[i]);
        int count = split(line, words);
        assert_int_equal(options_parse(count, words, &options, why), ERROR_NONE);
        assert_int_equal(options.word_count, 2);
        assert_string_equal(options.words[0], "show");
        assert_string_equal(options.words[1], "flows");
        assert_string_equal(options.values[OPTION_SOCKET].text, "/s");
        assert_string_equal(options.values[OPTION_CLIENT].text, "2001:db8::1");
        assert_int_equal(options.values[OPTION_LIMIT].number, 5);
        assert_int_equal(options.given, OPTION_BIT(OPTION_SOCKET) | OPTION_BIT(OPTION_JSON) |
                                            OPTION_BIT(OPTION_CLIENT) | OPTION_BIT(OPTION_LIMIT));
    }
}

static void presets_what_is_not_given(void **state)
{
    struct options options;
    char why[OPTIONS_WHY_SIZE];
    assert_int_equal(options_parse(0, NULL, &options, why), ERROR_NONE);
    assert_int_equal(options.given, 0);
    assert_int_equal(options.word_count, 0);
    assert_int_equal(options.values[OPTION_LIMIT].number, 100);
    assert_int_equal(options.values[OPTION_WATCH].number, 1000);
    assert_int_equal(options.values[OPTION_INTERVAL].number, 1000);
    assert_null(options.values[OPTION_VIP].text);
}

static void reads_durations_with_their_units(void **state)
{
    static const struct {
        const char *word;
        uint64_t ms;
    } cases[] = {
        {"--watch", 1000},      {"--watch=100ms", 100},  {"--watch=2s", 2000},
        {"--watch=3m", 180000}, {"--watch=1h", 3600000},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct options options;
        char why[OPTIONS_WHY_SIZE];
        const char *words[] = {cases[i].word, "show"};
        assert_int_equal(options_parse(2, words, &options, why), ERROR_NONE);
        assert_true(options_given(&options, OPTION_WATCH));
        assert_int_equal(options.values[OPTION_WATCH].number, cases[i].ms);
        // --watch takes its value by "=" only: what follows is a word.
        assert_int_equal(options.word_count, 1);
    }
}

static void after_two_dashes_all_are_words(void **state)
{
    const char *words[] = {"drain", "--", "--json", "-x"};
    struct options options;
    char why[OPTIONS_WHY_SIZE];
    assert_int_equal(options_parse(4, words, &options, why), ERROR_NONE);
    assert_int_equal(options.word_count, 3);
    assert_string_equal(options.words[1], "--json");
    assert_int_equal(options.given, 0);
}

static void says_what_is_wrong(void **state)
{
    static const struct {
        const char *line;
        const char *why; // its beginning
    } cases[] = {
        {"--jsno", "there is no option --jsno; did you mean --json?"},
        {"--lmit=5", "there is no option --lmit; did you mean --limit?"},
        {"--frobnicate", "there is no option --frobnicate"},
        {"-x", "there is no option -x"},
        {"--socket", "--socket wants a value: --socket PATH"},
        {"--socket=", "--socket takes a PATH, not nothing"},
        {"--json=yes", "--json takes no value"},
        {"--json --json", "--json is given twice"},
        {"--limit 0", "--limit takes a number from 1"},
        {"--limit -5", "--limit takes a number from 1"},
        {"--limit +5", "--limit takes a number from 1"},
        {"--limit 5x", "--limit takes a number from 1"},
        {"--limit 100001", "--limit takes a number from 1 to 100000, not `100001`"},
        {"--count 1000001", "--count takes a number from 1 to 1000000, not `1000001`"},
        {"--limit 99999999999999999999", "--limit takes a number from 1"},
        {"--client web", "--client takes an IPv4 or IPv6 address, not `web`"},
        {"--watch=5", "--watch wants a unit"},
        {"--watch=s", "--watch takes a number with its unit"},
        {"--watch=", "--watch takes a number with its unit"},
        {"--watch=99ms", "--watch takes 100ms to 1h"},
        {"--interval 2h", "--interval takes 100ms to 1h"},
        {"--interval 2d", "--interval wants a unit"},
        {WORDS_16 WORDS_16 WORDS_16 WORDS_16 "i", "too many words, from `i` on"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char line[256];
        const char *words[LINE_WORDS_MAX];
        char why[OPTIONS_WHY_SIZE];
        struct options options;
        strcpy(line, cases[i].line);
        int count = split(line, words);
        assert_int_equal(options_parse(count, words, &options, why), ERROR_INVALID);
        if (strncmp(why, cases[i].why, strlen(cases[i].why)) != 0)
            fail_msg("%s: %s", cases[i].line, why);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(takes_options_anywhere),
        cmocka_unit_test(presets_what_is_not_given),
        cmocka_unit_test(reads_durations_with_their_units),
        cmocka_unit_test(after_two_dashes_all_are_words),
        cmocka_unit_test(says_what_is_wrong),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
