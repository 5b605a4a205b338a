#include "dataplane/worker/idle.h"

#define DOUBLINGS_MAX 30

uint64_t idle_sleep_ns(uint32_t empty_turns, bool busy_poll, uint64_t longest_ns)
{
    if (busy_poll || empty_turns < IDLE_SPIN_TURNS)
        return 0;
    uint32_t doublings = (empty_turns - IDLE_SPIN_TURNS) / IDLE_SLEEP_TURNS;
    if (doublings > DOUBLINGS_MAX)
        return longest_ns;
    uint64_t wanted_ns = (uint64_t)IDLE_SLEEP_FIRST_NS << doublings;
    return wanted_ns < longest_ns ? wanted_ns : longest_ns;
}
