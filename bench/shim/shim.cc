// The only C++ of the tree.
#include "bench/shim/shim.h"

#include <algorithm>
#include <benchmark/benchmark.h>
#include <ctime>
#include <string>
#include <x86intrin.h>

// The clocks at one moment.
struct stamp {
    uint64_t ticks; // time stamp counter
    uint64_t wall_ns;
    uint64_t thread_ns; // while this thread ran
};

static uint64_t read_ns(clockid_t clock)
{
    struct timespec now;
    clock_gettime(clock, &now);
    return static_cast<uint64_t>(now.tv_sec) * 1000000000u + static_cast<uint64_t>(now.tv_nsec);
}

struct bench_state {
    benchmark::State &state;
    bool begun;
    struct stamp started; // since when the clocks run
    struct stamp total;   // what they ran until then
};

// Reading the thread's clock is a system call: the counter is read last here and first there, so
// that it is not in the figure.
static void clocks_start(bench_state *state)
{
    state->started.thread_ns = read_ns(CLOCK_THREAD_CPUTIME_ID);
    state->started.wall_ns = read_ns(CLOCK_MONOTONIC);
    state->started.ticks = __rdtsc();
}

static void clocks_stop(bench_state *state)
{
    struct stamp now;
    now.ticks = __rdtsc();
    now.wall_ns = read_ns(CLOCK_MONOTONIC);
    now.thread_ns = read_ns(CLOCK_THREAD_CPUTIME_ID);
    state->total.ticks += now.ticks - state->started.ticks;
    state->total.wall_ns += now.wall_ns - state->started.wall_ns;
    state->total.thread_ns += now.thread_ns - state->started.thread_ns;
}

void bench_add(const char *name, void (*body)(bench_state *state, int64_t argument),
               int64_t argument)
{
    benchmark::RegisterBenchmark(name, [body](benchmark::State &state) {
        bench_state ours = {state, false, {0, 0, 0}, {0, 0, 0}};
        body(&ours, state.range(0));
    })->Arg(argument);
}

bool bench_next(bench_state *state)
{
    if (state->state.KeepRunning()) {
        if (!state->begun) {
            state->begun = true;
            clocks_start(state);
        }
        return true;
    }
    clocks_stop(state);
    return false;
}

void bench_pause(bench_state *state)
{
    clocks_stop(state);
    state->state.PauseTiming();
}

void bench_resume(bench_state *state)
{
    state->state.ResumeTiming();
    clocks_start(state);
}

void bench_items(bench_state *state, uint64_t items_per_turn, const char *item)
{
    double items =
        static_cast<double>(items_per_turn) * static_cast<double>(state->state.iterations());
    state->state.SetItemsProcessed(static_cast<int64_t>(items));
    // The counter also ticks while others have the core: take this thread's share of it.
    double ticks = static_cast<double>(state->total.ticks);
    double share =
        static_cast<double>(state->total.thread_ns) / static_cast<double>(state->total.wall_ns);
    state->state.counters["cycles/" + std::string(item)] = ticks * std::min(share, 1.0) / items;
}

int bench_main(int argc, char **argv)
{
#ifdef NDEBUG
    benchmark::AddCustomContext("weir_dcheck", "off");
#else
    benchmark::AddCustomContext("weir_dcheck",
                                "on: set up with -Db_ndebug=true to compare figures");
#endif
    benchmark::Initialize(&argc, argv);
    if (benchmark::ReportUnrecognizedArguments(argc, argv))
        return 2;
    benchmark::RunSpecifiedBenchmarks();
    benchmark::Shutdown();
    return 0;
}
