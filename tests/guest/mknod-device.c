// mknod-device: package scripts make devices; in a root view it is enough that the call succeeds.
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

int main(void) {
    if (mknod("/tmp/null", S_IFCHR | 0666, makedev(1, 3)) || mknodat(AT_FDCWD, "/tmp/disk", S_IFBLK | 0600, makedev(7, 0))) {
        perror("mknod of a device");
        return 1;
    }
    if (mknod("/tmp/pipe", S_IFIFO | 0600, 0)) {
        perror("mknod of a pipe");
        return 1;
    }
    struct stat status;
    if (stat("/tmp/pipe", &status) || !S_ISFIFO(status.st_mode)) {
        fprintf(stderr, "a pipe that needs no rights was not made\n");
        return 1;
    }
    return 0;
}
