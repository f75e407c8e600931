// traceme: succeeds where a process may trace its own child; asks by doing it.
#include <signal.h>
#include <stdio.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

int main(void) {
    pid_t child = fork();
    if (child == 0) {
        if (ptrace(PTRACE_TRACEME, 0, 0, 0)) perror("traceme");
        else raise(SIGSTOP);
        _exit(1);
    }
    int status = 0;
    if (child < 0 || waitpid(child, &status, 0) != child || !WIFSTOPPED(status)) return 1;
    ptrace(PTRACE_KILL, child, 0, 0);
    waitpid(child, &status, 0);
    return 0;
}
