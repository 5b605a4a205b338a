// A filter as somebody types it, a NUL, and a frame. What is understood must answer the same before
// and after the stages have decided, but where it said that it does not know yet; what is not must
// point into the text.
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "dataplane/packet/trace/filter.h"
#include "tests/fuzz/fuzz.h"

static void ask(const struct filter *filter, struct span frame)
{
    struct facts facts = {.in_port = 1};
    char text[FACTS_TEXT_SIZE];
    facts_read(frame, &facts);
    CHECK(strlen(facts_text(&facts, text)) < FACTS_TEXT_SIZE);
    enum filter_answer early = filter_ask(filter, &facts);
    facts.decided = true;
    for (uint16_t decided = 0; decided < 4; decided++) {
        facts.service = decided & 1 ? 7 : 0;
        facts.reason = decided & 2 ? 3 : 0;
        enum filter_answer late = filter_ask(filter, &facts);
        CHECK(late != FILTER_OPEN && (early == FILTER_OPEN || late == early));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const vips[] = {"web"}, *const ports[] = {"front", "back"},
                             *const reasons[] = {"ttl"};
    static const uint16_t slots[] = {7}, indexes[] = {0, 1}, codes[] = {3};
    const struct filter_context context = {
        .vips = {vips, slots, 1}, .ports = {ports, indexes, 2}, .reasons = {reasons, codes, 1}};
    size_t length = strnlen((const char *)data, size);
    char *text = malloc(length + 1);
    CHECK(text);
    memcpy(text, data, length);
    text[length] = '\0';
    size_t frame = length < size ? length + 1 : size;
    struct filter filter;
    struct filter_fault fault = {.length = 0};
    if (filter_parse(text, &context, &filter, &fault) == ERROR_NONE) {
        ask(&filter, span_of(data + frame, size - frame));
    } else {
        CHECK(fault.why[0] != '\0' && fault.remedy[0] != '\0');
        CHECK(fault.at <= length && fault.length <= length - fault.at);
    }
    free(text);
    return 0;
}
