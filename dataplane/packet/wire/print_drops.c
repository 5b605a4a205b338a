// weir-drop-reference FILE: writes the page of drop reasons, docs/drops.md. It is committed;
// tests/unit/dataplane/packet/wire/drop_test.c fails when it is stale.
#include <stdio.h>

#include "dataplane/packet/wire/drop.h"

int main(int argc, char **argv)
{
    if (argc != 2) {
        fprintf(stderr, "usage: weir-drop-reference FILE\n");
        return 2;
    }
    FILE *out = fopen(argv[1], "w");
    if (!out) {
        perror(argv[1]);
        return 1;
    }
    drop_print_reference(out);
    if (fclose(out) != 0) {
        perror(argv[1]);
        return 1;
    }
    return 0;
}
