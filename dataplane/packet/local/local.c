#include "dataplane/packet/local/local.h"

#include <stdlib.h>

#include "base/check.h"
#include "base/pages.h"

#define WORD_BITS  LOCAL_PORTS_OF_WORD
#define BANK_WORDS (LOCAL_PORTS_BYTES / LOCAL_BANKS / 8) // of all workers together
#define PORT_WORDS ((UINT16_MAX + 1 - LOCAL_PORTS_FIRST) / WORD_BITS)

// One worker's ports of a bank. Behind it lie the bitmap of full words, then that of ports in use.
struct bank {
    uint32_t next; // number from which on a free one is sought
    uint32_t used;
    uint64_t bits[];
};
_Static_assert(sizeof(struct bank) == 8, "a bank's head is one of its words");

struct local_ports {
    uint32_t workers;
    uint32_t stride; // words of memory a bank
    uint32_t references;
    uint64_t *banks; // owned; worker by worker
    // By worker.
    uint16_t full_words[LOCAL_WORKERS_MAX]; // words that say which words are full
    uint16_t words[LOCAL_WORKERS_MAX];      // words of ports
};

// As many of a worker's ports as there is room for.
static void lay_out(struct local_ports *ports, uint32_t worker, uint32_t count)
{
    uint32_t words = count / WORD_BITS, full_words;
    do
        full_words = (words + WORD_BITS - 1) / WORD_BITS;
    while (1 + full_words + words > ports->stride && --words);
    ports->full_words[worker] = (uint16_t)full_words;
    ports->words[worker] = (uint16_t)words;
}

enum error local_ports_create(uint32_t workers, const uint32_t *counts, struct local_ports **ports)
{
    CHECK(workers > 0 && workers <= LOCAL_WORKERS_MAX);
    struct local_ports *created = calloc(1, sizeof(*created));
    if (!created)
        return ERROR_NO_MEMORY;
    created->references = 1;
    created->workers = workers;
    created->stride = BANK_WORDS / workers;
    for (uint32_t worker = 0; worker < workers; worker++)
        lay_out(created, worker, counts ? counts[worker] : PORT_WORDS / workers * WORD_BITS);
    void *memory;
    if (pages_map(LOCAL_PORTS_BYTES, &memory) != ERROR_NONE) {
        free(created);
        return ERROR_NO_MEMORY;
    }
    created->banks = memory;
    *ports = created;
    return ERROR_NONE;
}

void local_ports_acquire(struct local_ports *ports)
{
    ports->references++;
}

void local_ports_release(struct local_ports *ports)
{
    if (!ports || --ports->references > 0)
        return;
    pages_unmap(ports->banks, LOCAL_PORTS_BYTES);
    free(ports);
}

static struct bank *bank_of(const struct local_ports *ports, uint32_t worker, uint16_t endpoint)
{
    DCHECK(worker < ports->workers);
    return (struct bank *)(ports->banks +
                           (size_t)ports->stride * (worker * LOCAL_BANKS + endpoint % LOCAL_BANKS));
}

// The first clear bit of `words` from bit `from` on; past the end: none.
static uint32_t first_clear(const uint64_t *words, uint32_t count, uint32_t from)
{
    uint32_t at = from / WORD_BITS;
    if (at >= count)
        return count * WORD_BITS;
    uint64_t clear = ~words[at] & (~0ull << from % WORD_BITS);
    while (!clear) {
        if (++at == count)
            return count * WORD_BITS;
        clear = ~words[at];
    }
    return at * WORD_BITS + (uint32_t)__builtin_ctzll(clear);
}

static void go_on_from(const struct local_ports *ports, uint32_t worker, struct bank *bank,
                       uint32_t number)
{
    bank->next = number + 1 < ports->words[worker] * WORD_BITS ? number + 1 : 0;
}

bool local_ports_take(struct local_ports *ports, uint32_t worker, uint16_t endpoint,
                      uint32_t *number)
{
    struct bank *bank = bank_of(ports, worker, endpoint);
    uint32_t words = ports->words[worker], full_words = ports->full_words[worker];
    if (bank->used == words * WORD_BITS)
        return false;
    uint64_t *full = bank->bits, *used = bank->bits + full_words;
    uint32_t at = bank->next / WORD_BITS;
    uint64_t free_bits = ~used[at] & (~0ull << bank->next % WORD_BITS);
    if (!free_bits) {
        at = first_clear(full, full_words, at + 1);
        if (at >= words) // none behind: from the beginning
            at = first_clear(full, full_words, 0);
        free_bits = ~used[at];
    }
    DCHECK(at < words && free_bits);
    *number = at * WORD_BITS + (uint32_t)__builtin_ctzll(free_bits);
    used[at] |= 1ull << *number % WORD_BITS;
    if (used[at] == ~0ull)
        full[at / WORD_BITS] |= 1ull << at % WORD_BITS;
    bank->used++;
    go_on_from(ports, worker, bank, *number);
    return true;
}

uint32_t local_ports_turn(struct local_ports *ports, uint32_t worker, uint16_t endpoint)
{
    struct bank *bank = bank_of(ports, worker, endpoint);
    uint32_t number = bank->next;
    go_on_from(ports, worker, bank, number);
    return number;
}

void local_ports_give_back(struct local_ports *ports, uint32_t worker, uint16_t endpoint,
                           uint32_t number)
{
    struct bank *bank = bank_of(ports, worker, endpoint);
    uint64_t *full = bank->bits, *used = bank->bits + ports->full_words[worker];
    uint32_t at = number / WORD_BITS;
    DCHECK(at < ports->words[worker] && used[at] >> number % WORD_BITS & 1);
    used[at] &= ~(1ull << number % WORD_BITS);
    full[at / WORD_BITS] &= ~(1ull << at % WORD_BITS);
    bank->used--;
}

uint16_t local_ports_in_turn(const struct local_ports *ports, uint32_t worker, uint32_t number)
{
    return (uint16_t)(LOCAL_PORTS_FIRST + number * ports->workers + worker);
}

uint32_t local_ports_owner_in_turn(const struct local_ports *ports, uint16_t port)
{
    return port < LOCAL_PORTS_FIRST ? 0 : (port - LOCAL_PORTS_FIRST) % ports->workers;
}

uint32_t local_ports_of_worker(const struct local_ports *ports, uint32_t worker)
{
    return ports->words[worker] * WORD_BITS;
}

uint32_t local_ports_all(const struct local_ports *ports)
{
    uint32_t all = 0;
    for (uint32_t worker = 0; worker < ports->workers; worker++)
        all += local_ports_of_worker(ports, worker);
    return all;
}
