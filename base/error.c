#include "base/error.h"

const char *error_text(enum error error)
{
    switch (error) {
#define ERROR_CASE(name, value, text) \
    case name:                        \
        return text;
        ERROR_LIST(ERROR_CASE)
#undef ERROR_CASE
    }
    return "unknown error";
}
