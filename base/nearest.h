// Which known word a mistyped one was probably meant to be: for "unknown key `prots`: did you mean
// `ports`?". Pure; any thread.
#pragma once

#include <stddef.h>

// Longer words are never near anything.
#define NEAREST_LENGTH_MAX 63

// The one of `count` known words that is nearest to `word`, the first of equals, or NULL when none
// is near: more than about a third of the longer word would have to change. One change is to
// insert, delete or replace a byte, or to swap two neighbours; upper and lower case are the same.
// NULL entries of `known` are skipped. Returns a pointer out of `known`.
const char *nearest_word(const char *word, const char *const *known, size_t count);
