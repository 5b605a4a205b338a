// How a view says what its table is: shared by view.c and view_ports.c.
#pragma once

#include "controlplane/cli/table.h"
#include "controlplane/cli/view.h"

enum view_kind {
    VIEW_TEXT,
    VIEW_COUNT,
    VIEW_BYTES,
    VIEW_PERCENT,
    VIEW_REAL,
    VIEW_SPEED,     // of a link, from Mbit/s
    VIEW_EXPIRY,    // from milliseconds
    VIEW_AGE,       // from seconds
    VIEW_YES_NO,    //
    VIEW_ENDPOINT,  // an address and, under `second`, a port
    VIEW_CHECKSUMS, // rx or tx, under `second`, or both
    VIEW_TEXTS,     // an array
    VIEW_BY_WORKER, // an array of counts: those that are not zero, each after its worker
};

struct view_column {
    const char *header;
    const char *key; // ^key: of the object around the row
    enum view_kind kind;
    const char *second;
};

struct view {
    const char *rows;   // key of the result's array
    const char *nested; // key of an array in each of those, whose items are the rows; or NULL
    const char *hidden; // rows whose number under this key is 0 are left out; or NULL
    const char *none;   // what to remark when there are no rows
    size_t column_count;
    struct view_column columns[TABLE_COLUMNS_MAX];
};

// Prints a result's table, or what there is to remark when it has no rows.
enum error view_print(const struct view *view, const json_t *result, bool all, FILE *out,
                      FILE *notes);
