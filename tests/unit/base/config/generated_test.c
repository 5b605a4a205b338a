// The files that are made from the schema table and committed, and the samples of configs/.
#include "tests/test.h"

#include <dirent.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/config/config.h"

static char *read_whole(const char *name)
{
    char path[4096];
    const char *root = getenv("WEIR_SOURCE_ROOT");
    assert_non_null(root);
    snprintf(path, sizeof(path), "%s/%s", root, name);
    FILE *in = fopen(path, "r");
    if (!in)
        fail_msg("%s is missing: run `ninja -C build config-docs`", name);
    char *text = calloc(1, 1u << 20);
    assert_non_null(text);
    size_t size = fread(text, 1, (1u << 20) - 1, in);
    assert_true(size > 0);
    fclose(in);
    return text;
}

static void is_fresh(const char *name, void (*print)(FILE *out))
{
    char *made;
    size_t size;
    FILE *out = open_memstream(&made, &size);
    print(out);
    fclose(out);
    char *committed = read_whole(name);
    if (strcmp(made, committed) != 0)
        fail_msg("%s is stale: run `ninja -C build config-docs` and commit it", name);
    free(committed);
    free(made);
}

static void the_reference_page_is_fresh(void **state)
{
    is_fresh("docs/configuration.md", config_print_reference);
}

static void the_json_schema_is_fresh(void **state)
{
    is_fresh("configs/weir.schema.json", config_print_json_schema);
}

static void the_json_schema_is_json_and_resolves(void **state)
{
    char *text = read_whole("configs/weir.schema.json");
    json_error_t error;
    json_t *schema = json_loads(text, JSON_REJECT_DUPLICATES, &error);
    assert_non_null(schema);
    json_t *definitions = json_object_get(schema, "$defs");
    assert_int_equal(json_object_size(definitions), 12);
    for (char *at = text; (at = strstr(at, "#/$defs/"));) {
        at += strlen("#/$defs/");
        char name[64];
        snprintf(name, sizeof(name), "%.*s", (int)strcspn(at, "\""), at);
        assert_non_null(json_object_get(definitions, name));
    }
    json_decref(schema);
    free(text);
}

static void the_example_of_the_reference_page_is_read(void **state)
{
    char *page = read_whole("docs/configuration.md");
    char *heading = strstr(page, "## A whole file");
    assert_non_null(heading);
    char *start = strstr(heading, "```yaml\n");
    assert_non_null(start);
    start += strlen("```yaml\n");
    char *end = strstr(start, "```");
    assert_non_null(end);
    struct config *config = NULL;
    struct config_problems problems;
    enum error error = config_read_text(span_of(start, (size_t)(end - start)), &config, &problems);
    config_problems_print(&problems, "docs/configuration.md", stderr);
    assert_int_equal(error, ERROR_NONE);
    config_problems_fini(&problems);
    config_destroy(config);
    free(page);
}

static void every_sample_is_read(void **state)
{
    char folder[4096];
    snprintf(folder, sizeof(folder), "%s/configs", getenv("WEIR_SOURCE_ROOT"));
    DIR *entries = opendir(folder);
    assert_non_null(entries);
    uint32_t samples = 0;
    for (struct dirent *entry; (entry = readdir(entries));) {
        size_t length = strlen(entry->d_name);
        if (length < 5 || strcmp(entry->d_name + length - 5, ".yaml") != 0)
            continue;
        char path[8192];
        snprintf(path, sizeof(path), "%s/%s", folder, entry->d_name);
        struct config *config = NULL;
        struct config_problems problems;
        enum error error = config_read_file(path, &config, &problems);
        config_problems_print(&problems, entry->d_name, stderr);
        assert_int_equal(error, ERROR_NONE);
        assert_true(config->port_count > 0 && config->vip_count > 0);
        config_problems_fini(&problems);
        config_destroy(config);
        samples++;
    }
    closedir(entries);
    assert_true(samples >= 6);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_reference_page_is_fresh),
        cmocka_unit_test(the_json_schema_is_fresh),
        cmocka_unit_test(the_json_schema_is_json_and_resolves),
        cmocka_unit_test(the_example_of_the_reference_page_is_read),
        cmocka_unit_test(every_sample_is_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
