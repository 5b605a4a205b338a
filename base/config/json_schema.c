// The schema table as JSON Schema, draft 2020-12: what editors complete and check with.
#include <jansson.h>
#include <string.h>

#include "base/check.h"
#include "base/config/config.h"
#include "base/config/schema_priv.h"
#include "base/config/value_priv.h"

static void put(json_t *object, const char *key, json_t *value)
{
    CHECK(json_object_set_new(object, key, value) == 0);
}

static json_t *string_like(const char *pattern)
{
    json_t *schema = json_pack("{s:s}", "type", "string");
    if (pattern)
        put(schema, "pattern", json_string(pattern));
    return schema;
}

static json_t *count_schema(const struct schema_field *field)
{
    json_t *schema = json_pack("{s:s}", "type", "integer");
    put(schema, "minimum", json_integer((json_int_t)field->least));
    if (field->most <= INT64_MAX) // jansson's integers are signed
        put(schema, "maximum", json_integer((json_int_t)field->most));
    return schema;
}

static json_t *quantity_schema(const struct schema_field *field)
{
    char pattern[64] = "^[0-9]+(";
    for (const struct value_unit *unit = value_units(field->type); unit->text; unit++) {
        strcat(pattern, unit->text);
        strcat(pattern, unit[1].text ? "|" : ")$");
    }
    return string_like(pattern);
}

static json_t *word_schema(const struct schema_field *field)
{
    json_t *words = json_array();
    for (const char *const *word = field->words; *word; word++)
        CHECK(json_array_append_new(words, json_string(*word)) == 0);
    json_t *schema = json_object();
    put(schema, "enum", words);
    return schema;
}

static json_t *value_schema(const struct schema_field *field)
{
    switch (field->type) {
    case SCHEMA_NAME:
    case SCHEMA_POOL:
        return string_like("^[A-Za-z0-9_:][A-Za-z0-9_.:-]{0,62}$");
    case SCHEMA_INTERFACE:
        return string_like("^[A-Za-z0-9_.-]{1,15}$");
    case SCHEMA_PATH:
        return string_like("^/[^ ]*$");
    case SCHEMA_DEVICE:
        return string_like("^[^ ,][^ ]*$");
    case SCHEMA_COUNT:
        return count_schema(field);
    case SCHEMA_DURATION:
    case SCHEMA_SIZE:
    case SCHEMA_RATE:
        return quantity_schema(field);
    case SCHEMA_WORD:
        return word_schema(field);
    case SCHEMA_ADDRESS:
        return json_pack("{s:s,s:[{s:s},{s:s}]}", "type", "string", "anyOf", "format", "ipv4",
                         "format", "ipv6");
    case SCHEMA_OWN:
    case SCHEMA_NETWORK:
        return string_like("^[0-9A-Fa-f.:]+/[0-9]{1,3}$");
    case SCHEMA_CORES:
    case SCHEMA_PORTS:
        return json_pack("{s:[{s:s,s:i,s:I},{s:s,s:s}]}", "anyOf", "type", "integer", "minimum", 0,
                         "maximum", (json_int_t)field->most, "type", "string", "pattern",
                         "^[0-9]+(-[0-9]+)?$");
    case SCHEMA_RECORD:
        return json_pack("{s:o}", "$ref", json_sprintf("#/$defs/%s", field->record->name));
    }
    CHECK(false);
    return NULL;
}

static json_t *field_schema(const struct schema_field *field)
{
    json_t *schema = value_schema(field);
    if (field->list) {
        json_t *array = json_pack("{s:s,s:O,s:I}", "type", "array", "items", schema, "maxItems",
                                  (json_int_t)field->items_max);
        if (field->required)
            put(array, "minItems", json_integer(1));
        if (field->type == SCHEMA_RECORD) {
            json_decref(schema);
            schema = array;
        } else { // one value may stand for a list of one
            schema = json_pack("{s:[o,o]}", "anyOf", schema, array);
        }
    }
    put(schema, "description",
        json_sprintf("%s%s", field->help,
                     !field->restart ? ""
                     : field->type == SCHEMA_RECORD
                         ? " Only a restart adds, removes or reorders them."
                         : " Only a restart changes it."));
    if (field->initial && field->type == SCHEMA_COUNT)
        put(schema, "default", json_integer((json_int_t)strtoull(field->initial, NULL, 10)));
    else if (field->initial)
        put(schema, "default", json_string(field->initial));
    return schema;
}

// The schema of a record's map; adds those of the records in it to `definitions`.
static json_t *record_schema(const struct schema_record *record, json_t *definitions)
{
    json_t *properties = json_object();
    json_t *required = json_array();
    for (uint16_t i = 0; i < record->field_count; i++) {
        const struct schema_field *field = &record->fields[i];
        put(properties, field->key, field_schema(field));
        if (field->required)
            CHECK(json_array_append_new(required, json_string(field->key)) == 0);
        if (field->type == SCHEMA_RECORD)
            put(definitions, field->record->name, record_schema(field->record, definitions));
    }
    json_t *schema = json_pack("{s:s,s:s,s:o}", "description", record->help, "type", "object",
                               "properties", properties);
    if (json_array_size(required) > 0)
        put(schema, "required", required);
    else
        json_decref(required);
    put(schema, "additionalProperties", json_false());
    return schema;
}

void config_print_json_schema(FILE *out)
{
    json_t *definitions = json_object();
    json_t *schema = json_pack("{s:s,s:s}", "$schema",
                               "https://json-schema.org/draft/2020-12/schema", "title", "Weir");
    json_t *root = record_schema(&schema_root, definitions);
    CHECK(json_object_update(schema, root) == 0);
    json_decref(root);
    put(schema, "$defs", definitions);
    CHECK(json_dumpf(schema, out, JSON_INDENT(2)) == 0);
    fputc('\n', out);
    json_decref(schema);
}
