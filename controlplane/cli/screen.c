#include "controlplane/cli/screen.h"

#include <string.h>

// Back to the frame's first line, and from there on nothing (ECMA-48, CUU and ED).
#define TERMINAL_UP    "\033[%zuA"
#define TERMINAL_ERASE "\r\033[J"

void screen_paint(struct screen *screen, const char *text, size_t rows, size_t columns, FILE *out)
{
    if (screen->painted > 0)
        fprintf(out, TERMINAL_UP TERMINAL_ERASE, screen->painted);
    // The last row is the cursor's.
    size_t lines = 0;
    for (; *text != '\0' && lines + 1 < rows; lines++) {
        size_t length = strcspn(text, "\n");
        fwrite(text, 1, length < columns ? length : columns, out);
        fputc('\n', out);
        text += length + (text[length] == '\n');
    }
    screen->painted = lines;
}
