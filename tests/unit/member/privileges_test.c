// In a child of each test, since there is no way back. As root all of it, else what of it there is.
#include "member/privileges.h"

#include <errno.h>
#include <grp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/test.h"

// The value of a line of /proc/self/status, as it stands there.
static const char *status(const char *name)
{
    static char line[256];
    FILE *file = fopen("/proc/self/status", "r");
    size_t size = strlen(name);
    while (file && fgets(line, sizeof(line), file)) {
        if (strncmp(line, name, size) == 0 && line[size] == ':') {
            fclose(file);
            return line + size + 1 + strspn(line + size + 1, "\t ");
        }
    }
    abort();
}

static bool may_nothing(void)
{
    static const char *const sets[] = {"CapInh", "CapPrm", "CapEff", "CapAmb"};
    for (size_t i = 0; i < sizeof(sets) / sizeof(sets[0]); i++) {
        if (strtoull(status(sets[i]), NULL, 16) != 0)
            return false;
    }
    return atoi(status("NoNewPrivs")) == 1;
}

static bool is_nobody(void)
{
    return getuid() != 0 && geteuid() != 0 && getgid() != 0 && getegid() != 0 &&
           getgroups(0, NULL) == 0 && setuid(0) != 0 && setgid(0) != 0;
}

// Runs in a child; true there is success here.
static bool in_a_child(bool (*act)(void))
{
    pid_t child = fork();
    if (child == 0)
        _exit(act() ? 0 : 1);
    int result;
    return waitpid(child, &result, 0) == child && WIFEXITED(result) && WEXITSTATUS(result) == 0;
}

static bool drops(void)
{
    bool was_root = geteuid() == 0;
    if (was_root && setgroups(1, (const gid_t[]){0}) != 0)
        return false;
    const char *what;
    return privileges_drop("nobody", &what) && may_nothing() && (!was_root || is_nobody());
}

static bool refuses_a_stranger(void)
{
    const char *what = "";
    return !privileges_drop("weir-no-such-user", &what) && strcmp(what, "--user") == 0 &&
           errno == 0 && geteuid() == 0;
}

static bool refuses_root(void)
{
    const char *what = "";
    return !privileges_drop("root", &what) && errno == EINVAL;
}

static void nothing_is_left_and_nothing_comes_back(void **state)
{
    assert_true(in_a_child(drops));
}

static void only_a_user_who_is_there_and_not_root_will_do(void **state)
{
    if (geteuid() != 0) {
        print_message("skipped: not root\n");
        skip();
    }
    assert_true(in_a_child(refuses_a_stranger));
    assert_true(in_a_child(refuses_root));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_is_left_and_nothing_comes_back),
        cmocka_unit_test(only_a_user_who_is_there_and_not_root_will_do),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
