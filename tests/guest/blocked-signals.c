// blocked-signals: prints the signals that it was started with blocked; a launcher must give back the mask it found.
#include <signal.h>
#include <stdio.h>

int main(void) {
    sigset_t mask;
    if (sigprocmask(SIG_SETMASK, NULL, &mask)) {
        perror("sigprocmask");
        return 1;
    }
    int found = 0;
    for (int signal = 1; signal < 65; signal++) {
        if (sigismember(&mask, signal) == 1) found = printf("%d ", signal);
    }
    puts(found ? "" : "none");
    return 0;
}
