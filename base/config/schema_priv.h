// The one table that says what a configuration may hold. Reading, defaults, ranges, units,
// references, suggestions, printing, diff, the JSON Schema and the reference page all walk it; what
// relates one value to another is in validate.c. Constant.
//
// Conventions: a list's records are identified by their first field; texts in `char *` and lists
// belong to the configuration's arena; a list is a pointer with a count elsewhere in its struct.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SCHEMA_FIELDS_MAX 16 // of a record

enum schema_type {
    SCHEMA_NAME,      // char[CONFIG_NAME_SIZE]
    SCHEMA_INTERFACE, // char[16]: a network interface of the kernel
    SCHEMA_PATH,      // char *: absolute
    SCHEMA_DEVICE,    // char *: PCI address or DPDK device string
    SCHEMA_COUNT,     // uint16_t, uint32_t or uint64_t
    SCHEMA_CORES,     // uint32_t, list only: "3" or "0-3"
    SCHEMA_DURATION,  // uint64_t nanoseconds
    SCHEMA_SIZE,      // uint64_t bytes
    SCHEMA_RATE,      // uint64_t a second
    SCHEMA_WORD,      // an enumeration whose values are the indexes of `words`
    SCHEMA_ADDRESS,   // struct ip_address, unicast
    SCHEMA_OWN,       // struct ip_prefix, host bits set: an address of our own and its network
    SCHEMA_NETWORK,   // struct ip_prefix, host bits clear
    SCHEMA_PORTS,     // struct config_port_range: "80" or "8000-8999"
    SCHEMA_POOL,      // uint32_t: index into config.pools, written as the pool's name
    SCHEMA_RECORD,    // a struct with a table of its own
};

struct schema_record;

struct schema_field {
    const char *key;
    enum schema_type type;
    bool list;      // one or more of `type`, at most `items_max`
    bool required;  //
    bool shorthand; // read only: a short form of what another field holds
    bool restart;   // a reload cannot change it; of a list of records: which ones, in what order
    bool ordered;   // list of records: their order says something, which a reload takes over
    uint16_t offset;
    uint16_t size; // of the value, or of one item of a list
    uint16_t count_offset;
    uint32_t items_max;
    uint64_t least; // range of the value; of texts, bytes
    uint64_t most;
    const char *initial;                // the default as a file would write it
    const char *absent;                 // what leaving it out means, where there is no default
    const char *const *words;           // SCHEMA_WORD: NULL at its end
    const struct schema_record *record; // SCHEMA_RECORD
    const char *help;
};

struct schema_record {
    const char *name; // "pool"
    const char *path; // "pools[]"
    const char *help;
    uint16_t size;
    uint16_t field_count;
    const struct schema_field *fields;
};

extern const struct schema_record schema_root;

extern const char *const schema_words_protocol[];
extern const char *const schema_words_client_address[];
extern const char *const schema_words_bond[];
extern const char *const schema_words_balancer[];
extern const char *const schema_words_forward[];
extern const char *const schema_words_member_state[];
extern const char *const schema_words_access_action[];
extern const char *const schema_words_access_protocol[];

// Where a field, its count, or item `index` of its list is in the struct at `base`.
const void *schema_at(const struct schema_field *field, const void *base);
uint32_t schema_count(const struct schema_field *field, const void *base);
const void *schema_item(const struct schema_field *field, const void *base, uint32_t index);

// True where the struct holds no value for a field, so that a file would leave it out. A record
// without one of its required values is not there.
bool schema_is_absent(const struct schema_field *field, const void *base);
