// Google Benchmark for C. A benchmark is a function that prepares, runs its loop while bench_next()
// says so, and cleans up; it may be called several times, with more turns each time, until its
// figure is firm. Every benchmark reports its items a second and the cycles each item took: ticks
// of the time stamp counter while its thread ran, at the processor's nominal frequency whatever it
// runs at.
//
//   static void sum(struct bench_state *state, int64_t words) {
//       prepare();
//       while (bench_next(state))
//           bench_keep(sum_of(words));
//       bench_items(state, (uint64_t)words, "word");
//   }
//   int main(int argc, char **argv) {
//       bench_add("sum", sum, 1024);
//       return bench_main(argc, argv);
//   }
#pragma once

#include <stdbool.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

struct bench_state;

// Registers `body` under "name/argument". `name` is borrowed until bench_main() returns.
void bench_add(const char *name, void (*body)(struct bench_state *state, int64_t argument),
               int64_t argument);

// True while there is another turn. The clocks run from the first call to the last.
bool bench_next(struct bench_state *state);

// Stops the clocks within a turn, for what must be made ready before it goes on, and starts them
// again. Costs about a microsecond: only for turns that are much longer.
void bench_pause(struct bench_state *state);
void bench_resume(struct bench_state *state);

// After the loop: what one turn handled. Reports items a second, and the counter "cycles/<item>".
void bench_items(struct bench_state *state, uint64_t items_per_turn, const char *item);

// Reads Google Benchmark's own options (--help), runs what was added. Returns main()'s status.
int bench_main(int argc, char **argv);

// Keeps a value from being optimized away.
#define bench_keep(value) __asm__ volatile("" : : "g"(value) : "memory")

#ifdef __cplusplus
}
#endif
