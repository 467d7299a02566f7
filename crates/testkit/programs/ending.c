// Ends in the way that the first argument names.
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static void at_end(void) { puts("at exit"); }

static volatile int *volatile nowhere;
static const int constant = 7;

int main(int argc, char **argv) {
    const char *how = argc > 1 ? argv[1] : "";
    atexit(at_end);
    printf("ending: %s\n", how);
    fflush(stdout);
    if (strcmp(how, "code") == 0) return 300 + 42;
    if (strcmp(how, "quick") == 0) _exit(7);
    if (strcmp(how, "abort") == 0) abort();
    if (strcmp(how, "null") == 0) return *nowhere;
    if (strcmp(how, "store") == 0) *(volatile int *)&constant = 8;
    if (strcmp(how, "wild") == 0) ((void (*)(void))0x1234560)();
    if (strcmp(how, "illegal") == 0) __asm__ volatile(".word 0");
    if (strcmp(how, "trap") == 0) __builtin_trap();
    if (strcmp(how, "break") == 0) __asm__ volatile("ebreak");
    if (strcmp(how, "raise") == 0) raise(SIGTERM);
    if (strcmp(how, "kill") == 0) kill(getpid(), SIGKILL);
    if (strcmp(how, "noexec") == 0) {
        int *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        *page = 0x00008067;
        ((void (*)(void))page)();
    }
    if (strcmp(how, "hot") == 0) {
        // A fault inside a loop that has long been compiled: the kept state must be exact.
        long sum = 0;
        char *page = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        mprotect(page + 4096, 4096, PROT_NONE);
        for (int round = 0; round < 300; round++)
            for (long i = 0; i < 4096; i++) sum += page[i] + i;
        printf("%ld\n", sum);
        fflush(stdout);
        for (long i = 0; i < 5000; i++) sum += page[i];
        printf("never: %ld\n", sum);
    }
    return (int)sizeof(how);
}
