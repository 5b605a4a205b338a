// What a fuzz target defines. It must accept any bytes, and find its own faults by CHECK.
#pragma once

#include <stddef.h>
#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
