// What the data plane's answers look like to people: pure functions from JSON to text. Tables go to
// `out`; remarks that are no rows (nothing there, more there) go to `notes`, so that a pipe gets
// rows only. A key that is missing, as from an older data plane, becomes "-".
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>

#include "base/error.h"

// ERROR_INVALID: the answer has not the shape of one to this method. ERROR_NO_MEMORY.
// `all`: rows that would be left out because nothing was counted, too.
typedef enum error view_function(const json_t *result, bool all, FILE *out, FILE *notes);

view_function view_status;
view_function view_config;
view_function view_ports;
view_function view_offloads;
view_function view_vips;
view_function view_pools;
view_function view_flows;
view_function view_drops;
view_function view_access;
view_function view_locals;
view_function view_balance;
view_function view_vip_drops;
view_function view_stages;
view_function view_talkers;
view_function view_handshakes;
view_function view_workers;
view_function view_counters;
view_function view_neighbours;

// The answers to `reload`: one line a change.
view_function view_changes;

// Which part of a text is wrong: the text, and below it marks under that part. Nothing where
// `details` has no such text.
void view_fault(const json_t *details, FILE *out);

// The problems of a refused configuration, as weir-dataplane --check tells them.
void view_problems(const json_t *problems, FILE *out);
