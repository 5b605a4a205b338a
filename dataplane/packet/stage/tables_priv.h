// One compilation of struct tables, shared by the files tables*.c.
#pragma once

#include "base/byteorder.h"
#include "dataplane/packet/stage/tables.h"

#define TABLES_WHY_SIZE 256

struct compiler {
    const struct config *config;
    const struct tables_context *context;
    struct tables *tables;
    char *why;
    struct endpoint *endpoints; // grows
    uint32_t endpoint_count;
    uint32_t endpoint_room;
    uint32_t hop_room;
};

static inline uint16_t network_port(uint16_t port)
{
    return __builtin_bswap16(port);
}

// tables.c: what went wrong is told in compiler->why.
enum error tables_out_of_memory(struct compiler *compiler);
// `of` says what `name` is.
enum error tables_no_slot(struct compiler *compiler, enum error error, const char *of,
                          const char *name);
enum error tables_add_endpoint(struct compiler *compiler, struct endpoint endpoint);
// Resolves a neighbour that the configuration needs, and keeps it in the list of those.
enum error tables_need_hop(struct compiler *compiler, uint32_t port,
                           const struct ip_address *address, uint32_t *slot);

// tables_pools.c
enum error tables_compile_pools(struct compiler *compiler);
enum error tables_keep_members(struct compiler *compiler);
void tables_release_pool(struct tables_pool *pool); // main thread; NULL is allowed

// tables_locals.c
enum error tables_compile_locals(struct compiler *compiler);
void tables_keep_locals(struct compiler *compiler);
void tables_release_locals(struct tables *tables); // what a snapshot refers to

// tables_services.c
enum error tables_compile_services(struct compiler *compiler);
void tables_keep_services(struct compiler *compiler);
// The set of what is configured and of what flows still need.
enum error tables_compile_endpoints(struct compiler *compiler);
bool tables_uses_number(const struct tables *tables, uint32_t number);
