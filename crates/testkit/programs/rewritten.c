// Code that one thread writes and others run: each version is called until it would be hot, by threads
// that fetched the one before. Writer and readers do what the architecture and Linux ask of them.
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { READERS = 3, VERSIONS = 12, CALLS = 2000 };
typedef long (*Function)(long);

static uint32_t *code;
static pthread_barrier_t barrier;
static long sums[READERS][VERSIONS];

// addi a0, a0, n; ret
static void write_adder(int n) {
    code[0] = (uint32_t)n << 20 | 10 << 15 | 10 << 7 | 0x13;
    code[1] = 0x00008067;
}

static void *read_versions(void *argument) {
    long number = (long)argument;
    for (int version = 0; version < VERSIONS; version++) {
        pthread_barrier_wait(&barrier);
        // Those of the first half come with a fence on each hart; later, the writer makes the call
        // that stands for one on every hart.
        if (version < VERSIONS / 2) __asm__ volatile("fence.i" ::: "memory");
        long x = 0;
        for (int i = 0; i < CALLS; i++) x = ((Function)code)(x);
        sums[number][version] = x;
        pthread_barrier_wait(&barrier);
    }
    return NULL;
}

int main(void) {
    code = mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (code == MAP_FAILED || pthread_barrier_init(&barrier, NULL, READERS + 1)) return 1;
    pthread_t threads[READERS];
    for (long i = 0; i < READERS; i++)
        if (pthread_create(&threads[i], NULL, read_versions, (void *)i)) return 1;
    for (int version = 0; version < VERSIONS; version++) {
        if (version % 3 == 2) {
            // By way of mprotect, and in another mapping at the same place.
            munmap(code, 4096);
            if (mmap(code, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) != code)
                return 1;
            write_adder(version + 1);
            mprotect(code, 4096, PROT_READ | PROT_WRITE | PROT_EXEC);
        } else {
            write_adder(version + 1);
        }
        __asm__ volatile("fence.i" ::: "memory");
        if (version >= VERSIONS / 2) syscall(259, code, code + 2, 0);
        pthread_barrier_wait(&barrier);
        pthread_barrier_wait(&barrier);
    }
    for (int i = 0; i < READERS; i++) pthread_join(threads[i], NULL);
    for (int i = 0; i < READERS; i++)
        for (int version = 0; version < VERSIONS; version++)
            printf("%ld%c", sums[i][version], version == VERSIONS - 1 ? '\n' : ' ');
    return 0;
}
