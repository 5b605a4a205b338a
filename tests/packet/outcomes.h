// What tests say of what became of a packet.
#pragma once

#include "tests/packet/stage_rig.h"
#include "tests/test.h"

static inline void assert_dropped(struct outcome outcome, enum drop_reason reason)
{
    assert_int_equal(outcome.kind, OUTCOME_DROPPED);
    assert_string_equal(drop_name(outcome.reason), drop_name(reason));
}

static inline void assert_frame(const struct outcome *outcome, uint32_t port,
                                struct frame_spec expected)
{
    static struct frame frame;
    assert_int_equal(outcome->kind, OUTCOME_SENT);
    assert_int_equal(outcome->port, port);
    frame_build(&frame, &expected);
    assert_int_equal(outcome->frame.size, frame.size);
    assert_memory_equal(outcome->frame.bytes, frame.bytes, frame.size);
}
