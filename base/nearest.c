#include "base/nearest.h"

#include <stdint.h>
#include <string.h>

static char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

// The optimal string alignment distance: Levenshtein's, with swapped neighbours as one change.
static size_t distance(const char *a, size_t a_length, const char *b, size_t b_length)
{
    size_t rows[3][NEAREST_LENGTH_MAX + 1];
    size_t *before_last = rows[0];
    size_t *last = rows[1];
    size_t *row = rows[2];
    for (size_t j = 0; j <= b_length; j++)
        last[j] = j;
    for (size_t i = 1; i <= a_length; i++) {
        row[0] = i;
        for (size_t j = 1; j <= b_length; j++) {
            char x = lower(a[i - 1]);
            char y = lower(b[j - 1]);
            row[j] = least(least(last[j], row[j - 1]) + 1, last[j - 1] + (x != y));
            if (i > 1 && j > 1 && x == lower(b[j - 2]) && lower(a[i - 2]) == y)
                row[j] = least(row[j], before_last[j - 2] + 1);
        }
        size_t *recycled = before_last;
        before_last = last;
        last = row;
        row = recycled;
    }
    return last[b_length];
}

const char *nearest_word(const char *word, const char *const *known, size_t count)
{
    const char *nearest = NULL;
    size_t nearest_distance = SIZE_MAX;
    size_t length = strlen(word);
    if (length > NEAREST_LENGTH_MAX)
        return NULL;
    for (size_t i = 0; i < count; i++) {
        size_t known_length = known[i] ? strlen(known[i]) : SIZE_MAX;
        if (known_length > NEAREST_LENGTH_MAX)
            continue;
        size_t longer = length > known_length ? length : known_length;
        size_t changes = distance(word, length, known[i], known_length);
        // A third of a word of two would be nothing: there one change is near, too.
        size_t limit = longer == 2 ? 1 : longer / 3;
        if (changes <= limit && changes < nearest_distance) {
            nearest = known[i];
            nearest_distance = changes;
        }
    }
    return nearest;
}
