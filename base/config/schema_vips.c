// `vips`: services as clients see them.
#include "base/config/schema_table_priv.h"

const char *const schema_words_protocol[] = {"tcp", "udp", "icmp", NULL};

static const struct schema_field vip_fields[] = {
    {.key = "name",
     .type = SCHEMA_NAME,
     AT(config_vip, name),
     .required = true,
     .help = "The service in statistics, commands and logs."},
    {.key = "address",
     .type = SCHEMA_ADDRESS,
     AT(config_vip, address),
     .required = true,
     .help = "The address clients connect to. Not one of the ports' own."},
    {.key = "port",
     .type = SCHEMA_COUNT,
     AT(config_vip, port),
     .least = 1,
     .most = 65535,
     .absent = "none",
     .help = "The port clients connect to. Required with `tcp` and `udp`; `icmp` has none."},
    {.key = "protocol",
     .type = SCHEMA_WORD,
     AT(config_vip, protocol),
     .required = true,
     .words = schema_words_protocol,
     .help = "The transport. `icmp`: echo requests (ping) go to members and their answers come "
             "back, with `forward: fullnat`; members' ports do not count. Without such a vip the "
             "appliance itself answers them."},
    {.key = "pool",
     .type = SCHEMA_POOL,
     AT(config_vip, pool),
     .required = true,
     .help = "The name of the pool that serves it."},
};

const struct schema_record schema_vip = {.name = "vip",
                                         .path = "vips[]",
                                         RECORD(config_vip, vip_fields),
                                         .help =
                                             "A virtual address: one service as clients see it."};
