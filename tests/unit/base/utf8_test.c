#include "base/utf8.h"

#include <stdbool.h>
#include <string.h>

#include "tests/test.h"

// By the table of RFC 3629 section 3, the other way round.
static size_t encode(uint32_t character, uint8_t *to)
{
    if (character < 0x80) {
        to[0] = (uint8_t)character;
        return 1;
    }
    size_t length = character < 0x800 ? 2 : character < 0x10000 ? 3 : 4;
    static const uint8_t marks[] = {0, 0, 0xc0, 0xe0, 0xf0};
    for (size_t i = length - 1; i > 0; i--, character >>= 6)
        to[i] = (uint8_t)(0x80 | (character & 0x3f));
    to[0] = (uint8_t)(marks[length] | character);
    return length;
}

static void every_character_is_one_and_no_part_of_it(void **state)
{
    for (uint32_t character = 0; character <= 0x10ffff; character++) {
        if (character == 0xd800)
            character = 0xe000; // past the surrogates
        uint8_t bytes[5] = {0};
        size_t length = encode(character, bytes);
        assert_int_equal(utf8_length(bytes, sizeof(bytes)), length);
        for (size_t left = 0; left < length; left++)
            assert_int_equal(utf8_length(bytes, left), 0);
    }
}

// All that two bytes can begin: what is taken is a character's encoding, and there is no other.
static void nothing_else_is_one(void **state)
{
    for (uint32_t first = 0x80; first < 0x100; first++) {
        for (uint32_t second = 0; second < 0x100; second++) {
            uint8_t bytes[4] = {(uint8_t)first, (uint8_t)second, 0x80, 0x80};
            size_t length = utf8_length(bytes, sizeof(bytes));
            bool continues = second >= 0x80 && second < 0xc0;
            uint32_t three = (first & 0xf) << 12 | (second & 0x3f) << 6;
            uint32_t four = (first & 7) << 18 | (second & 0x3f) << 12;
            size_t wanted = 0;
            if (continues && first >= 0xc2 && first < 0xe0)
                wanted = 2;
            if (continues && first >= 0xe0 && first < 0xf0 && three >= 0x800 &&
                (three < 0xd800 || three > 0xdfff))
                wanted = 3;
            if (continues && first >= 0xf0 && first < 0xf8 && four >= 0x10000 && four <= 0x10ffff)
                wanted = 4;
            assert_int_equal(length, wanted);
            if (length > 2) {
                bytes[length - 1] = 'a';
                assert_int_equal(utf8_length(bytes, sizeof(bytes)), 0);
            }
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_character_is_one_and_no_part_of_it),
        cmocka_unit_test(nothing_else_is_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
