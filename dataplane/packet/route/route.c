// The longest prefix match as a binary search over ranges (Lampson, Srinivasan and Varghese, "IP
// lookups using multiway and multicolumn search", 1998). Prefixes nest or are apart, so N of them
// cut the address space into at most 2 N + 1 ranges, each with one best route. All that is done
// about lengths and nesting is done when the table is built; a lookup is at most 13 steps through
// 64 KiB, and 5 steps within a few cache lines for the ten or so routes of a usual configuration.
// A hash per prefix length would cost one keyed hash for each length in use, and its worst case
// would be the client's to choose.
#include "dataplane/packet/route/route.h"

#include <stdlib.h>
#include <string.h>

#include "base/byteorder.h"
#include "base/check.h"

#define BITS      128
#define NO_ROUTE  UINT16_MAX
#define V4_FIRST  ((wide)0xffff << 32)
#define V4_LENGTH 96

// Blocks without a route, beside those that are given.
#define NOWHERE 2

#define LINK_FIRST  ((wide)0xfe80 << 112)
#define LINK_LENGTH 10

_Static_assert(ROUTES_MAX < NO_ROUTE, "an index of a route fits");

// An address as a number: prefixes become ranges of numbers.
__extension__ typedef unsigned __int128 wide;

struct route_table {
    uint32_t range_count; // at least one
    uint32_t range_max;
    wide *starts;         // ascending; the first is 0. A range ends where the next one starts.
    uint16_t *best;       // for each range the index of its route, or NO_ROUTE
    struct route *routes; // copied
};

// A prefix while the table is built.
struct block {
    wide first;
    wide last;
    uint8_t length;
    uint16_t route;
};

static wide wide_of(const struct ip_address *address)
{
    return (wide)load_be64(address->bytes) << 64 | load_be64(address->bytes + 8);
}

static struct block block_of(wide address, uint8_t length, uint16_t route)
{
    wide host = length == BITS ? 0 : ~(wide)0 >> length;
    return (struct block){
        .first = address & ~host, .last = address | host, .length = length, .route = route};
}

// Outer blocks before the inner ones that start where they do, equal ones in the order given.
static int compare_blocks(const void *left, const void *right)
{
    const struct block *a = left;
    const struct block *b = right;
    if (a->first != b->first)
        return a->first < b->first ? -1 : 1;
    if (a->length != b->length)
        return a->length < b->length ? -1 : 1;
    return a->route < b->route ? -1 : a->route > b->route;
}

// From `start` on, `route` is the best.
static void add_range(struct route_table *table, wide start, uint16_t route)
{
    if (table->starts[table->range_count - 1] != start) {
        CHECK(table->range_count < table->range_max);
        table->range_count++;
    }
    table->starts[table->range_count - 1] = start;
    table->best[table->range_count - 1] = route;
}

// Walks the sorted blocks with a stack of those that enclose the current one.
static void build_ranges(struct route_table *table, const struct block *blocks, uint32_t count)
{
    const struct block *open[BITS + 2];
    uint32_t depth = 0;

    static const struct block everything = {.last = ~(wide)0, .route = NO_ROUTE};
    open[depth++] = &everything;
    table->starts[0] = 0;
    table->best[0] = NO_ROUTE;
    table->range_count = 1;

    for (uint32_t i = 0; i <= count; i++) {
        const struct block *next = i < count ? &blocks[i] : NULL;
        // What ends before the next block gives way to what encloses it. A block that ends with
        // the last address has nothing after it.
        while (depth > 1 && (!next || open[depth - 1]->last < next->first)) {
            wide last = open[--depth]->last;
            if (last != ~(wide)0)
                add_range(table, last + 1, open[depth - 1]->route);
        }
        if (!next)
            break;
        // Of equal prefixes the first wins. `everything` is no prefix that was given.
        const struct block *top = open[depth - 1];
        if (depth > 1 && top->first == next->first && top->length == next->length)
            continue;
        CHECK(depth < sizeof(open) / sizeof(open[0]));
        open[depth++] = next;
        add_range(table, next->first, next->route);
    }
}

// The blocks of the routes, sorted, and two without a route. One covers all of IPv4: it keeps an
// IPv6 prefix that encloses it out, and an IPv4 default route, being given first, wins over it. The
// other covers the link-local addresses of IPv6, which no default route leads to (RFC 4291
// section 2.5.6).
static uint32_t make_blocks(const struct route *routes, uint32_t count, struct block *blocks)
{
    for (uint32_t i = 0; i < count; i++)
        blocks[i] = block_of(wide_of(&routes[i].to.address), routes[i].to.length, (uint16_t)i);
    blocks[count] = block_of(V4_FIRST, V4_LENGTH, NO_ROUTE);
    blocks[count + 1] = block_of(LINK_FIRST, LINK_LENGTH, NO_ROUTE);
    qsort(blocks, count + NOWHERE, sizeof(*blocks), compare_blocks);
    return count + NOWHERE;
}

enum error route_table_create(const struct route *routes, uint32_t count,
                              struct route_table **table)
{
    if (count > ROUTES_MAX)
        return ERROR_TOO_LARGE;
    for (uint32_t i = 0; i < count; i++) {
        if (routes[i].to.length > BITS)
            return ERROR_INVALID;
    }

    enum error error = ERROR_NO_MEMORY;
    struct block *blocks = calloc(count + NOWHERE, sizeof(*blocks));
    struct route_table *made = calloc(1, sizeof(*made));
    if (!blocks || !made)
        goto out;
    made->range_max = 2 * (count + NOWHERE) + 1;
    made->starts = calloc(made->range_max, sizeof(*made->starts));
    made->best = calloc(made->range_max, sizeof(*made->best));
    made->routes = calloc(count + 1, sizeof(*made->routes));
    if (!made->starts || !made->best || !made->routes)
        goto out;

    if (count > 0)
        memcpy(made->routes, routes, count * sizeof(*routes));
    build_ranges(made, blocks, make_blocks(routes, count, blocks));
    *table = made;
    made = NULL;
    error = ERROR_NONE;
out:
    free(blocks);
    route_table_destroy(made);
    return error;
}

void route_table_destroy(struct route_table *table)
{
    if (!table)
        return;
    free(table->routes);
    free(table->best);
    free(table->starts);
    free(table);
}

const struct route *route_lookup(const struct route_table *table,
                                 const struct ip_address *destination)
{
    wide address = wide_of(destination);
    // The last range that starts at or before the address. The loop's length depends on the table
    // alone, and of the choice within gcc makes a conditional move: 15 cycles a lookup with 10
    // routes, 35 with 2048. clang makes a branch, at about three times that.
    const wide *base = table->starts;
    for (uint32_t left = table->range_count; left > 1;) {
        uint32_t half = left / 2;
        base += base[half] <= address ? half : 0;
        left -= half;
    }
    uint16_t best = table->best[base - table->starts];
    return best == NO_ROUTE ? NULL : &table->routes[best];
}
