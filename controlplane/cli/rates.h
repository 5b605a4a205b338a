// Rates out of the statistics segment: what every counter gained between two looks at it. Pure but
// for the mapping it reads; the caller owns the clock.
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "base/error.h"
#include "base/stats.h"

struct rates;

// Takes the first look. `reader` is borrowed until rates_destroy(). ERROR_NO_MEMORY.
enum error rates_create(const struct stats_reader *reader, uint64_t now_ns, struct rates **rates);
void rates_destroy(struct rates *rates);

// Looks again. False when not one value has changed since the last look.
bool rates_turn(struct rates *rates, uint64_t now_ns);

// What a family gained a second, or for a gauge holds, in all its labelled instances together.
uint64_t rates_family(const struct rates *rates, size_t family);

// One line of the appliance's main rates, under the headings. Families that the segment does not
// have get no column; false: it has none of them.
bool rates_print_headings(const struct rates *rates, FILE *out);
void rates_print_line(const struct rates *rates, FILE *out);

// Every counter that moved, one a row, at most `rows` of them. ERROR_NO_MEMORY.
enum error rates_print_table(const struct rates *rates, size_t rows, FILE *out);

// Every labelled value with its rate, as one JSON object on one line. ERROR_NO_MEMORY.
enum error rates_print_json(const struct rates *rates, FILE *out);
