// Loads and stores of every width at every alignment, also across pages; and those whose second page
// can't be accessed: the handler sees where, and nothing of the access has happened.
#include <setjmp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

static unsigned char *pages;
static uint64_t digest = 0xcbf29ce484222325;
static void fold(uint64_t v) { digest = (digest ^ v) * 0x100000001b3 + (v >> 29); }

#define LOAD(insn)                                                                                  \
    static uint64_t insn##_at(const void *p) {                                                      \
        uint64_t v;                                                                                 \
        __asm__ volatile(#insn " %0, 0(%1)" : "=r"(v) : "r"(p) : "memory");                         \
        return v;                                                                                   \
    }
#define STORE(insn)                                                                                 \
    static void insn##_at(void *p, uint64_t v) {                                                    \
        __asm__ volatile(#insn " %1, 0(%0)" ::"r"(p), "r"(v) : "memory");                           \
    }
LOAD(lh) LOAD(lhu) LOAD(lw) LOAD(lwu) LOAD(ld)
STORE(sh) STORE(sw) STORE(sd)
static uint64_t flw_at(const void *p) {
    uint64_t v;
    __asm__ volatile("flw ft0, 0(%1)\n fmv.x.d %0, ft0" : "=r"(v) : "r"(p) : "ft0", "memory");
    return v;
}
static uint64_t fld_at(const void *p) {
    uint64_t v;
    __asm__ volatile("fld ft0, 0(%1)\n fmv.x.d %0, ft0" : "=r"(v) : "r"(p) : "ft0", "memory");
    return v;
}
static void fsw_at(void *p, uint64_t v) {
    __asm__ volatile("fmv.d.x ft0, %1\n fsw ft0, 0(%0)" ::"r"(p), "r"(v) : "ft0", "memory");
}
static void fsd_at(void *p, uint64_t v) {
    __asm__ volatile("fmv.d.x ft0, %1\n fsd ft0, 0(%0)" ::"r"(p), "r"(v) : "ft0", "memory");
}

typedef uint64_t (*Load)(const void *);
typedef void (*Store)(void *, uint64_t);
static const Load loads[] = {lh_at, lhu_at, lw_at, lwu_at, ld_at, flw_at, fld_at};
static const Store stores[] = {sh_at, sw_at, sd_at, fsw_at, fsd_at};
static const int load_widths[] = {2, 2, 4, 4, 8, 4, 8}, store_widths[] = {2, 4, 8, 4, 8};
#define COUNT(a) (int)(sizeof(a) / sizeof *(a))

static sigjmp_buf back;
static volatile int64_t fault_at;
static volatile int fault_code;
static void handler(int signal, siginfo_t *info, void *context) {
    (void)signal, (void)context;
    fault_at = (unsigned char *)info->si_addr - pages;
    fault_code = info->si_code;
    siglongjmp(back, 1);
}

int main(void) {
    pages = mmap(NULL, 3 * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (pages == MAP_FAILED) return 1;
    for (int i = 0; i < 2 * 4096; i++) pages[i] = i * 37 + (i >> 7);
    for (int round = 0; round < 60; round++)
        for (int at = 4096 - 17; at < 4096 + 9; at++) {
            for (int i = 0; i < COUNT(loads); i++) fold(loads[i](pages + at));
            for (int i = 0; i < COUNT(stores); i++) {
                stores[i](pages + at, digest);
                for (int near = at - 2; near < at + 10; near++) fold(pages[near]);
            }
        }
    printf("%016lx\n", digest);

    struct sigaction action = {.sa_sigaction = handler, .sa_flags = SA_SIGINFO};
    sigaction(SIGSEGV, &action, NULL);
    memset(pages, 0x5a, 2 * 4096);
    const int protections[] = {PROT_NONE, PROT_READ};
    for (int kind = 0; kind < 2; kind++) {
        mprotect(pages + 4096, 4096, protections[kind]);
        for (volatile int back_by = 1; back_by < 8; back_by++) {
            for (volatile int i = 0; i < COUNT(loads); i++) {
                if (sigsetjmp(back, 1)) printf("load %d at -%d: code %d\n", i, back_by, fault_code);
                else {
                    fold(loads[i](pages + 4096 - back_by));
                    if (kind == 0 && load_widths[i] > back_by) puts("a load that should have failed");
                }
            }
            for (volatile int i = 0; i < COUNT(stores); i++) {
                if (sigsetjmp(back, 1)) printf("store %d at -%d: code %d\n", i, back_by, fault_code);
                else {
                    stores[i](pages + 4096 - back_by, 0x5a5a5a5a5a5a5a5a);
                    if (store_widths[i] > back_by) puts("a store that should have failed");
                }
            }
        }
        for (int i = 4096 - 16; i < 4096; i++) fold(pages[i]);
        printf("%016lx\n", digest);
    }
    // An access that doesn't cross says its own address.
    if (sigsetjmp(back, 1)) printf("at %ld, code %d\n", (long)fault_at, fault_code);
    else sd_at(pages + 4096 + 24, 1);
    munmap(pages + 8192, 4096);
    if (sigsetjmp(back, 1)) printf("at %ld, code %d\n", (long)fault_at, fault_code);
    else fold(ld_at(pages + 8192 + 40));
    return 0;
}
