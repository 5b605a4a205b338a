// Any bytes as a frame to the generator's receiver, twice: it reads nothing beyond them, and counts
// each once.
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "bench/pktgen/receiver.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size > UINT16_MAX)
        return 0;
    struct receiver receiver = receiver_start(1);
    receiver.sent = UINT64_C(1) << 33;
    uint8_t *frame = malloc(size > 0 ? size : 1); // of exactly its size
    CHECK(frame);
    if (size > 0)
        memcpy(frame, data, size);
    for (uint64_t i = 1; i <= 2; i++) {
        struct wire_packet packet;
        enum received what = receiver_take(&receiver, span_of(frame, size), UINT64_MAX, &packet);
        CHECK(receiver.received + receiver.duplicates == (what == RECEIVED_PACKET ? i : 0));
        CHECK(receiver.foreign == (what == RECEIVED_FOREIGN ? i : 0));
    }
    CHECK(receiver.received <= 1);
    free(frame);
    return 0;
}
