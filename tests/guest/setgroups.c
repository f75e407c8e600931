// setgroups: apt drops its rights before it downloads; every one of these calls must look as if it had worked.
#include <grp.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static void check(const char *call, int result) {
    if (result == 0) return;
    perror(call);
    exit(1);
}

int main(void) {
    gid_t groups[] = {65534, 33};
    check("setgroups", setgroups(2, groups));
    check("setgroups to none", setgroups(0, NULL));
    check("setresgid", setresgid(65534, 65534, 65534));
    check("setresuid", setresuid(42, 42, 42));
    return 0;
}
