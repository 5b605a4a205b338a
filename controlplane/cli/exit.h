// How weirctl ends. Scripts rely on the numbers: docs/weirctl.md and `weirctl help` name them.
#pragma once

enum cli_exit {
    CLI_OK = 0,
    CLI_REFUSED = 1,     // the data plane answered with an error
    CLI_USAGE = 2,       // the command line is wrong
    CLI_UNREACHABLE = 3, // nothing listens, the connection was lost, or the answer makes no sense
    CLI_LOCAL = 4,       // this side failed: output cannot be written, no memory
};
