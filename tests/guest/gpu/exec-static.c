// exec-static: becomes the program in its arguments; a static caller, which no dynamic loader has prepared.
#include <stdio.h>
#include <unistd.h>

int main(int argc, char **argv) {
    if (argc > 1) execv(argv[1], argv + 1);
    perror("exec-static");
    return 1;
}
