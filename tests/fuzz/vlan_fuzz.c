// Any bytes as a frame with a tag, or without: what is read lies in the frame, and a tag that is
// taken off and put on again makes the same frame, but for the bits that name no VLAN.
#include <stdlib.h>

#include "base/check.h"
#include "dataplane/packet/wire/vlan.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint8_t *frame = malloc(size > 0 ? size : 1); // of exactly its size
    CHECK(frame);
    if (size > 0)
        memcpy(frame, data, size);
    uint16_t id;
    bool tagged;
    enum drop_reason reason = wire_vlan_read(span_of(frame, size), &id, &tagged);
    CHECK(id <= WIRE_VLAN_ID_MASK && (tagged || (id == 0 && reason == DROP_NONE)));
    if (tagged && reason == DROP_NONE) {
        CHECK(size >= WIRE_ETHERNET_SIZE + WIRE_VLAN_TAG_SIZE);
        uint8_t *plain = wire_vlan_remove(frame);
        CHECK(plain == frame + WIRE_VLAN_TAG_SIZE);
        CHECK(memcmp(plain, data, 2 * WIRE_MAC_SIZE) == 0);
        CHECK(wire_vlan_insert(plain, id) == frame);
        frame[2 * WIRE_MAC_SIZE + 2] |= data[2 * WIRE_MAC_SIZE + 2] & 0xf0;
        CHECK(memcmp(frame, data, size) == 0);
    }
    free(frame);
    return 0;
}
