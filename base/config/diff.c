#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/config/config.h"
#include "base/config/schema_priv.h"
#include "base/config/value_priv.h"

#define PATH_SIZE 512

// One comparison on its way through the schema.
struct differ {
    const struct config *before;
    const struct config *after;
    void (*change)(void *context, const char *path, const char *before, const char *after);
    void *context;
    bool restart; // only what takes a restart
    uint32_t count;
    char path[PATH_SIZE];
};

static void diff_record(struct differ *differ, const struct schema_record *record,
                        const void *before, const void *after);

// Lengthens the path by one step. Returns how long it was, for path_leave().
static size_t path_enter(struct differ *differ, const char *step)
{
    size_t length = strlen(differ->path);
    int added =
        snprintf(differ->path + length, PATH_SIZE - length, "%s%s", length ? "." : "", step);
    CHECK(added > 0 && (size_t)added < PATH_SIZE - length);
    return length;
}

static void path_leave(struct differ *differ, size_t length)
{
    differ->path[length] = '\0';
}

// Writes what a file would: a value, or a list as a whole. NULL where there is none.
static const char *field_text(const struct schema_field *field, const void *base,
                              const struct config *config, char out[static VALUE_TEXT_SIZE])
{
    if (!base || schema_is_absent(field, base))
        return NULL;
    if (!field->list) {
        value_format(field, schema_at(field, base), config, out);
        return out;
    }
    size_t used = 0;
    for (uint32_t i = 0; i < schema_count(field, base); i++) {
        char item[VALUE_TEXT_SIZE];
        value_format(field, schema_item(field, base, i), config, item);
        int added = snprintf(out + used, VALUE_TEXT_SIZE - used, "%s%s", i ? ", " : "[", item);
        CHECK(added > 0 && (size_t)added + 1 < VALUE_TEXT_SIZE - used);
        used += (size_t)added;
    }
    strcpy(out + used, "]");
    return out;
}

static void tell(struct differ *differ, const char *before, const char *after)
{
    differ->count++;
    if (differ->change)
        differ->change(differ->context, differ->path, before, after);
}

static void diff_value(struct differ *differ, const struct schema_field *field, const void *before,
                       const void *after)
{
    if (differ->restart && !field->restart)
        return;
    char before_text[VALUE_TEXT_SIZE], after_text[VALUE_TEXT_SIZE];
    const char *old = field_text(field, before, differ->before, before_text);
    const char *new = field_text(field, after, differ->after, after_text);
    if (old == new || (old && new &&strcmp(old, new) == 0))
        return;
    tell(differ, old, new);
}

static int by_identity(const void *left, const void *right, void *field)
{
    const struct schema_field *identity = field;
    const void *const *a = left, *const *b = right;
    return memcmp(schema_at(identity, *a), schema_at(identity, *b), identity->size);
}

// The records of a list, ordered by what identifies them: one array, the caller's to free.
static const void **sorted_items(const struct schema_field *field, const void *base,
                                 uint32_t *count)
{
    *count = base ? schema_count(field, base) : 0;
    const void **items = calloc(*count + 1u, sizeof(*items));
    CHECK(items);
    for (uint32_t i = 0; i < *count; i++)
        items[i] = schema_item(field, base, i);
    qsort_r(items, *count, sizeof(*items), by_identity,
            (void *)(uintptr_t)&field->record->fields[0]);
    return items;
}

static void diff_item(struct differ *differ, const struct schema_field *field, const void *before,
                      const void *after)
{
    char name[VALUE_TEXT_SIZE];
    const struct schema_field *identity = &field->record->fields[0];
    value_format(identity, schema_at(identity, before ? before : after), differ->after, name);
    size_t length = path_enter(differ, name);
    if (differ->restart && field->restart && !(before && after))
        tell(differ, before ? name : NULL, after ? name : NULL);
    else
        diff_record(differ, field->record, before, after);
    path_leave(differ, length);
}

// The names of a list's records, as far as they fit.
static void list_names(const struct schema_field *field, const void *base,
                       const struct config *config, char out[static VALUE_TEXT_SIZE])
{
    const struct schema_field *identity = &field->record->fields[0];
    size_t used = (size_t)snprintf(out, VALUE_TEXT_SIZE, "[");
    for (uint32_t i = 0; i < schema_count(field, base) && used < VALUE_TEXT_SIZE; i++) {
        char name[VALUE_TEXT_SIZE];
        value_format(identity, schema_at(identity, schema_item(field, base, i)), config, name);
        used += (size_t)snprintf(out + used, VALUE_TEXT_SIZE - used, "%s%s", i ? ", " : "", name);
    }
    if (used < VALUE_TEXT_SIZE)
        snprintf(out + used, VALUE_TEXT_SIZE - used, "]");
}

// The same records in another order: a running data plane knows its ports by their number.
static void diff_order(struct differ *differ, const struct schema_field *field, const void *before,
                       const void *after)
{
    const struct schema_field *identity = &field->record->fields[0];
    for (uint32_t i = 0; i < schema_count(field, before); i++) {
        const void *old = schema_at(identity, schema_item(field, before, i));
        const void *new = schema_at(identity, schema_item(field, after, i));
        if (memcmp(old, new, identity->size) == 0)
            continue;
        char old_text[VALUE_TEXT_SIZE], new_text[VALUE_TEXT_SIZE];
        list_names(field, before, differ->before, old_text);
        list_names(field, after, differ->after, new_text);
        tell(differ, old_text, new_text);
        return;
    }
}

// Walks two lists of records side by side. Their order in the file says nothing, but where it takes
// a restart.
static void diff_records(struct differ *differ, const struct schema_field *field,
                         const void *before, const void *after)
{
    uint32_t old_count, new_count;
    const void **old = sorted_items(field, before, &old_count);
    const void **new = sorted_items(field, after, &new_count);
    const struct schema_field *identity = &field->record->fields[0];
    bool same = old_count == new_count;
    for (uint32_t i = 0, j = 0; i < old_count || j < new_count;) {
        int order = i == old_count   ? 1
                    : j == new_count ? -1
                                     : by_identity(&old[i], &new[j], (void *)(uintptr_t)identity);
        same = same && order == 0;
        diff_item(differ, field, order <= 0 ? old[i] : NULL, order >= 0 ? new[j] : NULL);
        i += order <= 0;
        j += order >= 0;
    }
    if (differ->restart && field->restart && same)
        diff_order(differ, field, before, after);
    free(old);
    free(new);
}

static void diff_field(struct differ *differ, const struct schema_field *field, const void *before,
                       const void *after)
{
    if (field->type != SCHEMA_RECORD) {
        diff_value(differ, field, before, after);
    } else if (field->list) {
        diff_records(differ, field, before, after);
    } else {
        bool had = before && !schema_is_absent(field, before);
        bool has = after && !schema_is_absent(field, after);
        diff_record(differ, field->record, had ? schema_at(field, before) : NULL,
                    has ? schema_at(field, after) : NULL);
    }
}

// Either side may be NULL: the record is not there.
static void diff_record(struct differ *differ, const struct schema_record *record,
                        const void *before, const void *after)
{
    for (uint16_t i = 0; (before || after) && i < record->field_count; i++) {
        const struct schema_field *field = &record->fields[i];
        size_t length = path_enter(differ, field->key);
        diff_field(differ, field, before, after);
        path_leave(differ, length);
    }
}

uint32_t config_diff(const struct config *before, const struct config *after,
                     void (*change)(void *context, const char *path, const char *before,
                                    const char *after),
                     void *context)
{
    struct differ differ = {.before = before, .after = after, .change = change, .context = context};
    diff_record(&differ, &schema_root, before, after);
    return differ.count;
}

uint32_t config_restart_diff(const struct config *before, const struct config *after,
                             void (*change)(void *context, const char *path, const char *before,
                                            const char *after),
                             void *context)
{
    struct differ differ = {
        .before = before, .after = after, .change = change, .context = context, .restart = true};
    diff_record(&differ, &schema_root, before, after);
    return differ.count;
}
