#include <string.h>
#include <strings.h>

#include "base/check.h"
#include "base/config/config.h"
#include "base/config/schema_priv.h"
#include "base/config/value_priv.h"

// Where a record is being printed.
struct printer {
    FILE *out;
    const struct config *config;
};

static void print_record(const struct printer *printer, const struct schema_record *record,
                         const void *base, int indent, bool item);

// Words that YAML readers, ours aside, take for something else than a text, and what cannot stand
// without quotes. Numbers and addresses never come here.
static bool needs_quotes(const char *text)
{
    static const char *const reserved[] = {"true", "false", "null", "yes", "no",
                                           "on",   "off",   "y",    "n"};
    for (size_t i = 0; i < sizeof(reserved) / sizeof(reserved[0]); i++) {
        if (strcasecmp(text, reserved[i]) == 0)
            return true;
    }
    bool letter = (*text >= 'a' && *text <= 'z') || (*text >= 'A' && *text <= 'Z');
    if (!letter && *text != '/')
        return true;
    size_t safe = strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
                               "/._=-,");
    return text[safe] != '\0';
}

static void print_quoted(FILE *out, const char *text)
{
    fputc('"', out);
    for (; *text; text++) {
        if (*text == '"' || *text == '\\')
            fputc('\\', out);
        fputc(*text, out);
    }
    fputc('"', out);
}

static void print_value(const struct printer *printer, const struct schema_field *field,
                        const void *at)
{
    char text[VALUE_TEXT_SIZE];
    value_format(field, at, printer->config, text);
    bool free_text = field->type == SCHEMA_NAME || field->type == SCHEMA_INTERFACE ||
                     field->type == SCHEMA_PATH || field->type == SCHEMA_DEVICE ||
                     field->type == SCHEMA_POOL;
    if ((free_text && needs_quotes(text)) || text[0] == ':')
        print_quoted(printer->out, text);
    else
        fputs(text, printer->out);
}

static void print_values(const struct printer *printer, const struct schema_field *field,
                         const void *base)
{
    fputc('[', printer->out);
    for (uint32_t i = 0; i < schema_count(field, base); i++) {
        fputs(i ? ", " : "", printer->out);
        print_value(printer, field, schema_item(field, base, i));
    }
    fputc(']', printer->out);
}

static void print_field(const struct printer *printer, const struct schema_field *field,
                        const void *base, int indent)
{
    fprintf(printer->out, "%s:", field->key);
    if (field->list && field->type == SCHEMA_RECORD) {
        fputc('\n', printer->out);
        for (uint32_t i = 0; i < schema_count(field, base); i++)
            print_record(printer, field->record, schema_item(field, base, i), indent + 4, true);
        return;
    }
    if (field->type == SCHEMA_RECORD) {
        fputc('\n', printer->out);
        print_record(printer, field->record, schema_at(field, base), indent + 2, false);
        return;
    }
    fputc(' ', printer->out);
    if (field->list)
        print_values(printer, field, base);
    else
        print_value(printer, field, schema_at(field, base));
    fputc('\n', printer->out);
}

// `item`: the first line bears the dash of a list, two columns before `indent`.
static void print_record(const struct printer *printer, const struct schema_record *record,
                         const void *base, int indent, bool item)
{
    for (uint16_t i = 0; i < record->field_count; i++) {
        const struct schema_field *field = &record->fields[i];
        if (schema_is_absent(field, base))
            continue;
        fprintf(printer->out, "%*s%s", item ? indent - 2 : indent, "", item ? "- " : "");
        item = false;
        print_field(printer, field, base, indent);
    }
}

void config_print(const struct config *config, FILE *out)
{
    struct printer printer = {.out = out, .config = config};
    print_record(&printer, &schema_root, config, 0, false);
}
