// How the schema's tables are written: fields bound to the model, and the units of their ranges.
#pragma once

#include "base/config/model.h"
#include "base/config/schema_priv.h"

#define KIBI        1024ull
#define MEBI        (1024 * KIBI)
#define TEBI        (1024 * 1024 * MEBI)
#define MICROSECOND 1000ull
#define MILLISECOND (1000 * MICROSECOND)
#define SECOND      (1000 * MILLISECOND)
#define DAY         (86400 * SECOND)

// Binds a field of the table to a field of the model.
#define AT(type, member) \
    .offset = offsetof(struct type, member), .size = sizeof(((struct type *)0)->member)
#define LIST_AT(type, member, count)                       \
    .list = true, .offset = offsetof(struct type, member), \
    .size = sizeof(*((struct type *)0)->member), .count_offset = offsetof(struct type, count)
#define RECORD(type, table)                                                         \
    .size = sizeof(struct type), .field_count = sizeof(table) / sizeof((table)[0]), \
    .fields = (table)

// The records of the file's sections: schema_node.c, schema_ports.c, schema_pools.c, schema_vips.c,
// schema_access.c.
extern const struct schema_record schema_node;
extern const struct schema_record schema_port;
extern const struct schema_record schema_pool;
extern const struct schema_record schema_vip;
extern const struct schema_record schema_access;
