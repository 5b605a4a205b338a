// The bounds of the table of fragments; what passes in which order is in tests/packet.
#include "dataplane/packet/stage/fragments.h"

#include "tests/test.h"

static uint32_t dropped, followed;
static uintptr_t last_followed;

static void follow(void *context, const struct fragments_packet *packet,
                   const struct fragments_way *way)
{
    assert_true((uintptr_t)packet->packet > last_followed); // in the order in which they came
    last_followed = (uintptr_t)packet->packet;
    followed++;
}

static void drop(void *context, const struct fragments_packet *packet, enum drop_reason reason)
{
    dropped++;
}

static struct fragments *create(void)
{
    const struct fragments_actions actions = {.follow = follow, .drop = drop};
    struct fragments *fragments;
    assert_int_equal(fragments_create((struct siphash_key){1, 2}, actions, &fragments), ERROR_NONE);
    dropped = followed = 0;
    last_followed = 0;
    return fragments;
}

static enum fragments_answer take(struct fragments *fragments, uint32_t id, uint32_t offset,
                                  bool more, uint32_t now_ms, enum drop_reason *reason)
{
    static uintptr_t packets;
    const struct wire_fragment piece = {
        .id = id, .offset = (uint16_t)offset, .size = 8, .more = more};
    const struct fragments_packet packet = {.packet = (void *)++packets};
    struct fragments_way way;
    return fragments_take(fragments, &piece, &packet, now_ms, &way, reason);
}

static void decide(struct fragments *fragments, uint32_t id, uint32_t now_ms)
{
    const struct wire_fragment first = {.id = id};
    const struct fragments_way way = {0};
    fragments_decide(fragments, &first, &way, now_ms);
}

static void places_to_wait_are_few_and_no_firsts(void **state)
{
    struct fragments *fragments = create();
    enum drop_reason reason;
    for (uint32_t id = 0; id < FRAGMENTS_HELD; id++)
        assert_int_equal(take(fragments, id, 8, true, 0, &reason), FRAGMENTS_WAIT);
    for (uint32_t id = 0; id < 10000; id++) {
        assert_int_equal(take(fragments, 1000 + id, 8, true, 0, &reason), FRAGMENTS_REFUSED);
        assert_int_equal(reason, DROP_FRAGMENT_HELD_FULL);
    }
    assert_int_equal(take(fragments, 5, 16, true, 0, &reason), FRAGMENTS_REFUSED);
    assert_int_equal(fragments_datagrams(fragments), FRAGMENTS_HELD);
    for (uint32_t id = 0; id < 10000; id++) {
        assert_int_equal(take(fragments, 20000 + id, 0, true, 0, &reason), FRAGMENTS_FIRST);
        decide(fragments, 20000 + id, 0);
        assert_int_equal(take(fragments, 20000 + id, 8, true, 0, &reason), FRAGMENTS_FOLLOW);
    }
    assert_int_equal(fragments_datagrams(fragments), FRAGMENTS_DATAGRAMS);
    assert_int_equal(fragments_evicted(fragments), 10000 + FRAGMENTS_HELD - FRAGMENTS_DATAGRAMS);
    // Those that waited are still there.
    assert_int_equal(take(fragments, 7, 0, true, 0, &reason), FRAGMENTS_FIRST);
    decide(fragments, 7, 0);
    assert_int_equal(followed, 1);
    fragments_expire(fragments, FRAGMENTS_MS);
    assert_int_equal(dropped, FRAGMENTS_HELD - 1);
    assert_int_equal(fragments_datagrams(fragments), 0);
    fragments_destroy(fragments);
}

static void a_datagram_has_so_many_pieces(void **state)
{
    struct fragments *fragments = create();
    enum drop_reason reason;
    for (uint32_t i = 1; i <= FRAGMENTS_PIECES; i++)
        assert_int_equal(take(fragments, 1, i * 8, true, 0, &reason), FRAGMENTS_WAIT);
    assert_int_equal(take(fragments, 1, 0, true, 0, &reason), FRAGMENTS_REFUSED);
    assert_int_equal(reason, DROP_FRAGMENT_MANY);
    assert_int_equal(dropped, FRAGMENTS_PIECES);
    assert_int_equal(take(fragments, 1, 800, true, 0, &reason), FRAGMENTS_REFUSED);
    assert_int_equal(reason, DROP_FRAGMENT_MANY);
    // As many as there may be, waiting for the first, go in order.
    for (uint32_t i = 1; i < FRAGMENTS_PIECES; i++)
        assert_int_equal(take(fragments, 2, i * 8, i + 1 < FRAGMENTS_PIECES, 0, &reason),
                         FRAGMENTS_WAIT);
    assert_int_equal(take(fragments, 2, 0, true, 0, &reason), FRAGMENTS_FIRST);
    decide(fragments, 2, 0);
    assert_int_equal(followed, FRAGMENTS_PIECES - 1);
    assert_int_equal(fragments_datagrams(fragments), 1); // the spoilt one
    fragments_destroy(fragments);
}

static void time_may_wrap(void **state)
{
    struct fragments *fragments = create();
    enum drop_reason reason;
    uint32_t now_ms = UINT32_MAX - 500;
    assert_int_equal(take(fragments, 1, 8, true, now_ms, &reason), FRAGMENTS_WAIT);
    fragments_expire(fragments, now_ms + FRAGMENTS_MS - 1);
    assert_int_equal(dropped, 0);
    fragments_expire(fragments, now_ms + FRAGMENTS_MS);
    assert_int_equal(dropped, 1);
    fragments_destroy(fragments);
}

static void what_waits_at_the_end_is_given_back(void **state)
{
    struct fragments *fragments = create();
    enum drop_reason reason;
    assert_int_equal(take(fragments, 1, 8, true, 0, &reason), FRAGMENTS_WAIT);
    assert_int_equal(take(fragments, 1, 16, true, 0, &reason), FRAGMENTS_WAIT);
    fragments_destroy(fragments);
    assert_int_equal(dropped, 2);
    fragments_destroy(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(places_to_wait_are_few_and_no_firsts),
        cmocka_unit_test(a_datagram_has_so_many_pieces),
        cmocka_unit_test(time_may_wrap),
        cmocka_unit_test(what_waits_at_the_end_is_given_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
