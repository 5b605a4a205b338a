#include "dataplane/packet/wire/drop.h"

#include "base/check.h"

static const struct {
    const char *name;
    const char *help;
    const char *remedy;
} texts[DROP_REASONS] = {
#define DROP_TEXTS(enumerator, name, help, remedy) [enumerator] = {name, help, remedy},
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

const char *drop_remedy(enum drop_reason reason)
{
    CHECK((unsigned)reason < DROP_REASONS);
    return texts[reason].remedy;
}

static const char introduction[] =
    "# Why packets are dropped\n"
    "\n"
    "<!-- Generated from dataplane/packet/wire/drop.h: `ninja -C build drops-docs` writes it anew. "
    "-->\n"
    "\n"
    "A packet that is dropped is counted under exactly one of these reasons.\n"
    "\n"
    "```\n"
    "weirctl show drops                                    # how many, and why\n"
    "weirctl show drops --by-vip                           # whose they were\n"
    "weirctl trace dropped REASON --count 10               # which ones, and where it was decided\n"
    "weirctl capture dropped REASON --write drops.pcapng   # the packets themselves\n"
    "```\n"
    "\n"
    "What a device drops by itself it counts by itself: `weirctl show ports`. In the statistics "
    "segment, the counter is `weir_drops_packets_total`, its label the reason.\n"
    "\n"
    "| reason | the packet | what to do |\n"
    "|---|---|---|\n";

void drop_print_reference(FILE *out)
{
    fputs(introduction, out);
    for (int reason = DROP_NONE + 1; reason < DROP_REASONS; reason++)
        fprintf(out, "| `%s` | %s | %s |\n", texts[reason].name, texts[reason].help,
                texts[reason].remedy);
}
