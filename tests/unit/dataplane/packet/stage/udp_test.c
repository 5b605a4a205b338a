// Flows of datagrams as traces: C is one of the client, M one of the member. "+" before it: so much
// time passed since the state began as a client's next word needs, "*": as a member's does.
#include "dataplane/packet/stage/udp.h"

#include "tests/test.h"

static enum flow_state after(const char *trace, bool both)
{
    enum flow_state state = FLOW_UDP_OPENING;
    int32_t age_ms = 0;
    for (const char *at = trace + 1; *at; at++) { // the first one began it
        if (*at == '+' || *at == '*') {
            age_ms = *at == '+' ? UDP_TRIAL_MS : UDP_STREAM_MS;
            continue;
        }
        state = udp_next_state(state, *at == 'C' ? FLOW_FORWARD : FLOW_REPLY, both, age_ms);
        age_ms = UDP_TRIAL_MS - 1;
    }
    return state;
}

struct trace {
    const char *datagrams;
    enum flow_state state;
};

static void assert_traces(const struct trace *traces, size_t count, bool both)
{
    for (size_t i = 0; i < count; i++) {
        enum flow_state state = after(traces[i].datagrams, both);
        if (state != traces[i].state)
            fail_msg("%s: state %d, not %d", traces[i].datagrams, state, traces[i].state);
    }
}

static void with_nat_the_client_speaks_again_after_an_answer(void **state)
{
    static const struct trace traces[] = {
        {"C", FLOW_UDP_OPENING},
        {"CC+C*C", FLOW_UDP_OPENING}, // nobody answers
        {"CM", FLOW_UDP_ANSWERED},    // nor does an answer to a made-up one say that it was not
        {"CMM+M", FLOW_UDP_ANSWERED}, //
        {"CMC", FLOW_UDP},
        {"CM*M", FLOW_UDP}, // a stream that was asked for once
        {"CMC*M*C", FLOW_UDP},
    };
    assert_traces(traces, sizeof(traces) / sizeof(traces[0]), true);
}

static void without_replies_the_client_speaks_again_later(void **state)
{
    static const struct trace traces[] = {
        {"C", FLOW_UDP_OPENING},
        {"CCC", FLOW_UDP_OPENING},
        {"CC+C", FLOW_UDP},
        {"C+CCC", FLOW_UDP},
    };
    assert_traces(traces, sizeof(traces) / sizeof(traces[0]), false);
}

static void only_earned_flows_are_kept_for_long(void **state)
{
    assert_false(flow_is_earned(FLOW_UDP_OPENING) || flow_is_earned(FLOW_UDP_ANSWERED));
    assert_true(flow_is_earned(FLOW_UDP));
    // Who is not answered but goes on is not cut off, where answers would be seen.
    assert_true(udp_on_trial(FLOW_UDP_OPENING, false));
    assert_false(udp_on_trial(FLOW_UDP_OPENING, true));
    assert_true(udp_on_trial(FLOW_UDP_ANSWERED, true));
    assert_false(udp_on_trial(FLOW_UDP, false) || udp_on_trial(FLOW_UDP, true));
    for (int i = 0; i < FLOW_STATES; i++)
        assert_int_equal(flow_is_udp((enum flow_state)i), i >= FLOW_UDP_OPENING);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(with_nat_the_client_speaks_again_after_an_answer),
        cmocka_unit_test(without_replies_the_client_speaks_again_later),
        cmocka_unit_test(only_earned_flows_are_kept_for_long),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
