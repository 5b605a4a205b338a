// Ports to people: traffic, devices, how they steer, bonds, offloads.
#include "controlplane/cli/view_priv.h"

// The ports of an answer that are bonds, as an answer.
static json_t *only_bonds(const json_t *result)
{
    json_t *bonds = json_array();
    size_t index;
    json_t *port;
    json_array_foreach(json_object_get(result, "ports"), index, port)
    {
        if (json_array_size(json_object_get(port, "members")) > 0)
            json_array_append(bonds, port);
    }
    return json_pack("{s:o}", "ports", bonds);
}

static enum error view_bonds(const json_t *result, bool all, FILE *out, FILE *notes)
{
    static const struct view view = {
        .rows = "ports",
        .nested = "members",
        .column_count = 11,
        .columns =
            {
                {"NAME", "^name", VIEW_TEXT, NULL},
                {"BOND", "^bond", VIEW_TEXT, NULL},
                {"FAILOVERS", "^failovers", VIEW_COUNT, NULL},
                {"MEMBER", "device", VIEW_TEXT, NULL},
                {"STATE", "state", VIEW_TEXT, NULL},
                {"SPEED", "speed_mbps", VIEW_SPEED, NULL},
                {"LINK-DOWNS", "link_downs", VIEW_COUNT, NULL},
                {"RX-PACKETS", "rx_packets", VIEW_COUNT, NULL},
                {"RX-BYTES", "rx_bytes", VIEW_BYTES, NULL},
                {"TX-PACKETS", "tx_packets", VIEW_COUNT, NULL},
                {"TX-BYTES", "tx_bytes", VIEW_BYTES, NULL},
            },
    };
    enum error error = ERROR_NONE;
    json_t *bonds = only_bonds(result);
    if (!bonds)
        return ERROR_NO_MEMORY;
    if (json_array_size(json_object_get(bonds, "ports")) > 0) {
        fputc('\n', out);
        error = view_print(&view, bonds, all, out, notes);
    }
    json_decref(bonds);
    return error;
}

enum error view_offloads(const json_t *result, bool all, FILE *out, FILE *notes)
{
    static const struct view view = {
        .rows = "ports",
        .nested = "offloads",
        .none = "no ports",
        .column_count = 5,
        .columns =
            {
                {"PORT", "^name", VIEW_TEXT, NULL},
                {"OFFLOAD", "offload", VIEW_TEXT, NULL},
                {"OFFERED", "offered", VIEW_YES_NO, NULL},
                {"USED", "used", VIEW_YES_NO, NULL},
                {"WHY-NOT", "why", VIEW_TEXT, NULL},
            },
    };
    return view_print(&view, result, all, out, notes);
}

// Three tables, since one would be too wide to read: what passes, what the port is, and how packets
// come to their workers.
enum error view_ports(const json_t *result, bool all, FILE *out, FILE *notes)
{
    static const struct view traffic = {
        .rows = "ports",
        .none = "no ports",
        .column_count = 12,
        .columns =
            {
                {"NAME", "name", VIEW_TEXT, NULL},
                {"LINK", "link", VIEW_TEXT, NULL},
                {"LINK-DOWNS", "link_downs", VIEW_COUNT, NULL},
                {"SPEED", "speed_mbps", VIEW_SPEED, NULL},
                {"RX-PACKETS", "rx_packets", VIEW_COUNT, NULL},
                {"RX-BYTES", "rx_bytes", VIEW_BYTES, NULL},
                {"TX-PACKETS", "tx_packets", VIEW_COUNT, NULL},
                {"TX-BYTES", "tx_bytes", VIEW_BYTES, NULL},
                {"RX-MISSED", "rx_missed", VIEW_COUNT, NULL},
                {"RX-NO-BUFFER", "rx_no_buffer", VIEW_COUNT, NULL},
                {"RX-ERRORS", "rx_errors", VIEW_COUNT, NULL},
                {"TX-ERRORS", "tx_errors", VIEW_COUNT, NULL},
            },
    };
    static const struct view device = {
        .rows = "ports",
        .column_count = 11,
        .columns =
            {
                {"NAME", "name", VIEW_TEXT, NULL},
                {"DEVICE", "device", VIEW_TEXT, NULL},
                {"VLAN", "vlan", VIEW_COUNT, NULL},
                {"DRIVER", "driver", VIEW_TEXT, NULL},
                {"MAC", "mac", VIEW_TEXT, NULL},
                {"MTU", "mtu", VIEW_COUNT, NULL},
                {"RXQ", "rx_queues", VIEW_COUNT, NULL},
                {"TXQ", "tx_queues", VIEW_COUNT, NULL},
                {"CHECKSUMS", "rx_checksum", VIEW_CHECKSUMS, "tx_checksum"},
                {"PUNT", "punt", VIEW_TEXT, NULL},
                {"ADDRESSES", "addresses", VIEW_TEXTS, NULL},
            },
    };
    static const struct view steering = {
        .rows = "ports",
        .column_count = 4,
        .columns =
            {
                {"NAME", "name", VIEW_TEXT, NULL},
                {"NUMA", "numa_node", VIEW_COUNT, NULL},
                {"STEERING", "steering", VIEW_TEXT, NULL},
                {"WHY", "steering_why", VIEW_TEXT, NULL},
            },
    };
    enum error error = view_print(&traffic, result, all, out, notes);
    if (error || json_array_size(json_object_get(result, "ports")) == 0)
        return error;
    fputc('\n', out);
    error = view_print(&device, result, all, out, notes);
    if (error)
        return error;
    fputc('\n', out);
    error = view_print(&steering, result, all, out, notes);
    return error ? error : view_bonds(result, all, out, notes);
}
