#include "controlplane/cli/view.h"

#include <inttypes.h>
#include <string.h>

#include "base/check.h"
#include "controlplane/cli/table.h"
#include "controlplane/cli/view_priv.h"

#define VALUE_SIZE 1024

static void format_endpoint(const json_t *object, const char *address_key, const char *port_key,
                            char *out)
{
    const char *address = json_string_value(json_object_get(object, address_key));
    json_int_t port = json_integer_value(json_object_get(object, port_key));
    if (!address)
        *out = '\0';
    else if (port == 0)
        snprintf(out, VALUE_SIZE, "%s", address);
    else if (strchr(address, ':')) // RFC 3986 section 3.2.2
        snprintf(out, VALUE_SIZE, "[%s]:%" JSON_INTEGER_FORMAT, address, port);
    else
        snprintf(out, VALUE_SIZE, "%s:%" JSON_INTEGER_FORMAT, address, port);
}

static void format_checksums(const json_t *object, const char *rx_key, const char *tx_key,
                             char *out)
{
    bool rx = json_is_true(json_object_get(object, rx_key));
    bool tx = json_is_true(json_object_get(object, tx_key));
    snprintf(out, VALUE_SIZE, "%s%s%s", rx ? "rx" : "", rx && tx ? "+" : "",
             tx   ? "tx"
             : rx ? ""
                  : "software");
}

static void format_array(const json_t *array, enum view_kind kind, char *out)
{
    size_t used = 0;
    size_t index;
    const json_t *item;
    *out = '\0';
    json_array_foreach(array, index, item)
    {
        int added = 0;
        if (kind == VIEW_TEXTS && json_is_string(item))
            added = snprintf(out + used, VALUE_SIZE - used, "%s%s", used > 0 ? "," : "",
                             json_string_value(item));
        else if (kind == VIEW_BY_WORKER && json_integer_value(item) != 0)
            added = snprintf(out + used, VALUE_SIZE - used, "%s%zu:%" JSON_INTEGER_FORMAT,
                             used > 0 ? " " : "", index, json_integer_value(item));
        used += (size_t)added;
        if (used >= VALUE_SIZE)
            return; // cut off: a cell must end somewhere
    }
}

static void format_age(json_int_t seconds, char *out)
{
    json_int_t minutes = seconds / 60;
    json_int_t hours = minutes / 60;
    json_int_t days = hours / 24;
    if (days > 0)
        snprintf(out, VALUE_SIZE, "%" PRId64 "d %" PRId64 "h", (int64_t)days,
                 (int64_t)(hours % 24));
    else if (hours > 0)
        snprintf(out, VALUE_SIZE, "%" PRId64 "h %" PRId64 "m", (int64_t)hours,
                 (int64_t)(minutes % 60));
    else if (minutes > 0)
        snprintf(out, VALUE_SIZE, "%" PRId64 "m %" PRId64 "s", (int64_t)minutes,
                 (int64_t)(seconds % 60));
    else
        snprintf(out, VALUE_SIZE, "%" PRId64 "s", (int64_t)seconds);
}

static void format_number(const json_t *value, enum view_kind kind, char *out)
{
    json_int_t number = json_integer_value(value);
    switch (kind) {
    case VIEW_BYTES:
        table_bytes((uint64_t)number, out);
        break;
    case VIEW_PERCENT:
        snprintf(out, VALUE_SIZE, "%.1f%%", json_number_value(value));
        break;
    case VIEW_REAL:
        snprintf(out, VALUE_SIZE, "%.1f", json_number_value(value));
        break;
    case VIEW_EXPIRY:
        snprintf(out, VALUE_SIZE, "%.1fs", json_number_value(value) / 1000);
        break;
    case VIEW_SPEED:
        if (number == 0) // a device that does not know
            *out = '\0';
        else if (number % 1000 == 0)
            snprintf(out, VALUE_SIZE, "%" PRId64 "G", (int64_t)(number / 1000));
        else
            snprintf(out, VALUE_SIZE, "%" PRId64 "M", (int64_t)number);
        break;
    case VIEW_AGE:
        format_age(number, out);
        break;
    default:
        snprintf(out, VALUE_SIZE, "%" PRId64, (int64_t)number);
    }
}

// The text of a column in a row, empty where there is nothing. `out` has VALUE_SIZE bytes.
static void format_value(const struct view_column *column, const json_t *around, const json_t *row,
                         char *out)
{
    const char *key = column->key;
    const json_t *object = row;
    if (*key == '^') {
        key++;
        object = around;
    }
    const json_t *value = json_object_get(object, key);
    *out = '\0';
    switch (column->kind) {
    case VIEW_TEXT:
        if (json_is_string(value))
            snprintf(out, VALUE_SIZE, "%s", json_string_value(value));
        break;
    case VIEW_YES_NO:
        if (json_is_boolean(value))
            snprintf(out, VALUE_SIZE, "%s", json_is_true(value) ? "yes" : "no");
        break;
    case VIEW_ENDPOINT:
        format_endpoint(object, key, column->second, out);
        break;
    case VIEW_CHECKSUMS:
        if (value)
            format_checksums(object, key, column->second, out);
        break;
    case VIEW_TEXTS:
    case VIEW_BY_WORKER:
        format_array(value, column->kind, out);
        break;
    default:
        if (json_is_number(value))
            format_number(value, column->kind, out);
    }
}

static enum table_align column_align(enum view_kind kind)
{
    switch (kind) {
    case VIEW_COUNT:
    case VIEW_BYTES:
    case VIEW_PERCENT:
    case VIEW_REAL:
    case VIEW_SPEED:
    case VIEW_EXPIRY:
        return TABLE_RIGHT;
    default:
        return TABLE_LEFT;
    }
}

static bool row_hidden(const struct view *view, const json_t *row, bool all)
{
    return !all && view->hidden && json_integer_value(json_object_get(row, view->hidden)) == 0;
}

static void add_row(struct table *table, const struct view *view, const json_t *around,
                    const json_t *row)
{
    char text[VALUE_SIZE];
    for (size_t i = 0; i < view->column_count; i++) {
        format_value(&view->columns[i], around, row, text);
        table_cell(table, text);
    }
}

// The rows of one item of the result's array: itself or what is nested in it; an item with nothing
// in it is still a row.
static void add_rows(struct table *table, const struct view *view, const json_t *item, bool all)
{
    const json_t *nested = view->nested ? json_object_get(item, view->nested) : NULL;
    if (view->nested && json_array_size(nested) == 0)
        add_row(table, view, item, NULL);
    size_t index;
    const json_t *row;
    json_array_foreach(nested, index, row) add_row(table, view, item, row);
    if (!view->nested && !row_hidden(view, item, all))
        add_row(table, view, NULL, item);
}

enum error view_print(const struct view *view, const json_t *result, bool all, FILE *out,
                      FILE *notes)
{
    const json_t *items = json_object_get(result, view->rows);
    if (!json_is_array(items))
        return ERROR_INVALID;

    struct table_column columns[TABLE_COLUMNS_MAX];
    CHECK(view->column_count <= TABLE_COLUMNS_MAX);
    for (size_t i = 0; i < view->column_count; i++) {
        columns[i].header = view->columns[i].header;
        columns[i].align = column_align(view->columns[i].kind);
    }
    struct table table;
    enum error error = table_init(&table, columns, view->column_count);
    if (error)
        return error;
    size_t index;
    const json_t *item;
    json_array_foreach(items, index, item) add_rows(&table, view, item, all);
    if (table.cell_count > 0)
        error = table_print(&table, out);
    else if (view->none)
        fprintf(notes, "%s\n", view->none);
    table_fini(&table);
    return error;
}

enum error view_status(const json_t *result, bool all, FILE *out, FILE *notes)
{
    static const struct view_column lines[] = {
        {"node", "name", VIEW_TEXT, NULL},
        {"version", "version", VIEW_TEXT, NULL},
        {"pid", "pid", VIEW_COUNT, NULL},
        {"uptime", "uptime_s", VIEW_AGE, NULL},
        {"configuration", "config", VIEW_TEXT, NULL},
        {"revision", "revision", VIEW_COUNT, NULL},
        {"reloads refused", "reloads_refused", VIEW_COUNT, NULL},
        {"workers", "workers", VIEW_COUNT, NULL},
        {"poll", "poll", VIEW_TEXT, NULL},
        {"huge pages", "huge_pages", VIEW_YES_NO, NULL},
        {"clients", "clients_accepted", VIEW_COUNT, NULL},
        {"clients refused", "clients_refused", VIEW_COUNT, NULL},
        {"clients malformed", "clients_malformed", VIEW_COUNT, NULL},
        {"clients stalled", "clients_stalled", VIEW_COUNT, NULL},
    };
    static const struct table_column columns[] = {{NULL, TABLE_LEFT}, {NULL, TABLE_LEFT}};
    if (!json_object_get(result, "version"))
        return ERROR_INVALID;
    struct table table;
    enum error error = table_init(&table, columns, 2);
    if (error)
        return error;
    char text[VALUE_SIZE];
    for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
        table_cell(&table, lines[i].header);
        format_value(&lines[i], NULL, result, text);
        table_cell(&table, text);
    }
    error = table_print(&table, out);
    table_fini(&table);
    return error;
}

enum error view_config(const json_t *result, bool all, FILE *out, FILE *notes)
{
    const json_t *text = json_object_get(result, "config");
    if (!json_is_string(text))
        return ERROR_INVALID;
    fputs(json_string_value(text), out);
    return ERROR_NONE;
}

enum error view_vips(const json_t *result, bool all, FILE *out, FILE *notes)
{
    static const struct view view = {
        .rows = "vips",
        .none = "no vips",
        .column_count = 12,
        .columns =
            {
                {"NAME", "name", VIEW_TEXT, NULL},
                {"ADDRESS", "address", VIEW_ENDPOINT, "port"},
                {"PROTOCOL", "protocol", VIEW_TEXT, NULL},
                {"POOL", "pool", VIEW_TEXT, NULL},
                {"FORWARD", "forward", VIEW_TEXT, NULL},
                {"BALANCER", "balancer", VIEW_TEXT, NULL},
                {"MODE", "mode", VIEW_TEXT, NULL},
                {"FLOWS", "flows", VIEW_COUNT, NULL},
                {"PACKETS", "packets", VIEW_COUNT, NULL},
                {"BYTES", "bytes", VIEW_BYTES, NULL},
                {"FLOWS-CREATED", "flows_created", VIEW_COUNT, NULL},
                {"FLOWS-EARNED", "flows_earned", VIEW_COUNT, NULL},
            },
    };
    return view_print(&view, result, all, out, notes);
}

// Whether the members of any pool are told who the client is.
static bool tells_clients(const json_t *pools)
{
    bool tells = false;
    for (size_t i = 0; i < json_array_size(pools); i++) {
        const json_t *told = json_object_get(json_array_get(pools, i), "client_address");
        tells |= json_is_string(told) && strcmp(json_string_value(told), "none") != 0;
    }
    return tells;
}

enum error view_pools(const json_t *result, bool all, FILE *out, FILE *notes)
{
    struct view view = {
        .rows = "pools",
        .nested = "members",
        .none = "no pools",
        .column_count = 14,
        .columns =
            {
                {"POOL", "^name", VIEW_TEXT, NULL},
                {"FORWARD", "^forward", VIEW_TEXT, NULL},
                {"CLIENT-ADDRESS", "^client_address", VIEW_TEXT, NULL},
                {"BALANCER", "^balancer", VIEW_TEXT, NULL},
                {"MEMBER", "name", VIEW_TEXT, NULL},
                {"ADDRESS", "address", VIEW_ENDPOINT, "port"},
                {"WEIGHT", "weight", VIEW_COUNT, NULL},
                {"STATE", "state", VIEW_TEXT, NULL},
                {"NEXT-HOP", "next_hop", VIEW_TEXT, NULL},
                {"PATH-MTU", "path_mtu", VIEW_COUNT, NULL},
                {"FLOWS", "flows", VIEW_COUNT, NULL},
                {"FLOWS-CREATED", "flows_created", VIEW_COUNT, NULL},
                {"PACKETS", "packets", VIEW_COUNT, NULL},
                {"BYTES", "bytes", VIEW_BYTES, NULL},
            },
    };
    if (!tells_clients(json_object_get(result, view.rows)))
        memmove(view.columns + 2, view.columns + 3,
                (--view.column_count - 2) * sizeof(*view.columns));
    return view_print(&view, result, all, out, notes);
}

enum error view_flows(const json_t *result, bool all, FILE *out, FILE *notes)
{
    static const struct view view = {
        .rows = "flows",
        .none = "no such flows",
        .column_count = 11,
        .columns =
            {
                {"PROTOCOL", "protocol", VIEW_TEXT, NULL},
                {"CLIENT", "client", VIEW_ENDPOINT, "client_port"},
                {"VIP", "vip_name", VIEW_TEXT, NULL},
                {"VIP-ADDRESS", "vip", VIEW_ENDPOINT, "vip_port"},
                {"POOL", "pool", VIEW_TEXT, NULL},
                {"MEMBER", "member", VIEW_TEXT, NULL},
                {"MEMBER-ADDRESS", "member_address", VIEW_TEXT, NULL},
                {"STATE", "state", VIEW_TEXT, NULL},
                {"DIRECTION", "direction", VIEW_TEXT, NULL},
                {"EXPIRES", "expires_ms", VIEW_EXPIRY, NULL},
                {"WORKER", "worker", VIEW_COUNT, NULL},
            },
    };
    enum error error = view_print(&view, result, all, out, notes);
    if (error)
        return error;
    fflush(out); // where both go to one place, the remarks come last
    const json_t *used = json_object_get(result, "used");
    const json_t *capacity = json_object_get(result, "capacity");
    if (json_is_integer(used) && json_is_integer(capacity))
        fprintf(notes, "%" JSON_INTEGER_FORMAT " of %" JSON_INTEGER_FORMAT " flow entries in use\n",
                json_integer_value(used), json_integer_value(capacity));
    if (json_is_true(json_object_get(result, "more")))
        fputs("there are more flows: raise --limit, or ask for less with --vip, --pool, --member "
              "or --client\n",
              notes);
    return ERROR_NONE;
}

enum error view_drops(const json_t *result, bool all, FILE *out, FILE *notes)
{
    static const struct view view = {
        .rows = "drops",
        .hidden = "packets",
        .none = "no packet was dropped; --all lists the reasons there are",
        .column_count = 4,
        .columns =
            {
                {"REASON", "reason", VIEW_TEXT, NULL},
                {"PACKETS", "packets", VIEW_COUNT, NULL},
                {"BY-WORKER", "workers", VIEW_BY_WORKER, NULL},
                {"MEANING", "help", VIEW_TEXT, NULL},
            },
    };
    return view_print(&view, result, all, out, notes);
}

enum error view_vip_drops(const json_t *result, bool all, FILE *out, FILE *notes)
{
    static const struct view view = {
        .rows = "drops",
        .none = "no packet was dropped there",
        .column_count = 5,
        .columns =
            {
                {"VIP", "vip", VIEW_TEXT, NULL},
                {"REASON", "reason", VIEW_TEXT, NULL},
                {"PACKETS", "packets", VIEW_COUNT, NULL},
                {"BY-WORKER", "workers", VIEW_BY_WORKER, NULL},
                {"MEANING", "help", VIEW_TEXT, NULL},
            },
    };
    return view_print(&view, result, all, out, notes);
}

// What stages_since() made: the stages, then how busy the workers were.
enum error view_stages(const json_t *result, bool all, FILE *out, FILE *notes)
{
    static const struct view stages = {
        .rows = "stages",
        .hidden = "calls",
        .none = "no stage was called",
        .column_count = 7,
        .columns =
            {
                {"STAGE", "stage", VIEW_TEXT, NULL},
                {"CALLS", "calls", VIEW_COUNT, NULL},
                {"PACKETS", "packets", VIEW_COUNT, NULL},
                {"PACKETS/CALL", "packets_per_call", VIEW_REAL, NULL},
                {"CYCLES/PACKET", "cycles_per_packet", VIEW_REAL, NULL},
                {"SHARE", "share_percent", VIEW_PERCENT, NULL},
                {"WHAT-IT-DOES", "help", VIEW_TEXT, NULL},
            },
    };
    static const struct view workers = {
        .rows = "workers",
        .none = "no such worker: weirctl show workers lists them",
        .column_count = 3,
        .columns =
            {
                {"WORKER", "worker", VIEW_COUNT, NULL},
                {"CORE", "core", VIEW_COUNT, NULL},
                {"BUSY", "busy_percent", VIEW_PERCENT, NULL},
            },
    };
    enum error error = view_print(&stages, result, all, out, notes);
    if (error)
        return error;
    fputc('\n', out);
    return view_print(&workers, result, all, out, notes);
}

enum error view_talkers(const json_t *result, bool all, FILE *out, FILE *notes)
{
    static const struct view view = {
        .rows = "talkers",
        .none = "no client has talked of late",
        .column_count = 4,
        .columns =
            {
                {"CLIENT", "client", VIEW_TEXT, NULL},
                {"PACKETS", "packets_percent", VIEW_PERCENT, NULL},
                {"BYTES", "bytes_percent", VIEW_PERCENT, NULL},
                {"LESS-AT-MOST", "too_high_percent", VIEW_PERCENT, NULL},
            },
    };
    return view_print(&view, result, all, out, notes);
}

enum error view_handshakes(const json_t *result, bool all, FILE *out, FILE *notes)
{
    static const struct view view = {
        .rows = "members",
        .none = "no pool has members",
        .column_count = 6,
        .columns =
            {
                {"POOL", "pool", VIEW_TEXT, NULL},
                {"MEMBER", "member", VIEW_TEXT, NULL},
                {"HANDSHAKES", "handshakes", VIEW_COUNT, NULL},
                {"P50-US", "p50_us", VIEW_REAL, NULL},
                {"P90-US", "p90_us", VIEW_REAL, NULL},
                {"P99-US", "p99_us", VIEW_REAL, NULL},
            },
    };
    return view_print(&view, result, all, out, notes);
}

enum error view_balance(const json_t *result, bool all, FILE *out, FILE *notes)
{
    static const struct view view = {
        .rows = "members",
        .none = "no pool has members",
        .column_count = 6,
        .columns =
            {
                {"POOL", "pool", VIEW_TEXT, NULL},
                {"BALANCER", "balancer", VIEW_TEXT, NULL},
                {"MEMBER", "member", VIEW_TEXT, NULL},
                {"WEIGHT", "weight", VIEW_COUNT, NULL},
                {"SHARE", "share_percent", VIEW_PERCENT, NULL},
                {"OTHERS-MOVED", "moves_percent", VIEW_PERCENT, NULL},
            },
    };
    return view_print(&view, result, all, out, notes);
}

enum error view_access(const json_t *result, bool all, FILE *out, FILE *notes)
{
    static const struct view view = {
        .rows = "rules",
        .none = "no access rules: all may reach the virtual addresses",
        .column_count = 3,
        .columns =
            {
                {"RULE", "name", VIEW_TEXT, NULL},
                {"ACTION", "action", VIEW_TEXT, NULL},
                {"PACKETS", "packets", VIEW_COUNT, NULL},
            },
    };
    return view_print(&view, result, all, out, notes);
}

enum error view_locals(const json_t *result, bool all, FILE *out, FILE *notes)
{
    static const struct view view = {
        .rows = "locals",
        .none = "no local addresses: no pool of `forward: fullnat` can send from this appliance",
        .column_count = 6,
        .columns =
            {
                {"PORT", "port", VIEW_TEXT, NULL},
                {"ADDRESS", "address", VIEW_TEXT, NULL},
                {"STATE", "state", VIEW_TEXT, NULL},
                {"PORTS-USED", "ports_used", VIEW_COUNT, NULL},
                {"PER-MEMBER", "ports_per_member", VIEW_COUNT, NULL},
                {"REFUSED", "refused", VIEW_COUNT, NULL},
            },
    };
    return view_print(&view, result, all, out, notes);
}

enum error view_workers(const json_t *result, bool all, FILE *out, FILE *notes)
{
    static const struct view view = {
        .rows = "workers",
        .none = "no workers",
        .column_count = 17,
        .columns =
            {
                {"WORKER", "worker", VIEW_COUNT, NULL},
                {"CORE", "core", VIEW_COUNT, NULL},
                {"NUMA", "numa_node", VIEW_COUNT, NULL},
                {"BUSY", "busy_percent", VIEW_PERCENT, NULL},
                {"BUSY-NOW", "busy_now_percent", VIEW_PERCENT, NULL},
                {"PACKETS", "packets", VIEW_COUNT, NULL},
                {"CYCLES/PACKET", "cycles_per_packet", VIEW_COUNT, NULL},
                {"FLOWS", "flows", VIEW_COUNT, NULL},
                {"FLOW-CAPACITY", "flow_capacity", VIEW_COUNT, NULL},
                {"FLOW-BYTES", "flow_bytes", VIEW_COUNT, NULL},
                {"PROBATION-EVICTIONS", "probation_evictions", VIEW_COUNT, NULL},
                {"HANDOFFS", "handoffs", VIEW_COUNT, NULL},
                {"FULLNAT-HANDOFFS", "fullnat_handoffs", VIEW_COUNT, NULL},
                {"NEWS-LOST", "news_lost", VIEW_COUNT, NULL},
                {"TURNS", "turns", VIEW_COUNT, NULL},
                {"EMPTY-TURNS", "empty_turns", VIEW_COUNT, NULL},
                {"SLEEPS", "sleeps", VIEW_COUNT, NULL},
            },
    };
    return view_print(&view, result, all, out, notes);
}

enum error view_counters(const json_t *result, bool all, FILE *out, FILE *notes)
{
    static const struct view view = {
        .rows = "counters",
        .hidden = "value",
        .none = "nothing was counted yet; --all lists the counters there are",
        .column_count = 4,
        .columns =
            {
                {"COUNTER", "name", VIEW_TEXT, NULL},
                {"VALUE", "value", VIEW_COUNT, NULL},
                {"BY-WORKER", "workers", VIEW_BY_WORKER, NULL},
                {"MEANING", "help", VIEW_TEXT, NULL},
            },
    };
    return view_print(&view, result, all, out, notes);
}

enum error view_neighbours(const json_t *result, bool all, FILE *out, FILE *notes)
{
    static const struct view view = {
        .rows = "neighbours",
        .none = "no neighbours",
        .column_count = 6,
        .columns =
            {
                {"PORT", "port", VIEW_TEXT, NULL},
                {"ADDRESS", "address", VIEW_TEXT, NULL},
                {"MAC", "mac", VIEW_TEXT, NULL},
                {"STATE", "state", VIEW_TEXT, NULL},
                {"PINNED", "pinned", VIEW_YES_NO, NULL},
                {"HELD", "held", VIEW_COUNT, NULL},
            },
    };
    enum error error = view_print(&view, result, all, out, notes);
    const json_t *dynamic = json_object_get(result, "dynamic");
    const json_t *most = json_object_get(result, "dynamic_max");
    if (error || !json_is_integer(dynamic) || !json_is_integer(most))
        return error;
    json_int_t evicted = json_integer_value(json_object_get(result, "evicted"));
    json_int_t refused = json_integer_value(json_object_get(result, "refused"));
    fflush(out);
    fprintf(notes, "%" JSON_INTEGER_FORMAT " of %" JSON_INTEGER_FORMAT " that are not pinned",
            json_integer_value(dynamic), json_integer_value(most));
    if (evicted > 0 || refused > 0)
        fprintf(notes,
                "; for want of room %" JSON_INTEGER_FORMAT
                " were forgotten early, %" JSON_INTEGER_FORMAT " refused",
                evicted, refused);
    fputc('\n', notes);
    return ERROR_NONE;
}

enum error view_changes(const json_t *result, bool all, FILE *out, FILE *notes)
{
    static const struct table_column columns[] = {{NULL, TABLE_LEFT}, {NULL, TABLE_LEFT}};
    const json_t *changes = json_object_get(result, "changes");
    if (!json_is_array(changes))
        return ERROR_INVALID;
    struct table table;
    enum error error = table_init(&table, columns, 2);
    if (error)
        return error;
    size_t index;
    const json_t *change;
    json_array_foreach(changes, index, change)
    {
        const char *path = json_string_value(json_object_get(change, "path"));
        const char *before = json_string_value(json_object_get(change, "before"));
        const char *after = json_string_value(json_object_get(change, "after"));
        table_cell_format(&table, "%c %s",
                          before && after ? '~'
                          : after         ? '+'
                                          : '-',
                          path ? path : "");
        table_cell_format(&table, "%s%s%s", before ? before : "", before && after ? " -> " : "",
                          after ? after : "");
    }
    json_int_t revision = json_integer_value(json_object_get(result, "revision"));
    if (table.cell_count == 0)
        fprintf(out, "nothing changed; still revision %" JSON_INTEGER_FORMAT "\n", revision);
    else {
        fprintf(out, "revision %" JSON_INTEGER_FORMAT "\n", revision);
        error = table_print(&table, out);
    }
    table_fini(&table);
    return error;
}

static const char *text_of(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));
    return text ? text : "";
}

void view_problems(const json_t *problems, FILE *out)
{
    size_t index;
    const json_t *problem;
    json_array_foreach(problems, index, problem)
    {
        json_int_t line = json_integer_value(json_object_get(problem, "line"));
        json_int_t column = json_integer_value(json_object_get(problem, "column"));
        const char *words = text_of(problem, "words");
        fputs(text_of(problem, "file"), out);
        if (line > 0)
            fprintf(out, ":%" JSON_INTEGER_FORMAT ":%" JSON_INTEGER_FORMAT, line, column);
        fprintf(out, ": %s", text_of(problem, "message"));
        if (*words)
            fprintf(out, ": `%s`", words);
        fprintf(out, "\n  %s\n", text_of(problem, "remedy"));
    }
}

void view_fault(const json_t *details, FILE *out)
{
    const char *text = json_string_value(json_object_get(details, "text"));
    json_int_t at = json_integer_value(json_object_get(details, "at"));
    json_int_t length = json_integer_value(json_object_get(details, "length"));
    if (!text || at < 0 || (size_t)at > strlen(text))
        return;
    fprintf(out, "  %s\n  %*s^", text, (int)at, "");
    for (json_int_t i = 1; i < length; i++)
        fputc('^', out);
    fputc('\n', out);
}
