// Bit manipulation, written as instructions so that each of Zba, Zbb and Zbs is executed; ctzw is held
// against a computed value because some versions of QEMU get it wrong.
#include <stdint.h>
#include <stdio.h>

static const uint64_t values[] = {0, 1, 2, 0x80, 0xff00, 0x80000000, 0xffffffff, 0x100000000, 0x8000000000000000,
                                  0xffffffffffffffff, 0x0123456789abcdef, 0xf0f0f0f000000001, 0x00ff00ff00ff0000,
                                  63, 64, 31};
enum { VALUES = sizeof values / sizeof *values };

#define TWO(name)                                                         \
    static uint64_t do_##name(uint64_t a, uint64_t b) {                   \
        uint64_t r;                                                       \
        __asm__ volatile(#name " %0, %1, %2" : "=r"(r) : "r"(a), "r"(b)); \
        return r;                                                         \
    }
#define ONE(name)                                                         \
    static uint64_t do_##name(uint64_t a) {                               \
        uint64_t r;                                                       \
        __asm__ volatile(#name " %0, %1" : "=r"(r) : "r"(a));             \
        return r;                                                         \
    }
#define CONSTANT(name, dotted, n)                                              \
    static uint64_t do_##name##_##n(uint64_t a) {                              \
        uint64_t r;                                                            \
        __asm__ volatile(dotted " %0, %1, " #n : "=r"(r) : "r"(a));            \
        return r;                                                              \
    }

TWO(sh1add) TWO(sh2add) TWO(sh3add) TWO(andn) TWO(orn) TWO(xnor) TWO(min) TWO(minu) TWO(max) TWO(maxu)
TWO(rol) TWO(ror) TWO(rolw) TWO(rorw) TWO(bclr) TWO(bext) TWO(binv) TWO(bset)
static uint64_t do_adduw(uint64_t a, uint64_t b) {
    uint64_t r;
    __asm__ volatile("add.uw %0, %1, %2" : "=r"(r) : "r"(a), "r"(b));
    return r;
}
static uint64_t do_sh2adduw(uint64_t a, uint64_t b) {
    uint64_t r;
    __asm__ volatile("sh2add.uw %0, %1, %2\n sh1add.uw %0, %0, %2\n sh3add.uw %0, %0, %1" : "=&r"(r) : "r"(a), "r"(b));
    return r;
}
static uint64_t do_orcb(uint64_t a) {
    uint64_t r;
    __asm__ volatile("orc.b %0, %1" : "=r"(r) : "r"(a));
    return r;
}
static uint64_t do_sexts(uint64_t a) {
    uint64_t r, s, z;
    __asm__ volatile("sext.b %0, %3\n sext.h %1, %3\n zext.h %2, %3" : "=&r"(r), "=&r"(s), "=&r"(z) : "r"(a));
    return r * 31 + s * 7 + z;
}
ONE(clz) ONE(clzw) ONE(ctz) ONE(cpop) ONE(cpopw) ONE(rev8) ONE(ctzw)
CONSTANT(rori, "rori", 13) CONSTANT(roriw, "roriw", 21) CONSTANT(bclri, "bclri", 40) CONSTANT(bexti, "bexti", 33)
CONSTANT(binvi, "binvi", 63) CONSTANT(bseti, "bseti", 0) CONSTANT(slliuw, "slli.uw", 17)

#define ROW(name) {#name, do_##name}

int main(void) {
    static const struct { const char *name; uint64_t (*call)(uint64_t, uint64_t); } two[] = {
        ROW(sh1add), ROW(sh2add), ROW(sh3add), ROW(adduw), ROW(sh2adduw), ROW(andn), ROW(orn), ROW(xnor), ROW(min),
        ROW(minu), ROW(max), ROW(maxu), ROW(rol), ROW(ror), ROW(rolw), ROW(rorw), ROW(bclr), ROW(bext), ROW(binv),
        ROW(bset)};
    static const struct { const char *name; uint64_t (*call)(uint64_t); } one[] = {
        ROW(clz), ROW(clzw), ROW(ctz), ROW(cpop), ROW(cpopw), ROW(rev8), ROW(orcb), ROW(sexts), ROW(rori_13),
        ROW(roriw_21), ROW(bclri_40), ROW(bexti_33), ROW(binvi_63), ROW(bseti_0), ROW(slliuw_17)};
    for (size_t f = 0; f < sizeof two / sizeof *two; f++) {
        printf("%s:", two[f].name);
        for (int i = 0; i < VALUES; i++)
            for (int j = 0; j < VALUES; j += 3) printf(" %lx", two[f].call(values[i], values[j]));
        putchar('\n');
    }
    for (size_t f = 0; f < sizeof one / sizeof *one; f++) {
        printf("%s:", one[f].name);
        for (int i = 0; i < VALUES; i++) printf(" %lx", one[f].call(values[i]));
        putchar('\n');
    }
    // What the compiler makes of ordinary source.
    uint64_t sum = 0;
    for (int i = 0; i < VALUES; i++) {
        uint64_t v = values[i];
        sum += (uint64_t)__builtin_popcountl(v) + __builtin_bswap64(v) + (v << 13 | v >> 51);
        sum ^= (v & ~(sum << 3)) + (uint64_t)((int64_t)v > (int64_t)sum ? v : sum);
    }
    printf("%016lx\n", sum);
    return 0;
}
