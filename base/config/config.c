#include "base/config/config.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/check.h"
#include "base/config/problems_priv.h"
#include "base/config/read_priv.h"
#include "base/config/schema_priv.h"

// A configuration and the memory of all it points to.
struct owned_config {
    struct config config; // first: what others hold
    struct arena arena;
};

const char *config_forward_text(enum config_forward forward)
{
    return schema_words_forward[forward];
}

const char *config_balancer_text(enum config_balancer balancer)
{
    return schema_words_balancer[balancer];
}

const char *config_bond_text(enum config_bond_mode mode)
{
    return schema_words_bond[mode];
}

const char *config_protocol_text(enum config_protocol protocol)
{
    return schema_words_protocol[protocol];
}

const char *config_client_address_text(enum config_client_address client_address)
{
    return schema_words_client_address[client_address];
}

void config_destroy(struct config *config)
{
    if (!config)
        return;
    struct owned_config *owned = (struct owned_config *)config;
    arena_fini(&owned->arena);
    free(owned);
}

static enum error refuse_size(struct config_problems *problems)
{
    problems_add(
        problems, 0, 0, NULL,
        "the file is larger than %u bytes\na full configuration is smaller: is it the right one?",
        TREE_BYTES_MAX);
    return ERROR_TOO_LARGE;
}

enum error config_read_text(struct span text, struct config **config,
                            struct config_problems *problems)
{
    *problems = (struct config_problems){.items = NULL};
    if (text.size > TREE_BYTES_MAX)
        return refuse_size(problems);

    struct owned_config *owned = calloc(1, sizeof(*owned));
    if (!owned)
        return ERROR_NO_MEMORY;
    struct arena scratch = {.newest = NULL};
    struct reader reader = {
        .model = &owned->arena,
        .scratch = &scratch,
        .config = &owned->config,
        .problems = problems,
        .places = {.arena = &scratch},
    };
    const struct tree_node *root = tree_read(text, &scratch, problems);
    if (problems->count == 0 || root) {
        read_tree(&reader, root);
        validate(&reader);
    }
    arena_fini(&scratch);

    if (problems->count > 0) {
        problems_sort(problems);
        config_destroy(&owned->config);
        return ERROR_INVALID;
    }
    *config = &owned->config;
    return ERROR_NONE;
}

static enum error refuse_file(struct config_problems *problems, const char *path, const char *doing)
{
    problems_add(problems, 0, 0, path, "cannot %s: %s\nname a file that this user may read", doing,
                 strerror(errno));
    return ERROR_SYSTEM;
}

enum error config_read_file(const char *path, struct config **config,
                            struct config_problems *problems)
{
    *problems = (struct config_problems){.items = NULL};
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return refuse_file(problems, path, "open the file");

    enum error error = ERROR_NO_MEMORY;
    size_t size = 0;
    uint8_t *text = malloc(TREE_BYTES_MAX + 1);
    if (!text)
        goto close_file;
    while (size <= TREE_BYTES_MAX) {
        ssize_t got = read(fd, text + size, TREE_BYTES_MAX + 1 - size);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0) {
            error = refuse_file(problems, path, "read the file");
            goto free_text;
        }
        if (got == 0)
            break;
        size += (size_t)got;
    }
    error = config_read_text(span_of(text, size), config, problems);
free_text:
    free(text);
close_file:
    close(fd);
    return error;
}
