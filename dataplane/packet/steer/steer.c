#include "dataplane/packet/steer/steer.h"

#include <string.h>

// Where parts of a packet lie in what is hashed, in bits.
#define ADDRESS_BITS(v4)     ((v4) ? 32u : 128u)
#define PORT_BITS            16u
#define DESTINATION_AT(v4)   ADDRESS_BITS(v4)
#define SOURCE_PORT_AT(v4)   (2 * ADDRESS_BITS(v4))
#define DESTINATION_END(v4)  (SOURCE_PORT_AT(v4) + 2 * PORT_BITS) // of the destination port
#define DESTINATION_PORT(v4) (SOURCE_PORT_AT(v4) + PORT_BITS)
_Static_assert(DESTINATION_END(false) == 4 * STEER_NIBBLES, "all of it has its nibble");
_Static_assert(4 * STEER_NIBBLES + 32 <= 8 * STEER_KEY_BYTES, "the key reaches its end");

// 32 bits of the key from a bit on: what a bit there that is set gives.
static uint32_t window(const uint8_t *key, uint32_t bit)
{
    uint64_t bits = 0;
    for (uint32_t i = 0; i < 5; i++)
        bits = bits << 8 | key[bit / 8 + i];
    return (uint32_t)(bits >> (8 - bit % 8));
}

// What the low bits of a destination port give.
static uint32_t low_bits_give(const uint8_t *key, bool v4, uint32_t low)
{
    uint32_t hash = 0;
    for (uint32_t i = 0; low >> i != 0; i++) {
        if (low >> i & 1)
            hash ^= window(key, DESTINATION_END(v4) - 1 - i);
    }
    return hash;
}

// Whether the lowest ports reach as many entries as there are.
static bool reaches_all(const uint8_t *key, bool v4, uint32_t entries)
{
    bool reached[STEER_ENTRIES_MAX] = {false};
    for (uint32_t low = 0; low < entries; low++) {
        bool *entry = &reached[low_bits_give(key, v4, low) & (entries - 1)];
        if (*entry)
            return false;
        *entry = true;
    }
    return true;
}

// With 2^k entries bit i of the port gives bit j of the entry by the key's bit `last - i - j`, so a
// Hankel matrix of k rows over GF(2) must have a determinant. It is linear in the matrix's last
// element, whose factor is the determinant for k - 1, which is there already: so of both values of
// that one bit of the key exactly one is right, and matrices before have nothing of it.
void steer_key_fit(uint8_t *key)
{
    for (int v4 = 0; v4 < 2; v4++) {
        uint32_t last = DESTINATION_END(v4) - 1 + 31;
        for (uint32_t k = 1; 1u << k <= STEER_ENTRIES_MAX; k++) {
            uint32_t bit = last - 2 * (k - 1);
            if (!reaches_all(key, v4, 1u << k))
                key[bit / 8] ^= (uint8_t)(0x80 >> bit % 8);
            DCHECK(reaches_all(key, v4, 1u << k));
        }
    }
}

void steer_init(struct steer *steer, const uint8_t *key, uint32_t entries, uint32_t workers)
{
    CHECK(entries >= 2 && entries <= STEER_ENTRIES_MAX && (entries & (entries - 1)) == 0);
    CHECK(workers > 0 && workers <= STEER_WORKERS_MAX && workers <= entries);
    memset(steer, 0, sizeof(*steer));
    steer->workers = workers;
    steer->entries = entries;
    memcpy(steer->key, key, STEER_KEY_BYTES);
    for (uint32_t nibble = 0; nibble < STEER_NIBBLES; nibble++) {
        for (uint32_t value = 0; value < 16; value++) {
            for (uint32_t i = 0; i < 4; i++) {
                if (value >> (3 - i) & 1)
                    steer->nibbles[nibble][value] ^= window(key, 4 * nibble + i);
            }
        }
    }
    for (uint32_t entry = 0; entry < entries; entry++)
        steer->worker_of[entry] = (uint8_t)(entry % workers);
    for (int v4 = 0; v4 < 2; v4++) {
        CHECK(reaches_all(key, v4, entries));
        for (uint32_t low = 0; low < entries; low++)
            steer->port_of[v4][low_bits_give(key, v4, low) & (entries - 1)] = (uint16_t)low;
    }
}

// What `size` bytes give that are hashed from bit `at` on.
static uint32_t bytes_give(const struct steer *steer, uint32_t at, const uint8_t *bytes,
                           uint32_t size)
{
    const uint32_t(*nibbles)[16] = &steer->nibbles[at / 4];
    uint32_t hash = 0;
    for (uint32_t i = 0; i < size; i++)
        hash ^= nibbles[2 * i][bytes[i] >> 4] ^ nibbles[2 * i + 1][bytes[i] & 15];
    return hash;
}

static uint32_t side(const struct steer *steer, const struct ip_address *address,
                     uint32_t address_at, uint16_t port, uint32_t port_at)
{
    uint32_t size = ip_is_v4(address) ? 4 : 16;
    uint8_t port_bytes[2];
    memcpy(port_bytes, &port, 2);
    return bytes_give(steer, address_at, address->bytes + 16 - size, size) ^
           bytes_give(steer, port_at, port_bytes, 2);
}

uint32_t steer_source(const struct steer *steer, const struct ip_address *address, uint16_t port)
{
    return side(steer, address, 0, port, SOURCE_PORT_AT(ip_is_v4(address)));
}

uint32_t steer_destination(const struct steer *steer, const struct ip_address *address,
                           uint16_t port)
{
    bool v4 = ip_is_v4(address);
    return side(steer, address, DESTINATION_AT(v4), port, DESTINATION_PORT(v4));
}

// Entries w, w + workers, w + 2 * workers... are worker w's.
static uint32_t entries_of(const struct steer *steer, uint32_t worker)
{
    return (steer->entries - worker - 1) / steer->workers + 1;
}

uint32_t steer_ports(const struct steer *steer, uint32_t worker)
{
    DCHECK(worker < steer->workers);
    return (UINT16_MAX + 1 - STEER_PORTS_FIRST) / steer->entries * entries_of(steer, worker);
}

uint16_t steer_port(const struct steer *steer, bool v4, uint32_t hash, uint32_t worker,
                    uint32_t number)
{
    DCHECK(number < steer_ports(steer, worker));
    uint32_t own = entries_of(steer, worker);
    uint32_t first = STEER_PORTS_FIRST + number / own * steer->entries; // of the block
    uint8_t bytes[2] = {(uint8_t)(first >> 8), (uint8_t)first};
    uint32_t sum = hash ^ bytes_give(steer, DESTINATION_PORT(v4), bytes, 2);
    uint32_t entry = worker + number % own * steer->workers;
    return (uint16_t)(first | steer->port_of[v4][(sum ^ entry) & (steer->entries - 1)]);
}
