// fault: runs a command and lets one of its system calls fail, or kills it there.
//
//   fault REPORT count:GROUPS COMMAND [ARGUMENT...]
//   fault REPORT kill:GROUPS:N COMMAND [ARGUMENT...]
//   fault REPORT ERROR:GROUPS:N[+] COMMAND [ARGUMENT...]     ERROR is such as ENOSPC; with `+` all from the Nth on fail
//   fault REPORT lost:GROUPS:N COMMAND [ARGUMENT...]         the call is carried out, and its answer lost
//
// Calls of the groups are counted over all threads and children in the order in which the kernel gets them; strace(1)
// counts each thread for itself, so that an early thread hides the calls of the others. REPORT gets the number of calls
// and, after it, the one that was struck. A killed command dies with all its children, as a job does.
//
// Not counted: standard streams, what the dynamic loader does before a program's first line, and the closing of what was
// not opened for writing, which cannot fail.
//
// GROUPS are letters: w writing, c creating files, n making and changing names, o opening, f flushing, x closing, a attributes, u removing,
// r reading, s asking for facts. Standard streams do not count. Needs no rights: no_new_privs is set first.
#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

enum { NONE = -1, MOST = 512, PATH = 8192 };

// A call, its group, which argument is a descriptor and which a path.
struct call {
    long number;
    const char *name;
    char group;
    int descriptor, path;
};

#define CALL(name, group, descriptor, path) {SYS_##name, #name, group, descriptor, path}
static const struct call calls[] = {
    CALL(write, 'w', 0, NONE), CALL(pwrite64, 'w', 0, NONE), CALL(writev, 'w', 0, NONE), CALL(pwritev, 'w', 0, NONE),
    CALL(copy_file_range, 'w', 2, NONE), CALL(sendfile, 'w', 0, NONE), CALL(fallocate, 'w', 0, NONE),
    CALL(open, 'o', NONE, 0), CALL(openat, 'o', NONE, 1), CALL(creat, 'c', NONE, 0),
    CALL(mkdir, 'n', NONE, 0), CALL(mkdirat, 'n', NONE, 1), CALL(mknod, 'n', NONE, 0), CALL(mknodat, 'n', NONE, 1),
    CALL(link, 'n', NONE, 1), CALL(linkat, 'n', NONE, 3), CALL(symlink, 'n', NONE, 1), CALL(symlinkat, 'n', NONE, 2),
    CALL(rename, 'n', NONE, 1), CALL(renameat, 'n', NONE, 3), CALL(renameat2, 'n', NONE, 3),
    CALL(fsync, 'f', 0, NONE), CALL(fdatasync, 'f', 0, NONE), CALL(syncfs, 'f', 0, NONE),
    CALL(close, 'x', 0, NONE),
    CALL(chmod, 'a', NONE, 0), CALL(fchmod, 'a', 0, NONE), CALL(fchmodat, 'a', NONE, 1), CALL(truncate, 'a', NONE, 0),
    CALL(ftruncate, 'a', 0, NONE), CALL(utimensat, 'a', NONE, 1), CALL(setxattr, 'a', NONE, 0), CALL(fsetxattr, 'a', 0, NONE),
    CALL(unlink, 'u', NONE, 0), CALL(unlinkat, 'u', NONE, 1), CALL(rmdir, 'u', NONE, 0),
    CALL(read, 'r', 0, NONE), CALL(pread64, 'r', 0, NONE), CALL(readv, 'r', 0, NONE), CALL(getdents64, 'r', 0, NONE),
    CALL(stat, 's', NONE, 0), CALL(lstat, 's', NONE, 0), CALL(fstat, 's', 0, NONE), CALL(newfstatat, 's', NONE, 1),
    CALL(statx, 's', NONE, 1), CALL(statfs, 's', NONE, 0), CALL(fstatfs, 's', 0, NONE),
    CALL(readlink, 's', NONE, 0), CALL(readlinkat, 's', NONE, 1), CALL(access, 's', NONE, 0), CALL(faccessat, 's', NONE, 1),
};
enum { CALLS = sizeof calls / sizeof *calls };

static const struct {
    const char *name;
    int number;
} errors[] = {{"ENOSPC", ENOSPC}, {"EDQUOT", EDQUOT}, {"EIO", EIO}, {"EMFILE", EMFILE}, {"ENFILE", ENFILE}, {"EINTR", EINTR},
              {"EROFS", EROFS}, {"EACCES", EACCES}, {"ENOMEM", ENOMEM}, {"ESTALE", ESTALE}, {"EFBIG", EFBIG}};

enum what { COUNT, KILL, ERROR, LOST };

static enum what what;
static int error;                // the answer of a call that is struck
static const char *groups;
static long first, last, count;  // which calls are struck
static char struck[PATH + 64];       // the first of them
static pid_t known[MOST];        // everybody who is traced
static size_t number_known;

static void fail(const char *text) {
    fprintf(stderr, "fault: %s\n", text);
    exit(2);
}

static void parse(char *text) {
    char *word = strtok(text, ":"), *letters = strtok(NULL, ":"), *at = strtok(NULL, ":");
    if (!word || !letters) fail("no such form");
    groups = letters;
    if (!strcmp(word, "count")) return;
    if (!at) fail("which call?");
    first = atol(at);
    last = strchr(at, '+') ? __LONG_MAX__ : first;
    if (!strcmp(word, "kill")) {
        what = KILL;
        return;
    }
    if (!strcmp(word, "lost")) {
        what = LOST;
        return;
    }
    what = ERROR;
    for (size_t i = 0; i < sizeof errors / sizeof *errors; i++)
        if (!strcmp(errors[i].name, word)) error = errors[i].number;
    if (!error) fail("no such error");
}

// Only calls of the table stop; what they are is told by the filter.
static void filter_calls(void) {
    static struct sock_filter filter[4 + 2 * CALLS + 1];
    unsigned short length = 0;
    filter[length++] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, arch));
    filter[length++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, AUDIT_ARCH_X86_64, 1, 0);
    filter[length++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
    filter[length++] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr));
    for (size_t i = 0; i < CALLS; i++) {
        filter[length++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, calls[i].number, 0, 1);
        filter[length++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_TRACE | i);
    }
    filter[length++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
    struct sock_fprog program = {length, filter};
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) || prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program)) {
        perror("fault: seccomp");
        _exit(2);
    }
}

static void read_text(pid_t pid, uint64_t from, char *text, size_t size) {
    struct iovec ours = {text, size - 1}, theirs = {(void *)from, size - 1};
    ssize_t length = process_vm_readv(pid, &ours, 1, &theirs, 1, 0);
    if (length < 0) {  // it may end with its page
        theirs.iov_len = 4096 - from % 4096;
        length = process_vm_readv(pid, &ours, 1, &theirs, 1, 0);
    }
    text[length < 0 ? 0 : length] = 0;
}

// What a call is about, as a path.
static void object(pid_t pid, const struct call *call, const uint64_t *arguments, char *path) {
    char below[1024] = "", name[64];
    if (call->path != NONE && arguments[call->path]) read_text(pid, arguments[call->path], below, sizeof below);
    path[0] = 0;
    if (below[0] != '/') {
        int at = call->path == NONE ? (int)arguments[call->descriptor] : call->path ? (int)arguments[call->path - 1] : AT_FDCWD;
        if (at == AT_FDCWD) snprintf(name, sizeof name, "/proc/%d/cwd", pid);
        else snprintf(name, sizeof name, "/proc/%d/fd/%d", pid, at);
        ssize_t length = readlink(name, path, PATH - sizeof below - 2);
        path[length < 0 ? 0 : length] = 0;
        if (below[0]) strcat(path, "/");
    }
    strcat(path, below);
}

static char group_of(const struct call *call, const uint64_t *arguments) {
    int flags = call->number == SYS_open ? arguments[1] : call->number == SYS_openat ? arguments[2] : 0;
    return flags & O_CREAT ? 'c' : call->group;
}

static int is_for_writing(pid_t pid, int descriptor) {
    char name[64], line[128];
    snprintf(name, sizeof name, "/proc/%d/fdinfo/%d", pid, descriptor);
    FILE *facts = fopen(name, "re");
    unsigned flags = 0;
    while (facts && fgets(line, sizeof line, facts)) sscanf(line, "flags: %o", &flags);
    if (facts) fclose(facts);
    return (flags & O_ACCMODE) != O_RDONLY;
}

static int counts(pid_t pid, const struct call *call, const uint64_t *arguments, const char *path) {
    int descriptor = call->descriptor == NONE ? -1 : (int)arguments[call->descriptor];
    char group = strncmp(path, "/proc/", 6) ? group_of(call, arguments) : 'p';
    if (!strchr(groups, group)) return 0;
    if (call->descriptor != NONE && descriptor <= STDERR_FILENO) return 0;
    if (!strncmp(path, "/lib", 4) || !strncmp(path, "/usr/lib/", 9) || !strncmp(path, "/etc/ld.so", 10)) return 0;
    return call->number != SYS_close || is_for_writing(pid, descriptor);
}

// What NFS answers when it has done something, lost the reply, and is asked again.
static int lost_answer(long number) {
    switch (number) {
    case SYS_rename: case SYS_renameat: case SYS_renameat2: case SYS_unlink: case SYS_unlinkat: case SYS_rmdir: return ENOENT;
    case SYS_link: case SYS_linkat: case SYS_symlink: case SYS_symlinkat: case SYS_mkdir: case SYS_mkdirat:
    case SYS_mknod: case SYS_mknodat: return EEXIST;
    default: return EIO;
    }
}

static void end_all(void) {
    for (size_t i = 0; i < number_known; i++) kill(known[i], SIGKILL);
    while (waitpid(-1, NULL, __WALL) > 0 || errno == EINTR) continue;
}

static void answer(pid_t pid, struct user_regs_struct *registers, int number) {
    registers->orig_rax = -1;
    registers->rax = -number;
    ptrace(PTRACE_SETREGS, pid, 0, registers);
}

// One call of the table: counts it and does to it what was asked for. Whether the caller goes on to the call's end only.
static int strike(pid_t pid) {
    unsigned long index;
    struct user_regs_struct registers;
    if (ptrace(PTRACE_GETEVENTMSG, pid, 0, &index) || index >= CALLS || ptrace(PTRACE_GETREGS, pid, 0, &registers)) return 0;
    const struct call *call = &calls[index];
    const uint64_t arguments[] = {registers.rdi, registers.rsi, registers.rdx, registers.r10};
    char path[PATH];
    object(pid, call, arguments, path);
    if (!counts(pid, call, arguments, path)) return 0;
    count++;
    if (what == COUNT || count < first || count > last) return 0;
    if (!struck[0]) snprintf(struck, sizeof struck, "%s %s", call->name, path);
    if (what == ERROR) answer(pid, &registers, error);
    return what != ERROR;
}

static void lose(pid_t pid) {
    struct user_regs_struct registers;
    if (ptrace(PTRACE_GETREGS, pid, 0, &registers)) return;
    // What has failed anyhow has lost nothing.
    if ((int64_t)registers.rax < 0) return;
    registers.rax = -lost_answer(registers.orig_rax);
    ptrace(PTRACE_SETREGS, pid, 0, &registers);
}

static int trace(pid_t child) {
    const long options = PTRACE_O_TRACESECCOMP | PTRACE_O_TRACECLONE | PTRACE_O_TRACEFORK | PTRACE_O_TRACEVFORK |
                         PTRACE_O_TRACEEXEC | PTRACE_O_TRACESYSGOOD | PTRACE_O_EXITKILL;
    int status, code = 2, begun = 0;
    if (waitpid(child, &status, 0) != child || !WIFSTOPPED(status)) fail("the command did not start");
    if (ptrace(PTRACE_SETOPTIONS, child, 0, options)) fail("the command cannot be traced");
    known[number_known++] = child;
    ptrace(PTRACE_CONT, child, 0, 0);
    for (pid_t pid; (pid = waitpid(-1, &status, __WALL)) > 0;) {
        if (!WIFSTOPPED(status)) {
            if (pid == child) code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
            for (size_t i = 0; i < number_known; i++)
                if (known[i] == pid) known[i--] = known[--number_known];
            continue;
        }
        int signal = WSTOPSIG(status), event = status >> 16, to_end = 0;
        if (signal == (SIGTRAP | 0x80)) {
            lose(pid);
            signal = 0;
        } else if (event == PTRACE_EVENT_SECCOMP) {
            signal = 0;
            to_end = begun && strike(pid);
            if (to_end && what == KILL) {
                end_all();
                return 128 + SIGKILL;
            }
        } else if (event) {
            if (event == PTRACE_EVENT_EXEC) begun = 1;
            if (event == PTRACE_EVENT_STOP) signal = 0;
            unsigned long made;
            if ((event == PTRACE_EVENT_CLONE || event == PTRACE_EVENT_FORK || event == PTRACE_EVENT_VFORK) &&
                !ptrace(PTRACE_GETEVENTMSG, pid, 0, &made) && number_known < MOST)
                known[number_known++] = made;
            signal = 0;
        } else if (signal == SIGSTOP) {
            signal = 0;  // with that one a new child begins
        }
        ptrace(to_end ? PTRACE_SYSCALL : PTRACE_CONT, pid, 0, signal);
    }
    return code;
}

int main(int argc, char **argv) {
    if (argc < 4) fail("usage: fault REPORT WHAT COMMAND [ARGUMENT...]");
    parse(argv[2]);
    pid_t child = fork();
    if (child < 0) fail("cannot fork");
    if (child == 0) {
        if (ptrace(PTRACE_TRACEME, 0, 0, 0)) _exit(2);
        raise(SIGSTOP);
        filter_calls();
        execvp(argv[3], argv + 3);
        perror("fault: exec");
        _exit(127);
    }
    int code = trace(child);
    FILE *report = fopen(argv[1], "w");
    if (!report || fprintf(report, "%ld\n%s\n", count, struck) < 0 || fclose(report)) fail("cannot write the report");
    return code;
}
