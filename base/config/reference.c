// The schema table as the page docs/configuration.md.
#include <inttypes.h>
#include <string.h>

#include "base/config/config.h"
#include "base/config/schema_priv.h"
#include "base/config/value_priv.h"

static const char introduction[] =
    "# The configuration file\n"
    "\n"
    "<!-- Generated from base/config/schema.c: `ninja -C build config-docs` writes it anew. -->\n"
    "\n"
    "One YAML file says all a Weir appliance does. `weir-dataplane --config FILE --check` reads it "
    "and reports everything that is wrong, each with its place, the words and a remedy, without "
    "touching a device. Editors complete and check it with `configs/weir.schema.json`: put\n"
    "\n"
    "```yaml\n"
    "# yaml-language-server: $schema=weir.schema.json\n"
    "```\n"
    "\n"
    "on a file's first line (the path is relative to the file).\n"
    "\n"
    "Rules for every key:\n"
    "\n"
    "- Quantities bear a unit, without a blank: durations `ns` `us` `ms` `s` `m` `h`; sizes `B` "
    "`KiB` `MiB` `GiB`; rates `/s`. Counts have none.\n"
    "- Unknown keys are refused, and so is a key that is given twice.\n"
    "- A list of values with one item may be written as that item: `gateway: 10.1.0.254`.\n"
    "- Names (1 to 63 letters, digits and `-` `_` `.` `:`) are for people and commands. Over a "
    "reload, ports and pools are the same by their name, members by pool, address, port and "
    "forwarding, vips by address, port and protocol: what is the same keeps its flows and "
    "counters.\n"
    "- A running data plane takes a changed file over by `weirctl reload` or SIGHUP. Keys that are "
    "marked `restart` it cannot change: it refuses the whole file, names them and goes on as "
    "before.\n"
    "- Anchors, aliases and tags are refused. A file has at most 4 MiB, and in brackets 524288 "
    "items.\n";

static const char relations[] =
    "\n## What must fit together\n"
    "\n"
    "- Names are unique in their list. So are the ports' devices, the kernel's interfaces "
    "that these name (`iface=`) and the punt interfaces, the vips' address, port and protocol "
    "together, and the members' address and port in their pool.\n"
    "- A vip's address is none of the ports' own, and no member has either. Neither is the network "
    "or broadcast address of a port's IPv4 network.\n"
    "- A vip's pool exists. Under `forward: nat` and `direct` its members are of the vip's IP "
    "version; in tunnels of any.\n"
    "- Under `forward: direct` and in tunnels a member has no port of its own but the vip's.\n"
    "- Two ports' networks do not overlap, but for link-local ones of IPv6, of which each link has "
    "its own: they lead to routers alone, never to vips, members or other networks. A router "
    "(`via`, "
    "`gateway`) is in a network of its own port; a network has one route over all ports, and none "
    "if "
    "it is a port's own.\n"
    "- A member is on a port's network or behind a route; under `forward: direct`, on a port's "
    "network.\n"
    "- A port with an IPv6 address has an `mtu` of at least 1280.\n"
    "- In tunnels, the port that leads to a member has an address of the member's IP version, for "
    "the outer header, that is not link-local. Its `mtu` less the outer headers (`forward`, "
    "`second-chance`) leaves 68 bytes for a packet, and 1280 where a vip of the pool is IPv6.\n";

static const char example[] =
    "\n## A whole file\n"
    "\n"
    "```yaml\n"
    "node:\n"
    "  name: lab\n"
    "  cores: [0-1]\n"
    "  poll: adaptive\n"
    "  sleep-max: 200us\n"
    "  memory: 512MiB\n"
    "  huge-pages: auto\n"
    "  socket: /run/weir/dataplane.sock\n"
    "  hash-seed: 1\n"
    "  log: {level: info, format: text}\n"
    "  flows:\n"
    "    per-worker: 262144\n"
    "    tcp-opening: 10s\n"
    "    tcp-established: 15m\n"
    "    tcp-closing: 30s\n"
    "    udp: 60s\n"
    "\n"
    "ports:\n"
    "  - name: front\n"
    "    device: net_af_xdp0,iface=weir-front\n"
    "    queues: 1\n"
    "    descriptors: 1024\n"
    "    mtu: 1500\n"
    "    addresses: [10.1.0.1/24, fd00:1::1/64]\n"
    "    gateway: [10.1.0.254, fd00:1::fe]\n"
    "    routes:\n"
    "      - {to: 192.0.2.0/24, via: 10.1.0.253}\n"
    "    punt: {interface: weir-punt0, rate: 10000/s}\n"
    "  - name: back\n"
    "    device: net_af_xdp1,iface=weir-back\n"
    "    addresses: [10.2.0.1/24, fd00:2::1/64]\n"
    "\n"
    "pools:\n"
    "  - name: web\n"
    "    balancer: maglev\n"
    "    forward: nat\n"
    "    members:\n"
    "      - {name: s1, address: 10.2.0.11, port: 8080, weight: 100}\n"
    "      - {name: s2, address: 10.2.0.12, port: 8080, weight: 50, state: drain}\n"
    "\n"
    "vips:\n"
    "  - {name: web, address: 10.1.0.100, port: 80, protocol: tcp, pool: web}\n"
    "```\n";

static const char *type_text(enum schema_type type)
{
    switch (type) {
    case SCHEMA_NAME:
        return "name";
    case SCHEMA_INTERFACE:
        return "interface name";
    case SCHEMA_PATH:
        return "absolute path";
    case SCHEMA_DEVICE:
        return "device";
    case SCHEMA_COUNT:
        return "count";
    case SCHEMA_CORES:
        return "core or range of cores";
    case SCHEMA_DURATION:
        return "duration: ns, us, ms, s, m, h";
    case SCHEMA_SIZE:
        return "size: B, KiB, MiB, GiB";
    case SCHEMA_RATE:
        return "rate: /s";
    case SCHEMA_WORD:
        return "word";
    case SCHEMA_ADDRESS:
        return "IP address";
    case SCHEMA_OWN:
        return "IP address/length";
    case SCHEMA_NETWORK:
        return "network/length";
    case SCHEMA_PORTS:
        return "port or range of ports";
    case SCHEMA_POOL:
        return "name of a pool";
    case SCHEMA_RECORD:
        return "record";
    }
    return "";
}

static void print_range(const struct schema_field *field, FILE *out)
{
    char least[VALUE_TEXT_SIZE], most[VALUE_TEXT_SIZE];
    bool ranged = true;
    switch (field->type) {
    case SCHEMA_COUNT:
    case SCHEMA_CORES:
    case SCHEMA_PORTS:
    case SCHEMA_DURATION:
    case SCHEMA_SIZE:
    case SCHEMA_RATE:
        value_format_number(field->type, field->least, least);
        value_format_number(field->type, field->most, most);
        fprintf(out, "%s to %s", least, most);
        break;
    case SCHEMA_WORD:
        for (const char *const *word = field->words; *word; word++)
            fprintf(out, "%s`%s`", word == field->words ? "" : ", ", *word);
        break;
    case SCHEMA_INTERFACE:
    case SCHEMA_PATH:
    case SCHEMA_DEVICE:
        fprintf(out, "at most %" PRIu64 " bytes", field->most);
        break;
    case SCHEMA_NAME:
    case SCHEMA_ADDRESS:
    case SCHEMA_OWN:
    case SCHEMA_NETWORK:
    case SCHEMA_POOL:
    case SCHEMA_RECORD:
        ranged = false;
        break;
    }
    if (field->list)
        fprintf(out, "%sat most %" PRIu32, ranged ? "; " : "", field->items_max);
}

// Of what is below a record its own table says it.
static const char *changed_by(const struct schema_field *field)
{
    if (field->type != SCHEMA_RECORD)
        return field->restart ? "restart" : "reload";
    return field->restart ? "restart, to add, remove or reorder" : "";
}

static void print_field(const struct schema_field *field, FILE *out)
{
    fprintf(out, "| `%s` | ", field->key);
    if (field->type == SCHEMA_RECORD)
        fprintf(out, "%s[%s](#%s)", field->list ? "list: " : "", field->record->name,
                field->record->name);
    else
        fprintf(out, "%s%s", field->list ? "list: " : "", type_text(field->type));
    fputs(" | ", out);
    print_range(field, out);
    fputs(" | ", out);
    if (field->required)
        fputs("required", out);
    else if (field->initial)
        fprintf(out, "`%s`", field->initial);
    else
        fputs(field->absent ? field->absent : "its keys' defaults", out);
    fprintf(out, " | %s | %s |\n", changed_by(field), field->help);
}

static void print_record(const struct schema_record *record, FILE *out)
{
    bool root = record == &schema_root;
    fprintf(out, "\n## %s\n\n", root ? "The file" : record->name);
    if (!root)
        fprintf(out, "`%s`: ", record->path);
    fprintf(out,
            "%s\n\n| key | type | range | default | changed by | meaning "
            "|\n|---|---|---|---|---|---|\n",
            record->help);
    for (uint16_t i = 0; i < record->field_count; i++)
        print_field(&record->fields[i], out);
    for (uint16_t i = 0; i < record->field_count; i++) {
        if (record->fields[i].type == SCHEMA_RECORD)
            print_record(record->fields[i].record, out);
    }
}

void config_print_reference(FILE *out)
{
    fputs(introduction, out);
    print_record(&schema_root, out);
    fputs(relations, out);
    fputs(example, out);
}
