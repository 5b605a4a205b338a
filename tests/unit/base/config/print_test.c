#include "tests/test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/config/config.h"
#include "tests/unit/base/config/generate.h"

static struct config *read_or_fail(const char *text)
{
    struct config *config = NULL;
    struct config_problems problems;
    enum error error = config_read_text(span_of(text, strlen(text)), &config, &problems);
    if (error != ERROR_NONE) {
        config_problems_print(&problems, "text", stderr);
        print_error("%s\n", text);
    }
    assert_int_equal(error, ERROR_NONE);
    config_problems_fini(&problems);
    return config;
}

static char *print(const struct config *config)
{
    char *text;
    size_t size;
    FILE *out = open_memstream(&text, &size);
    config_print(config, out);
    fclose(out);
    return text;
}

// One of each value, as people may write it, and as it is printed.
static const char written[] =
    "vips: [{name: v, address: 10.9.0.1, port: 80, protocol: tcp, pool: \"on\"}]\n"
    "pools: [{name: \"on\", members: [{address: 10.0.0.2}, {name: s, address: 10.0.0.3, port: "
    "8}], "
    "forward: nat}, {name: x, forward: ipip}]\n"
    "ports: [{name: p, device: \"0000:01:00.0\", addresses: [10.0.0.1/24, \"fd00::1/64\"], "
    "gateway: "
    "10.0.0.254, punt: {interface: i}, routes: [{to: \"::/0\", via: \"fd00::2\"}]}]\n"
    "node: {name: n, cores: 0-1, memory: 1024MiB, sleep-max: 1000us}\n";
static const char canonical[] = "node:\n"
                                "  name: \"n\"\n"
                                "  cores: [0, 1]\n"
                                "  poll: adaptive\n"
                                "  sleep-max: 1ms\n"
                                "  memory: 1GiB\n"
                                "  huge-pages: auto\n"
                                "  socket: /run/weir/dataplane.sock\n"
                                "  hash-seed: 0\n"
                                "  log:\n"
                                "    level: info\n"
                                "    format: text\n"
                                "  flows:\n"
                                "    per-worker: 262144\n"
                                "    tcp-opening: 10s\n"
                                "    tcp-established: 15m\n"
                                "    tcp-closing: 30s\n"
                                "    udp: 1m\n"
                                "    affinities: 65536\n"
                                "ports:\n"
                                "  - name: p\n"
                                "    device: \"0000:01:00.0\"\n"
                                "    descriptors: 1024\n"
                                "    mtu: 1500\n"
                                "    addresses: [10.0.0.1/24, fd00::1/64]\n"
                                "    routes:\n"
                                "      - to: 0.0.0.0/0\n"
                                "        via: 10.0.0.254\n"
                                "      - to: \"::/0\"\n"
                                "        via: fd00::2\n"
                                "    punt:\n"
                                "      interface: i\n"
                                "      rate: 10000/s\n"
                                "pools:\n"
                                "  - name: \"on\"\n"
                                "    balancer: maglev\n"
                                "    forward: nat\n"
                                "    client-address: none\n"
                                "    members:\n"
                                "      - name: \"10.0.0.2\"\n"
                                "        address: 10.0.0.2\n"
                                "        weight: 1\n"
                                "        state: active\n"
                                "      - name: s\n"
                                "        address: 10.0.0.3\n"
                                "        port: 8\n"
                                "        weight: 1\n"
                                "        state: active\n"
                                "  - name: x\n"
                                "    balancer: maglev\n"
                                "    forward: ipip\n"
                                "    client-address: none\n"
                                "vips:\n"
                                "  - name: v\n"
                                "    address: 10.9.0.1\n"
                                "    port: 80\n"
                                "    protocol: tcp\n"
                                "    pool: \"on\"\n";

static void prints_every_value_canonically(void **state)
{
    struct config *config = read_or_fail(written);
    char *printed = print(config);
    assert_string_equal(printed, canonical);
    free(printed);
    config_destroy(config);
}

static void reading_what_was_printed_gives_an_equal_configuration(void **state)
{
    for (unsigned long seed = 0; seed < 500; seed++) {
        char *text = generate_config(seed);
        struct config *config = read_or_fail(text);
        char *printed = print(config);
        struct config *again = read_or_fail(printed);
        uint32_t differences = config_diff(config, again, NULL, NULL);
        char *printed_again = print(again);
        if (differences || strcmp(printed, printed_again) != 0)
            print_error("seed %lu:\n%s\nprinted:\n%s\n", seed, text, printed);
        assert_int_equal(differences, 0);
        assert_string_equal(printed, printed_again);
        free(printed_again);
        config_destroy(again);
        free(printed);
        config_destroy(config);
        free(text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(prints_every_value_canonically),
        cmocka_unit_test(reading_what_was_printed_gives_an_equal_configuration),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
