// Any bytes as a configuration file. What is refused must say why; what is read must survive being
// printed and read again.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/config/config.h"
#include "tests/fuzz/fuzz.h"

static void check_problems(const struct config_problems *problems)
{
    CHECK(problems->count > 0 && problems->count <= CONFIG_PROBLEMS_MAX);
    char *text;
    size_t size;
    FILE *out = open_memstream(&text, &size);
    CHECK(out);
    config_problems_print(problems, "fuzz", out);
    CHECK(fclose(out) == 0);
    for (uint32_t i = 0; i < problems->count; i++) {
        CHECK(problems->items[i].message[0]);
        CHECK(problems->items[i].remedy[0]);
        CHECK(!strchr(problems->items[i].remedy, '\n'));
    }
    free(text);
}

static void check_round_trip(const struct config *config)
{
    char *text;
    size_t size;
    FILE *out = open_memstream(&text, &size);
    CHECK(out);
    config_print(config, out);
    CHECK(fclose(out) == 0);
    struct config *again;
    struct config_problems problems;
    enum error error = config_read_text(span_of(text, size), &again, &problems);
    config_problems_print(&problems, "printed", stderr);
    CHECK(error == ERROR_NONE || error == ERROR_TOO_LARGE);
    if (error == ERROR_NONE) {
        CHECK(config_diff(config, again, NULL, NULL) == 0);
        config_destroy(again);
    }
    config_problems_fini(&problems);
    free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct config *config;
    struct config_problems problems;
    enum error error = config_read_text(span_of(data, size), &config, &problems);
    if (error == ERROR_NONE) {
        CHECK(problems.count == 0);
        check_round_trip(config);
        config_destroy(config);
    } else {
        check_problems(&problems);
    }
    config_problems_fini(&problems);
    return 0;
}
