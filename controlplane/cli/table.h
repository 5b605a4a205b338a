// Tables of text for people: a line of upper-case headings, columns as wide as their widest cell,
// two blanks between them, numbers to the right, nothing drawn. Cells are given row by row, left to
// right. Running out of memory sticks and is told by table_print().
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "base/error.h"

#define TABLE_COLUMNS_MAX 17

enum table_align {
    TABLE_LEFT,
    TABLE_RIGHT,
};

struct table_column {
    const char *header; // borrowed; NULL in all columns: no line of headings
    enum table_align align;
};

struct table {
    struct table_column columns[TABLE_COLUMNS_MAX];
    size_t column_count;
    size_t cell_count;
    FILE *cells; // each cell's text with its terminator, into `text`
    char *text;  // owned
    size_t size; // bytes of `text`
};

enum error table_init(struct table *table, const struct table_column *columns, size_t count);
void table_fini(struct table *table);

// The next cell. Control characters become '?', so that no text from outside can steer a terminal;
// an empty text or NULL becomes "-".
void table_cell(struct table *table, const char *text);

__attribute__((format(printf, 2, 3))) void table_cell_format(struct table *table,
                                                             const char *format, ...);

// Writes headings and rows, which must be whole. Only once. ERROR_NO_MEMORY.
enum error table_print(struct table *table, FILE *out);

// "512 B", "1.5 KiB", "3.0 GiB" into `out` (TABLE_BYTES_SIZE bytes), which it returns.
#define TABLE_BYTES_SIZE 16
const char *table_bytes(uint64_t bytes, char *out);
