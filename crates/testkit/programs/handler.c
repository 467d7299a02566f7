// Code that is hot when the program installs its first handler of faults, and goes on being so: what
// was compiled before it isn't what has to run then.
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <unistd.h>

static void handler(int signal) { _exit(signal); }

static __attribute__((noinline)) uint64_t step(uint64_t x) { return x * 6364136223846793005 + (x >> 31); }

// Called by way of a pointer: nothing of it is repeated in its caller's region, and each of the blocks
// is hot by itself.
static uint64_t (*volatile next)(uint64_t) = step;

static __attribute__((noinline)) uint64_t repeat(uint64_t x, int times) {
    for (int i = 0; i < times; i++) x = next(x);
    return x;
}

int main(void) {
    uint64_t x = repeat(1, 100000);
    printf("%lx\n", x);
    signal(SIGSEGV, handler);
    x = repeat(x, 3000000);
    printf("%lx\n", x);
    // Forked while hot, too.
    pid_t child = fork();
    x = repeat(x, 300000);
    if (child == 0) _exit(0);
    printf("%lx\n", x);
    return 0;
}
