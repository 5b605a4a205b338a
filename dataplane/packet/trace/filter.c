#include "dataplane/packet/trace/filter.h"

#include <netinet/in.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/nearest.h"

#define WORD_SIZE 64 // the longest name with its terminator

enum node_type {
    NODE_AND,
    NODE_OR,
    NODE_NOT,
    NODE_NET,
    NODE_PORTS,
    NODE_PROTOCOL, // `first`; ICMP: of both versions
    NODE_KIND,     // `first`
    NODE_VIP,
    NODE_ON,
    NODE_DROPPED, // for `first`; 0: whatever the reason
};

enum node_side {
    SIDE_EITHER,
    SIDE_SOURCE,
    SIDE_DESTINATION,
};

struct parser {
    const char *text;
    const struct filter_context *context;
    struct filter *filter;
    struct filter_fault *fault;
    int depth;
    // The word at hand; empty at the text's end.
    char word[WORD_SIZE];
    size_t at, length;
};

static bool parse_or(struct parser *parser);
static bool parse_factor(struct parser *parser);

static bool __attribute__((format(printf, 3, 4)))
fail(struct parser *parser, const char *remedy, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(parser->fault->why, FILTER_WHY_SIZE, format, arguments);
    va_end(arguments);
    snprintf(parser->fault->remedy, FILTER_WHY_SIZE, "%s", remedy);
    parser->fault->at = parser->at;
    parser->fault->length = parser->length;
    return false;
}

// Moves to the word behind the one at hand. A sign stands for a word: ( ) ! && ||
static bool next(struct parser *parser)
{
    const char *from = parser->text + parser->at + parser->length;
    from += strspn(from, " \t\r\n");
    size_t length = 1;
    if (*from == '\0')
        length = 0;
    else if (strncmp(from, "&&", 2) == 0 || strncmp(from, "||", 2) == 0)
        length = 2;
    else if (!strchr("()!", *from))
        length = strcspn(from, " \t\r\n()!&|");
    parser->at = (size_t)(from - parser->text);
    parser->length = length ? length : *from != '\0';
    if (parser->length >= WORD_SIZE) {
        parser->word[0] = '\0';
        return fail(parser, "names have at most 63 characters", "this word is too long");
    }
    memcpy(parser->word, from, parser->length);
    parser->word[parser->length] = '\0';
    return true;
}

static bool is(const struct parser *parser, const char *word)
{
    return strcmp(parser->word, word) == 0;
}

static bool is_and(const struct parser *parser)
{
    return is(parser, "and") || is(parser, "&&");
}

static bool is_or(const struct parser *parser)
{
    return is(parser, "or") || is(parser, "||");
}

// Whether the word at hand ends a question.
static bool is_between(const struct parser *parser)
{
    return parser->length == 0 || is_and(parser) || is_or(parser) || is(parser, ")");
}

static bool add(struct parser *parser, struct filter_node node)
{
    struct filter *filter = parser->filter;
    if (filter->count == FILTER_NODES_MAX)
        return fail(parser, "ask for less at once", "the filter is too long");
    filter->nodes[filter->count++] = node;
    return true;
}

static bool parse_address(struct parser *parser, enum node_side side)
{
    struct filter_node node = {.type = NODE_NET, .side = (uint8_t)side, .prefix.length = 128};
    if (!next(parser))
        return false;
    if (ip_parse(parser->word, &node.prefix.address) != ERROR_NONE)
        return fail(parser, "as in: host 192.0.2.1, host 2001:db8::1",
                    "`host` takes an IPv4 or IPv6 address, not `%s`", parser->word);
    return add(parser, node) && next(parser);
}

static bool parse_net(struct parser *parser, enum node_side side)
{
    struct filter_node node = {.type = NODE_NET, .side = (uint8_t)side};
    if (!next(parser))
        return false;
    if (ip_prefix_parse(parser->word, &node.prefix) != ERROR_NONE)
        return fail(parser, "as in: net 192.0.2.0/24, net 2001:db8::/32",
                    "`net` takes a network, not `%s`", parser->word);
    return add(parser, node) && next(parser);
}

static bool read_port(const char *text, uint16_t *port, const char **end)
{
    size_t digits = strspn(text, "0123456789");
    unsigned long number = strtoul(text, NULL, 10);
    if (digits == 0 || digits > 5 || number > UINT16_MAX)
        return false;
    *port = (uint16_t)number;
    *end = text + digits;
    return true;
}

static bool parse_ports(struct parser *parser, enum node_side side)
{
    struct filter_node node = {.type = NODE_PORTS, .side = (uint8_t)side};
    const char *end;
    if (!next(parser))
        return false;
    bool right = read_port(parser->word, &node.first, &end);
    node.last = node.first;
    if (right && *end == '-')
        right = read_port(end + 1, &node.last, &end) && node.last >= node.first;
    if (!right || *end != '\0')
        return fail(parser, "as in: port 443, dst port 8000-8999",
                    "`port` takes a number from 0 to 65535, or two with a dash, not `%s`",
                    parser->word);
    return add(parser, node) && next(parser);
}

// [src|dst], then what of it.
static bool parse_sided(struct parser *parser)
{
    static const char remedy[] = "as in: src host 192.0.2.1, dst net 192.0.2.0/24, dst port 443";
    enum node_side side = SIDE_EITHER;
    if (is(parser, "src") || is(parser, "dst")) {
        side = is(parser, "src") ? SIDE_SOURCE : SIDE_DESTINATION;
        if (!next(parser))
            return false;
    }
    if (is(parser, "host"))
        return parse_address(parser, side);
    if (is(parser, "net"))
        return parse_net(parser, side);
    if (is(parser, "port"))
        return parse_ports(parser, side);
    return fail(parser, remedy, "host, net or port must follow, not `%s`", parser->word);
}

// `what` is what the names are names of.
static bool parse_name(struct parser *parser, const struct filter_names *known, const char *what,
                       enum node_type type)
{
    for (size_t i = 0; i < known->count; i++) {
        if (is(parser, known->names[i]))
            return add(parser,
                       (struct filter_node){.type = (uint8_t)type, .first = known->values[i]}) &&
                   next(parser);
    }
    const char *nearest = nearest_word(parser->word, known->names, known->count);
    char remedy[FILTER_WHY_SIZE];
    snprintf(remedy, sizeof(remedy), nearest ? "did you mean %s?" : "see weirctl show %ss",
             nearest ? nearest : what);
    return fail(parser, remedy, "there is no %s `%s`", what, parser->word);
}

static bool parse_dropped(struct parser *parser)
{
    if (!next(parser))
        return false;
    if (is_between(parser))
        return add(parser, (struct filter_node){.type = NODE_DROPPED});
    return parse_name(parser, &parser->context->reasons, "drop", NODE_DROPPED);
}

// Questions of one word.
static const struct {
    const char *word;
    enum node_type type;
    uint16_t value;
} plain_questions[] = {
    {"tcp", NODE_PROTOCOL, IPPROTO_TCP},   {"udp", NODE_PROTOCOL, IPPROTO_UDP},
    {"icmp", NODE_PROTOCOL, IPPROTO_ICMP}, {"arp", NODE_KIND, FACTS_ARP},
    {"ip", NODE_KIND, FACTS_IPV4},         {"ip6", NODE_KIND, FACTS_IPV6},
};
#define PLAIN_QUESTIONS (sizeof(plain_questions) / sizeof(plain_questions[0]))

static bool fail_word(struct parser *parser)
{
    static const char *const words[] = {"host", "net", "port", "src",     "dst",
                                        "tcp",  "udp", "icmp", "arp",     "ip",
                                        "ip6",  "vip", "on",   "dropped", "not"};
    if (parser->length == 0)
        return fail(parser, "as in: host 192.0.2.1 and tcp", "something must follow here");
    const char *nearest = nearest_word(parser->word, words, sizeof(words) / sizeof(words[0]));
    char remedy[FILTER_WHY_SIZE] =
        "there are host, net, port, src, dst, tcp, udp, icmp, arp, ip, ip6, vip, on, dropped, not";
    if (nearest)
        snprintf(remedy, sizeof(remedy), "did you mean %s?", nearest);
    return fail(parser, remedy, "`%s` asks nothing that a packet could answer", parser->word);
}

static bool parse_question(struct parser *parser)
{
    for (size_t i = 0; i < PLAIN_QUESTIONS; i++) {
        if (is(parser, plain_questions[i].word))
            return add(parser, (struct filter_node){.type = (uint8_t)plain_questions[i].type,
                                                    .first = plain_questions[i].value}) &&
                   next(parser);
    }
    if (is(parser, "vip"))
        return next(parser) && parse_name(parser, &parser->context->vips, "vip", NODE_VIP);
    if (is(parser, "on"))
        return next(parser) && parse_name(parser, &parser->context->ports, "port", NODE_ON);
    if (is(parser, "dropped"))
        return parse_dropped(parser);
    if (is(parser, "src") || is(parser, "dst") || is(parser, "host") || is(parser, "net") ||
        is(parser, "port"))
        return parse_sided(parser);
    return fail_word(parser);
}

static bool parse_inner(struct parser *parser)
{
    if (is(parser, "not") || is(parser, "!"))
        return next(parser) && parse_factor(parser) &&
               add(parser, (struct filter_node){.type = NODE_NOT});
    if (!is(parser, "("))
        return parse_question(parser);
    size_t opened = parser->at;
    if (!next(parser) || !parse_or(parser))
        return false;
    if (is(parser, ")"))
        return next(parser);
    parser->at = opened;
    parser->length = 1;
    return fail(parser, "close it with )", "this parenthesis is not closed");
}

static bool parse_factor(struct parser *parser)
{
    if (parser->depth == FILTER_DEPTH_MAX)
        return fail(parser, "say it with fewer parentheses", "the filter is too deep");
    parser->depth++;
    bool right = parse_inner(parser);
    parser->depth--;
    return right;
}

static bool parse_and(struct parser *parser)
{
    if (!parse_factor(parser))
        return false;
    while (is_and(parser)) {
        if (!next(parser) || !parse_factor(parser) ||
            !add(parser, (struct filter_node){.type = NODE_AND}))
            return false;
    }
    return true;
}

static bool parse_or(struct parser *parser)
{
    if (!parse_and(parser))
        return false;
    while (is_or(parser)) {
        if (!next(parser) || !parse_and(parser) ||
            !add(parser, (struct filter_node){.type = NODE_OR}))
            return false;
    }
    return true;
}

enum error filter_parse(const char *text, const struct filter_context *context,
                        struct filter *filter, struct filter_fault *fault)
{
    struct parser parser = {.text = text, .context = context, .filter = filter, .fault = fault};
    filter->count = 0;
    if (strlen(text) > FILTER_TEXT_MAX) {
        fail(&parser, "ask for less at once", "the filter is longer than %d bytes",
             FILTER_TEXT_MAX);
        return ERROR_INVALID;
    }
    if (!next(&parser))
        return ERROR_INVALID;
    if (parser.length == 0)
        return ERROR_NONE;
    if (!parse_or(&parser))
        return ERROR_INVALID;
    if (parser.length == 0)
        return ERROR_NONE;
    fail(&parser,
         is(&parser, ")") ? "leave it out, or open it" : "join questions with `and` or `or`",
         "`%s` does not belong here", parser.word);
    return ERROR_INVALID;
}

static enum filter_answer answer_of(bool yes)
{
    return yes ? FILTER_YES : FILTER_NO;
}

static bool ask_sides(const struct filter_node *node, bool source, bool destination)
{
    return (node->side != SIDE_DESTINATION && source) || (node->side != SIDE_SOURCE && destination);
}

static bool is_within(const struct filter_node *node, uint16_t port)
{
    return port >= node->first && port <= node->last;
}

static enum filter_answer ask_node(const struct filter_node *node, const struct facts *facts)
{
    bool ip = facts->kind == FACTS_IPV4 || facts->kind == FACTS_IPV6;
    switch ((enum node_type)node->type) {
    case NODE_NET:
        return answer_of(facts->addressed &&
                         ask_sides(node, ip_prefix_contains(&node->prefix, &facts->source),
                                   ip_prefix_contains(&node->prefix, &facts->destination)));
    case NODE_PORTS:
        return answer_of(facts->has_ports && ask_sides(node, is_within(node, facts->source_port),
                                                       is_within(node, facts->destination_port)));
    case NODE_PROTOCOL:
        return answer_of(ip &&
                         (facts->protocol == node->first ||
                          (node->first == IPPROTO_ICMP && facts->protocol == IPPROTO_ICMPV6)));
    case NODE_KIND:
        return answer_of(facts->kind == node->first);
    case NODE_VIP:
        return facts->decided ? answer_of(facts->service == node->first) : FILTER_OPEN;
    case NODE_ON:
        return answer_of(facts->in_port == node->first);
    case NODE_DROPPED:
        if (!facts->decided)
            return FILTER_OPEN;
        return answer_of(node->first ? facts->reason == node->first : facts->reason != 0);
    default:
        return FILTER_NO;
    }
}

static enum filter_answer both(enum filter_answer a, enum filter_answer b)
{
    if (a == FILTER_NO || b == FILTER_NO)
        return FILTER_NO;
    return a == FILTER_YES && b == FILTER_YES ? FILTER_YES : FILTER_OPEN;
}

static enum filter_answer either(enum filter_answer a, enum filter_answer b)
{
    if (a == FILTER_YES || b == FILTER_YES)
        return FILTER_YES;
    return a == FILTER_NO && b == FILTER_NO ? FILTER_NO : FILTER_OPEN;
}

static enum filter_answer other(enum filter_answer a)
{
    return a == FILTER_OPEN ? FILTER_OPEN : answer_of(a == FILTER_NO);
}

enum filter_answer filter_ask(const struct filter *filter, const struct facts *facts)
{
    enum filter_answer stack[FILTER_NODES_MAX] = {FILTER_NO};
    uint32_t top = 0;
    if (filter->count == 0)
        return FILTER_YES;
    for (uint32_t i = 0; i < filter->count; i++) {
        const struct filter_node *node = &filter->nodes[i];
        switch ((enum node_type)node->type) {
        case NODE_AND:
            top--;
            stack[top - 1] = both(stack[top - 1], stack[top]);
            break;
        case NODE_OR:
            top--;
            stack[top - 1] = either(stack[top - 1], stack[top]);
            break;
        case NODE_NOT:
            stack[top - 1] = other(stack[top - 1]);
            break;
        default:
            stack[top++] = ask_node(node, facts);
            break;
        }
    }
    DCHECK(top == 1);
    return stack[0];
}
