// What a compiler must not take for unchanged: a word that another thread writes, in loops that a load of
// it precedes; the wish of others that a thread in loops within loops come by; and what a store of a value
// just loaded from the same place would do to a page that can't be written.
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/time.h>

enum { TURNS = 3000 };
static volatile int64_t turn;

// Waits until *p is v: looks once, then in a loop without a store.
static __attribute__((noinline)) void await(volatile int64_t *p, int64_t v) {
    __asm__ volatile("ld t0, 0(%0)\n beq t0, %1, 2f\n 1: ld t0, 0(%0)\n bne t0, %1, 1b\n 2:" ::"r"(p), "r"(v)
                     : "t0", "memory");
}
static void *other(void *argument) {
    for (int64_t i = 0; i < TURNS; i++) {
        await(&turn, 2 * i + 1);
        turn = 2 * i + 2;
    }
    return argument;
}

static sigjmp_buf back;
static void alarmed(int signal) { siglongjmp(back, signal); }
// Two loops that never end, one in the other, without a store.
static __attribute__((noinline)) void forever(int64_t rounds) {
    __asm__ volatile("1: mv t0, %0\n addi t1, t1, 1\n 2: addi t0, t0, -1\n bnez t0, 2b\n li t2, 100\n"
                     " bltu t1, t2, 1b\n li %0, 0\n j 1b" ::"r"(rounds)
                     : "t0", "t1", "t2", "memory");
}

static void *volatile fault_at;
static void refused(int signal, siginfo_t *info, void *context) {
    (void)context;
    fault_at = info->si_addr;
    siglongjmp(back, signal);
}
#define STORE_BACK(name, load, store, temporary)                                                    \
    static __attribute__((noinline)) void name(void *p) {                                           \
        __asm__ volatile(load " " temporary ", 0(%0)\n" store " " temporary ", 0(%0)" ::"r"(p)      \
                         : "t0", "ft0", "memory");                                                  \
    }
STORE_BACK(back_b, "lb", "sb", "t0") STORE_BACK(back_h, "lhu", "sh", "t0") STORE_BACK(back_w, "lw", "sw", "t0")
STORE_BACK(back_d, "ld", "sd", "t0") STORE_BACK(back_fw, "flw", "fsw", "ft0") STORE_BACK(back_fd, "fld", "fsd", "ft0")
static void (*const volatile backs[])(void *) = {back_b, back_h, back_w, back_d, back_fw, back_fd};

int main(void) {
    pthread_t thread;
    if (pthread_create(&thread, NULL, other, NULL)) return 1;
    for (int64_t i = 0; i < TURNS; i++) {
        turn = 2 * i + 1;
        await(&turn, 2 * i + 2);
    }
    pthread_join(thread, NULL);
    printf("%ld\n", (long)turn);

    signal(SIGALRM, alarmed);
    for (volatile int i = 0; i < 3; i++) {
        struct itimerval timer = {.it_value = {.tv_usec = 100000}};
        if (sigsetjmp(back, 1) == 0) {
            setitimer(ITIMER_REAL, &timer, NULL);
            forever(7);
        }
        printf("interrupted %d\n", i);
    }

    struct sigaction action = {.sa_sigaction = refused, .sa_flags = SA_SIGINFO};
    sigaction(SIGSEGV, &action, NULL);
    char *page = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    for (volatile int kind = 0; kind < 6; kind++) {
        mprotect(page, 8192, PROT_READ | PROT_WRITE);
        for (int i = 0; i < 3000; i++) backs[kind](page + i % 500);
        mprotect(page, 8192, PROT_READ);
        if (sigsetjmp(back, 1)) printf("refused at %ld\n", (long)((char *)fault_at - page));
        else {
            backs[kind](page + 40);
            puts("not refused");
        }
    }
    return 0;
}
