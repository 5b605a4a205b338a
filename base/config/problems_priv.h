// Collecting what is wrong with a file, from inside the room.
#pragma once

#include "base/config/config.h"

// `format` gives the message and, after one newline, the remedy. What is formatted into it must not
// bring newlines of its own. `words` may be NULL; it is cut and made printable.
__attribute__((format(printf, 5, 6))) void problems_add(struct config_problems *problems,
                                                        uint32_t line, uint32_t column,
                                                        const char *words, const char *format, ...);

// Puts them into the order of the file.
void problems_sort(struct config_problems *problems);
