// open-files: prints the numbers of its open descriptors; one that nobody asked for is a leak.
#include <fcntl.h>
#include <stdio.h>

int main(void) {
    const char *gap = "";
    for (int fd = 0; fd < 1024; fd++) {
        if (fcntl(fd, F_GETFD) < 0) continue;
        printf("%s%d", gap, fd);
        gap = " ";
    }
    putchar('\n');
    return 0;
}
