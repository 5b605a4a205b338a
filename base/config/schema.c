#include "base/config/schema_priv.h"

#include <string.h>

#include "base/check.h"
#include "base/config/schema_table_priv.h"

// Pools before vips: a vip's pool is looked up while the vip is read.
static const struct schema_field root_fields[] = {
    {.key = "node",
     .type = SCHEMA_RECORD,
     AT(config, node),
     .required = true,
     .record = &schema_node,
     .help = "The machine itself."},
    {.key = "ports",
     .type = SCHEMA_RECORD,
     LIST_AT(config, ports, port_count),
     .required = true,
     .items_max = CONFIG_PORTS_MAX,
     .record = &schema_port,
     .restart = true,
     .help = "Network devices that carry packets."},
    {.key = "pools",
     .type = SCHEMA_RECORD,
     LIST_AT(config, pools, pool_count),
     .items_max = CONFIG_POOLS_MAX,
     .absent = "none",
     .record = &schema_pool,
     .help = "Servers that do the same work."},
    {.key = "vips",
     .type = SCHEMA_RECORD,
     LIST_AT(config, vips, vip_count),
     .items_max = CONFIG_VIPS_MAX,
     .absent = "none",
     .record = &schema_vip,
     .help = "Virtual addresses: services as clients see them."},
    {.key = "access",
     .type = SCHEMA_RECORD,
     LIST_AT(config, access_rules, access_rule_count),
     .items_max = CONFIG_RULES_MAX,
     .absent = "all may",
     .ordered = true,
     .record = &schema_access,
     .help = "Who may begin to talk to us."},
};

const struct schema_record schema_root = {.name = "configuration",
                                          .path = "",
                                          RECORD(config, root_fields),
                                          .help = "The configuration of one Weir appliance."};

const void *schema_at(const struct schema_field *field, const void *base)
{
    return (const uint8_t *)base + field->offset;
}

uint32_t schema_count(const struct schema_field *field, const void *base)
{
    uint32_t count;
    memcpy(&count, (const uint8_t *)base + field->count_offset, sizeof(count));
    return count;
}

const void *schema_item(const struct schema_field *field, const void *base, uint32_t index)
{
    DCHECK(field->list && index < schema_count(field, base));
    const uint8_t *items;
    memcpy(&items, schema_at(field, base), sizeof(items));
    return items + (size_t)index * field->size;
}

static bool record_is_absent(const struct schema_record *record, const void *base)
{
    for (uint16_t i = 0; i < record->field_count; i++) {
        if (record->fields[i].required && schema_is_absent(&record->fields[i], base))
            return true;
    }
    return false;
}

bool schema_is_absent(const struct schema_field *field, const void *base)
{
    static const uint8_t zeros[sizeof(uint64_t)];
    const void *at = schema_at(field, base);
    if (field->shorthand)
        return true;
    if (field->list)
        return schema_count(field, base) == 0;
    switch (field->type) {
    case SCHEMA_NAME:
    case SCHEMA_INTERFACE:
        return *(const char *)at == '\0';
    case SCHEMA_COUNT: // 0 is out of the range of those that may be left out
    case SCHEMA_DURATION:
        return (field->absent || field->required) && memcmp(at, zeros, field->size) == 0;
    case SCHEMA_RECORD:
        return record_is_absent(field->record, at);
    case SCHEMA_PATH:
    case SCHEMA_DEVICE:
    case SCHEMA_CORES:
    case SCHEMA_SIZE:
    case SCHEMA_RATE:
    case SCHEMA_WORD:
    case SCHEMA_ADDRESS:
    case SCHEMA_OWN:
    case SCHEMA_NETWORK:
    case SCHEMA_PORTS:
    case SCHEMA_POOL:
        return false;
    }
    return false;
}
