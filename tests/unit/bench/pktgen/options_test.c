#include "bench/pktgen/options.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench/pktgen/pace.h"
#include "tests/test.h"
#include "tests/unit/bench/pktgen/addresses.h"

#define WHOLE "--tx net_null0 --from 10.0.0.1 --to 10.0.0.2 --destination-mac 02:00:00:00:00:01"
#define V6    "--tx net_null0 --from fd00::1 --to fd00::2"

static char line[512];
static char why[OPTIONS_WHY_SIZE];

// Reads a line of words; they live until the next.
static bool read(const char *words, struct options *options)
{
    char *argv[32] = {"weir-pktgen"};
    int argc = 1;
    snprintf(line, sizeof(line), "%s", words);
    for (char *word = strtok(line, " "); word && argc < 31; word = strtok(NULL, " "))
        argv[argc++] = word;
    return options_read(argc, argv, options, why);
}

static void what_is_given_is_read(void **state)
{
    struct options options;
    assert_true(read(WHOLE, &options));
    assert_string_equal(options.rx, "net_null0");
    assert_int_equal(options.rate, 1000);
    assert_int_equal(options.profile.size, 64);
    assert_int_equal(options.profile.destination_mac[5], 1);
    assert_false(options.resolve);
    assert_true(
        read(WHOLE " --rx net_null1 --rate 14M --size imix --flows 7 --search --json", &options));
    assert_string_equal(options.rx, "net_null1");
    assert_int_equal(options.rate, 14000000);
    assert_int_equal(options.profile.size, FRAMES_IMIX);
    assert_int_equal(options.profile.flows, 7);
    assert_true(options.search && options.json);
    assert_int_equal(options.resolution, 140000);
    assert_true(read(WHOLE " --rate 14M --search --resolution 5k", &options));
    assert_int_equal(options.resolution, 5000);
    assert_true(read(WHOLE " --rate 5 --search", &options));
    assert_int_equal(options.resolution, 1);
    assert_true(read(WHOLE " --syn --rate max", &options));
    assert_int_equal(options.profile.size, 76);
    assert_true(options.rate == PACE_MAX);
    assert_true(read(V6, &options));
    assert_int_equal(options.profile.size, 84);
    assert_true(options.resolve && ip_equal(&options.gateway, &options.profile.to));
    assert_true(read(V6 " --gateway fd00::9 --answer 10.0.0.9 --syn --flows 16777216", &options));
    assert_int_equal(options.profile.size, 96);
    struct ip_address gateway = address_of("fd00::9");
    assert_true(options.resolve && ip_equal(&options.gateway, &gateway));
    assert_true(read("--help", &options));
    assert_true(options.help);
    assert_true(read("--completion", &options));
    assert_true(options.completion);
}

static void what_is_wrong_is_said(void **state)
{
    static const struct {
        const char *words, *part;
    } cases[] = {
        {"", "--tx DEVICE is needed"},
        {"--tx net_null0", "--from ADDRESS is needed"},
        {WHOLE " --rate 0", "--rate takes"},
        {WHOLE " --rate 5x", "--rate takes"},
        {WHOLE " --rate 99999M", "--rate takes"},
        {WHOLE " --rate -1", "--rate takes"},
        {WHOLE " --size 65", "even"},
        {WHOLE " --size 2000", "--size takes a number from 64 to 1518"},
        {WHOLE " --syn --size 64", "at least 76"},
        {WHOLE " --syn --size imix", "no imix"},
        {WHOLE " --search --rate max", "--search"},
        {WHOLE " --search --resolution 0", "--resolution takes"},
        {WHOLE " --search --resolution max", "--resolution takes"},
        {WHOLE " --resolution 5", "give --search, too"},
        {WHOLE " --search --rate 10 --resolution 11", "more than --rate"},
        {WHOLE " --to fd00::1", "--to and --from are addresses of the same version"},
        {WHOLE " --to 224.0.0.1", "--to takes a unicast address"},
        {WHOLE " --gateway 10.0.0.3", "--destination-mac tells: give one"},
        {WHOLE " --from 223.255.255.250 --flows 999999", "--flows needs 16 unicast addresses"},
        {V6 " --from fd00::ffff:ffff --flows 64513", "--flows needs 2 unicast addresses"},
        {V6 " --gateway 10.0.0.3", "--gateway and --from are addresses of the same version"},
        {V6 " --size 64", "at least 84"},
        {WHOLE " --destination-mac 02:00", "six bytes"},
        {WHOLE " --colour red", "--colour is unknown"},
        {WHOLE " --seconds", "--seconds is unknown or wants a value"},
        {WHOLE " more", "more belongs to no option"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct options options;
        assert_false(read(cases[i].words, &options));
        if (!strstr(why, cases[i].part))
            fail_msg("%s: %s", cases[i].words, why);
    }
}

static char *written(void (*write)(FILE *out))
{
    char *text = NULL;
    size_t size;
    FILE *out = open_memstream(&text, &size);
    assert_non_null(out);
    write(out);
    fclose(out);
    return text;
}

static void help_fits_a_terminal_and_names_every_option(void **state)
{
    char *text = written(options_write_help);
    for (char *rest = text, *of_text; (of_text = strsep(&rest, "\n"));) {
        if (strlen(of_text) > 80)
            fail_msg("longer than 80: %s", of_text);
    }
    free(text);
    text = written(options_write_help);
    assert_non_null(strstr(text, "\n  --rx DEVICE             device to receive on"));
    assert_non_null(strstr(text, "\n                          net_af_xdp0,iface=eth0\n"));
    assert_non_null(strstr(text, "\n  --resolution N          packets a second"));
    assert_non_null(strstr(text, "\n  --destination-mac MAC   of the device"));
    free(text);
}

// bash itself completes with it.
static void completion_offers_options_and_usual_values(void **state)
{
    static const struct {
        const char *words, *offered;
    } cases[] = {
        {"--se", "--seconds\n--search\n"},
        {"--rate m", "max\n"},
        {"--size imix --dest", "--destination-mac\n"},
        {"--tx net", ""},
        {"--json --size 1", "128\n1024\n1280\n1518\n"},
    };
    char *script = written(options_write_completion);
    assert_int_equal(setenv("SCRIPT", script, 1), 0);
    free(script);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char command[512], offered[256];
        snprintf(command, sizeof(command),
                 "bash -c 'eval \"$SCRIPT\"; COMP_WORDS=(weir-pktgen %s); "
                 "COMP_CWORD=$((${#COMP_WORDS[@]} - 1)); _weir_pktgen; "
                 "printf \"%%s\\n\" ${COMPREPLY[@]}'",
                 cases[i].words);
        FILE *bash = popen(command, "r");
        assert_non_null(bash);
        size_t size = fread(offered, 1, sizeof(offered) - 1, bash);
        offered[size] = '\0';
        assert_int_equal(pclose(bash), 0);
        // Without one, printf ends an empty line.
        assert_string_equal(offered, cases[i].offered[0] ? cases[i].offered : "\n");
    }
}

static void packets_are_due_by_time_and_stalls_are_forgiven(void **state)
{
    struct pace pace = {.rate = 1000, .hz = 1000000, .began = 50};
    assert_int_equal(pace_due(&pace, 50, 0), 0);
    assert_int_equal(pace_due(&pace, 50 + 999, 0), 0);
    assert_int_equal(pace_due(&pace, 50 + 5000, 2), 3);
    // Ten seconds of stall are 10000 packets, of which PACE_BEHIND are made up for.
    assert_int_equal(pace_due(&pace, 50 + 10000000, 5), PACE_BEHIND);
    assert_int_equal(pace_due(&pace, 50 + 10001000, 5 + PACE_BEHIND), 1);
    pace.rate = PACE_MAX;
    assert_int_equal(pace_due(&pace, 50, 1), PACE_BEHIND);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_given_is_read),
        cmocka_unit_test(what_is_wrong_is_said),
        cmocka_unit_test(help_fits_a_terminal_and_names_every_option),
        cmocka_unit_test(completion_offers_options_and_usual_values),
        cmocka_unit_test(packets_are_due_by_time_and_stalls_are_forgiven),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
