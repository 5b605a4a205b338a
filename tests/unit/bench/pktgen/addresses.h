// Addresses from their text, as the tests of the generator write them.
#pragma once

#include "base/ip.h"
#include "tests/test.h"

static inline struct ip_address address_of(const char *text)
{
    struct ip_address address;
    assert_int_equal(ip_parse(text, &address), ERROR_NONE);
    return address;
}
