// Which packets a person wants to see: a small language after tcpdump's.
//
//   EXPRESSION := nothing: every packet
//              |  TERM { or TERM }            TERM := FACTOR { and FACTOR }
//   FACTOR     := not FACTOR | ( EXPRESSION ) | QUESTION
//   QUESTION   := [src|dst] host ADDRESS | [src|dst] net PREFIX | [src|dst] port N or N-M
//              |  tcp | udp | icmp | arp | ip | ip6
//              |  vip NAME | on PORT | dropped [REASON]
//
// `and`, `or`, `not` may be written &&, ||, !. Some questions are answered only once the stages
// have decided about a packet (vip, dropped): until then a filter may say that it does not know
// yet. Text comes from outside; sizes and depths are bounded. Pure.
#pragma once

#include "base/error.h"
#include "base/ip.h"
#include "dataplane/packet/trace/facts.h"

#define FILTER_TEXT_MAX  1024 // bytes of text, without terminator
#define FILTER_NODES_MAX 64
#define FILTER_DEPTH_MAX 32
#define FILTER_WHY_SIZE  192

enum filter_answer {
    FILTER_NO,
    FILTER_YES,
    FILTER_OPEN, // it depends on what the stages decide
};

// What names stand for. All borrowed.
struct filter_names {
    const char *const *names;
    const uint16_t *values; // of each name
    size_t count;
};

struct filter_context {
    struct filter_names vips;    // slots
    struct filter_names ports;   // indexes
    struct filter_names reasons; // why packets are dropped; not 0
};

struct filter_node {
    uint8_t type; // enum of filter.c
    uint8_t side; // of an address or port: source, destination or either
    uint16_t first, last;
    struct ip_prefix prefix;
};

// A filter, in the order in which it is computed: operands before their operator.
struct filter {
    uint32_t count; // 0: every packet
    struct filter_node nodes[FILTER_NODES_MAX];
};

// What is wrong with a text: which of its bytes, and in a sentence.
struct filter_fault {
    size_t at, length;
    char why[FILTER_WHY_SIZE];
    char remedy[FILTER_WHY_SIZE];
};

// ERROR_INVALID: `fault` tells. `text` ends with a NUL.
enum error filter_parse(const char *text, const struct filter_context *context,
                        struct filter *filter, struct filter_fault *fault);

enum filter_answer filter_ask(const struct filter *filter, const struct facts *facts);
