// Any bytes as a datagram to a member: whatever it decides, what it delivers lies in the datagram,
// and what it sends on gets to an end.
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "member/decide.h"
#include "tests/fuzz/fuzz.h"

static bool knows_nothing(void *context, const struct connection *connection)
{
    return false;
}

static void check_delivered(const struct decided *decided, const uint8_t *datagram, size_t size)
{
    const struct gue *gue = &decided->gue;
    CHECK(gue->inner.data >= datagram && gue->inner.data + gue->inner.size == datagram + size);
    uint8_t *packet = malloc(gue->inner.size);
    CHECK(packet);
    memcpy(packet, gue->inner.data, gue->inner.size);
    for (int mark = 0; mark < 4; mark++)
        connection_carry_ecn(packet, (uint8_t)mark);
    CHECK(packet[0] >> 4 == gue->inner.data[0] >> 4);
    free(packet);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct decide deciding = {.knows_tcp = knows_nothing};
    CHECK(flows_create(8, 1000, (struct siphash_key){1, 2}, &deciding.udp) == ERROR_NONE);
    uint8_t *datagram = malloc(size > 0 ? size : 1); // of exactly its size
    CHECK(datagram);
    if (size > 0)
        memcpy(datagram, data, size);
    if (gue_probe_read(span_of(datagram, size)) != GUE_PROBE_NONE)
        CHECK(decide(&deciding, span_of(datagram, size), 0).decision == DECISION_UNSUPPORTED);
    for (uint32_t sent = 0;; sent++) {
        struct decided decided = decide(&deciding, span_of(datagram, size), 0);
        if (decided.decision == DECISION_DELIVER)
            check_delivered(&decided, datagram, size);
        if (decided.decision != DECISION_PASS_ON)
            break;
        CHECK(sent < GUE_HOPS_MAX);
        gue_advance(datagram);
    }
    free(datagram);
    flows_destroy(deciding.udp);
    return 0;
}
