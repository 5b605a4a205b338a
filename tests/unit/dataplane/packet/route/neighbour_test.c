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
//   show A                 not an event: the state of A
//
// and what comes of them: "ask A" (all), "ask A at m", "send p to m", "drop p", "drop p failed",
// "full".
struct line {
    uint32_t after_ms; // since the line before
    const char *event;
    const char *actions;
};

struct trace {
    struct neighbour_table *table;
    uint64_t now_ns;
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

static void say_ask(void *context, uint32_t port, const struct ip_address *address,
                    const uint8_t *mac)
{
    char text[IP_TEXT_SIZE];
    assert_int_equal(port, PORT);
    if (mac)
        say(context, "ask %s at m%u", ip_format(address, text), mac[5]);
    else
        say(context, "ask %s", ip_format(address, text));
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
    } else if (strcmp(verb, "show") == 0 && named) {
        say_state(trace, &address);
    } else {
        fail_msg("no such event: %s", event);
    }
}

static void play(uint32_t capacity, const struct line *lines, size_t count)
{
    struct trace trace = {.now_ns = UINT64_C(1234560000000)};
    assert_int_equal(neighbour_table_create(capacity, test_key, &trace.table), ERROR_NONE);
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

#define PLAY(capacity, lines) play(capacity, lines, sizeof(lines) / sizeof((lines)[0]))

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

static void only_a_pin_makes_a_known_neighbour_give_way(void **state)
{
    static const struct line lines[] = {
        {0, "request 10.0.0.1 m1", ""},
        {0, "request 10.0.0.2 m2", ""},
        {0, "request 10.0.0.3 m3", ""},
        {0, "show 10.0.0.3", "unknown"},
        {0, "hold 10.0.0.3 p3", "drop p3"},
        {0, "pin 10.0.0.4", "ask 10.0.0.4"},
        {0, "show 10.0.0.1", "unknown"},
        {0, "pin 10.0.0.5", "ask 10.0.0.5"},
        {0, "show 10.0.0.2", "unknown"},
        // Pinned ones never give way.
        {0, "pin 10.0.0.6", "full"},
        {0, "hold 10.0.0.6 p6", "drop p6"},
        {0, "show 10.0.0.4", "incomplete"},
        {0, "show 10.0.0.5", "incomplete"},
    };
    PLAY(2, lines);
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

static void ignore_ask(void *context, uint32_t port, const struct ip_address *address,
                       const uint8_t *mac)
{
}

static void ignore_send(void *context, uint32_t port, const uint8_t *mac, void *packet)
{
}

static void ignore_drop(void *context, void *packet, bool failed)
{
}

static const struct neighbour_actions ignore = {ignore_ask, ignore_send, ignore_drop, NULL};

static struct ip_address address_number(uint32_t number)
{
    const uint8_t bytes[4] = {10, (uint8_t)(number >> 16), (uint8_t)(number >> 8), (uint8_t)number};
    return ip_from_v4(bytes);
}

static void believes_no_multicast_mac_or_address(void **state)
{
    static const struct {
        const char *address;
        uint8_t mac[6];
    } cases[] = {
        {"10.0.0.1", {0xff, 0xff, 0xff, 0xff, 0xff, 0xff}},
        {"10.0.0.1", {0x01, 0, 0x5e, 0, 0, 1}},
        {"10.0.0.1", {0}},
        {"224.0.0.1", {2, 0, 0, 0, 0, 1}},
        {"0.0.0.0", {2, 0, 0, 0, 0, 1}},
        {"::", {2, 0, 0, 0, 0, 1}},
        {"ff02::1", {2, 0, 0, 0, 0, 1}},
    };
    struct neighbour_table *table;
    assert_int_equal(neighbour_table_create(4, test_key, &table), ERROR_NONE);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct ip_address address;
        assert_int_equal(ip_parse(cases[i].address, &address), ERROR_NONE);
        neighbour_learn(table, PORT, &address, cases[i].mac, true, true, true, 0, &ignore);
        assert_int_equal(neighbour_find(table, PORT, &address), NEIGHBOUR_NONE);
    }
    neighbour_table_destroy(table);
}

static void one_address_on_many_ports_is_many_neighbours(void **state)
{
    enum {
        PORTS = 200
    }; // enough that some share a chain
    struct neighbour_table *table;
    assert_int_equal(neighbour_table_create(PORTS, test_key, &table), ERROR_NONE);
    struct ip_address address = address_number(1);
    uint8_t mac[6];
    for (unsigned port = 0; port < PORTS; port++) {
        mac_of(port + 1, mac);
        neighbour_learn(table, port, &address, mac, true, true, true, 0, &ignore);
    }
    for (unsigned port = 0; port < PORTS; port++) {
        uint32_t slot = neighbour_find(table, port, &address);
        assert_int_not_equal(slot, NEIGHBOUR_NONE);
        assert_int_equal(neighbour_view(table, slot).mac[5], port + 1);
    }
    assert_int_equal(neighbour_find(table, PORTS, &address), NEIGHBOUR_NONE);
    neighbour_table_destroy(table);
}

static void a_freed_slot_is_used_again_after_two_reclaims_with_a_new_generation(void **state)
{
    struct neighbour_table *table;
    assert_int_equal(neighbour_table_create(1, test_key, &table), ERROR_NONE);
    // One neighbour, two slots. Each new one evicts the one before.
    struct ip_address address = address_number(1);
    neighbour_hold(table, PORT, &address, NULL, 0, &ignore);
    uint32_t first = neighbour_find(table, PORT, &address);
    uint8_t generation = neighbour_view(table, first).generation;
    address = address_number(2);
    neighbour_hold(table, PORT, &address, NULL, 0, &ignore);
    assert_int_not_equal(neighbour_find(table, PORT, &address), first);
    assert_int_equal(neighbour_view(table, first).state, NEIGHBOUR_FREE);
    assert_int_not_equal(neighbour_view(table, first).generation, generation);

    // Workers may have passed their quiescent state before the slot was freed.
    for (uint32_t reclaims = 0; reclaims < 2; reclaims++) {
        address = address_number(3);
        neighbour_hold(table, PORT, &address, NULL, 0, &ignore);
        assert_int_equal(neighbour_find(table, PORT, &address), NEIGHBOUR_NONE);
        assert_true(neighbour_table_refused(table) == reclaims + 1);
        neighbour_reclaim(table);
    }
    neighbour_hold(table, PORT, &address, NULL, 0, &ignore);
    assert_int_equal(neighbour_find(table, PORT, &address), first);
    assert_int_equal(neighbour_view(table, first).state, NEIGHBOUR_INCOMPLETE);
    assert_int_not_equal(neighbour_view(table, first).generation, generation);
    neighbour_table_destroy(table);
}

static void collect_entry(void *context, const struct neighbour_entry *entry)
{
    struct neighbour_entry **next = context;
    *(*next)++ = *entry;
}

static void a_walk_shows_each_neighbour(void **state)
{
    struct neighbour_table *table;
    assert_int_equal(neighbour_table_create(4, test_key, &table), ERROR_NONE);
    struct ip_address known = address_number(1), wanted = address_number(2);
    uint8_t mac[6];
    mac_of(9, mac);
    uint32_t slot;
    neighbour_learn(table, 5, &known, mac, true, true, true, 0, &ignore);
    neighbour_pin(table, 6, &wanted, 0, &slot, &ignore);
    int packet;
    neighbour_hold(table, 6, &wanted, &packet, 0, &ignore);

    struct neighbour_entry entries[4], *end = entries;
    neighbour_walk(table, collect_entry, &end);
    assert_int_equal(end - entries, 2);
    assert_int_equal(entries[0].port, 5);
    assert_true(ip_equal(&entries[0].address, &known));
    assert_memory_equal(entries[0].mac, mac, sizeof(mac));
    assert_int_equal(entries[0].state, NEIGHBOUR_REACHABLE);
    assert_false(entries[0].pinned);
    assert_int_equal(entries[0].held, 0);
    assert_int_equal(entries[1].port, 6);
    assert_int_equal(entries[1].state, NEIGHBOUR_INCOMPLETE);
    assert_true(entries[1].pinned);
    assert_int_equal(entries[1].held, 1);
    neighbour_table_destroy(table);
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
        cmocka_unit_test(only_a_pin_makes_a_known_neighbour_give_way),
        cmocka_unit_test(a_late_tick_does_not_make_up_for_lost_ones),
        cmocka_unit_test(believes_no_multicast_mac_or_address),
        cmocka_unit_test(one_address_on_many_ports_is_many_neighbours),
        cmocka_unit_test(a_freed_slot_is_used_again_after_two_reclaims_with_a_new_generation),
        cmocka_unit_test(a_walk_shows_each_neighbour),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
