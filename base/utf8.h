// UTF-8, as texts from outside claim to be.
#pragma once

#include <stddef.h>
#include <stdint.h>

// The length of the character at `at`, where `left` bytes are: 1 to 4, or 0 where there is none
// (RFC 3629 section 4: no overlong forms, no surrogates, nothing above U+10FFFF).
static inline size_t utf8_length(const uint8_t *at, size_t left)
{
    if (left == 0)
        return 0;
    if (at[0] < 0x80)
        return 1;
    size_t length = at[0] < 0xc2 ? 0 : at[0] < 0xe0 ? 2 : at[0] < 0xf0 ? 3 : at[0] < 0xf5 ? 4 : 0;
    if (left < length)
        return 0;
    for (size_t i = 1; i < length; i++) {
        if ((at[i] & 0xc0) != 0x80)
            return 0;
    }
    if ((at[0] == 0xe0 && at[1] < 0xa0) || (at[0] == 0xed && at[1] >= 0xa0) ||
        (at[0] == 0xf0 && at[1] < 0x90) || (at[0] == 0xf4 && at[1] >= 0x90))
        return 0;
    return length;
}
