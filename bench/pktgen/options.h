// The command line of weir-pktgen.
#pragma once

#include <stdio.h>

#include "bench/pktgen/frames.h"

#define OPTIONS_WHY_SIZE 160

struct options {
    const char *tx; // borrowed, a DPDK device string
    const char *rx; // borrowed; `tx` itself when packets come back there
    struct profile profile;
    struct ip_address gateway; // the next hop, `profile.to` itself unless another is given
    bool resolve;              // ask for the gateway's MAC address: profile.destination_mac is none
    struct ip_address answer;  // ARP or ND is answered for it on `rx`; all zero: for none
    uint64_t rate;             // packets a second, PACE_MAX: as many as go
    uint64_t resolution;       // packets a second: a search ends when its bounds are so close
    uint32_t seconds;          // of a trial
    uint32_t warm_up;          // seconds, before the first trial, that do not count
    uint32_t tolerance;        // lost packets in a million that are no failure
    uint32_t memory_mib;       // for DPDK
    bool search;
    bool json;
    bool help;
    bool completion;
};

// Reads the arguments behind the program's name. On false `why` is a sentence with the remedy.
bool options_read(int argc, char **argv, struct options *options, char *why);

void options_write_help(FILE *out);

// For bash.
void options_write_completion(FILE *out);
