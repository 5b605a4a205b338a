// The state machine is tested by traces: what happens, and what the table wants done about it.
#include "dataplane/packet/route/neighbour.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/test.h"

#define MILLISECOND 1000000u
#define PORT        3u
#define TEXT_SIZE   512

static const struct siphash_key test_key = {1, 2};

// Events, with addresses as text, packets p1, p2, ... and MAC addresses m1, m2, ...:
//
//   hold A p | hold A      a packet waits for A; A is only to be resolved
//   pin A | unpin          the configuration names A; all pins are undone
//   learn A m FLAGS        a message: solicited, override, create
//   answer A m             short for "solicited override"
//   request A m            short for "override create"
//   tick | until MS        a tick now; ticks every 100 ms until something happens, MS at most
//   reclaim                workers pass two grace periods
//   busy | idle            from now on nobody can be asked; all can again
//   show A                 not an event: the state of A
//
// and what comes of them: "ask A" (all), "ask A at m", "wait A", "send p to m", "drop p", "drop p
// failed", "full".
struct line {
    uint32_t after_ms; // since the line before
    const char *event;
    const char *actions;
};

struct trace {
    struct neighbour_table *table;
    uint64_t now_ns;
    bool busy;
    char actions[TEXT_SIZE];
};

__attribute__((format(printf, 2, 3))) static void say(struct trace *trace, const char *format, ...)
{
    size_t used = strlen(trace->actions);
    if (used > 0)
        used += (size_t)snprintf(trace->actions + used, TEXT_SIZE - used, "; ");
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(trace->actions + used, TEXT_SIZE - used, format, arguments);
    va_end(arguments);
}

static bool say_ask(void *context, uint32_t port, const struct ip_address *address,
                    const uint8_t *mac)
{
    char text[IP_TEXT_SIZE];
    const struct trace *trace = context;
    assert_int_equal(port, PORT);
    if (trace->busy)
        say(context, "wait %s", ip_format(address, text));
    else if (mac)
        say(context, "ask %s at m%u", ip_format(address, text), mac[5]);
    else
        say(context, "ask %s", ip_format(address, text));
    return !trace->busy;
}

static void say_send(void *context, uint32_t port, const uint8_t *mac, void *packet)
{
    assert_int_equal(port, PORT);
    say(context, "send p%u to m%u", (unsigned)(uintptr_t)packet, mac[5]);
}

static void say_drop(void *context, void *packet, bool failed)
{
    say(context, "drop p%u%s", (unsigned)(uintptr_t)packet, failed ? " failed" : "");
}

static void say_state(struct trace *trace, const struct ip_address *address)
{
    static const char *const names[] = {"free", "incomplete", "reachable", "failed"};
    uint32_t slot = neighbour_find(trace->table, PORT, address);
    if (slot == NEIGHBOUR_NONE) {
        say(trace, "unknown");
        return;
    }
    struct neighbour_view view = neighbour_view(trace->table, slot);
    if (view.state == NEIGHBOUR_REACHABLE)
        say(trace, "%s m%u", names[view.state], view.mac[5]);
    else
        say(trace, "%s", names[view.state]);
}

static void mac_of(unsigned number, uint8_t *mac)
{
    const uint8_t bytes[6] = {2, 0, 0, 0, 0, (uint8_t)number};
    memcpy(mac, bytes, sizeof(bytes));
}

static void learn(struct trace *trace, const struct ip_address *address, const char *mac_text,
                  const char *flags, const struct neighbour_actions *actions)
{
    uint8_t mac[6];
    mac_of((unsigned)atoi(mac_text + 1), mac);
    neighbour_learn(trace->table, PORT, address, mac, strstr(flags, "solicited"),
                    strstr(flags, "override"), strstr(flags, "create"), trace->now_ns, actions);
}

static void play_event(struct trace *trace, const char *event)
{
    const struct neighbour_actions actions = {say_ask, say_send, say_drop, trace};
    char verb[16] = "", name[IP_TEXT_SIZE] = "", what[16] = "", flags[64] = "";
    sscanf(event, "%15s %51s %15s %63[a-z ]", verb, name, what, flags);
    struct ip_address address;
    bool named = ip_parse(name, &address) == ERROR_NONE;
    uint32_t slot = NEIGHBOUR_NONE;

    if (strcmp(verb, "hold") == 0 && named) {
        void *packet = what[0] ? (void *)(uintptr_t)atoi(what + 1) : NULL;
        neighbour_hold(trace->table, PORT, &address, packet, trace->now_ns, &actions);
    } else if (strcmp(verb, "pin") == 0 && named) {
        if (neighbour_pin(trace->table, PORT, &address, trace->now_ns, &slot, &actions))
            say(trace, "full");
        else
            assert_int_equal(slot, neighbour_find(trace->table, PORT, &address));
    } else if (strcmp(verb, "unpin") == 0) {
        neighbour_unpin_all(trace->table);
    } else if (strcmp(verb, "learn") == 0 && named) {
        learn(trace, &address, what, flags, &actions);
    } else if (strcmp(verb, "answer") == 0 && named) {
        learn(trace, &address, what, "solicited override", &actions);
    } else if (strcmp(verb, "request") == 0 && named) {
        learn(trace, &address, what, "override create", &actions);
    } else if (strcmp(verb, "tick") == 0) {
        neighbour_tick(trace->table, trace->now_ns, &actions);
    } else if (strcmp(verb, "until") == 0) {
        for (int left_ms = atoi(name); left_ms > 0 && !trace->actions[0]; left_ms -= 100) {
            trace->now_ns += UINT64_C(100) * MILLISECOND;
            neighbour_tick(trace->table, trace->now_ns, &actions);
        }
    } else if (strcmp(verb, "reclaim") == 0) {
        neighbour_reclaim(trace->table);
        neighbour_reclaim(trace->table);
    } else if (strcmp(verb, "busy") == 0 || strcmp(verb, "idle") == 0) {
        trace->busy = verb[0] == 'b';
    } else if (strcmp(verb, "show") == 0 && named) {
        say_state(trace, &address);
    } else {
        fail_msg("no such event: %s", event);
    }
}

static void play(uint32_t capacity, uint32_t dynamic_max, const struct line *lines, size_t count)
{
    struct trace trace = {.now_ns = UINT64_C(1234560000000)};
    assert_int_equal(neighbour_table_create(capacity, dynamic_max, test_key, &trace.table),
                     ERROR_NONE);
    for (size_t i = 0; i < count; i++) {
        trace.now_ns += (uint64_t)lines[i].after_ms * MILLISECOND;
        trace.actions[0] = '\0';
        play_event(&trace, lines[i].event);
        if (strcmp(trace.actions, lines[i].actions) != 0)
            fail_msg("line %zu: %s: did \"%s\", not \"%s\"", i, lines[i].event, trace.actions,
                     lines[i].actions);
    }
    neighbour_table_destroy(trace.table);
}

#define PLAY(capacity, lines) play(capacity, capacity, lines, sizeof(lines) / sizeof((lines)[0]))

// RFC 4861 section 7.2.2.
static void asks_three_times_a_second_apart_then_fails(void **state)
{
    static const struct line lines[] = {
        {0, "hold 10.0.0.1 p1", "ask 10.0.0.1"},
        {0, "show 10.0.0.1", "incomplete"},
        {900, "tick", ""},
        {100, "tick", "ask 10.0.0.1"},
        {500, "hold 10.0.0.1 p2", ""},
        {510, "tick", "ask 10.0.0.1"},
        {500, "tick", ""},
        {510, "tick", "drop p1 failed; drop p2 failed"},
        {0, "show 10.0.0.1", "failed"},
        // The failure is remembered: what comes now does not wait in vain, nor ask.
        {100, "hold 10.0.0.1 p3", "drop p3 failed"},
        {0, "until 19800", ""},
        {0, "show 10.0.0.1", "failed"},
        {200, "tick", ""},
        {0, "show 10.0.0.1", "unknown"},
        {0, "hold 10.0.0.1 p4", "ask 10.0.0.1"},
    };
    PLAY(4, lines);
}

static void sends_what_waited_in_order_when_the_answer_comes(void **state)
{
    static const struct line lines[] = {
        {0, "hold 2001:db8::1 p1", "ask 2001:db8::1"},
        {10, "hold 2001:db8::1 p2", ""},
        {10, "answer 2001:db8::1 m7", "send p1 to m7; send p2 to m7"},
        {0, "show 2001:db8::1", "reachable m7"},
        // A worker that looked before the answer came sends its packet here: it goes at once.
        {0, "hold 2001:db8::1 p3", "send p3 to m7"},
        {1000, "tick", ""},
    };
    PLAY(4, lines);
}

static void a_new_packet_pushes_the_oldest_out_of_a_full_queue(void **state)
{
    static const struct line lines[] = {
        {0, "hold 10.0.0.1 p1", "ask 10.0.0.1"},
        {0, "hold 10.0.0.1 p2", ""},
        {0, "hold 10.0.0.1 p3", ""},
        {0, "hold 10.0.0.1 p4", ""},
        {0, "hold 10.0.0.1 p5", ""},
        {0, "hold 10.0.0.1 p6", ""},
        {0, "hold 10.0.0.1 p7", ""},
        {0, "hold 10.0.0.1 p8", ""},
        {0, "hold 10.0.0.1 p9", "drop p1"},
        {0, "hold 10.0.0.1 p10", "drop p2"},
        {0, "answer 10.0.0.1 m1",
         "send p3 to m1; send p4 to m1; send p5 to m1; send p6 to m1; send p7 to m1; "
         "send p8 to m1; send p9 to m1; send p10 to m1"},
    };
    PLAY(4, lines);
}

static void resolves_without_a_packet(void **state)
{
    static const struct line lines[] = {
        {0, "hold 10.0.0.1", "ask 10.0.0.1"}, {0, "hold 10.0.0.1", ""},
        {0, "answer 10.0.0.1 m1", ""},        {0, "hold 10.0.0.1", ""},
        {0, "show 10.0.0.1", "reachable m1"},
    };
    PLAY(4, lines);
}

// RFC 4861 section 7.3.3, with a reachable time of 15 to 45 s.
static void probes_a_neighbour_again_and_forgets_one_that_is_silent(void **state)
{
    static const struct line lines[] = {
        {0, "hold 10.0.0.1", "ask 10.0.0.1"},
        {0, "answer 10.0.0.1 m1", ""},
        {0, "until 14900", ""},
        {0, "until 30200", "ask 10.0.0.1 at m1"},
        {10, "answer 10.0.0.1 m1", ""},
        {0, "until 14900", ""},
        {0, "until 30200", "ask 10.0.0.1 at m1"},
        {1010, "tick", "ask 10.0.0.1 at m1"},
        {1010, "tick", "ask 10.0.0.1 at m1"},
        {900, "tick", ""},
        {0, "show 10.0.0.1", "reachable m1"},
        {110, "tick", ""},
        {0, "show 10.0.0.1", "unknown"},
        {0, "until 60000", ""},
    };
    PLAY(4, lines);
}

// RFC 7048: what must not be forgotten is asked for everywhere, and used meanwhile.
static void looks_for_a_silent_pinned_neighbour_everywhere(void **state)
{
    static const struct line lines[] = {
        {0, "pin 10.0.0.1", "ask 10.0.0.1"},
        {0, "answer 10.0.0.1 m1", ""},
        {0, "until 45200", "ask 10.0.0.1 at m1"},
        {1010, "tick", "ask 10.0.0.1 at m1"},
        {1010, "tick", "ask 10.0.0.1 at m1"},
        {1010, "tick", "ask 10.0.0.1"},
        {1010, "tick", "ask 10.0.0.1"},
        {1010, "tick", "ask 10.0.0.1"},
        {900, "tick", ""},
        {0, "show 10.0.0.1", "reachable m1"},
        {110, "tick", ""},
        {0, "show 10.0.0.1", "failed"},
        // It is asked for now and then, for ever.
        {4900, "tick", ""},
        {110, "tick", "ask 10.0.0.1"},
        {5010, "tick", "ask 10.0.0.1"},
        {0, "hold 10.0.0.1 p1", "drop p1 failed"},
        {5010, "tick", "ask 10.0.0.1"},
        {5010, "tick", "ask 10.0.0.1"},
        {5010, "tick", "ask 10.0.0.1"},
        {0, "show 10.0.0.1", "failed"},
        {100, "answer 10.0.0.1 m2", ""},
        {0, "show 10.0.0.1", "reachable m2"},
        {0, "until 14900", ""},
    };
    PLAY(4, lines);
}

static void asks_for_a_pinned_neighbour_until_it_answers(void **state)
{
    static const struct line lines[] = {
        {0, "pin 10.0.0.1", "ask 10.0.0.1"}, {1010, "tick", "ask 10.0.0.1"},
        {1010, "tick", "ask 10.0.0.1"},      {1010, "tick", ""},
        {0, "show 10.0.0.1", "failed"},      {4900, "tick", ""},
        {110, "tick", "ask 10.0.0.1"},       {5010, "tick", "ask 10.0.0.1"},
    };
    PLAY(4, lines);
}

// Whoever could not be asked has not failed.
static void who_cannot_be_asked_keeps_its_turn(void **state)
{
    static const struct line lines[] = {
        {0, "busy", ""},
        {0, "pin 10.0.0.1", "wait 10.0.0.1"},
        {0, "hold 10.0.0.2 p1", "wait 10.0.0.2"},
        {50, "tick", ""},
        {60, "tick", "wait 10.0.0.1; wait 10.0.0.2"},
        {5000, "tick", "wait 10.0.0.1; wait 10.0.0.2"},
        {0, "idle", ""},
        {110, "tick", "ask 10.0.0.1; ask 10.0.0.2"},
        {500, "answer 10.0.0.2 m2", "send p1 to m2"},
        {510, "tick", "ask 10.0.0.1"},
        {1010, "tick", "ask 10.0.0.1"},
        {0, "show 10.0.0.1", "incomplete"},
        {1010, "tick", ""},
        {0, "show 10.0.0.1", "failed"},
        // Nor is a known one given up while it cannot be probed.
        {0, "busy", ""},
        {0, "until 60000", "wait 10.0.0.1"},
        {30000, "tick", "wait 10.0.0.1; wait 10.0.0.2"},
        {5000, "tick", "wait 10.0.0.1; wait 10.0.0.2"},
        {0, "show 10.0.0.2", "reachable m2"},
        {0, "idle", ""},
        {110, "tick", "ask 10.0.0.1; ask 10.0.0.2 at m2"},
    };
    PLAY(16, lines);
}

static void pinning_a_failed_neighbour_asks_at_once(void **state)
{
    static const struct line lines[] = {
        {0, "hold 10.0.0.1", "ask 10.0.0.1"}, {1010, "tick", "ask 10.0.0.1"},
        {1010, "tick", "ask 10.0.0.1"},       {1010, "tick", ""},
        {0, "show 10.0.0.1", "failed"},       {100, "pin 10.0.0.1", "ask 10.0.0.1"},
        {0, "show 10.0.0.1", "incomplete"},   {1010, "tick", "ask 10.0.0.1"},
        {1010, "tick", "ask 10.0.0.1"},       {1010, "tick", ""},
        {0, "show 10.0.0.1", "failed"},       {5010, "tick", "ask 10.0.0.1"},
    };
    PLAY(4, lines);
}

static void a_reload_that_pins_the_same_changes_nothing(void **state)
{
    static const struct line lines[] = {
        {0, "pin 10.0.0.1", "ask 10.0.0.1"},
        {1010, "tick", "ask 10.0.0.1"},
        {1010, "tick", "ask 10.0.0.1"},
        {1010, "tick", ""},
        {4000, "unpin", ""},
        {0, "pin 10.0.0.1", ""},
        {0, "show 10.0.0.1", "failed"},
        {900, "tick", ""},
        {110, "tick", "ask 10.0.0.1"},
    };
    PLAY(4, lines);
}

static void what_a_reload_no_longer_pins_is_forgotten_when_silent(void **state)
{
    static const struct line lines[] = {
        {0, "pin 10.0.0.1", "ask 10.0.0.1"},
        {0, "pin 10.0.0.2", "ask 10.0.0.2"},
        {0, "answer 10.0.0.2 m2", ""},
        {1010, "tick", "ask 10.0.0.1"},
        {1010, "tick", "ask 10.0.0.1"},
        {1010, "tick", ""},
        {0, "unpin", ""},
        {0, "tick", ""},
        {0, "show 10.0.0.1", "failed"},
        {0, "show 10.0.0.2", "reachable m2"},
        // Remembered as long as any other failure, not until the next question would be due.
        {5500, "tick", ""},
        {0, "show 10.0.0.1", "failed"},
        {0, "until 45200", "ask 10.0.0.2 at m2"},
        {0, "until 1100", "ask 10.0.0.2 at m2"},
        {0, "until 1100", "ask 10.0.0.2 at m2"},
        {0, "until 20000", ""},
        {0, "show 10.0.0.1", "unknown"},
        {0, "show 10.0.0.2", "unknown"},
    };
    PLAY(4, lines);
}

// RFC 4861 sections 7.2.3 and 7.2.5: a neighbour that spoke to us unasked is STALE, and is probed
// after a delay of 5 s.
static void a_request_makes_a_neighbour_that_is_verified_later(void **state)
{
    static const struct line lines[] = {
        {0, "request 10.0.0.1 m1", ""},
        {0, "show 10.0.0.1", "reachable m1"},
        {0, "hold 10.0.0.1 p1", "send p1 to m1"},
        {4900, "tick", ""},
        {110, "tick", "ask 10.0.0.1 at m1"},
        {0, "answer 10.0.0.1 m1", ""},
        {0, "until 14900", ""},
        {0, "until 30200", "ask 10.0.0.1 at m1"},
    };
    PLAY(4, lines);
}

static void only_a_message_for_us_makes_a_neighbour(void **state)
{
    static const struct line lines[] = {
        {0, "learn 10.0.0.1 m1 override", ""},
        {0, "show 10.0.0.1", "unknown"},
        // RFC 4861 section 7.2.5: an advertisement for an unknown neighbour is discarded.
        {0, "learn 10.0.0.1 m1 solicited override", ""},
        {0, "show 10.0.0.1", "unknown"},
        {0, "learn 10.0.0.1 m1 solicited create", ""},
        {0, "show 10.0.0.1", "reachable m1"},
        {0, "until 14900", ""},
    };
    PLAY(4, lines);
}

// RFC 4861 section 7.2.5: the first link-layer address is taken whatever the override flag says.
static void an_unsolicited_message_ends_the_wait(void **state)
{
    static const struct line lines[] = {
        {0, "hold 10.0.0.1 p1", "ask 10.0.0.1"},
        {0, "learn 10.0.0.1 m1", "send p1 to m1"},
        {0, "show 10.0.0.1", "reachable m1"},
        {5010, "tick", "ask 10.0.0.1 at m1"},
    };
    PLAY(4, lines);
}

// RFC 4861 section 7.2.5, I.
static void a_claim_without_override_only_casts_doubt(void **state)
{
    static const struct line lines[] = {
        {0, "hold 10.0.0.1", "ask 10.0.0.1"},
        {0, "answer 10.0.0.1 m1", ""},
        {0, "learn 10.0.0.1 m2 solicited", ""},
        {0, "show 10.0.0.1", "reachable m1"},
        // Not repeated: else a peer could put the probe off for ever.
        {4000, "learn 10.0.0.1 m2 solicited", ""},
        {1010, "tick", "ask 10.0.0.1 at m1"},
        {0, "learn 10.0.0.1 m2 solicited", ""},
        {1010, "tick", "ask 10.0.0.1 at m1"},
        // The same claim without override confirms when it is the address that is known.
        {0, "learn 10.0.0.1 m1 solicited", ""},
        {0, "until 14900", ""},
    };
    PLAY(4, lines);
}

// RFC 4861 section 7.2.5, II; RFC 826.
static void a_claim_with_override_moves_the_neighbour(void **state)
{
    static const struct line lines[] = {
        {0, "hold 10.0.0.1", "ask 10.0.0.1"},  {0, "answer 10.0.0.1 m1", ""},
        {0, "learn 10.0.0.1 m2 override", ""}, {0, "show 10.0.0.1", "reachable m2"},
        {5010, "tick", "ask 10.0.0.1 at m2"},  {0, "answer 10.0.0.1 m3", ""},
        {0, "show 10.0.0.1", "reachable m3"},  {0, "until 14900", ""},
    };
    PLAY(4, lines);
}

static void an_unsolicited_message_that_says_nothing_new_confirms_nothing(void **state)
{
    static const struct line lines[] = {
        {0, "request 10.0.0.1 m1", ""},       {3000, "learn 10.0.0.1 m1 override", ""},
        {2010, "tick", "ask 10.0.0.1 at m1"}, {500, "learn 10.0.0.1 m1 override", ""},
        {510, "tick", "ask 10.0.0.1 at m1"},
    };
    PLAY(4, lines);
}

static void a_failed_neighbour_that_speaks_is_known_again(void **state)
{
    static const struct line lines[] = {
        {0, "hold 10.0.0.1", "ask 10.0.0.1"}, {1010, "tick", "ask 10.0.0.1"},
        {1010, "tick", "ask 10.0.0.1"},       {1010, "tick", ""},
        {0, "show 10.0.0.1", "failed"},       {100, "learn 10.0.0.1 m1 override", ""},
        {0, "show 10.0.0.1", "reachable m1"}, {0, "hold 10.0.0.1 p1", "send p1 to m1"},
        {5010, "tick", "ask 10.0.0.1 at m1"},
    };
    PLAY(4, lines);
}

static void a_full_table_lets_the_failed_then_the_oldest_question_go(void **state)
{
    static const struct line lines[] = {
        {0, "hold 10.0.0.1", "ask 10.0.0.1"},
        {1010, "tick", "ask 10.0.0.1"},
        {1010, "tick", "ask 10.0.0.1"},
        {1010, "tick", ""},
        {0, "hold 10.0.0.2 p2", "ask 10.0.0.2"},
        {1, "hold 10.0.0.3 p3", "ask 10.0.0.3"},
        {1, "hold 10.0.0.4 p4", "ask 10.0.0.4"},
        {0, "show 10.0.0.1", "unknown"},
        {0, "hold 10.0.0.5 p5", "ask 10.0.0.5; drop p2"},
        {0, "show 10.0.0.2", "unknown"},
        {0, "request 10.0.0.6 m6", "drop p3"},
        {0, "show 10.0.0.6", "reachable m6"},
    };
    PLAY(3, lines);
}

static void questions_and_hearsay_push_out_the_more_numerous_of_their_kinds(void **state)
{
    static const struct line lines[] = {
        {0, "request 10.0.0.1 m1", ""},
        {0, "request 10.0.0.2 m2", ""},
        {0, "request 10.0.0.3 m3", ""},
        {0, "hold 10.0.0.4 p4", "ask 10.0.0.4"},
        // Forged requests do not cost the one that is being asked for its place.
        {0, "request 10.0.0.5 m5", ""},
        {0, "request 10.0.0.6 m6", ""},
        {0, "request 10.0.0.7 m7", ""},
        {0, "show 10.0.0.3", "unknown"},
        {0, "show 10.0.0.5", "reachable m5"},
        {0, "show 10.0.0.4", "incomplete"},
        {0, "reclaim", ""},
        // When as many are asked for, the oldest question goes.
        {0, "hold 10.0.0.8 p8", "ask 10.0.0.8"},
        {0, "hold 10.0.0.9 p9", "ask 10.0.0.9; drop p4"},
        {0, "request 10.0.0.1 m1", "drop p8"},
        {0, "show 10.0.0.6", "reachable m6"},
        {0, "show 10.0.0.9", "incomplete"},
    };
    PLAY(4, lines);
}

static void a_neighbour_that_answered_outlives_those_only_heard_of(void **state)
{
    static const struct line lines[] = {
        {0, "hold 10.0.0.1", "ask 10.0.0.1"},
        {0, "answer 10.0.0.1 m1", ""},
        {0, "request 10.0.0.2 m2", ""},
        {0, "request 10.0.0.3 m3", ""},
        {0, "show 10.0.0.2", "unknown"},
        {0, "reclaim", ""},
        // Nor does a claim that only casts doubt, or a probe, cost it its place.
        {0, "learn 10.0.0.1 m9", ""},
        {0, "request 10.0.0.4 m4", ""},
        {5010, "tick", "ask 10.0.0.1 at m1; ask 10.0.0.4 at m4"},
        {0, "request 10.0.0.5 m5", ""},
        {0, "show 10.0.0.4", "unknown"},
        {0, "show 10.0.0.1", "reachable m1"},
        {0, "reclaim", ""},
        // Another MAC, told unasked, is hearsay again.
        {0, "learn 10.0.0.1 m9 override", ""},
        {0, "request 10.0.0.6 m6", ""},
        {0, "request 10.0.0.7 m7", ""},
        {0, "show 10.0.0.1", "unknown"},
    };
    PLAY(2, lines);
}

static void the_least_recently_confirmed_goes_last_of_all(void **state)
{
    static const struct line lines[] = {
        {0, "hold 10.0.0.1", "ask 10.0.0.1"},
        {0, "hold 10.0.0.2", "ask 10.0.0.2"},
        {0, "answer 10.0.0.1 m1", ""},
        {0, "answer 10.0.0.2 m2", ""},
        {0, "answer 10.0.0.1 m1", ""},
        {0, "hold 10.0.0.3 p3", "ask 10.0.0.3"},
        {0, "show 10.0.0.2", "unknown"},
        {0, "show 10.0.0.1", "reachable m1"},
        {0, "hold 10.0.0.4", "ask 10.0.0.4; drop p3"},
    };
    PLAY(2, lines);
}

static void doubt_does_not_make_a_neighbour_younger(void **state)
{
    static const struct line lines[] = {
        {0, "hold 10.0.0.1", "ask 10.0.0.1"}, {0, "hold 10.0.0.2", "ask 10.0.0.2"},
        {0, "answer 10.0.0.1 m1", ""},        {0, "answer 10.0.0.2 m2", ""},
        {0, "learn 10.0.0.1 m9", ""},         {0, "hold 10.0.0.3", "ask 10.0.0.3"},
        {0, "show 10.0.0.1", "unknown"},      {0, "show 10.0.0.2", "reachable m2"},
    };
    PLAY(2, lines);
}

static void others_never_take_the_places_of_pins(void **state)
{
    static const struct line lines[] = {
        {0, "request 10.0.0.1 m1", ""},
        {0, "request 10.0.0.2 m2", ""},
        {0, "request 10.0.0.3 m3", ""},
        {0, "show 10.0.0.1", "unknown"},
        {0, "pin 10.0.0.4", "ask 10.0.0.4"},
        {0, "pin 10.0.0.5", "ask 10.0.0.5"},
        {0, "show 10.0.0.2", "reachable m2"},
        // Beyond what is reserved for them, pins push out the others, one by one.
        {0, "pin 10.0.0.6", "ask 10.0.0.6"},
        {0, "show 10.0.0.2", "unknown"},
        {0, "pin 10.0.0.7", "ask 10.0.0.7"},
        {0, "show 10.0.0.3", "unknown"},
        {0, "pin 10.0.0.8", "full"},
        {0, "hold 10.0.0.8 p8", "drop p8"},
        {0, "show 10.0.0.4", "incomplete"},
    };
    play(4, 2, lines, sizeof(lines) / sizeof(lines[0]));
}

static void pins_that_end_are_held_to_the_limit_of_the_others(void **state)
{
    static const struct line lines[] = {
        {0, "pin 10.0.0.1", "ask 10.0.0.1"},
        {0, "answer 10.0.0.1 m1", ""},
        {0, "pin 10.0.0.2", "ask 10.0.0.2"},
        {0, "hold 10.0.0.2 p2", ""},
        {0, "request 10.0.0.3 m3", ""},
        {0, "unpin", ""},
        {0, "pin 10.0.0.1", ""},
        {10, "tick", "drop p2"},
        {0, "show 10.0.0.1", "reachable m1"},
        {0, "show 10.0.0.2", "unknown"},
        {0, "show 10.0.0.3", "reachable m3"},
        {0, "unpin", ""},
        {10, "tick", ""},
        {0, "show 10.0.0.1", "reachable m1"},
        {0, "show 10.0.0.3", "unknown"},
    };
    play(3, 1, lines, sizeof(lines) / sizeof(lines[0]));
}

static void a_late_tick_does_not_make_up_for_lost_ones(void **state)
{
    static const struct line lines[] = {
        {0, "pin 10.0.0.1", "ask 10.0.0.1"},
        {60000, "tick", "ask 10.0.0.1"},
        {0, "tick", ""},
        {1010, "tick", "ask 10.0.0.1"},
    };
    PLAY(4, lines);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(asks_three_times_a_second_apart_then_fails),
        cmocka_unit_test(sends_what_waited_in_order_when_the_answer_comes),
        cmocka_unit_test(a_new_packet_pushes_the_oldest_out_of_a_full_queue),
        cmocka_unit_test(resolves_without_a_packet),
        cmocka_unit_test(probes_a_neighbour_again_and_forgets_one_that_is_silent),
        cmocka_unit_test(looks_for_a_silent_pinned_neighbour_everywhere),
        cmocka_unit_test(asks_for_a_pinned_neighbour_until_it_answers),
        cmocka_unit_test(who_cannot_be_asked_keeps_its_turn),
        cmocka_unit_test(pinning_a_failed_neighbour_asks_at_once),
        cmocka_unit_test(a_reload_that_pins_the_same_changes_nothing),
        cmocka_unit_test(what_a_reload_no_longer_pins_is_forgotten_when_silent),
        cmocka_unit_test(a_request_makes_a_neighbour_that_is_verified_later),
        cmocka_unit_test(only_a_message_for_us_makes_a_neighbour),
        cmocka_unit_test(an_unsolicited_message_ends_the_wait),
        cmocka_unit_test(a_claim_without_override_only_casts_doubt),
        cmocka_unit_test(a_claim_with_override_moves_the_neighbour),
        cmocka_unit_test(an_unsolicited_message_that_says_nothing_new_confirms_nothing),
        cmocka_unit_test(a_failed_neighbour_that_speaks_is_known_again),
        cmocka_unit_test(a_full_table_lets_the_failed_then_the_oldest_question_go),
        cmocka_unit_test(questions_and_hearsay_push_out_the_more_numerous_of_their_kinds),
        cmocka_unit_test(a_neighbour_that_answered_outlives_those_only_heard_of),
        cmocka_unit_test(the_least_recently_confirmed_goes_last_of_all),
        cmocka_unit_test(doubt_does_not_make_a_neighbour_younger),
        cmocka_unit_test(others_never_take_the_places_of_pins),
        cmocka_unit_test(pins_that_end_are_held_to_the_limit_of_the_others),
        cmocka_unit_test(a_late_tick_does_not_make_up_for_lost_ones),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
