// Any sequence of fragments against the table of fragments: every packet that it takes comes back
// exactly once, what follows goes the way of its own first fragment, what passes of one datagram
// never overlaps, and the bounds hold. Each operation is five bytes: last or not, datagram,
// offset, size, and the time since the one before.
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "dataplane/packet/stage/fragments.h"
#include "tests/fuzz/fuzz.h"

#define KEYS      16
#define UNITS     256 // of eight bytes, of a datagram
#define PACKETS   4096
#define OPERATION 5

// What passed of a datagram since its first fragment was let through.
struct model {
    uint16_t way;
    bool passed[UNITS];
};

static struct model models[KEYS];
static bool waiting[PACKETS];
static uint8_t key_of[PACKETS], from_of[PACKETS], units_of[PACKETS];
static uint32_t waiting_count, packet_count;

static void pass(uint32_t number)
{
    struct model *model = &models[key_of[number]];
    for (uint32_t u = from_of[number]; u < (uint32_t)from_of[number] + units_of[number]; u++) {
        CHECK(!model->passed[u]);
        model->passed[u] = true;
    }
}

static uint32_t number_of(const struct fragments_packet *packet)
{
    uint32_t number = (uint32_t)(uintptr_t)packet->packet - 1;
    CHECK(number < packet_count && waiting[number]);
    CHECK(packet->port == number % 7 && packet->handed == (number % 2 == 1));
    waiting[number] = false;
    waiting_count--;
    return number;
}

static void follow(void *context, const struct fragments_packet *packet,
                   const struct fragments_way *way)
{
    uint32_t number = number_of(packet);
    CHECK(way->member == models[key_of[number]].way);
    pass(number);
}

static void drop(void *context, const struct fragments_packet *packet, enum drop_reason reason)
{
    number_of(packet);
    CHECK(reason == DROP_FRAGMENT_TIMEOUT || reason == DROP_FRAGMENT_OVERLAP ||
          reason == DROP_FRAGMENT_MANY);
}

static void operate(struct fragments *fragments, const uint8_t *bytes, uint32_t *now_ms)
{
    uint32_t number = packet_count++;
    key_of[number] = bytes[1] % KEYS;
    from_of[number] = bytes[2] % 128;
    units_of[number] = (uint8_t)(bytes[3] % 128 + 1);
    *now_ms += (uint32_t)bytes[4] * 4;
    struct model *model = &models[key_of[number]];
    struct wire_fragment piece = {
        .id = key_of[number],
        .more = bytes[0] & 1,
        .offset = (uint16_t)(from_of[number] * 8),
        .size = (uint16_t)(units_of[number] * 8),
    };
    struct fragments_packet packet = {.packet = (void *)(uintptr_t)(number + 1),
                                      .port = (uint16_t)(number % 7),
                                      .handed = number % 2 == 1};
    struct fragments_way way = {0};
    enum drop_reason reason = DROP_NONE;
    waiting[number] = true;
    waiting_count++;
    switch (fragments_take(fragments, &piece, &packet, *now_ms, &way, &reason)) {
    case FRAGMENTS_WAIT:
        CHECK(piece.offset > 0);
        return;
    case FRAGMENTS_FOLLOW:
        number_of(&packet);
        CHECK(piece.offset > 0 && way.member == model->way);
        pass(number);
        return;
    case FRAGMENTS_REFUSED:
        number_of(&packet);
        CHECK(reason >= DROP_FRAGMENT_OVERLAP && reason <= DROP_FRAGMENT_TIMEOUT);
        return;
    case FRAGMENTS_FIRST:
        number_of(&packet);
        CHECK(piece.offset == 0);
        memset(model->passed, 0, sizeof(model->passed));
        pass(number);
        model->way = (uint16_t)number;
        way.member = model->way;
        fragments_decide(fragments, &piece, &way, *now_ms);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct fragments_actions actions = {.follow = follow, .drop = drop};
    struct fragments *fragments;
    CHECK(fragments_create((struct siphash_key){1, 2}, actions, &fragments) == ERROR_NONE);
    memset(models, 0, sizeof(models));
    waiting_count = packet_count = 0;
    uint32_t now_ms = UINT32_MAX - 1500; // the clock wraps
    for (size_t at = 0; at + OPERATION <= size && packet_count < PACKETS; at += OPERATION) {
        operate(fragments, data + at, &now_ms);
        CHECK(fragments_waiting(fragments) == waiting_count);
        CHECK(waiting_count <= FRAGMENTS_HELD);
        CHECK(fragments_datagrams(fragments) <= KEYS);
    }
    fragments_expire(fragments, now_ms + FRAGMENTS_MS);
    CHECK(waiting_count == 0 && fragments_datagrams(fragments) == 0);
    fragments_destroy(fragments);
    return 0;
}
