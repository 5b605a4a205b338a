#include "controlplane/cli/table.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"

#define CELL_SIZE 1024

enum error table_init(struct table *table, const struct table_column *columns, size_t count)
{
    CHECK(count > 0 && count <= TABLE_COLUMNS_MAX);
    *table = (struct table){.column_count = count};
    memcpy(table->columns, columns, count * sizeof(*columns));
    table->cells = open_memstream(&table->text, &table->size);
    return table->cells ? ERROR_NONE : ERROR_NO_MEMORY;
}

void table_fini(struct table *table)
{
    if (table->cells)
        fclose(table->cells);
    free(table->text);
    *table = (struct table){.cells = NULL};
}

void table_cell(struct table *table, const char *text)
{
    if (!text || *text == '\0')
        text = "-";
    for (const char *c = text; *c; c++) {
        bool control = (unsigned char)*c < ' ' || *c == 0x7f;
        fputc(control ? '?' : *c, table->cells);
    }
    fputc('\0', table->cells);
    table->cell_count++;
}

void table_cell_format(struct table *table, const char *format, ...)
{
    char text[CELL_SIZE];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    table_cell(table, text);
}

// Columns of a terminal, taking every UTF-8 code point for one.
static size_t text_width(const char *text)
{
    size_t width = 0;
    for (; *text; text++)
        width += ((unsigned char)*text & 0xc0) != 0x80;
    return width;
}

static void print_blanks(size_t count, FILE *out)
{
    while (count-- > 0)
        fputc(' ', out);
}

// The last column gets no blanks behind it.
static void print_cell(const struct table *table, const size_t *widths, size_t column,
                       const char *text, FILE *out)
{
    size_t blanks = widths[column] - text_width(text);
    bool last = column + 1 == table->column_count;
    if (table->columns[column].align == TABLE_RIGHT)
        print_blanks(blanks, out);
    fputs(text, out);
    if (table->columns[column].align == TABLE_LEFT && !last)
        print_blanks(blanks, out);
    fputs(last ? "\n" : "  ", out);
}

enum error table_print(struct table *table, FILE *out)
{
    bool failed = ferror(table->cells) != 0;
    failed |= fclose(table->cells) != 0;
    table->cells = NULL;
    if (failed)
        return ERROR_NO_MEMORY;
    CHECK(table->cell_count % table->column_count == 0);

    bool headed = table->columns[0].header != NULL;
    size_t widths[TABLE_COLUMNS_MAX];
    for (size_t i = 0; i < table->column_count; i++)
        widths[i] = headed ? text_width(table->columns[i].header) : 0;
    const char *text = table->text;
    for (size_t i = 0; i < table->cell_count; i++, text += strlen(text) + 1) {
        size_t width = text_width(text);
        size_t *widest = &widths[i % table->column_count];
        if (width > *widest)
            *widest = width;
    }

    for (size_t i = 0; headed && i < table->column_count; i++)
        print_cell(table, widths, i, table->columns[i].header, out);
    text = table->text;
    for (size_t i = 0; i < table->cell_count; i++, text += strlen(text) + 1)
        print_cell(table, widths, i % table->column_count, text, out);
    return ERROR_NONE;
}

const char *table_bytes(uint64_t bytes, char *out)
{
    static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
    size_t unit = 0;
    double value = (double)bytes;
    // 1023.95 would be printed as 1024.0.
    while (value >= 1023.95) {
        value /= 1024;
        unit++;
    }
    snprintf(out, TABLE_BYTES_SIZE, unit == 0 ? "%.0f %s" : "%.1f %s", value, units[unit]);
    return out;
}
