#include "base/config/read_priv.h"

#include <stdio.h>
#include <string.h>

#include "base/check.h"
#include "base/config/problems_priv.h"
#include "base/config/schema_priv.h"
#include "base/config/value_priv.h"
#include "base/nearest.h"

static void read_record(struct reader *reader, const struct schema_record *record,
                        const struct tree_node *node, void *base);

static void *field_at(const struct schema_field *field, void *base)
{
    return (uint8_t *)base + field->offset;
}

static bool parse(struct reader *reader, const struct schema_field *field,
                  const struct tree_node *node, void *at)
{
    struct value_fault fault;
    if (value_parse(field, node->text, reader->model, at, &fault))
        return true;
    problems_add(reader->problems, node->line, node->column, node->text, "%s\n%s", fault.message,
                 fault.remedy);
    return false;
}

// True if a node is of the kind that is due. A node the tree refused has had its problem.
static bool expect_kind(struct reader *reader, const struct tree_node *node, enum tree_kind due,
                        const char *key)
{
    if (node->kind == due)
        return true;
    if (node->kind != TREE_REFUSED)
        problems_add(reader->problems, node->line, node->column, node->text,
                     "`%s` takes %s, not %s\n%s", key, tree_kind_text(due),
                     node->kind == TREE_TEXT && node->text[0] == '\0' ? "nothing"
                                                                      : tree_kind_text(node->kind),
                     due == TREE_MAP    ? "write `key: value` pairs, indented below it"
                     : due == TREE_LIST ? "write its items as `- ...` lines below it or in [ ]"
                                        : "write one value behind the colon");
    return false;
}

static void read_value(struct reader *reader, const struct schema_field *field,
                       const struct tree_node *node, void *at)
{
    bool good = expect_kind(reader, node, TREE_TEXT, field->key);
    if (good && field->type != SCHEMA_POOL) // validate() looks pools up
        good = parse(reader, field, node, at);
    // What is bad is noted, so that no check judges what depends on it.
    places_add(&reader->places, at, false, !good, node);
}

// The memory of a list, for what all keys that land in it bring together.
static void *list_items(struct reader *reader, const struct schema_record *record,
                        const struct schema_field *field, const struct tree_node *const *seen,
                        void *base)
{
    void *items = NULL;
    memcpy(&items, field_at(field, base), sizeof(void *));
    if (items)
        return items;
    size_t capacity = 0;
    for (uint16_t i = 0; i < record->field_count; i++) {
        const struct schema_field *other = &record->fields[i];
        if (other->offset != field->offset || !seen[i])
            continue;
        uint32_t count = seen[i]->kind == TREE_LIST ? seen[i]->count : 1;
        capacity += count < other->items_max ? count : other->items_max;
    }
    if (field->type == SCHEMA_CORES)
        capacity = field->items_max;
    items = arena_take(reader->model, capacity * field->size);
    memcpy(field_at(field, base), &items, sizeof(void *));
    return items;
}

// A gateway is the route to everything of its version.
static bool read_gateway(struct reader *reader, const struct tree_node *node,
                         struct config_route *route)
{
    const struct schema_field via = {
        .key = "gateway", .type = SCHEMA_ADDRESS, .size = sizeof(route->via)};
    if (!parse(reader, &via, node, &route->via))
        return false;
    CHECK(ip_prefix_parse(ip_is_v4(&route->via) ? "0.0.0.0/0" : "::/0", &route->to) == ERROR_NONE);
    places_add(&reader->places, &route->to, false, false, node);
    places_add(&reader->places, &route->via, false, false, node);
    return true;
}

// Adds a range of cores. Returns how many it brought, 0 where it was refused.
static uint32_t read_cores(struct reader *reader, const struct schema_field *field,
                           const struct tree_node *node, uint32_t *cores, uint32_t count)
{
    uint32_t first = 0, last = 0;
    struct value_fault fault;
    if (!value_parse_cores(field, node->text, &first, &last, &fault)) {
        problems_add(reader->problems, node->line, node->column, node->text, "%s\n%s",
                     fault.message, fault.remedy);
        return 0;
    }
    if (last - first >= field->items_max - count) {
        problems_add(reader->problems, node->line, node->column, node->text,
                     "too many cores\nat most %u workers run", field->items_max);
        return 0;
    }
    for (uint32_t core = first; core <= last; core++) {
        places_add(&reader->places, &cores[count], false, false, node);
        cores[count++] = core;
    }
    return last - first + 1;
}

// Reads one item of a list to where the next one belongs. Returns how many it brought.
static uint32_t read_item(struct reader *reader, const struct schema_field *field,
                          const struct tree_node *node, void *items, uint32_t count)
{
    enum tree_kind due = field->type == SCHEMA_RECORD ? TREE_MAP : TREE_TEXT;
    if (!expect_kind(reader, node, due, field->key))
        return 0;
    void *at = (uint8_t *)items + (size_t)count * field->size;
    if (field->shorthand)
        return read_gateway(reader, node, at);
    if (field->type == SCHEMA_CORES)
        return read_cores(reader, field, node, items, count);
    if (field->type == SCHEMA_RECORD) {
        places_add(&reader->places, at, true, false, node);
        read_record(reader, field->record, node, at);
        return 1; // with what was wrong noted inside
    }
    if (!parse(reader, field, node, at))
        return 0;
    places_add(&reader->places, at, false, false, node);
    return 1;
}

static void read_list(struct reader *reader, const struct schema_record *record,
                      const struct schema_field *field, const struct tree_node *const *seen,
                      const struct tree_node *node, void *base)
{
    void *at = field_at(field, base);
    // One value may stand for a list of one; a record may not, to keep files alike.
    bool single = node->kind == TREE_TEXT && node->text[0] != '\0' && field->type != SCHEMA_RECORD;
    if (!single && !expect_kind(reader, node, TREE_LIST, field->key)) {
        places_add(&reader->places, at, false, true, node);
        return;
    }
    void *items = list_items(reader, record, field, seen, base);
    uint32_t count = schema_count(field, base);
    uint32_t before = count;
    bool bad = false;
    uint32_t read = 0;
    const struct tree_node *item = single ? node : node->first;
    for (; item && read < field->items_max; item = single ? NULL : item->next, read++) {
        uint32_t brought = read_item(reader, field, item, items, count);
        bad = bad || brought == 0;
        count += brought;
    }
    if (item) {
        problems_add(reader->problems, item->line, item->column, item->text,
                     "too many items in `%s`\nat most %u are possible", field->key,
                     field->items_max);
        bad = true;
    }
    if (field->required && !bad && count == before) {
        problems_add(reader->problems, node->line, node->column, NULL,
                     "`%s` is empty\nwrite at least one", field->key);
        bad = true;
    }
    memcpy((uint8_t *)base + field->count_offset, &count, sizeof(count));
    if (bad)
        places_add(&reader->places, at, false, true, node);
}

// The field of a key, or NULL after saying which key may be meant.
static const struct schema_field *
find_field(struct reader *reader, const struct schema_record *record, const struct tree_node *key)
{
    const char *keys[SCHEMA_FIELDS_MAX];
    char known[256] = "";
    CHECK(record->field_count <= SCHEMA_FIELDS_MAX);
    for (uint16_t i = 0; i < record->field_count; i++) {
        const struct schema_field *field = &record->fields[i];
        if (strcmp(field->key, key->text) == 0)
            return field;
        keys[i] = field->key;
        size_t used = strlen(known);
        snprintf(known + used, sizeof(known) - used, "%s%s", i ? ", " : "", field->key);
    }
    const char *path = record->path[0] ? record->path : "the file";
    const char *nearest = nearest_word(key->text, keys, record->field_count);
    if (nearest)
        problems_add(reader->problems, key->line, key->column, key->text,
                     "unknown key in %s\ndid you mean `%s`?", path, nearest);
    else
        problems_add(reader->problems, key->line, key->column, key->text,
                     "unknown key in %s\nkeys known here: %s", path, known);
    return NULL;
}

// Sorts the entries of a map by field.
static void see_fields(struct reader *reader, const struct schema_record *record,
                       const struct tree_node *node, const struct tree_node **seen)
{
    for (const struct tree_node *entry = node->first; entry; entry = entry->next) {
        const struct schema_field *field = find_field(reader, record, entry->key);
        if (!field)
            continue;
        size_t index = (size_t)(field - record->fields);
        if (seen[index]) {
            problems_add(reader->problems, entry->key->line, entry->key->column, entry->key->text,
                         "a key for the second time\nit is given at line %u already; remove one",
                         seen[index]->key->line);
            continue;
        }
        seen[index] = entry;
    }
}

// What a field is that the file does not have.
static void fill_absent(struct reader *reader, const struct schema_record *record,
                        const struct schema_field *field, const struct tree_node *node, void *base)
{
    void *at = field_at(field, base);
    if (field->required) {
        problems_add(reader->problems, node->line, node->column, NULL,
                     "%s has no `%s`\nadd `%s:` to it", record->name, field->key, field->key);
        places_add(&reader->places, at, false, true, node);
    } else if (field->initial) {
        struct value_fault fault;
        CHECK(value_parse(field, field->initial, reader->model, at, &fault));
    } else if (field->type == SCHEMA_RECORD && !field->list && !field->absent) {
        // A record of defaults alone.
        static const struct tree_node empty = {.kind = TREE_MAP};
        read_record(reader, field->record, &empty, at);
    }
}

static void read_record(struct reader *reader, const struct schema_record *record,
                        const struct tree_node *node, void *base)
{
    const struct tree_node *seen[SCHEMA_FIELDS_MAX] = {NULL};
    CHECK(record->field_count <= SCHEMA_FIELDS_MAX);
    see_fields(reader, record, node, seen);
    for (uint16_t i = 0; i < record->field_count; i++) {
        const struct schema_field *field = &record->fields[i];
        void *at = field_at(field, base);
        if (!seen[i])
            fill_absent(reader, record, field, node, base);
        else if (field->list)
            read_list(reader, record, field, seen, seen[i], base);
        else if (field->type != SCHEMA_RECORD)
            read_value(reader, field, seen[i], at);
        else if (expect_kind(reader, seen[i], TREE_MAP, field->key))
            read_record(reader, field->record, seen[i], at);
    }
}

// Where a member has no name, its address is its name.
static void name_members(struct config *config)
{
    for (uint32_t i = 0; i < config->pool_count; i++) {
        struct config_pool *pool = &config->pools[i];
        for (uint32_t j = 0; j < pool->member_count; j++) {
            struct config_member *member = &pool->members[j];
            if (member->name[0] == '\0')
                ip_format(&member->address, member->name);
        }
    }
}

void read_tree(struct reader *reader, const struct tree_node *root)
{
    if (!root || (root->kind == TREE_TEXT && root->text[0] == '\0')) {
        problems_add(reader->problems, 1, 1, NULL,
                     "the file is empty\nwrite `node:` and `ports:`; docs/configuration.md has an "
                     "example");
        return;
    }
    if (!expect_kind(reader, root, TREE_MAP, "the file"))
        return;
    read_record(reader, &schema_root, root, reader->config);
    name_members(reader->config);
}
