// cuda-init: opens libcuda.so.1 as every CUDA program does, and prints what its cuInit returns, after the word "secure"
// where the loader was told not to trust the environment.
#include <dlfcn.h>
#include <stdio.h>
#include <sys/auxv.h>

int main(void) {
    void *driver = dlopen("libcuda.so.1", RTLD_NOW);
    if (!driver) {
        printf("%s\n", dlerror());
        return 1;
    }
    int (*init)(unsigned) = (int (*)(unsigned))dlsym(driver, "cuInit");
    printf("%s%d\n", getauxval(AT_SECURE) ? "secure " : "", init ? init(0) : -1);
    return 0;
}
