// A mailbox carries fixed-size messages from one sending thread to one receiving thread, in order,
// without locks. It is bounded: a full mailbox refuses, and the sender counts that.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

struct mailbox;

// `slots` is a power of two; messages are `message_size` bytes, copied in and out.
enum error mailbox_create(uint32_t slots, size_t message_size, struct mailbox **mailbox);
void mailbox_destroy(struct mailbox *mailbox);

// Sender. False when full; the message is not taken then.
bool mailbox_send(struct mailbox *mailbox, const void *message);

// The same for `count` messages that lie one after the other: all of them are sent at once, or
// none. The receiver that got the first one gets the others, too.
bool mailbox_send_many(struct mailbox *mailbox, const void *messages, uint32_t count);

// Receiver. False when empty.
bool mailbox_receive(struct mailbox *mailbox, void *message);
