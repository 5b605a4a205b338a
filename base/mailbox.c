// A ring with one producer and one consumer (Lamport, 1977). Each side owns one index and keeps a
// copy of the other's, which it refreshes only when the ring looks full or empty, so that a busy
// mailbox moves the indexes' cache lines once a lap and not once a message (Lee, Bu and
// Chandranmenon, "A lock-free, cache-efficient shared ring buffer", 2009).
#include "base/mailbox.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"

#define CACHE_LINE 64

// Indexes run freely and wrap; the slot is the index modulo the number of slots.
struct mailbox {
    // Neither side writes these.
    _Alignas(CACHE_LINE) uint32_t slots;
    size_t message_size;

    _Alignas(CACHE_LINE) _Atomic uint32_t tail; // writer: sender; the next slot to fill
    uint32_t head_known;                        // the sender's copy of `head`

    _Alignas(CACHE_LINE) _Atomic uint32_t head; // writer: receiver; the next slot to empty
    uint32_t tail_known;                        // the receiver's copy of `tail`

    _Alignas(CACHE_LINE) uint8_t messages[]; // a slot's writer: sender until `tail` passes it
};

enum error mailbox_create(uint32_t slots, size_t message_size, struct mailbox **mailbox)
{
    CHECK(slots > 0 && (slots & (slots - 1)) == 0);
    CHECK(message_size > 0);
    size_t size;
    if (__builtin_mul_overflow(message_size, slots, &size) ||
        __builtin_add_overflow(size, sizeof(struct mailbox) + CACHE_LINE, &size))
        return ERROR_TOO_LARGE;
    struct mailbox *created = aligned_alloc(CACHE_LINE, size & ~(size_t)(CACHE_LINE - 1));
    if (!created)
        return ERROR_NO_MEMORY;
    created->slots = slots;
    created->message_size = message_size;
    atomic_init(&created->tail, 0);
    created->head_known = 0;
    atomic_init(&created->head, 0);
    created->tail_known = 0;
    *mailbox = created;
    return ERROR_NONE;
}

void mailbox_destroy(struct mailbox *mailbox)
{
    free(mailbox);
}

static uint8_t *mailbox_slot(struct mailbox *mailbox, uint32_t index)
{
    return mailbox->messages + (size_t)(index & (mailbox->slots - 1)) * mailbox->message_size;
}

static bool mailbox_has_room(struct mailbox *mailbox, uint32_t tail, uint32_t count)
{
    if (mailbox->slots - (tail - mailbox->head_known) >= count)
        return true;
    // Acquire: the receiver has copied the message out before its slot is filled again.
    mailbox->head_known = atomic_load_explicit(&mailbox->head, memory_order_acquire);
    return mailbox->slots - (tail - mailbox->head_known) >= count;
}

bool mailbox_send(struct mailbox *mailbox, const void *message)
{
    uint32_t tail = atomic_load_explicit(&mailbox->tail, memory_order_relaxed);
    if (!mailbox_has_room(mailbox, tail, 1))
        return false;
    memcpy(mailbox_slot(mailbox, tail), message, mailbox->message_size);
    atomic_store_explicit(&mailbox->tail, tail + 1, memory_order_release);
    return true;
}

bool mailbox_send_many(struct mailbox *mailbox, const void *messages, uint32_t count)
{
    uint32_t tail = atomic_load_explicit(&mailbox->tail, memory_order_relaxed);
    if (!mailbox_has_room(mailbox, tail, count))
        return false;
    for (uint32_t i = 0; i < count; i++)
        memcpy(mailbox_slot(mailbox, tail + i),
               (const uint8_t *)messages + i * mailbox->message_size, mailbox->message_size);
    atomic_store_explicit(&mailbox->tail, tail + count, memory_order_release);
    return true;
}

bool mailbox_receive(struct mailbox *mailbox, void *message)
{
    uint32_t head = atomic_load_explicit(&mailbox->head, memory_order_relaxed);
    if (head == mailbox->tail_known) {
        mailbox->tail_known = atomic_load_explicit(&mailbox->tail, memory_order_acquire);
        if (head == mailbox->tail_known)
            return false;
    }
    memcpy(message, mailbox_slot(mailbox, head), mailbox->message_size);
    atomic_store_explicit(&mailbox->head, head + 1, memory_order_release);
    return true;
}
