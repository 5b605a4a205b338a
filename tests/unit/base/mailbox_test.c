#include "base/mailbox.h"

#include <pthread.h>
#include <sched.h>

#include "base/check.h"
#include "tests/test.h"

static void carries_messages_in_order(void **state)
{
    struct mailbox *mailbox;
    assert_int_equal(mailbox_create(4, sizeof(uint32_t), &mailbox), ERROR_NONE);
    uint32_t sent = 0;
    uint32_t received = 0;
    // Several laps, with one to three messages in the box.
    for (uint32_t turn = 0; turn < 20; turn++) {
        for (uint32_t i = 0; i <= turn % 3; i++, sent++)
            assert_true(mailbox_send(mailbox, &sent));
        for (uint32_t i = 0; i <= turn % 3; i++, received++) {
            uint32_t message = UINT32_MAX;
            assert_true(mailbox_receive(mailbox, &message));
            assert_int_equal(message, received);
        }
    }
    mailbox_destroy(mailbox);
}

static void refuses_when_full_and_takes_again_after_one_was_received(void **state)
{
    struct mailbox *mailbox;
    assert_int_equal(mailbox_create(2, 1, &mailbox), ERROR_NONE);
    assert_true(mailbox_send(mailbox, "a"));
    assert_true(mailbox_send(mailbox, "b"));
    assert_false(mailbox_send(mailbox, "c"));
    char message = 0;
    assert_true(mailbox_receive(mailbox, &message));
    assert_int_equal(message, 'a');
    assert_true(mailbox_send(mailbox, "d"));
    assert_false(mailbox_send(mailbox, "e"));
    assert_true(mailbox_receive(mailbox, &message));
    assert_int_equal(message, 'b');
    assert_true(mailbox_receive(mailbox, &message));
    assert_int_equal(message, 'd');
    mailbox_destroy(mailbox);
}

static void many_are_sent_at_once_or_not_at_all(void **state)
{
    struct mailbox *mailbox;
    assert_int_equal(mailbox_create(8, 2, &mailbox), ERROR_NONE);
    // Laps of five leave no slot in its place.
    for (int lap = 0; lap < 20; lap++) {
        assert_true(mailbox_send_many(mailbox, "aabbccddee", 5));
        assert_false(mailbox_send_many(mailbox, "ffgghhii", 4));
        assert_true(mailbox_send_many(mailbox, "ffgghh", 3));
        assert_false(mailbox_send(mailbox, "ii"));
        char text[17] = "";
        for (int i = 0; i < 8; i++)
            assert_true(mailbox_receive(mailbox, text + 2 * i));
        assert_string_equal(text, "aabbccddeeffgghh");
        assert_true(mailbox_send(mailbox, "jj"));
        assert_true(mailbox_receive(mailbox, text));
    }
    assert_false(mailbox_send_many(mailbox, "0011223344556677889", 9));
    mailbox_destroy(mailbox);
}

static void an_empty_one_leaves_the_output_alone(void **state)
{
    struct mailbox *mailbox;
    assert_int_equal(mailbox_create(1, 1, &mailbox), ERROR_NONE);
    char message = 'x';
    assert_false(mailbox_receive(mailbox, &message));
    assert_int_equal(message, 'x');
    mailbox_destroy(mailbox);
}

static void refuses_a_size_that_does_not_fit_memory(void **state)
{
    struct mailbox *mailbox = NULL;
    assert_int_equal(mailbox_create(1u << 31, SIZE_MAX / 4, &mailbox), ERROR_TOO_LARGE);
    assert_null(mailbox);
}

#define THREAD_MESSAGES 1500000u

// A size that is no power of two, and words that must arrive together.
struct message {
    uint64_t number;
    uint64_t complement;
    uint64_t square;
};

static void *send_all(void *argument)
{
    struct mailbox *mailbox = argument;
    for (uint64_t i = 0; i < THREAD_MESSAGES;) {
        struct message message = {.number = i, .complement = ~i, .square = i * i};
        if (mailbox_send(mailbox, &message))
            i++;
        else
            sched_yield();
    }
    return NULL;
}

static void two_threads_pass_millions_whole_and_in_order(void **state)
{
    struct mailbox *mailbox;
    assert_int_equal(mailbox_create(1024, sizeof(struct message), &mailbox), ERROR_NONE);
    pthread_t sender;
    assert_int_equal(pthread_create(&sender, NULL, send_all, mailbox), 0);
    for (uint64_t i = 0; i < THREAD_MESSAGES;) {
        struct message message;
        if (!mailbox_receive(mailbox, &message)) {
            sched_yield();
            continue;
        }
        CHECK(message.number == i && message.complement == ~i && message.square == i * i);
        i++;
    }
    pthread_join(sender, NULL);
    struct message message;
    assert_false(mailbox_receive(mailbox, &message));
    mailbox_destroy(mailbox);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(carries_messages_in_order),
        cmocka_unit_test(refuses_when_full_and_takes_again_after_one_was_received),
        cmocka_unit_test(many_are_sent_at_once_or_not_at_all),
        cmocka_unit_test(an_empty_one_leaves_the_output_alone),
        cmocka_unit_test(refuses_a_size_that_does_not_fit_memory),
        cmocka_unit_test(two_threads_pass_millions_whole_and_in_order),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
