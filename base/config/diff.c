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

// One item of a list, or a value that is none. A record stands there with what identifies it.
static void item_format(const struct schema_field *field, const void *at,
                        const struct config *config, char out[static VALUE_TEXT_SIZE])
{
    if (field->type == SCHEMA_RECORD)
        value_format(&field->record->fields[0], schema_at(&field->record->fields[0], at), config,
                     out);
    else
        value_format(field, at, config, out);
}

// A value, or a list as a whole; the caller's to free. NULL where there is none.
static char *field_text(const struct schema_field *field, const void *base,
                        const struct config *config)
{
    if (!base || schema_is_absent(field, base))
        return NULL;
    char *text = NULL;
    size_t size;
    FILE *out = open_memstream(&text, &size);
    CHECK(out);
    char item[VALUE_TEXT_SIZE];
    for (uint32_t i = 0; field->list && i < schema_count(field, base); i++) {
        item_format(field, schema_item(field, base, i), config, item);
        fprintf(out, "%s%s", i ? ", " : "[", item);
    }
    if (!field->list)
        item_format(field, schema_at(field, base), config, item);
    fputs(field->list ? "]" : item, out);
    CHECK(fclose(out) == 0);
    return text;
}

static void tell(struct differ *differ, const char *before, const char *after)
{
    differ->count++;
    if (differ->change)
        differ->change(differ->context, differ->path, before, after);
}

static void diff_text(struct differ *differ, const struct schema_field *field, const void *before,
                      const void *after)
{
    char *old = field_text(field, before, differ->before);
    char *new = field_text(field, after, differ->after);
    bool same = old && new ? strcmp(old, new) == 0 : old == new;
    if (!same)
        tell(differ, old, new);
    free(old);
    free(new);
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
    item_format(field, before ? before : after, differ->after, name);
    size_t length = path_enter(differ, name);
    if (differ->restart && field->restart && !(before && after))
        tell(differ, before ? name : NULL, after ? name : NULL);
    else
        diff_record(differ, field->record, before, after);
    path_leave(differ, length);
}

// Walks two lists of records side by side. Their order in the file says nothing, but where the
// schema has it that it does.
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
    if (same && (differ->restart ? field->restart : field->ordered))
        diff_text(differ, field, before, after);
    free(old);
    free(new);
}

static void diff_field(struct differ *differ, const struct schema_field *field, const void *before,
                       const void *after)
{
    if (field->type != SCHEMA_RECORD) {
        if (!differ->restart || field->restart)
            diff_text(differ, field, before, after);
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
