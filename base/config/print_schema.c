// weir-config-schema ROOT: writes the files that are generated from the schema table,
// ROOT/docs/configuration.md and ROOT/configs/weir.schema.json. They are committed;
// tests/unit/base/config/generated_test.c fails when they are stale.
#include <stdio.h>

#include "base/config/config.h"

static int write_file(const char *root, const char *name, void (*print)(FILE *out))
{
    char path[4096];
    snprintf(path, sizeof(path), "%s/%s", root, name);
    FILE *out = fopen(path, "w");
    if (!out) {
        perror(path);
        return 1;
    }
    print(out);
    if (fclose(out) != 0) {
        perror(path);
        return 1;
    }
    return 0;
}

int main(int argc, char **argv)
{
    if (argc != 2) {
        fprintf(stderr, "usage: weir-config-schema ROOT\n");
        return 2;
    }
    int failed = write_file(argv[1], "docs/configuration.md", config_print_reference);
    failed |= write_file(argv[1], "configs/weir.schema.json", config_print_json_schema);
    return failed;
}
