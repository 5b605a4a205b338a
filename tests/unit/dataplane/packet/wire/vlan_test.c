#include "dataplane/packet/wire/vlan.h"

#include "tests/test.h"

#define MACS "\x02\0\0\0\0\x01\x02\0\0\0\0\x02"

static void a_tag_is_read_where_it_stands(void **state)
{
    static const struct {
        const char *bytes;
        size_t size;
        enum drop_reason reason;
        uint16_t id;
        bool tagged;
    } rows[] = {
        {MACS "\x08\x00\x45", 15, DROP_NONE, 0, false},
        {MACS "\x81\x00\x00\x05\x08\x00", 18, DROP_NONE, 5, true},
        {MACS "\x81\x00\xff\xfe\x08\x00", 18, DROP_NONE, 4094, true}, // priority 7
        {MACS "\x81\x00\x60\x00\x08\x00", 18, DROP_NONE, 0, true},
        {MACS "\x88\xa8\x00\x05\x08\x00", 18, DROP_NONE, 0, false}, // a provider's tag
        {MACS "\x81\x00\x00\x05\x08", 17, DROP_ETHERNET_TRUNCATED, 5, true},
        {MACS "\x81\x00\x00", 15, DROP_ETHERNET_TRUNCATED, 0, true},
        {MACS "\x81", 13, DROP_NONE, 0, false},
        {MACS, 11, DROP_NONE, 0, false},
        {"", 0, DROP_NONE, 0, false},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        uint16_t id = 1;
        bool tagged = !rows[i].tagged;
        assert_int_equal(wire_vlan_read(span_of(rows[i].bytes, rows[i].size), &id, &tagged),
                         rows[i].reason);
        assert_int_equal(id, rows[i].id);
        assert_int_equal(tagged, rows[i].tagged);
    }
}

static void a_tag_comes_off_and_goes_on(void **state)
{
    static const char plain[] = MACS "\x86\xdd\x60\x01\x02";
    static const char tagged[] = MACS "\x81\x00\x0f\xfe\x86\xdd\x60\x01\x02";
    uint8_t bytes[sizeof(tagged)];
    memcpy(bytes, tagged, sizeof(tagged));
    uint8_t *frame = wire_vlan_remove(bytes);
    assert_ptr_equal(frame, bytes + WIRE_VLAN_TAG_SIZE);
    assert_memory_equal(frame, plain, sizeof(plain));
    assert_ptr_equal(wire_vlan_insert(frame, 4094), bytes);
    assert_memory_equal(bytes, tagged, sizeof(tagged));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_tag_is_read_where_it_stands),
        cmocka_unit_test(a_tag_comes_off_and_goes_on),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
