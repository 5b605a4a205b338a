#include "base/config/problems_priv.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"

#define WORDS_BYTES_MAX 80u

// A terminal or a log must be able to show what a file brought.
static char *printable_words(const char *words)
{
    size_t length = words ? strnlen(words, WORDS_BYTES_MAX + 1) : 0;
    bool cut = length > WORDS_BYTES_MAX;
    if (cut) {
        length = WORDS_BYTES_MAX;
        while (length > 0 && ((uint8_t)words[length] & 0xc0) == 0x80)
            length--; // not in the middle of a UTF-8 sequence
    }
    char *copy = malloc(length + sizeof("..."));
    CHECK(copy);
    for (size_t i = 0; i < length; i++) {
        uint8_t byte = (uint8_t)words[i];
        copy[i] = byte < 0x20 || byte == 0x7f ? ' ' : (char)byte;
    }
    strcpy(copy + length, cut ? "..." : "");
    return copy;
}

void problems_add(struct config_problems *problems, uint32_t line, uint32_t column,
                  const char *words, const char *format, ...)
{
    if (problems->count == CONFIG_PROBLEMS_MAX) {
        problems->left_out++;
        return;
    }
    if (!problems->items) {
        problems->items = calloc(CONFIG_PROBLEMS_MAX, sizeof(*problems->items));
        CHECK(problems->items);
    }
    struct config_problem *problem = &problems->items[problems->count++];
    problem->line = line;
    problem->column = column;
    problem->words = printable_words(words);

    va_list arguments;
    va_start(arguments, format);
    CHECK(vasprintf(&problem->message, format, arguments) >= 0);
    va_end(arguments);
    char *newline = strchr(problem->message, '\n');
    CHECK(newline);
    problem->remedy = strdup(newline + 1);
    CHECK(problem->remedy);
    *newline = '\0';
}

static int by_place(const void *left, const void *right)
{
    const struct config_problem *a = left, *b = right;
    if (a->line != b->line)
        return a->line < b->line ? -1 : 1;
    if (a->column != b->column)
        return a->column < b->column ? -1 : 1;
    return strcmp(a->message, b->message);
}

void problems_sort(struct config_problems *problems)
{
    if (problems->count > 1)
        qsort(problems->items, problems->count, sizeof(*problems->items), by_place);
}

void config_problems_fini(struct config_problems *problems)
{
    for (uint32_t i = 0; i < problems->count; i++) {
        free(problems->items[i].words);
        free(problems->items[i].message);
        free(problems->items[i].remedy);
    }
    free(problems->items);
    *problems = (struct config_problems){.items = NULL};
}

void config_problems_print(const struct config_problems *problems, const char *path, FILE *out)
{
    for (uint32_t i = 0; i < problems->count; i++) {
        const struct config_problem *problem = &problems->items[i];
        fputs(path, out);
        if (problem->line)
            fprintf(out, ":%u:%u", problem->line, problem->column);
        fprintf(out, ": %s", problem->message);
        if (problem->words[0])
            fprintf(out, ": `%s`", problem->words);
        fprintf(out, "\n  %s\n", problem->remedy);
    }
    if (problems->left_out)
        fprintf(out, "%s: %u more problems are not shown\n", path, problems->left_out);
}
