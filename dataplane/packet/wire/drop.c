#include "dataplane/packet/wire/drop.h"

#include "base/check.h"

static const struct {
    const char *name;
    const char *help;
} texts[DROP_REASONS] = {
#define DROP_TEXTS(enumerator, name, help) [enumerator] = {name, help},
    DROP_LIST(DROP_TEXTS)
#undef DROP_TEXTS
};

const char *drop_name(enum drop_reason reason)
{
    CHECK((unsigned)reason < DROP_REASONS);
    return texts[reason].name;
}

const char *drop_help(enum drop_reason reason)
{
    CHECK((unsigned)reason < DROP_REASONS);
    return texts[reason].help;
}
