// Connections as traces: C is a segment of the client, M one of the member, each with its flags.
#include "dataplane/packet/stage/tcp.h"

#include <string.h>

#include "dataplane/packet/wire/parse.h"
#include "tests/test.h"

static uint8_t flags_of(const char *letters)
{
    uint8_t flags = 0;
    for (; *letters; letters++) {
        flags |= *letters == 'S' ? WIRE_TCP_SYN : 0;
        flags |= *letters == 'A' ? WIRE_TCP_ACK : 0;
        flags |= *letters == 'F' ? WIRE_TCP_FIN : 0;
        flags |= *letters == 'R' ? WIRE_TCP_RST : 0;
    }
    return flags;
}

// Walks "C:S M:SA C:A" and so on. "+" before a segment: a second passed since the state began; "?":
// it may be made up, as that of a client who acknowledges what the member did not say. What the
// member says completes nothing but with a "!".
static enum flow_state after(const char *trace, bool both)
{
    char copy[128];
    strcpy(copy, trace);
    enum flow_state state = FLOW_UDP;
    for (char *token = strtok(copy, " "); token; token = strtok(NULL, " ")) {
        int32_t age_ms = *token == '+' ? TCP_TRIAL_MS : TCP_TRIAL_MS - 1;
        token += *token == '+';
        bool doubted = *token == '?', telling = *token == '!';
        token += doubted || telling;
        enum flow_direction direction = *token == 'C' ? FLOW_FORWARD : FLOW_REPLY;
        uint8_t flags = flags_of(token + 2);
        bool completes = direction == FLOW_FORWARD ? !doubted : telling;
        state = state == FLOW_UDP
                    ? tcp_first_state(flags)
                    : tcp_next_state(state, direction, flags, both, completes, age_ms);
    }
    return state;
}

struct trace {
    const char *segments;
    enum flow_state state;
};

static void assert_traces(const struct trace *traces, size_t count, bool both)
{
    for (size_t i = 0; i < count; i++) {
        enum flow_state state = after(traces[i].segments, both);
        if (state != traces[i].state)
            fail_msg("%s: state %d, not %d", traces[i].segments, state, traces[i].state);
    }
}

static void with_nat_both_ends_are_heard(void **state)
{
    static const struct trace traces[] = {
        {"C:S", FLOW_TCP_OPENING},
        {"C:S C:S", FLOW_TCP_OPENING},
        {"C:S C:A", FLOW_TCP_OPENING}, // who made up a SYN can make up an ACK
        {"C:S M:SA", FLOW_TCP_ANSWERED},
        {"C:S M:SA C:A", FLOW_TCP_ESTABLISHED},
        {"C:S M:SA C:A M:A C:A", FLOW_TCP_ESTABLISHED},
        // Nor what the member said.
        {"C:S M:SA ?C:A", FLOW_TCP_ANSWERED},
        {"C:S M:SA ?C:A ?C:A", FLOW_TCP_ANSWERED},
        {"C:S M:SA ?C:FA", FLOW_TCP_ANSWERED},
        {"C:S M:SA ?C:A M:A", FLOW_TCP_ANSWERED},
        {"C:S M:SA ?C:A C:A", FLOW_TCP_ESTABLISHED},
        {"C:S M:SA ?C:A !M:A", FLOW_TCP_ESTABLISHED},
        {"C:S M:SA M:FA", FLOW_TCP_MEMBER_CLOSED},
        {"C:S M:SA C:S", FLOW_TCP_ANSWERED},
        {"C:S M:SA !M:SA", FLOW_TCP_ANSWERED},
        // Who has earned nothing is put on no trial.
        {"C:S M:R", FLOW_TCP_OPENING},
        {"C:S M:SA ?C:A M:R", FLOW_TCP_ANSWERED},
        {"C:S M:SA C:R", FLOW_TCP_ANSWERED},
        {"C:A M:R", FLOW_TCP_PICKED_UP},
        // A table that was lost.
        {"C:A", FLOW_TCP_PICKED_UP},
        {"C:A +C:A", FLOW_TCP_PICKED_UP},
        {"C:A M:A C:A", FLOW_TCP_ESTABLISHED},
        // Half-close: the other end goes on for as long as it likes.
        {"C:S M:SA C:A C:FA", FLOW_TCP_CLIENT_CLOSED},
        {"C:S M:SA C:A C:FA M:A M:A", FLOW_TCP_CLIENT_CLOSED},
        {"C:S M:SA C:A M:FA", FLOW_TCP_MEMBER_CLOSED},
        {"C:S M:SA C:A M:FA M:FA", FLOW_TCP_MEMBER_CLOSED},
        {"C:S M:SA C:A C:FA M:FA", FLOW_TCP_CLOSING},
        {"C:S M:SA C:A M:FA C:FA M:A", FLOW_TCP_CLOSING},
        {"C:S M:SA C:A M:FA C:FA C:R", FLOW_TCP_CLOSING},
        {"C:S M:SA C:FA", FLOW_TCP_CLIENT_CLOSED},
        // Who made up a SYN can make up a FIN.
        {"C:S C:FA", FLOW_TCP_OPENING},
        {"C:A C:FA", FLOW_TCP_PICKED_UP},
        {"C:R C:FA +C:FA", FLOW_TCP_PICKED_UP},
        // A RST may be made up: a connection that goes on is one again.
        {"C:S M:SA C:A C:R", FLOW_TCP_RESET},
        {"C:S M:SA C:A C:R +C:A C:FA", FLOW_TCP_RESET},
        {"C:S M:SA C:A C:R C:A M:A", FLOW_TCP_ANSWERED},
        {"C:S M:SA C:A C:R C:A M:A C:A", FLOW_TCP_ESTABLISHED},
        {"C:S M:SA C:A C:R M:FA C:FA", FLOW_TCP_CLOSING},
        // Refused, then tried again with the same port.
        {"C:S M:RA C:S", FLOW_TCP_OPENING},
        {"C:S M:RA C:S M:SA C:A", FLOW_TCP_ESTABLISHED},
    };
    assert_traces(traces, sizeof(traces) / sizeof(traces[0]), true);
}

static void without_replies_the_client_alone_is_heard(void **state)
{
    static const struct trace traces[] = {
        {"C:S", FLOW_TCP_OPENING},
        {"C:S C:A", FLOW_TCP_ESTABLISHED},
        {"C:S C:A C:FA", FLOW_TCP_CLOSING},
        {"C:S C:A C:FA C:A", FLOW_TCP_CLOSING},
        {"C:S C:FA", FLOW_TCP_CLOSING},
        // After a RST or in the middle: two segments in one breath are cheap to make up.
        {"C:S C:A C:R", FLOW_TCP_RESET},
        {"C:S C:A C:R C:A C:FA", FLOW_TCP_RESET},
        {"C:S C:A C:R C:A +C:A", FLOW_TCP_ESTABLISHED},
        {"C:S C:A C:R C:S", FLOW_TCP_OPENING},
        {"C:S C:A C:R C:S C:A", FLOW_TCP_ESTABLISHED},
        {"C:A C:A C:A", FLOW_TCP_PICKED_UP},
        {"C:A +C:A", FLOW_TCP_ESTABLISHED},
        {"C:A C:FA", FLOW_TCP_CLOSING},
    };
    assert_traces(traces, sizeof(traces) / sizeof(traces[0]), false);
}

static bool reopens(enum flow_state state, enum flow_direction direction, const char *flags)
{
    return tcp_reopens(state, direction, flags_of(flags), true, 0);
}

static void only_a_connection_both_ends_closed_is_opened_anew(void **state)
{
    for (int from = 0; from < FLOW_STATES; from++) {
        bool closed = from == FLOW_TCP_CLOSING;
        assert_int_equal(reopens((enum flow_state)from, FLOW_FORWARD, "S"), closed);
        assert_false(reopens((enum flow_state)from, FLOW_REPLY, "S"));
        assert_false(reopens((enum flow_state)from, FLOW_FORWARD, "SA"));
        assert_false(reopens((enum flow_state)from, FLOW_FORWARD, "A"));
    }
}

static void without_replies_a_connection_that_still_speaks_is_not_opened_anew(void **state)
{
    const uint8_t syn = WIRE_TCP_SYN;
    assert_false(tcp_reopens(FLOW_TCP_CLOSING, FLOW_FORWARD, syn, false, TCP_TRIAL_MS - 1));
    assert_true(tcp_reopens(FLOW_TCP_CLOSING, FLOW_FORWARD, syn, false, TCP_TRIAL_MS));
    assert_false(tcp_reopens(FLOW_TCP_CLOSING, FLOW_FORWARD, syn, false, -1));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(with_nat_both_ends_are_heard),
        cmocka_unit_test(without_replies_the_client_alone_is_heard),
        cmocka_unit_test(only_a_connection_both_ends_closed_is_opened_anew),
        cmocka_unit_test(without_replies_a_connection_that_still_speaks_is_not_opened_anew),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
