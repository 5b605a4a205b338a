// A frame on a terminal that is painted again and again where it stands: what was on the terminal
// before it stays, as far as there is room. Pure: bytes into a stream, the terminal's size given.
#pragma once

#include <stddef.h>
#include <stdio.h>

struct screen {
    size_t painted; // lines of the frame that stands there, the cursor below them
};

// Paints `text` over the frame that stands there. What is longer than the terminal of `rows` and
// `columns` is cut: a line that wraps, or a frame that scrolls, could not be found again.
void screen_paint(struct screen *screen, const char *text, size_t rows, size_t columns, FILE *out);
