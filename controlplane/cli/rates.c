#include "controlplane/cli/rates.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdlib.h>

#include "base/clock.h"
#include "controlplane/cli/table.h"

struct rates_value {
    uint64_t now;
    uint64_t gained; // since the look before
    bool labelled;
};

struct rates_instances {
    struct stats_family family;
    struct rates_value *values; // family.capacity of them, inside rates.values
};

struct rates {
    const struct stats_reader *reader; // borrowed
    uint64_t looked_ns;
    uint64_t elapsed_ns; // between the last two looks
    size_t family_count;
    struct rates_instances *families; // owned
    struct rates_value *values;       // owned
};

// The columns of a line.
static const struct rates_column {
    const char *family;
    const char *heading;
    bool bytes;
} line_columns[] = {
    {"weir_port_rx_packets_total", "RX-PACKETS/s", false},
    {"weir_port_rx_bytes_total", "RX-BYTES/s", true},
    {"weir_port_tx_packets_total", "TX-PACKETS/s", false},
    {"weir_port_tx_bytes_total", "TX-BYTES/s", true},
    {"weir_vip_flows_created_total", "NEW-FLOWS/s", false},
    {"weir_worker_flows", "FLOWS", false},
    {"weir_drops_packets_total", "DROPS/s", false},
};
#define LINE_COLUMNS (sizeof(line_columns) / sizeof(line_columns[0]))
#define COLUMN_WIDTH 12

static bool look(struct rates *rates)
{
    bool changed = false;
    char label[STATS_LABEL_SIZE];
    for (size_t f = 0; f < rates->family_count; f++) {
        struct rates_instances *instances = &rates->families[f];
        for (uint32_t i = 0; i < instances->family.capacity; i++) {
            struct rates_value *value = &instances->values[i];
            value->labelled = stats_reader_label(rates->reader, f, i, label);
            uint64_t now = value->labelled ? stats_reader_sum(rates->reader, f, i) : 0;
            // A counter that fell was given to something new and began at zero.
            value->gained = now >= value->now ? now - value->now : now;
            changed |= now != value->now;
            value->now = now;
        }
    }
    return changed;
}

enum error rates_create(const struct stats_reader *reader, uint64_t now_ns, struct rates **rates)
{
    struct rates *created = calloc(1, sizeof(*created));
    if (!created)
        return ERROR_NO_MEMORY;
    created->reader = reader;
    created->looked_ns = now_ns;
    created->family_count = stats_reader_family_count(reader);
    created->families = calloc(created->family_count + 1, sizeof(*created->families));
    if (!created->families)
        goto fail;
    size_t total = 0;
    for (size_t f = 0; f < created->family_count; f++) {
        created->families[f].family = stats_reader_family(reader, f);
        total += created->families[f].family.capacity;
    }
    created->values = calloc(total + 1, sizeof(*created->values));
    if (!created->values)
        goto fail;
    struct rates_value *next = created->values;
    for (size_t f = 0; f < created->family_count; f++) {
        created->families[f].values = next;
        next += created->families[f].family.capacity;
    }
    look(created);
    *rates = created;
    return ERROR_NONE;
fail:
    rates_destroy(created);
    return ERROR_NO_MEMORY;
}

void rates_destroy(struct rates *rates)
{
    free(rates->values);
    free(rates->families);
    free(rates);
}

bool rates_turn(struct rates *rates, uint64_t now_ns)
{
    rates->elapsed_ns = now_ns - rates->looked_ns;
    rates->looked_ns = now_ns;
    return look(rates);
}

static uint64_t per_second(const struct rates *rates, uint64_t gained)
{
    if (rates->elapsed_ns == 0)
        return 0;
    double rate = (double)gained * NANOSECONDS_PER_SECOND / (double)rates->elapsed_ns;
    return rate < 0x1p64 ? (uint64_t)(rate + 0.5) : UINT64_MAX;
}

uint64_t rates_family(const struct rates *rates, size_t family)
{
    const struct rates_instances *instances = &rates->families[family];
    bool gauge = instances->family.type == STATS_GAUGE;
    uint64_t sum = 0;
    for (uint32_t i = 0; i < instances->family.capacity; i++)
        sum += gauge ? instances->values[i].now : instances->values[i].gained;
    return gauge ? sum : per_second(rates, sum);
}

bool rates_print_headings(const struct rates *rates, FILE *out)
{
    bool any = false;
    for (size_t i = 0; i < LINE_COLUMNS; i++) {
        size_t family;
        if (stats_reader_find(rates->reader, line_columns[i].family, &family) != ERROR_NONE)
            continue;
        fprintf(out, "%s%*s", any ? "  " : "", COLUMN_WIDTH, line_columns[i].heading);
        any = true;
    }
    if (any)
        fputc('\n', out);
    return any;
}

void rates_print_line(const struct rates *rates, FILE *out)
{
    const char *gap = "";
    for (size_t i = 0; i < LINE_COLUMNS; i++) {
        size_t family;
        if (stats_reader_find(rates->reader, line_columns[i].family, &family) != ERROR_NONE)
            continue;
        uint64_t value = rates_family(rates, family);
        char bytes[TABLE_BYTES_SIZE];
        if (line_columns[i].bytes)
            fprintf(out, "%s%*s", gap, COLUMN_WIDTH, table_bytes(value, bytes));
        else
            fprintf(out, "%s%*" PRIu64, gap, COLUMN_WIDTH, value);
        gap = "  ";
    }
    fputc('\n', out);
}

enum error rates_print_table(const struct rates *rates, size_t rows, FILE *out)
{
    static const struct table_column columns[] = {{"COUNTER", TABLE_LEFT},
                                                  {"LABELS", TABLE_LEFT},
                                                  {"PER-SECOND", TABLE_RIGHT},
                                                  {"TOTAL", TABLE_RIGHT}};
    struct table table;
    enum error error = table_init(&table, columns, sizeof(columns) / sizeof(columns[0]));
    if (error)
        return error;
    size_t moved = 0;
    char label[STATS_LABEL_SIZE];
    for (size_t f = 0; f < rates->family_count; f++) {
        const struct rates_instances *instances = &rates->families[f];
        for (uint32_t i = 0; i < instances->family.capacity; i++) {
            const struct rates_value *value = &instances->values[i];
            if (instances->family.type == STATS_GAUGE || value->gained == 0)
                continue;
            if (moved++ >= rows)
                continue;
            // One that has just been taken away leaves "-".
            if (!stats_reader_label(rates->reader, f, i, label))
                label[0] = '\0';
            table_cell(&table, instances->family.name);
            table_cell(&table, label);
            table_cell_format(&table, "%" PRIu64, per_second(rates, value->gained));
            table_cell_format(&table, "%" PRIu64, value->now);
        }
    }
    error = table_print(&table, out);
    if (moved > rows)
        fprintf(out, "and %zu more\n", moved - rows);
    table_fini(&table);
    return error;
}

enum error rates_print_json(const struct rates *rates, FILE *out)
{
    json_t *metrics = json_array();
    bool failed = !metrics;
    char label[STATS_LABEL_SIZE];
    for (size_t f = 0; f < rates->family_count; f++) {
        const struct rates_instances *instances = &rates->families[f];
        bool gauge = instances->family.type == STATS_GAUGE;
        for (uint32_t i = 0; i < instances->family.capacity; i++) {
            const struct rates_value *value = &instances->values[i];
            if (!value->labelled || !stats_reader_label(rates->reader, f, i, label))
                continue;
            json_t *metric = json_pack("{ss, ss, sI}", "name", instances->family.name, "labels",
                                       label, "value", (json_int_t)value->now);
            if (metric && !gauge)
                failed |= json_object_set_new(
                              metric, "per_second",
                              json_integer((json_int_t)per_second(rates, value->gained))) != 0;
            failed |= json_array_append_new(metrics, metric) != 0;
        }
    }
    json_t *line =
        json_pack("{sI, sI, so}", "interval_ms",
                  (json_int_t)(rates->elapsed_ns / NANOSECONDS_PER_MILLISECOND), "revision",
                  (json_int_t)stats_reader_revision(rates->reader), "metrics", metrics);
    failed |= !line;
    if (!failed) {
        json_dumpf(line, out, JSON_COMPACT);
        fputc('\n', out);
    }
    json_decref(line);
    return failed ? ERROR_NO_MEMORY : ERROR_NONE;
}
