// weirctl: the operator's command line. One thread, no state: a command line becomes a request to
// the data plane, its answer becomes text.
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "controlplane/cli/command.h"

int main(int argc, char **argv)
{
    enum cli_exit result = command_main(argc - 1, (const char *const *)argv + 1);
    if (fflush(stdout) != 0 || ferror(stdout)) {
        fprintf(stderr, "weirctl: cannot write the output: %s\n", strerror(errno));
        return CLI_LOCAL;
    }
    return (int)result;
}
