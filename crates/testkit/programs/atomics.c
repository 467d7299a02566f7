// Atomic operations of both widths, and a compare-and-swap loop, on one thread.
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>

static _Atomic int64_t wide = 5;
static _Atomic int32_t narrow = -7;
static _Atomic uint8_t byte = 250;

#define AMO(name, type)                                                                             \
    static int64_t name(volatile type *p, int64_t v) {                                              \
        int64_t old;                                                                                \
        __asm__ volatile(AMO_TEXT(name) " %0, %2, (%1)" : "=r"(old) : "r"(p), "r"(v) : "memory");   \
        return old;                                                                                 \
    }
#define AMO_TEXT(name) text_##name
#define text_min_w "amomin.w"
#define text_max_w "amomax.w"
#define text_minu_w "amominu.w"
#define text_maxu_w "amomaxu.w.aqrl"
#define text_min_d "amomin.d"
#define text_max_d "amomax.d.aq"
#define text_minu_d "amominu.d"
#define text_maxu_d "amomaxu.d.rl"
#define text_swap_w "amoswap.w"
#define text_add_w "amoadd.w"
AMO(min_w, int32_t) AMO(max_w, int32_t) AMO(minu_w, int32_t) AMO(maxu_w, int32_t)
AMO(min_d, int64_t) AMO(max_d, int64_t) AMO(minu_d, int64_t) AMO(maxu_d, int64_t)
AMO(swap_w, int32_t) AMO(add_w, int32_t)

static const int64_t values[] = {0, 1, -1, 0x7fffffff, -0x7fffffff - 1, 0x100000000, INT64_MAX, INT64_MIN, 42};

int main(void) {
    volatile int32_t w = 3;
    volatile int64_t d = 3;
    for (int i = 0; i < 9; i++) {
        printf("%ld %ld %ld %ld %ld %ld\n", min_w(&w, values[i]), max_w(&w, values[8 - i]), minu_w(&w, values[i]),
               maxu_w(&w, values[i]), swap_w(&w, values[i]), add_w(&w, values[i]));
        printf("%ld %ld %ld %ld\n", min_d(&d, values[i]), max_d(&d, values[8 - i]), minu_d(&d, values[i]),
               maxu_d(&d, values[i]));
        printf("%d %ld\n", w, d);
    }
    for (int i = 0; i < 5000; i++) {
        atomic_fetch_add(&wide, i);
        atomic_fetch_xor(&wide, i << 3);
        atomic_fetch_sub(&narrow, 3);
        atomic_fetch_or(&narrow, i & 5);
        atomic_fetch_and(&narrow, ~(i & 64));
        atomic_fetch_add(&byte, 7);
        int64_t expected = atomic_load(&wide);
        while (!atomic_compare_exchange_weak(&wide, &expected, expected * 3 + 1)) {}
        int32_t wrong = 12345;
        if (atomic_compare_exchange_strong(&narrow, &wrong, 0)) puts("unexpected");
    }
    printf("%ld %d %d %ld\n", (long)wide, narrow, byte, (long)atomic_exchange(&wide, 1));
    // A store-conditional without its reservation fails.
    long failed, again;
    __asm__ volatile("lr.d t0, (%2)\n sc.d %0, t0, (%2)\n sc.d %1, t0, (%2)"
                     : "=&r"(failed), "=&r"(again) : "r"(&d) : "t0", "memory");
    printf("%d %d\n", failed == 0, again != 0);
    return 0;
}
