#include "member/privileges.h"

#include <errno.h>
#include <grp.h>
#include <linux/capability.h>
#include <pwd.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

static bool become(const char *user, const char **what)
{
    errno = 0;
    *what = "--user";
    const struct passwd *entry = getpwnam(user);
    if (!entry)
        return false;
    if (entry->pw_uid == 0) {
        errno = EINVAL;
        return false;
    }
    *what = "another user's identity";
    return setgroups(0, NULL) == 0 && setresgid(entry->pw_gid, entry->pw_gid, entry->pw_gid) == 0 &&
           setresuid(entry->pw_uid, entry->pw_uid, entry->pw_uid) == 0;
}

bool privileges_drop(const char *user, const char **what)
{
    if (geteuid() == 0 && !become(user, what))
        return false;
    // Who was started with capabilities instead of as root has them still.
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    const struct __user_cap_data_struct none[_LINUX_CAPABILITY_U32S_3] = {0};
    *what = "giving up capabilities";
    return prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) == 0 &&
           syscall(SYS_capset, &header, none) == 0 && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0;
}
