// What `show stages` answers, made ready to be looked at: workers summed up, rates computed, and
// with an earlier answer only what came since. Pure.
#pragma once

#include <jansson.h>

#define STAGES_ALL_WORKERS (-1)

// A view's rows out of the answer `now`: {"stages": [...], "workers": [...]}; NULL: it has not the
// shape of one, or no memory. `before`: an earlier answer that is subtracted, or NULL. `worker`:
// the one whose stages are wanted, or STAGES_ALL_WORKERS.
json_t *stages_since(const json_t *before, const json_t *now, json_int_t worker);
