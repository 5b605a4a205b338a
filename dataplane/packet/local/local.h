// The ports of one local address: FullNAT sends to members from them, and members answer there.
//
// Each worker gives out ports that are its alone, so nobody locks, and a reply tells whose it is.
// What is given out are numbers: which port a number is follows from the worker and, where replies
// come back by a hash, from the member (dataplane/packet/steer); else ports are dealt out to
// workers in turn. A number is in use towards an endpoint of a member, not as such: endpoints share
// 16 banks by their own numbers, and towards endpoints of different banks a number may be in use at
// once. A bank is a bitmap, with one of its full words above it. Numbers are given out in turn, so
// that one that was given back rests as long as there are others.
//
// All workers' banks together take LOCAL_PORTS_BYTES. A local address carries 64448 flows at once
// towards one member's endpoint, and up to 1031168 towards 16 or more. Of many workers some ports
// are nobody's: 49280 and 788480 are the least that any number of workers leaves.
//
// The main thread makes it; each worker then touches its own part alone.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"

#define LOCAL_PORTS_BYTES   (128u * 1024)
#define LOCAL_PORTS_FIRST   1024u // and 64512 behind it
#define LOCAL_WORKERS_MAX   64u
#define LOCAL_BANKS         16u
#define LOCAL_PORTS_OF_WORD 64u

struct local_ports;

// The ports for 1 to LOCAL_WORKERS_MAX workers, all free; referred to once. `counts` says how many
// each has at most, NULL: ports are dealt out in turn. ERROR_NO_MEMORY.
enum error local_ports_create(uint32_t workers, const uint32_t *counts, struct local_ports **ports);

// Counts who refers to it; the last one's release frees it, whatever is in use. The main thread.
void local_ports_acquire(struct local_ports *ports);
void local_ports_release(struct local_ports *ports); // NULL is allowed

// The number of a free port of this worker's towards the endpoint of that number. False: all are in
// use.
bool local_ports_take(struct local_ports *ports, uint32_t worker, uint16_t endpoint,
                      uint32_t *number);

// The number whose turn it is, in use or not: where all are, the one that was given out first. The
// turn goes on to the next.
uint32_t local_ports_turn(struct local_ports *ports, uint32_t worker, uint16_t endpoint);

// One that was taken.
void local_ports_give_back(struct local_ports *ports, uint32_t worker, uint16_t endpoint,
                           uint32_t number);

// Where ports are dealt out in turn: a worker's port (host byte order) of that number, and whose a
// port is. One that nobody gives out is any worker's.
uint16_t local_ports_in_turn(const struct local_ports *ports, uint32_t worker, uint32_t number);
uint32_t local_ports_owner_in_turn(const struct local_ports *ports, uint16_t port);

// How many ports a worker, and all of them, have towards one endpoint.
uint32_t local_ports_of_worker(const struct local_ports *ports, uint32_t worker);
uint32_t local_ports_all(const struct local_ports *ports);
