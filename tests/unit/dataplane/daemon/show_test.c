#include "dataplane/daemon/show_priv.h"

#include <string.h>

#include "tests/test.h"

static void tells_a_worker_that_is_late_from_other_failures(void **state)
{
    static const struct {
        enum error error;
        const char *code;
        const char *message;
    } cases[] = {
        {ERROR_TIMEOUT, "timeout", "a worker did not answer in time"},
        {ERROR_NO_MEMORY, "failed", "out of memory"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct ipc_reply reply = {.fd = -1};
        show_failure(cases[i].error, &reply);
        assert_string_equal(reply.code, cases[i].code);
        assert_string_equal(reply.message, cases[i].message);
        assert_string_not_equal(reply.remedy, "");
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tells_a_worker_that_is_late_from_other_failures),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
