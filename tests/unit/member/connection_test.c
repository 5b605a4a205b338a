#include "member/connection.h"

#include "tests/packet/frame.h"
#include "tests/test.h"

// RFC 6040 figure 4: for each inner field (not ECT, ECT(1), ECT(0), CE) what comes of each outer
// one; -1: dropped.
static const int combined[4][4] = {{0, 0, 0, -1}, {1, 1, 1, 3}, {2, 1, 2, 3}, {3, 3, 3, 3}};

static void congestion_is_carried_over(void **state)
{
    for (int v6 = 0; v6 < 2; v6++) {
        for (uint8_t inner = 0; inner < 4; inner++) {
            for (uint8_t outer = 0; outer < 4; outer++) {
                static struct frame frame, expected;
                struct frame_spec spec = {.source = v6 ? "fd00::1" : NULL,
                                          .destination = v6 ? "fd00::2" : NULL,
                                          .traffic_class = (uint8_t)(0xb8 | inner)};
                frame_build(&frame, &spec);
                bool kept = connection_carry_ecn(frame.bytes + FRAME_IP_AT, 0x40 | outer);
                assert_int_equal(kept, combined[inner][outer] >= 0);
                spec.traffic_class = (uint8_t)(0xb8 | (kept ? combined[inner][outer] : inner));
                frame_build(&expected, &spec);
                assert_memory_equal(frame.bytes, expected.bytes, expected.size);
            }
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(congestion_is_carried_over)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
