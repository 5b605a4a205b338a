// Local addresses, as one snapshot has them. Which of their ports are in use is no part of a
// snapshot: it goes on from one to the next, and ends with the last that has the address.
#include <stdio.h>
#include <stdlib.h>

#include "dataplane/packet/stage/counters.h"
#include "dataplane/packet/stage/registry.h"
#include "dataplane/packet/stage/tables_priv.h"

_Static_assert(TABLES_LOCAL_SLOTS <= UINT16_MAX + 1, "a flow knows its local address in 16 bits");
_Static_assert(CONFIG_WORKERS_MAX <= LOCAL_WORKERS_MAX, "every worker has ports");

static uint32_t configured_locals(const struct config *config)
{
    uint32_t count = 0;
    for (uint32_t p = 0; p < config->port_count; p++)
        count += config->ports[p].local_address_count;
    return count;
}

// Where replies come back by the hash, workers have as many ports as it leads to them.
static enum error create_ports(struct compiler *compiler, struct local_ports **ports)
{
    const struct tables *tables = compiler->tables;
    uint32_t counts[LOCAL_WORKERS_MAX];
    for (uint32_t worker = 0; tables->steer && worker < tables->workers; worker++)
        counts[worker] = steer_ports(tables->steer, worker);
    enum error error = local_ports_create(tables->workers, tables->steer ? counts : NULL, ports);
    return error ? tables_out_of_memory(compiler) : ERROR_NONE;
}

// The ports of an address that the previous snapshot has, or new ones.
static enum error refer_to_ports(struct compiler *compiler, uint32_t slot)
{
    const struct tables *previous = compiler->context->previous;
    struct tables_local *local = &compiler->tables->locals[slot];
    if (previous && slot < previous->local_limit && previous->locals[slot].used) {
        local->ports = previous->locals[slot].ports;
        local_ports_acquire(local->ports);
        return ERROR_NONE;
    }
    return create_ports(compiler, &local->ports);
}

static enum error compile_local(struct compiler *compiler, uint32_t port,
                                const struct ip_address *address)
{
    struct tables *tables = compiler->tables;
    uint32_t slot;
    enum error error =
        registry_acquire(compiler->context->locals, address, sizeof(*address), &slot);
    if (error) {
        char text[IP_TEXT_SIZE];
        return tables_no_slot(compiler, error, "the local address", ip_format(address, text));
    }
    if (slot >= tables->local_limit)
        tables->local_limit = slot + 1;
    tables->locals[slot] =
        (struct tables_local){.used = true, .out_port = (uint16_t)port, .address = *address};
    if (tables->steer)
        tables->locals[slot].hash = steer_destination(tables->steer, address, 0);
    error = refer_to_ports(compiler, slot);
    if (error)
        return error;
    struct tables_locals *of_port = &tables->ports[port].locals[ip_is_v4(address)];
    of_port->slots[of_port->count++] = (uint16_t)slot;
    return tables_add_endpoint(compiler, (struct endpoint){.address = *address,
                                                           .kind = ENDPOINT_LOCAL,
                                                           .number = (uint16_t)slot,
                                                           .value = port});
}

enum error tables_compile_locals(struct compiler *compiler)
{
    const struct config *config = compiler->config;
    const struct tables *previous = compiler->context->previous;
    // As for members: the lowest free slots are given out.
    uint32_t room = (previous ? previous->local_limit : 0) + configured_locals(config) + 1;
    compiler->tables->locals = calloc(room, sizeof(struct tables_local));
    if (!compiler->tables->locals)
        return tables_out_of_memory(compiler);
    for (uint32_t p = 0; p < config->port_count; p++) {
        for (uint32_t i = 0; i < config->ports[p].local_address_count; i++) {
            enum error error = compile_local(compiler, p, &config->ports[p].local_addresses[i]);
            if (error)
                return error;
        }
    }
    return ERROR_NONE;
}

// An address that left stays while flows are from it, and once in any case, as members do.
void tables_keep_locals(struct compiler *compiler)
{
    const struct tables_context *context = compiler->context;
    const struct tables *previous = context->previous;
    struct tables *tables = compiler->tables;
    for (uint32_t slot = 1; previous && slot < previous->local_limit; slot++) {
        const struct tables_local *before = &previous->locals[slot];
        if (!before->used || tables->locals[slot].used)
            continue;
        if (before->removed && context->local_flows(context->context, slot) == 0)
            continue;
        if (slot >= tables->local_limit)
            tables->local_limit = slot + 1;
        tables->locals[slot] = *before;
        tables->locals[slot].removed = true;
        local_ports_acquire(before->ports);
    }
}

void tables_release_locals(struct tables *tables)
{
    for (uint32_t slot = 1; slot < tables->local_limit; slot++)
        local_ports_release(tables->locals[slot].ports);
    free(tables->locals);
}
