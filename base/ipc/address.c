#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "base/ipc/ipc_priv.h"

enum error ipc_address_of(const char *path, struct sockaddr_un *address, char *why, size_t why_size)
{
    *address = (struct sockaddr_un){.sun_family = AF_UNIX};
    size_t length = strlen(path);
    size_t length_max = sizeof(address->sun_path) - 1; // unix(7): with its terminator
    if (length == 0) {
        snprintf(why, why_size, "the path of the socket is empty: name one");
        return ERROR_INVALID;
    }
    if (length > length_max) {
        snprintf(why, why_size,
                 "the path of the socket is %zu bytes long and may be %zu: choose a shorter one "
                 "than %s",
                 length, length_max, path);
        return ERROR_TOO_LARGE;
    }
    memcpy(address->sun_path, path, length);
    return ERROR_NONE;
}
