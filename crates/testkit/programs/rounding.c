// Every operation that rounds, in every rounding mode: named in the instruction, and set in frm.
#include <stdint.h>
#include <stdio.h>

static const uint64_t doubles[] = {
    0x3ff0000000000001, 0x3ff5555555555555, 0xbff5555555555555, 0x3fb999999999999a, 0xc08f400000000001,
    0x7fefffffffffffff, 0xffefffffffffffff, 0x0000000000000001, 0x8000000000000003, 0x0010000000000001,
    0x3fe0000000000000, 0x3ff8000000000000, 0xc004000000000000, 0x41dfffffffe00000, 0x43dfffffffffffff,
    0x36a0000000000001, 0x47efffffe0000000, 0x3810000010000000, 0x4340000000000001, 0,
};
static const uint32_t singles[] = {
    0x3f800001, 0x3faaaaab, 0xbfaaaaab, 0x3dcccccd, 0xc47a0001, 0x7f7fffff, 0xff7fffff,
    0x00000001, 0x80000003, 0x00800001, 0x3f000000, 0x3fc00000, 0xc0200000, 0x4effffff, 0x4b800001, 0,
};
static const int64_t integers[] = {
    1, -1, 0x7fffffffffffffff, -0x7fffffffffffffff, 0x20000000000001, 0x20000000000003, -0x40000000000006,
    0x1000001, 0x1000003, -0x1000001, 0x7fffffff, -0x7fffffff, 0x123456789abcdef,
};
#define COUNT(a) (int)(sizeof(a) / sizeof *(a))

static uint64_t digest;
static void fold(uint64_t v) { digest = (digest ^ v) * 0x100000001b3 + (v >> 29); }
static uint64_t flags(void) {
    uint64_t f;
    __asm__ volatile("csrrw %0, fflags, zero" : "=r"(f));
    return f;
}

#define TAKE(text, move_in, move_out, values, out, a)                                               \
    flags();                                                                                        \
    __asm__ volatile(move_in " ft0, %1\n " move_in " ft1, %2\n " move_in " ft3, %3\n " text "\n " move_out \
                     : "=&r"(out) : "r"(values[a]), "r"(values[j]), "r"(values[k]) : "ft0", "ft1", "ft2", "ft3"); \
    fold(out), fold(flags());
#define EACH(text, move_in, move_out, values, has_second, has_third)                                \
    digest = 0xcbf29ce484222325;                                                                    \
    for (int i = 0; i < COUNT(values); i++)                                                         \
        for (int j = 0; j < (has_second ? COUNT(values) : 1); j++)                                  \
            for (int k = 0; k < (has_third ? COUNT(values) : 1); k += 3) {                          \
                uint64_t out;                                                                       \
                TAKE(text, move_in, move_out, values, out, i)                                       \
            }                                                                                       \
    printf("%s %016lx\n", text, digest);

#define FLOAT_D(text, second, third) EACH(text, "fmv.d.x", "fmv.x.d %0, ft2", doubles, second, third)
#define FLOAT_S(text, second, third) EACH(text, "fmv.w.x", "fmv.x.d %0, ft2", singles, second, third)
#define WHOLE_D(text) EACH(text, "fmv.d.x", "", doubles, 0, 0)
#define WHOLE_S(text) EACH(text, "fmv.w.x", "", singles, 0, 0)
#define FROM(text) EACH(text, "fmv.d.x", "fmv.x.d %0, ft2", integers, 0, 0)

#define ALL(mode)                                                                                   \
    FLOAT_D("fadd.d ft2, ft0, ft1, " mode, 1, 0) FLOAT_D("fsub.d ft2, ft0, ft1, " mode, 1, 0)       \
    FLOAT_D("fmul.d ft2, ft0, ft1, " mode, 1, 0) FLOAT_D("fdiv.d ft2, ft0, ft1, " mode, 1, 0)       \
    FLOAT_D("fmadd.d ft2, ft0, ft1, ft3, " mode, 1, 1) FLOAT_D("fnmsub.d ft2, ft0, ft1, ft3, " mode, 1, 1) \
    FLOAT_D("fmsub.d ft2, ft0, ft1, ft3, " mode, 1, 1) FLOAT_D("fnmadd.d ft2, ft0, ft1, ft3, " mode, 1, 1) \
    FLOAT_D("fsqrt.d ft2, ft0, " mode, 0, 0) FLOAT_D("fcvt.s.d ft2, ft0, " mode, 0, 0)              \
    FLOAT_S("fadd.s ft2, ft0, ft1, " mode, 1, 0) FLOAT_S("fsub.s ft2, ft0, ft1, " mode, 1, 0)       \
    FLOAT_S("fmul.s ft2, ft0, ft1, " mode, 1, 0) FLOAT_S("fdiv.s ft2, ft0, ft1, " mode, 1, 0)       \
    FLOAT_S("fmadd.s ft2, ft0, ft1, ft3, " mode, 1, 1) FLOAT_S("fnmsub.s ft2, ft0, ft1, ft3, " mode, 1, 1) \
    FLOAT_S("fmsub.s ft2, ft0, ft1, ft3, " mode, 1, 1) FLOAT_S("fnmadd.s ft2, ft0, ft1, ft3, " mode, 1, 1) \
    FLOAT_S("fsqrt.s ft2, ft0, " mode, 0, 0)                                                        \
    WHOLE_D("fcvt.w.d %0, ft0, " mode) WHOLE_D("fcvt.wu.d %0, ft0, " mode)                          \
    WHOLE_D("fcvt.l.d %0, ft0, " mode) WHOLE_D("fcvt.lu.d %0, ft0, " mode)                          \
    WHOLE_S("fcvt.w.s %0, ft0, " mode) WHOLE_S("fcvt.wu.s %0, ft0, " mode)                          \
    WHOLE_S("fcvt.l.s %0, ft0, " mode) WHOLE_S("fcvt.lu.s %0, ft0, " mode)                          \
    FROM("fcvt.d.l ft2, %1, " mode) FROM("fcvt.d.lu ft2, %1, " mode)                                \
    FROM("fcvt.s.l ft2, %1, " mode) FROM("fcvt.s.lu ft2, %1, " mode)                                \
    FROM("fcvt.s.w ft2, %1, " mode) FROM("fcvt.s.wu ft2, %1, " mode)

static void named(void) { ALL("rne") ALL("rtz") ALL("rdn") ALL("rup") ALL("rmm") }
static void dynamic(void) { ALL("dyn") }

int main(void) {
    for (int frm = 0; frm < 5; frm++) {
        __asm__ volatile("fsrm %0" ::"r"(frm));
        printf("frm %d\n", frm);
        dynamic();
        // Modes that instructions name don't depend on it.
        if (frm % 2 == 0) named();
    }
    return 0;
}
