#include "controlplane/cli/screen.h"

#include <stdlib.h>

#include "tests/test.h"

static void assert_painted(struct screen *screen, const char *text, size_t rows, size_t columns,
                           const char *expected)
{
    char *painted = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&painted, &size);
    screen_paint(screen, text, rows, columns, out);
    fclose(out);
    assert_string_equal(painted, expected);
    free(painted);
}

static void the_first_frame_leaves_what_stands_there(void **state)
{
    struct screen screen = {0};
    assert_painted(&screen, "a\n\nb\n", 24, 80, "a\n\nb\n");
}

static void a_frame_is_painted_over_the_one_before(void **state)
{
    struct screen screen = {0};
    assert_painted(&screen, "a\nb\n", 24, 80, "a\nb\n");
    assert_painted(&screen, "c\n", 24, 80, "\033[2A\r\033[Jc\n");
    assert_painted(&screen, "d\ne\nf\n", 24, 80, "\033[1A\r\033[Jd\ne\nf\n");
    assert_painted(&screen, "", 24, 80, "\033[3A\r\033[J");
    assert_painted(&screen, "g\n", 24, 80, "g\n");
}

static void a_small_terminal_gets_what_fits(void **state)
{
    struct screen screen = {0};
    assert_painted(&screen, "12345\n123456\n1\n2\n", 3, 5, "12345\n12345\n");
    assert_painted(&screen, "x\ny\nz\n", 4, 5, "\033[2A\r\033[Jx\ny\nz\n");
    assert_painted(&screen, "x\n", 1, 5, "\033[3A\r\033[J");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_first_frame_leaves_what_stands_there),
        cmocka_unit_test(a_frame_is_painted_over_the_one_before),
        cmocka_unit_test(a_small_terminal_gets_what_fits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
