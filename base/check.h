// CHECK states what only a bug of ours can break; it stays on in release builds and aborts with the
// place and the condition. DCHECK is the same for hot paths and vanishes when NDEBUG is defined.
// Neither is for what may come from outside: handle that.
#pragma once

#define CHECK(condition)                                  \
    do {                                                  \
        if (__builtin_expect(!(condition), 0))            \
            check_failed(__FILE__, __LINE__, #condition); \
    } while (0)

#ifdef NDEBUG
#define DCHECK(condition) ((void)sizeof(!(condition)))
#else
#define DCHECK(condition) CHECK(condition)
#endif

// Prints the broken condition to standard error and aborts.
__attribute__((noreturn, cold)) void check_failed(const char *file, int line,
                                                  const char *condition);
