// Storing what was just loaded changes nothing, and faults all the same where the page can only be read.
#define _GNU_SOURCE
#include <signal.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

static volatile long *page;
static volatile int faults;

static void on_fault(int signal, siginfo_t *info, void *context) {
    faults += info->si_addr == (void *)page && info->si_code == SEGV_ACCERR;
    mprotect((void *)page, 4096, PROT_READ | PROT_WRITE);
}

__attribute__((noinline)) static void store_back(volatile long *place) { *place = *place; }

__attribute__((noinline)) static void store_back_float(volatile float *place) { *place = *place; }

static void heat(void) {
    for (int i = 0; i < 20000; i++) {
        store_back(page);
        store_back_float((volatile float *)page);
    }
}

static void run(void) {
    heat();
    mprotect((void *)page, 4096, PROT_READ);
    store_back(page);
    mprotect((void *)page, 4096, PROT_READ);
    store_back_float((volatile float *)page);
}

int main(void) {
    page = mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    *page = 42;
    // Here too, so that the cache has it: who dies of a signal writes nothing.
    heat();
    pid_t child = fork();
    if (child == 0) {
        run();
        _exit(0);
    }
    int status;
    waitpid(child, &status, 0);
    printf("without a handler: signal %d\n", WIFSIGNALED(status) ? WTERMSIG(status) : 0);
    struct sigaction action = {.sa_sigaction = on_fault, .sa_flags = SA_SIGINFO};
    sigaction(SIGSEGV, &action, 0);
    run();
    printf("with one: %d faults, %ld\n", faults, *page);
    return 0;
}
