// `access`: who may begin to talk to us.
#include "base/config/schema_table_priv.h"

#define RULE_ITEMS_MAX 256 // of one list of an access rule

const char *const schema_words_access_action[] = {"allow", "deny", NULL};
const char *const schema_words_access_protocol[] = {"any", "tcp", "udp", "icmp", NULL};

static const struct schema_field access_fields[] = {
    {.key = "name",
     .type = SCHEMA_NAME,
     AT(config_access_rule, name),
     .required = true,
     .help = "The rule in statistics and commands."},
    {.key = "action",
     .type = SCHEMA_WORD,
     AT(config_access_rule, action),
     .required = true,
     .words = schema_words_access_action,
     .help = "What becomes of a packet that matches."},
    {.key = "protocol",
     .type = SCHEMA_WORD,
     AT(config_access_rule, protocol),
     .words = schema_words_access_protocol,
     .initial = "any",
     .help = "`icmp` is ICMP over IPv4 and ICMPv6 over IPv6."},
    {.key = "from",
     .type = SCHEMA_NETWORK,
     LIST_AT(config_access_rule, from, from_count),
     .items_max = RULE_ITEMS_MAX,
     .absent = "any, of both versions",
     .help = "Networks that the source is in."},
    {.key = "to",
     .type = SCHEMA_NETWORK,
     LIST_AT(config_access_rule, to, to_count),
     .items_max = RULE_ITEMS_MAX,
     .absent = "any, of both versions",
     .help = "Networks that the destination is in; a vip as `192.0.2.1/32`."},
    {.key = "source-ports",
     .type = SCHEMA_PORTS,
     LIST_AT(config_access_rule, source_ports, source_port_count),
     .items_max = RULE_ITEMS_MAX,
     .most = 65535,
     .absent = "any",
     .help = "Ports, and ranges of them, that the packet comes from. Only with `tcp` or `udp`."},
    {.key = "ports",
     .type = SCHEMA_PORTS,
     LIST_AT(config_access_rule, ports, port_count),
     .items_max = RULE_ITEMS_MAX,
     .most = 65535,
     .absent = "any",
     .help = "The same of the port it goes to."},
};

const struct schema_record schema_access = {
    .name = "access-rule",
    .path = "access[]",
    RECORD(config_access_rule, access_fields),
    .help = "Who may begin to talk to us. The first rule that matches a packet decides; what none "
            "matches is allowed, so that a list of who may ends with a rule that denies the rest. "
            "Packets of established flows are not asked again, but a list that changes is held "
            "against them once. ARP and neighbour discovery always pass."};
