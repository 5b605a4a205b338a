#include "base/config/tree_priv.h"

#include <libfyaml.h>
#include <string.h>

#include "base/check.h"
#include "base/config/problems_priv.h"
#include "base/utf8.h"

// A map or list that is not closed yet.
struct open_node {
    struct tree_node *node;
    const struct tree_node *key; // of a map: read, its value has not come yet
};

static const char depth_remedy[] =
    "nothing in a configuration is nested this deep: look for brackets too many";

struct builder {
    struct arena *arena;
    struct config_problems *problems;
    struct tree_node *root;
    struct open_node open[TREE_DEPTH_MAX];
    uint32_t depth;
    uint32_t documents;
    bool stopped; // what follows cannot be understood
};

const char *tree_kind_text(enum tree_kind kind)
{
    switch (kind) {
    case TREE_LIST:
        return "a list";
    case TREE_MAP:
        return "a map";
    case TREE_TEXT:
    case TREE_REFUSED:
        break;
    }
    return "a value";
}

static void silence(struct fy_diag *diag, void *user, const char *buffer, size_t length)
{
}

// The length of the character at `at`, or 0 where there is none. Control characters count as none:
// YAML does not allow them (YAML 1.2.2 section 5.1) and libfyaml would take a NUL for the end.
static size_t character_length(const uint8_t *at, const uint8_t *end)
{
    size_t length = utf8_length(at, (size_t)(end - at));
    bool c0 = length == 1 && at[0] < 0x20 && !(at[0] == '\n' || at[0] == '\r' || at[0] == '\t');
    bool c1 = length == 2 && at[0] == 0xc2 && at[1] < 0xa0;
    return c0 || c1 || at[0] == 0x7f ? 0 : length;
}

static bool is_text(struct span text, struct config_problems *problems)
{
    const uint8_t *end = text.data + text.size;
    uint32_t line = 1, column = 1;
    for (const uint8_t *at = text.data; at < end;) {
        size_t length = character_length(at, end);
        if (length == 0) {
            problems_add(problems, line, column, NULL,
                         "byte 0x%02x is not text\nsave the file as UTF-8 without control "
                         "characters",
                         *at);
            return false;
        }
        column++;
        if (*at == '\n') {
            line++;
            column = 1;
        }
        at += length;
    }
    return true;
}

// Whether a list, a map or a quoted scalar may begin here: behind `before`, the last character that
// is no blank, and `last`, the last one of all. In brackets every one of theirs is one; elsewhere
// words may hold them.
static bool may_begin(bool in_brackets, char before, char last)
{
    if (in_brackets)
        return strchr("[{,:", before);
    return strchr(" \t\n", last) && strchr("\n:-?", before);
}

// The text up to a character.
struct scan {
    uint32_t line, column; // of it
    uint32_t open;         // brackets
    uint32_t items;        // in brackets, closed ones included
    char before, last;     // as in may_begin()
    char quote;            // in which the text is, or 0
    bool escaped;          // the next character of a quoted text ends nothing
    bool comment;
};

static void scan_quoted(struct scan *scan, char c)
{
    if (scan->escaped)
        scan->escaped = false;
    else if (c == '\\' && scan->quote == '"')
        scan->escaped = true;
    else if (c == scan->quote)
        scan->quote = 0;
}

// Whether something begins at `c`, in brackets: an item, a map's value, or what nothing parts from
// the word in front of it.
static bool begins_item(char c, char before, char last)
{
    if (c == ',')
        return true;
    bool begins = strchr(" \t\n", last) || strchr("\"'", c);
    return begins && !strchr(" \t\n]}", c) && !strchr("[{,", before);
}

static void scan_plain(struct scan *scan, char c)
{
    bool may = may_begin(scan->open > 0, scan->before, scan->last);
    bool bracket = (c == '[' || c == '{') && (scan->open > 0 || may);
    scan->items += bracket || (scan->open > 0 && begins_item(c, scan->before, scan->last));
    if (bracket)
        scan->open++;
    else if ((c == '"' || c == '\'') && may)
        scan->quote = c;
    else if ((c == ']' || c == '}') && scan->open > 0)
        scan->open--;
}

static void scan_character(struct scan *scan, char c)
{
    scan->column += (c & 0xc0) != 0x80; // one for a whole character
    if (c == '\n') {
        scan->line++;
        scan->column = 0;
        scan->comment = scan->escaped = false;
        scan->before = scan->open || scan->quote ? scan->before : c;
    } else if (scan->comment) {
        return;
    } else if (scan->quote) {
        scan_quoted(scan, c);
    } else if (c == '#' && strchr(" \t\n", scan->last)) {
        scan->comment = true;
    } else {
        scan_plain(scan, c);
    }
    scan->before = c == ' ' || c == '\t' || c == '\n' ? scan->before : c;
    scan->last = c;
}

// libfyaml reads on to the end of all open brackets before it gives the first of them out, with
// some 300 bytes of memory for each thing in them: a file of nothing else must not get there.
static bool is_bearable(struct span text, struct config_problems *problems)
{
    struct scan scan = {.line = 1, .before = '\n', .last = '\n'};
    bool marked = text.size >= 3 && memcmp(text.data, "\xef\xbb\xbf", 3) == 0; // as UTF-8
    for (size_t i = marked ? 3 : 0; i < text.size; i++) {
        scan_character(&scan, (char)text.data[i]);
        bool deep = scan.open > TREE_BRACKETS_MAX;
        if (deep)
            problems_add(problems, scan.line, scan.column, NULL, "nested too deeply\n%s",
                         depth_remedy);
        else if (scan.items > TREE_ITEMS_MAX)
            problems_add(problems, scan.line, scan.column, NULL,
                         "more than %u items in brackets\na full configuration has fewer: is it "
                         "the right file?",
                         TREE_ITEMS_MAX);
        if (deep || scan.items > TREE_ITEMS_MAX)
            return false;
    }
    return true;
}

// Copies what the file has from a place to the end of its line.
static const char *words_at(struct span text, uint32_t line, uint32_t column, struct arena *arena)
{
    const char *at = (const char *)text.data;
    const char *end = at + text.size;
    for (uint32_t i = 1; i < line && at < end; i++) {
        const char *newline = memchr(at, '\n', (size_t)(end - at));
        at = newline ? newline + 1 : end;
    }
    const char *stop = at < end ? memchr(at, '\n', (size_t)(end - at)) : end;
    stop = stop ? stop : end;
    for (uint32_t i = 1; i < column && at < stop; i++)
        at++;
    return arena_copy(arena, at, (size_t)(stop - at));
}

static void report_diagnostics(struct fy_diag *diag, struct span text, struct builder *builder)
{
    void *position = NULL;
    for (struct fy_diag_error *error; (error = fy_diag_errors_iterate(diag, &position));) {
        uint32_t line = error->line > 0 ? (uint32_t)error->line : 1;
        uint32_t column = error->column > 0 ? (uint32_t)error->column : 1;
        char *message = arena_copy(builder->arena, error->msg, strcspn(error->msg, "\n"));
        problems_add(builder->problems, line, column, words_at(text, line, column, builder->arena),
                     "not YAML: %s\ncheck indentation, quotes and brackets here and just before",
                     message);
    }
}

// Walks the text of a scalar and copies it to `to`, unless that is NULL. Returns its length.
// fy_token_get_text() would do, but in libfyaml 0.7.12 it leaks for a scalar of many pieces (quotes
// in quotes, folded lines).
static size_t walk_text(struct fy_token *token, char *to)
{
    struct fy_token_iter *iterator = fy_token_iter_create(token);
    CHECK(iterator);
    size_t length = 0;
    const struct fy_iter_chunk *chunk = NULL;
    while ((chunk = fy_token_iter_chunk_next(iterator, chunk, NULL))) {
        if (to)
            memcpy(to + length, chunk->str, chunk->len);
        length += chunk->len;
    }
    fy_token_iter_destroy(iterator);
    return length;
}

// Whether nothing is written where a scalar could be. libfyaml 0.7.12 gives it no token, 0.8 an
// empty one, which it puts at the colon or dash in front.
static bool is_nothing(const struct fy_event *event)
{
    if (event->type != FYET_SCALAR)
        return false;
    struct fy_token *token = event->scalar.value;
    return !token || (fy_token_scalar_style(token) == FYSS_PLAIN && walk_text(token, NULL) == 0);
}

// Where an event is. What is not written stands where its key does, or the list or map it is in.
static void place_node(struct tree_node *node, struct fy_event *event,
                       const struct tree_node *around)
{
    const struct fy_mark *mark = is_nothing(event) ? NULL : fy_event_start_mark(event);
    if (mark && mark->line >= 0) {
        node->line = (uint32_t)mark->line + 1;
        node->column = (uint32_t)mark->column + 1;
    } else if (around) {
        node->line = around->line;
        node->column = around->column;
    } else {
        node->line = node->column = 1;
    }
}

static void refuse(struct builder *builder, struct tree_node *node, const char *what,
                   const char *remedy)
{
    problems_add(builder->problems, node->line, node->column, node->text, "%s\n%s", what, remedy);
    node->kind = TREE_REFUSED;
}

// Takes the text of a scalar. Escapes ("\0") may bring what is_text() has not seen.
static void take_text(struct builder *builder, struct tree_node *node, struct fy_token *token)
{
    size_t length = token ? walk_text(token, NULL) : 0;
    char *text = arena_take(builder->arena, length + 1);
    if (length)
        walk_text(token, text);
    node->text = text;
    if (strlen(text) != length)
        refuse(builder, node, "a NUL character", "leave it out");
}

static void check_extras(struct builder *builder, struct tree_node *node, struct fy_event *event)
{
    if (event->type == FYET_ALIAS)
        refuse(builder, node, "an alias (`*`) is not supported", "write the value out");
    else if (fy_event_get_anchor_token(event))
        refuse(builder, node, "an anchor (`&`) is not supported", "leave it out");
    else if (fy_event_get_tag_token(event))
        refuse(builder, node, "a tag (`!`) is not supported", "leave it out");
}

// Hangs a node under what is open. A map takes key and value by turns.
static void attach(struct builder *builder, struct tree_node *node)
{
    if (builder->depth == 0) {
        if (!builder->root)
            builder->root = node;
        return;
    }
    struct open_node *open = &builder->open[builder->depth - 1];
    if (open->node->kind == TREE_MAP && !open->key) {
        if (node->kind != TREE_TEXT) {
            if (node->kind != TREE_REFUSED)
                refuse(builder, node, "a key must be a word", "write `key: value`");
            builder->stopped = true;
        }
        open->key = node;
        return;
    }
    node->key = open->key;
    open->key = NULL;
    if (open->node->last)
        open->node->last->next = node;
    else
        open->node->first = node;
    open->node->last = node;
    open->node->count++;
}

static void open_node(struct builder *builder, struct tree_node *node)
{
    if (builder->depth == TREE_DEPTH_MAX) {
        refuse(builder, node, "nested too deeply", depth_remedy);
        builder->stopped = true;
        return;
    }
    builder->open[builder->depth++] = (struct open_node){.node = node};
}

static void start_document(struct builder *builder, struct fy_event *event)
{
    if (builder->documents++ == 0)
        return;
    struct tree_node at = {.kind = TREE_TEXT};
    place_node(&at, event, NULL);
    refuse(builder, &at, "a second document", "a configuration is one YAML document: remove `---`");
    builder->stopped = true;
}

static void add_node(struct builder *builder, struct fy_event *event)
{
    struct tree_node *node = arena_take(builder->arena, sizeof(*node));
    const struct open_node *open = builder->depth > 0 ? &builder->open[builder->depth - 1] : NULL;
    if (open)
        place_node(node, event, open->key ? open->key : open->node);
    else
        place_node(node, event, NULL);
    enum tree_kind kind = TREE_TEXT;
    if (event->type == FYET_SEQUENCE_START)
        kind = TREE_LIST;
    else if (event->type == FYET_MAPPING_START)
        kind = TREE_MAP;
    node->kind = kind;
    if (event->type == FYET_SCALAR)
        take_text(builder, node, event->scalar.value);
    if (node->kind != TREE_REFUSED)
        check_extras(builder, node, event);
    attach(builder, node);
    if (kind != TREE_TEXT && !builder->stopped)
        open_node(builder, node);
}

static void take_event(struct builder *builder, struct fy_event *event)
{
    switch (event->type) {
    case FYET_DOCUMENT_START:
        start_document(builder, event);
        break;
    case FYET_SCALAR:
    case FYET_ALIAS:
    case FYET_SEQUENCE_START:
    case FYET_MAPPING_START:
        add_node(builder, event);
        break;
    case FYET_SEQUENCE_END:
    case FYET_MAPPING_END:
        CHECK(builder->depth > 0);
        builder->depth--;
        break;
    case FYET_NONE:
    case FYET_STREAM_START:
    case FYET_STREAM_END:
    case FYET_DOCUMENT_END:
        break;
    }
}

const struct tree_node *tree_read(struct span text, struct arena *arena,
                                  struct config_problems *problems)
{
    if (!is_text(text, problems) || !is_bearable(text, problems))
        return NULL;

    struct fy_diag_cfg diag_config = {
        .output_fn = silence, .level = FYET_WARNING, .module_mask = ~0u};
    struct fy_diag *diag = fy_diag_create(&diag_config);
    CHECK(diag);
    fy_diag_set_collect_errors(diag, true);
    struct fy_parse_cfg config = {.flags = FYPCF_QUIET | FYPCF_COLLECT_DIAG |
                                           FYPCF_DEFAULT_VERSION_1_2 | FYPCF_JSON_NONE,
                                  .diag = diag};
    struct fy_parser *parser = fy_parser_create(&config);
    CHECK(parser);

    struct builder builder = {.arena = arena, .problems = problems};
    const char *start = text.size ? (const char *)text.data : "\n";
    CHECK(fy_parser_set_string(parser, start, text.size ? text.size : 1) == 0);
    while (!builder.stopped) {
        struct fy_event *event = fy_parser_parse(parser);
        if (!event)
            break;
        take_event(&builder, event);
        fy_parser_event_free(parser, event);
    }
    uint32_t reported = problems->count;
    if (!builder.stopped)
        report_diagnostics(diag, text, &builder);
    if (fy_parser_get_stream_error(parser) && problems->count == reported)
        problems_add(problems, 0, 0, NULL, "not YAML\ncheck indentation, quotes and brackets");
    bool broken = builder.stopped || problems->count > reported || problems->left_out > 0;
    fy_parser_destroy(parser);
    fy_diag_destroy(diag);
    return broken ? NULL : builder.root;
}
