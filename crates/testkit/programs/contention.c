// Threads that contend for the same words: by AMOs of both widths, by LR/SC loops, by a lock of LR/SC,
// and on neighbours in one double-word. Whatever the order, the sums are known.
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>

enum { THREADS = 4, ROUNDS = 20000 };

static volatile int64_t added, linked, maximum, toggled;
static volatile int32_t added_narrow, linked_narrow;
static volatile uint64_t bits;
static volatile uint8_t neighbours[8] __attribute__((aligned(8)));
static volatile int32_t lock;
static int64_t guarded[2];

static void linked_add(volatile int64_t *p, int64_t by) {
    int64_t old, failed;
    __asm__ volatile("1: lr.d.aq %0, (%2)\n add %0, %0, %3\n sc.d.rl %1, %0, (%2)\n bnez %1, 1b"
                     : "=&r"(old), "=&r"(failed) : "r"(p), "r"(by) : "memory");
}
static void linked_add_narrow(volatile int32_t *p, int32_t by) {
    int64_t old, failed;
    __asm__ volatile("1: lr.w %0, (%2)\n addw %0, %0, %3\n sc.w %1, %0, (%2)\n bnez %1, 1b"
                     : "=&r"(old), "=&r"(failed) : "r"(p), "r"(by) : "memory");
}
// A byte, by way of the word that holds it, as compilers do it.
static void linked_add_byte(volatile uint8_t *p, uint8_t by) {
    uintptr_t word = (uintptr_t)p & ~3UL;
    int shift = ((uintptr_t)p & 3) * 8;
    int64_t old, failed, sum;
    do {
        __asm__ volatile("lr.w %0, (%1)" : "=r"(old) : "r"(word) : "memory");
        sum = (old & ~(0xffL << shift)) | ((((old >> shift) + by) & 0xff) << shift);
        __asm__ volatile("sc.w %0, %1, (%2)" : "=r"(failed) : "r"(sum), "r"(word) : "memory");
    } while (failed);
}
static void acquire(void) {
    int64_t old, failed;
    __asm__ volatile("1: lr.w.aq %0, (%2)\n bnez %0, 1b\n sc.w %1, %3, (%2)\n bnez %1, 1b"
                     : "=&r"(old), "=&r"(failed) : "r"(&lock), "r"(1) : "memory");
}
static void release(void) { __asm__ volatile("amoswap.w.rl zero, zero, (%0)" ::"r"(&lock) : "memory"); }

static void *work(void *argument) {
    int64_t number = (int64_t)argument;
    for (int64_t i = 0; i < ROUNDS; i++) {
        __asm__ volatile("amoadd.d zero, %1, (%0)" ::"r"(&added), "r"(i) : "memory");
        __asm__ volatile("amoadd.w zero, %1, (%0)" ::"r"(&added_narrow), "r"(i - 7) : "memory");
        __asm__ volatile("amomax.d zero, %1, (%0)" ::"r"(&maximum), "r"(i * THREADS + number) : "memory");
        __asm__ volatile("amoxor.d.aqrl zero, %1, (%0)" ::"r"(&toggled), "r"(1L << (i % 60)) : "memory");
        __asm__ volatile("amoor.d zero, %1, (%0)" ::"r"(&bits), "r"(1L << ((i + number) % 61)) : "memory");
        linked_add(&linked, i + 1);
        linked_add_narrow(&linked_narrow, 3);
        linked_add_byte(&neighbours[number * 2 + 1], 5);
        if (i % 8 == 0) {
            acquire();
            guarded[0]++;
            guarded[1] = guarded[0] * 2;
            release();
        }
    }
    return NULL;
}

int main(void) {
    pthread_t threads[THREADS];
    for (int64_t i = 0; i < THREADS; i++)
        if (pthread_create(&threads[i], NULL, work, (void *)i)) return 1;
    for (int i = 0; i < THREADS; i++) pthread_join(threads[i], NULL);
    printf("%ld %d %ld %ld %lx\n", (long)added, added_narrow, (long)maximum, (long)toggled, bits);
    printf("%ld %d %ld %ld\n", (long)linked, linked_narrow, (long)guarded[0], (long)guarded[1]);
    for (int i = 0; i < 8; i++) printf("%d%c", neighbours[i], i == 7 ? '\n' : ' ');
    return 0;
}
