// chown-file: a root may give his file to anybody, by every call there is; in a root view it is enough that the call succeeds.
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static void check(const char *call, int result) {
    if (result == 0) return;
    perror(call);
    exit(1);
}

int main(void) {
    int fd = open("/tmp/owned", O_CREAT | O_RDWR, 0600);
    if (fd < 0) {
        perror("open");
        return 1;
    }
    check("chown", chown("/tmp/owned", 33, 33));
    check("lchown", lchown("/tmp/owned", 0, 42));
    check("fchown", fchown(fd, 1000, 1000));
    check("fchownat", fchownat(AT_FDCWD, "/tmp/owned", 65534, 65534, AT_SYMLINK_NOFOLLOW));
    check("fchownat with an empty path", fchownat(fd, "", 0, 0, AT_EMPTY_PATH));
    return 0;
}
