/* su-exec: becomes another user by the passwd and group files of its tree, then another program. */
#include <err.h>
#include <grp.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int main(int argc, char **argv)
{
    if (argc < 3)
        errx(1, "usage: su-exec user[:group] program [argument...]");
    char *group = strchr(argv[1], ':');
    if (group)
        *group++ = '\0';
    char *end;
    uid_t uid = strtoul(argv[1], &end, 10);
    struct passwd *user = *end ? getpwnam(argv[1]) : getpwuid(uid);
    if (!user && *end)
        errx(1, "%s: no such user", argv[1]);
    gid_t gid = user ? user->pw_gid : 0;
    if (group) {
        struct group *entry = getgrnam(group);
        gid = entry ? entry->gr_gid : strtoul(group, NULL, 10);
    }
    if (user) {
        uid = user->pw_uid;
        setenv("HOME", user->pw_dir, 1);
    }
    if (user && !group ? initgroups(user->pw_name, gid) : setgroups(1, &gid))
        err(1, "setgroups(%s)", argv[1]);
    if (setgid(gid))
        err(1, "setgid(%d)", (int)gid);
    if (setuid(uid))
        err(1, "setuid(%d)", (int)uid);
    execvp(argv[2], argv + 2);
    err(1, "%s", argv[2]);
}
