// What weir-member may do: it opens its interface and its sockets as root, and reads what anybody
// sends it as somebody who may do nothing.
#pragma once

#include <stdbool.h>

// Becomes the user of that name where the process is root's, gives up every capability, and any way
// to regain one. What is open stays so. False: `what` (a constant) failed, for the reason in errno,
// 0: there is no such user.
bool privileges_drop(const char *user, const char **what);
