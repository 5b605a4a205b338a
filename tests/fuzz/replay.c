// Runs a fuzz target over its corpus without a fuzzer: every file of the folders named, then each
// of them cut short at every length and with every byte's bits flipped once (for files up to a
// limit), so that the plain tests already walk the edges of each parser.
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "tests/fuzz/fuzz.h"

#define FILE_BYTES_MAX    (1u << 20)
#define MUTATED_BYTES_MAX 2048u

static size_t runs;

// A copy of its own for each run, so that the address sanitizer sees a read past its end.
static void run(const uint8_t *data, size_t size)
{
    uint8_t *copy = malloc(size ? size : 1);
    CHECK(copy);
    if (size)
        memcpy(copy, data, size);
    LLVMFuzzerTestOneInput(copy, size);
    free(copy);
    runs++;
}

static void run_with_neighbours(uint8_t *data, size_t size)
{
    run(data, size);
    if (size > MUTATED_BYTES_MAX)
        return;
    for (size_t cut = 0; cut < size; cut++)
        run(data, cut);
    for (size_t i = 0; i < size; i++) {
        data[i] ^= 0xff;
        run(data, size);
        data[i] ^= 0xff ^ (uint8_t)(1u << (i % 8));
        run(data, size);
        data[i] ^= (uint8_t)(1u << (i % 8));
    }
}

static void run_file(const char *path)
{
    FILE *file = fopen(path, "rb");
    CHECK(file);
    uint8_t *data = malloc(FILE_BYTES_MAX);
    CHECK(data);
    size_t size = fread(data, 1, FILE_BYTES_MAX, file);
    fclose(file);
    run_with_neighbours(data, size);
    free(data);
}

int main(int argc, char **argv)
{
    size_t files = 0;
    for (int i = 1; i < argc; i++) {
        DIR *folder = opendir(argv[i]);
        if (!folder) {
            fprintf(stderr, "replay: cannot open %s\n", argv[i]);
            return 1;
        }
        for (struct dirent *entry; (entry = readdir(folder));) {
            if (entry->d_name[0] == '.')
                continue;
            char path[4096];
            snprintf(path, sizeof(path), "%s/%s", argv[i], entry->d_name);
            run_file(path);
            files++;
        }
        closedir(folder);
    }
    printf("%zu files, %zu inputs\n", files, runs);
    return files > 0 ? 0 : 1; // a corpus that is gone must not pass
}
