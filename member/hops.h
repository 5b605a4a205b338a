// Which other members are there to be sent something. One that has died must not swallow what was
// sent on to it, so each that is used is asked, at most twice a second, and one that has not
// answered several questions in a row is passed over until it does. They are counted, not timed: a
// question or its answer may be lost like all that is sent, and who is used seldom is asked seldom.
// Bounded; pure, the caller sends. One thread.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/ip.h"

#define HOPS_KNOWN     64    // of more, the one that was used longest ago is judged anew
#define HOPS_ASK_MS    500   // between questions
#define HOPS_QUESTIONS 4     // without an answer: as the next one is due, it is not there
#define HOPS_STALE_MS  10000 // unused for so long, a hop is judged anew

struct hop {
    struct ip_address address;
    uint32_t asked_ms;
    uint32_t unanswered; // questions since its last answer, at most one more than HOPS_QUESTIONS
    bool used;
};

struct hops {
    struct hop items[HOPS_KNOWN]; // zero at first
};

// Before something is sent to a hop. False: it does not answer. `*ask`: it is to be asked now. Time
// is a clock of milliseconds that wraps.
bool hops_use(struct hops *hops, const struct ip_address *address, uint32_t now_ms, bool *ask);

void hops_answered(struct hops *hops, const struct ip_address *address);
