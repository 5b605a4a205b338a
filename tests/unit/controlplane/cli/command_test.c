#include "controlplane/cli/command.h"

#include <stdlib.h>
#include <string.h>

#include "controlplane/cli/help.h"
#include "tests/test.h"

static void finds_the_command_its_words_name(void **state)
{
    static const struct {
        const char *words[3];
        size_t count;
        const char *first;
        const char *second;
    } cases[] = {
        {{"show", "ports"}, 2, "show", "ports"},
        {{"show", "neighbours"}, 2, "show", "neighbours"},
        {{"drain", "web", "s1"}, 3, "drain", NULL},
        {{"drain"}, 1, "drain", NULL},
        {{"completion", "bash"}, 2, "completion", "bash"},
        {{"help", "show"}, 2, "help", NULL},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char why[OPTIONS_WHY_SIZE];
        const struct command *command = command_find(cases[i].words, cases[i].count, why);
        assert_non_null(command);
        assert_string_equal(command->words[0], cases[i].first);
        if (cases[i].second)
            assert_string_equal(command->words[1], cases[i].second);
        else
            assert_null(command->words[1]);
    }
}

static void says_what_was_probably_meant(void **state)
{
    static const struct {
        const char *words[3];
        size_t count;
        const char *why;
    } cases[] = {
        {{"shwo", "ports"}, 2, "there is no command `shwo`; did you mean `weirctl show`?"},
        {{"show", "prots"},
         2,
         "there is no command `show prots`; did you mean `weirctl show ports`?"},
        {{"show", "neighbors"},
         2,
         "there is no command `show neighbors`; did you mean `weirctl show neighbours`?"},
        {{"relaod"}, 1, "there is no command `relaod`; did you mean `weirctl reload`?"},
        {{"undrian", "web", "s1"},
         3,
         "there is no command `undrian`; did you mean `weirctl undrain`?"},
        {{"show", "zebra"}, 2, "there is no command `show zebra`; `weirctl help` lists all"},
        {{"zebra"}, 1, "there is no command `zebra`; `weirctl help` lists all"},
        {{"show"},
         1,
         "show what? one of status, config, ports, vips, pools, flows, drops, balance, access, "
         "locals, "
         "workers, counters, stages, talkers, handshakes, neighbours"},
        {{"completion"}, 1, "completion what? one of bash"},
        {{"completion", "bahs"},
         2,
         "there is no command `completion bahs`; did you mean `weirctl completion bash`?"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char why[OPTIONS_WHY_SIZE];
        assert_null(command_find(cases[i].words, cases[i].count, why));
        assert_string_equal(why, cases[i].why);
    }
}

// The caller frees it.
static char *help_of(const char *const *words, size_t count, bool *known)
{
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);
    *known = true;
    if (count > 0)
        *known = help_print_commands(words, count, out);
    else
        help_print_overview(out);
    fclose(out);
    return text;
}

static void helps_with_one_command_in_full(void **state)
{
    const char *words[] = {"show", "drops"};
    bool known;
    char *text = help_of(words, 2, &known);
    assert_true(known);
    assert_string_equal(
        text, "weirctl show drops [OPTIONS]\n"
              "  dropped packets by reason\n"
              "\n"
              "Options:\n"
              "  --socket PATH            the data plane's socket [$WEIR_SOCKET, else "
              "/run/weir/dataplane.sock]\n"
              "  --help                   explain instead of doing; also -h\n"
              "  --json                   print the answer as JSON, for programs\n"
              "  --watch[=INTERVAL]       show it again every INTERVAL, until interrupted [1s]\n"
              "  --all                    what has counted nothing, too\n"
              "  --vip NAME               only what is of this virtual address\n"
              "  --by-vip                 a row for each virtual address\n"
              "\n"
              "Example:\n"
              "  weirctl show drops --vip web\n");
    free(text);
}

static void helps_with_commands_that_share_a_word(void **state)
{
    const char *words[] = {"show"};
    bool known;
    char *text = help_of(words, 1, &known);
    assert_true(known);
    assert_non_null(strstr(text, "  show ports "));
    assert_non_null(strstr(text, "  show neighbours "));
    assert_null(strstr(text, "reload"));
    free(text);
}

static void knows_no_help_for_what_is_no_command(void **state)
{
    static const char *const cases[][2] = {{"zebra", NULL}, {"show", "zebra"}, {"reload", "x"}};
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        bool known;
        char *text = help_of(cases[i], cases[i][1] ? 2 : 1, &known);
        assert_false(known);
        assert_string_equal(text, "");
        free(text);
    }
}

// The whole of a file; the caller frees it.
static char *contents(const char *path)
{
    FILE *file = fopen(path, "r");
    if (!file)
        fail_msg("cannot open %s", path);
    char *text = NULL;
    size_t size = 0;
    assert_true(getdelim(&text, &size, '\0', file) > 0);
    fclose(file);
    return text;
}

static void assert_names_every_command(const char *text)
{
    for (size_t i = 0; i < command_count; i++) {
        const struct command *command = &commands[i];
        char name[128];
        snprintf(name, sizeof(name), "weirctl %s%s%s%s%s", command->words[0],
                 command->words[1] ? " " : "", command->words[1] ? command->words[1] : "",
                 *command->usage ? " " : "", command->usage);
        // The overview writes commands without the program's name.
        if (!strstr(text, name) && !strstr(text, name + strlen("weirctl")))
            fail_msg("nothing about `%s`", name);
    }
}

static void the_overview_names_every_command(void **state)
{
    bool known;
    char *text = help_of(NULL, 0, &known);
    assert_names_every_command(text);
    free(text);
}

static void the_reference_page_names_every_command_option_and_exit_code(void **state)
{
    char *text = contents(getenv("WEIRCTL_PAGE"));
    assert_names_every_command(text);
    for (size_t i = 0; i < command_count; i++) {
        if (!strstr(text, commands[i].example))
            fail_msg("without the example `%s`", commands[i].example);
    }
    for (int id = 0; id < OPTION_IDS; id++) {
        if (!strstr(text, option_rules[id].name))
            fail_msg("nothing about %s", option_rules[id].name);
    }
    for (int code = CLI_OK; code <= CLI_LOCAL; code++) {
        char row[16];
        snprintf(row, sizeof(row), "\n| %d |", code);
        if (!strstr(text, row))
            fail_msg("nothing about exit code %d", code);
    }
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(finds_the_command_its_words_name),
        cmocka_unit_test(says_what_was_probably_meant),
        cmocka_unit_test(helps_with_one_command_in_full),
        cmocka_unit_test(helps_with_commands_that_share_a_word),
        cmocka_unit_test(knows_no_help_for_what_is_no_command),
        cmocka_unit_test(the_overview_names_every_command),
        cmocka_unit_test(the_reference_page_names_every_command_option_and_exit_code),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
