/* Prints the driver's version and the devices, and lets each compute y = 3x + y by a kernel from PTX, through nothing but
 * libcuda, which it looks up as any program does. The output depends on driver and devices only, so that runs on the
 * bare host and in a container can be compared as text. Exit status: 0, or the number of the CUDA error. */
#include <dlfcn.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

enum { COUNT = 1 << 20, BLOCK = 256 };

static const char ptx[] =
    ".version 6.4\n.target sm_52\n.address_size 64\n"
    ".visible .entry axpy(.param .u64 px, .param .u64 py, .param .u32 pn) {\n"
    "  .reg .pred %p; .reg .b32 %n, %i, %t, %b, %d, %x, %y; .reg .b64 %px, %py, %o;\n"
    "  ld.param.u64 %px, [px]; ld.param.u64 %py, [py]; ld.param.u32 %n, [pn];\n"
    "  mov.u32 %t, %tid.x; mov.u32 %b, %ctaid.x; mov.u32 %d, %ntid.x;\n"
    "  mad.lo.u32 %i, %b, %d, %t;\n"
    "  setp.ge.u32 %p, %i, %n; @%p bra DONE;\n"
    "  mul.wide.u32 %o, %i, 4; add.u64 %px, %px, %o; add.u64 %py, %py, %o;\n"
    "  ld.global.u32 %x, [%px]; ld.global.u32 %y, [%py];\n"
    "  mad.lo.u32 %y, %x, 3, %y; st.global.u32 [%py], %y;\n"
    "DONE: ret; }\n";

static void *library;

static void *look_up(const char *name)
{
    void *address = dlsym(library, name);
    if (!address) {
        fprintf(stderr, "%s: %s\n", name, dlerror());
        exit(127);
    }
    return address;
}

/* Calls NAME of libcuda with the arguments as they are: all are pointers or integers. */
#define CUDA(name, parameters, ...)                                       \
    do {                                                                  \
        int error = ((int(*) parameters)look_up(#name))(__VA_ARGS__);     \
        if (error) {                                                      \
            fprintf(stderr, "%s: error %d\n", #name, error);              \
            exit(error);                                                  \
        }                                                                 \
    } while (0)

static void compute(int device)
{
    char name[128] = "";
    void *context, *module, *kernel;
    uint64_t x, y;
    unsigned n = COUNT;
    uint32_t *host = malloc(COUNT * sizeof *host);
    CUDA(cuDeviceGetName, (char *, int, int), name, sizeof name, device);
    CUDA(cuDevicePrimaryCtxRetain, (void **, int), &context, device);
    CUDA(cuCtxSetCurrent, (void *), context);
    CUDA(cuModuleLoadData, (void **, const void *), &module, ptx);
    CUDA(cuModuleGetFunction, (void **, void *, const char *), &kernel, module, "axpy");
    CUDA(cuMemAlloc_v2, (uint64_t *, size_t), &x, COUNT * sizeof *host);
    CUDA(cuMemAlloc_v2, (uint64_t *, size_t), &y, COUNT * sizeof *host);
    for (uint32_t i = 0; i < COUNT; i++)
        host[i] = i * 2654435761u;
    CUDA(cuMemcpyHtoD_v2, (uint64_t, const void *, size_t), x, host, COUNT * sizeof *host);
    CUDA(cuMemsetD32_v2, (uint64_t, unsigned, size_t), y, 7, COUNT);
    void *arguments[] = {&x, &y, &n};
    CUDA(cuLaunchKernel, (void *, unsigned, unsigned, unsigned, unsigned, unsigned, unsigned, unsigned, void *, void **, void **),
         kernel, COUNT / BLOCK, 1, 1, BLOCK, 1, 1, 0, NULL, arguments, NULL);
    CUDA(cuCtxSynchronize, (void));
    CUDA(cuMemcpyDtoH_v2, (void *, uint64_t, size_t), host, y, COUNT * sizeof *host);
    uint64_t sum = 0, wrong = 0;
    for (uint32_t i = 0; i < COUNT; i++) {
        sum = sum * 31 + host[i];
        wrong += host[i] != i * 2654435761u * 3 + 7;
    }
    printf("device %d: %s, sum %016llx, %llu wrong\n", device, name, (unsigned long long)sum, (unsigned long long)wrong);
    CUDA(cuDevicePrimaryCtxRelease_v2, (int), device);
    free(host);
    if (wrong)
        exit(1);
}

int main(void)
{
    int version = 0, count = 0;
    library = dlopen("libcuda.so.1", RTLD_NOW);
    if (!library) {
        fprintf(stderr, "%s\n", dlerror());
        return 127;
    }
    CUDA(cuInit, (unsigned), 0);
    CUDA(cuDriverGetVersion, (int *), &version);
    CUDA(cuDeviceGetCount, (int *), &count);
    printf("CUDA %d.%d, %d devices\n", version / 1000, version % 1000 / 10, count);
    for (int device = 0; device < count; device++)
        compute(device);
    return 0;
}
