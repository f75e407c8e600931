// deny: runs a command under a seccomp filter that imitates a restricted or an older host.
//
//   deny PROFILE[,PROFILE...] COMMAND [ARGUMENT...]
//
// Only x86-64 calls are filtered; that is what the tests run. A denied call answers as the imitated kernel or policy
// does, so what is tested is our reading of that answer. It needs no rights: no_new_privs is set first.
#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#define ALL (-1)  // of `argument`: the call is denied whatever it is given

// One rule: the calls first..last answer `error`, if `argument` is ALL or has one of the bits of `mask` set.
struct rule {
    const char *profile;
    int first, last, argument;
    uint32_t mask;
    int error;
};

// Numbers of calls that the C library's headers here may not know yet.
enum { RSEQ = 334, IO_PGETEVENTS = 333, PIDFD_SEND_SIGNAL = 424, IO_URING_REGISTER = 427, OPEN_TREE = 428, FSPICK = 433,
       PIDFD_OPEN = 434, CLONE3 = 435, CLOSE_RANGE = 436, PROCESS_MADVISE = 440, EPOLL_PWAIT2 = 441, MOUNT_SETATTR = 442,
       LATEST = 470 };

static const struct rule rules[] = {
    // user.max_user_namespaces = 0. clone3 takes its flags by pointer, which a filter cannot read.
    {"userns0", SYS_unshare, SYS_unshare, 0, CLONE_NEWUSER, ENOSPC},
    {"userns0", SYS_clone, SYS_clone, 0, CLONE_NEWUSER, ENOSPC},
    {"userns0", CLONE3, CLONE3, ALL, 0, ENOSYS},
    // Docker's default profile: no namespaces and no mounts inside the container.
    {"docker-like", SYS_unshare, SYS_unshare, 0, CLONE_NEWUSER | CLONE_NEWNS, EPERM},
    {"docker-like", SYS_clone, SYS_clone, 0, CLONE_NEWUSER | CLONE_NEWNS, EPERM},
    {"docker-like", CLONE3, CLONE3, ALL, 0, ENOSYS},
    {"docker-like", SYS_setns, SYS_setns, ALL, 0, EPERM},
    {"docker-like", SYS_mount, SYS_mount, ALL, 0, EPERM},
    {"docker-like", SYS_umount2, SYS_umount2, ALL, 0, EPERM},
    {"docker-like", SYS_pivot_root, SYS_pivot_root, ALL, 0, EPERM},
    {"docker-like", OPEN_TREE, FSPICK, ALL, 0, EPERM},
    {"docker-like", MOUNT_SETATTR, MOUNT_SETATTR, ALL, 0, EPERM},
    // Ubuntu 24.04's AppArmor: the namespace is made, but gives no rights in it.
    {"nomount", SYS_mount, SYS_mount, ALL, 0, EPERM},
    {"nomount", SYS_umount2, SYS_umount2, ALL, 0, EPERM},
    {"nomount", SYS_pivot_root, SYS_pivot_root, ALL, 0, EPERM},
    {"nomount", SYS_chroot, SYS_chroot, ALL, 0, EPERM},
    {"nomount", SYS_sethostname, SYS_sethostname, ALL, 0, EPERM},
    {"nomount", OPEN_TREE, FSPICK, ALL, 0, EPERM},
    {"nomount", MOUNT_SETATTR, MOUNT_SETATTR, ALL, 0, EPERM},
    // yama's ptrace_scope 3.
    {"noptrace", SYS_ptrace, SYS_ptrace, ALL, 0, EPERM},
    {"noptrace", SYS_process_vm_readv, SYS_process_vm_writev, ALL, 0, EPERM},
    // A kernel before 5.0 has no filters that notify.
    {"nonotify", SYS_seccomp, SYS_seccomp, 1, SECCOMP_FILTER_FLAG_NEW_LISTENER, EINVAL},
    // Enterprise Linux 7 is 3.10, with nothing after finit_module...
    {"el7", SYS_sched_setattr, IO_PGETEVENTS, ALL, 0, ENOSYS},
    {"el7", RSEQ, RSEQ, ALL, 0, ENOSYS},
    {"el7", PIDFD_SEND_SIGNAL, LATEST, ALL, 0, ENOSYS},
    // ... and 8 is 4.18.
    {"el8", RSEQ, RSEQ, ALL, 0, ENOSYS},
    {"el8", PIDFD_SEND_SIGNAL, LATEST, ALL, 0, ENOSYS},
};

enum { RULES = sizeof rules / sizeof *rules, HEAD = 4, EACH = 6 };

static struct sock_filter filter[HEAD + RULES * EACH + 1];
static unsigned short length;

static void emit(uint16_t code, uint32_t k, uint8_t yes, uint8_t no) {
    filter[length++] = (struct sock_filter)BPF_JUMP(code, k, yes, no);
}

static void emit_rule(const struct rule *rule) {
    emit(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr), 0, 0);
    int conditional = rule->argument != ALL;
    uint8_t past = conditional ? 3 : 1;  // instructions between the range check and the end of the rule
    emit(BPF_JMP | BPF_JGE | BPF_K, rule->first, 0, past + 1);
    emit(BPF_JMP | BPF_JGT | BPF_K, rule->last, past, 0);
    if (conditional) {
        emit(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args) + 8 * rule->argument, 0, 0);
        emit(BPF_JMP | BPF_JSET | BPF_K, rule->mask, 0, 1);
    }
    emit(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | rule->error, 0, 0);
}

static void emit_profile(const char *profile) {
    int found = 0;
    for (size_t i = 0; i < RULES; i++) {
        if (strcmp(rules[i].profile, profile)) continue;
        emit_rule(&rules[i]);
        found = 1;
    }
    if (!found) {
        fprintf(stderr, "deny: unknown profile `%s`\n", profile);
        exit(2);
    }
}

int main(int argc, char **argv) {
    if (argc < 3) {
        fprintf(stderr, "usage: deny PROFILE[,PROFILE...] COMMAND [ARGUMENT...]\n");
        return 2;
    }
    emit(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, arch), 0, 0);
    emit(BPF_JMP | BPF_JEQ | BPF_K, AUDIT_ARCH_X86_64, 1, 0);
    emit(BPF_RET | BPF_K, SECCOMP_RET_ALLOW, 0, 0);
    for (char *profile = strtok(argv[1], ","); profile; profile = strtok(NULL, ",")) emit_profile(profile);
    emit(BPF_RET | BPF_K, SECCOMP_RET_ALLOW, 0, 0);

    struct sock_fprog program = {length, filter};
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) || prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program)) {
        perror("deny: seccomp");
        return 1;
    }
    execvp(argv[2], argv + 2);
    perror("deny: exec");
    return 127;
}
