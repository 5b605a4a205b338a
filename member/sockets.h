// Asks the kernel whether it has a TCP connection, through its socket monitoring (sock_diag(7)):
// one exchange of messages a question, answered from the kernel's own hash table.
#pragma once

#include "base/error.h"
#include "member/connection.h"

// A descriptor to ask through. ERROR_UNSUPPORTED: this kernel cannot be asked. ERROR_SYSTEM: errno.
enum error sockets_open(int *descriptor);

// Whether there is a socket of that connection, one that waits for its end (TIME-WAIT) or is being
// opened included. Where the kernel does not answer, it is said to be there: then it decides.
bool sockets_know(int descriptor, const struct connection *connection);
