// Floating-point instructions at their corners, as instructions: NaN boxing, canonical NaNs, min and max,
// comparisons, classification, sign injection, static rounding modes, fused operations, accrued flags.
#include <stdint.h>
#include <stdio.h>

static const uint64_t doubles[] = {0, 0x8000000000000000, 0x3ff0000000000000, 0xbff0000000000000, 0x7ff0000000000000,
                                   0xfff0000000000000, 0x7ff8000000000000, 0x7ff0000000000001, 0xfff8000000000123,
                                   1, 0x000fffffffffffff, 0x0010000000000000, 0x7fefffffffffffff, 0x4340000000000001,
                                   0x41dfffffffc00000, 0xc1e0000000200000, 0x3fe0000000000000, 0x4004000000000000,
                                   0x43e0000000000000, 0x3ca0000000000000, 0x36a0000000000000};
static const uint32_t singles[] = {0, 0x80000000, 0x3f800000, 0xbf800000, 0x7f800000, 0xff800000, 0x7fc00000,
                                   0x7f800001, 0xffc00123, 1, 0x007fffff, 0x00800000, 0x7f7fffff, 0x4b800001,
                                   0x4effffff, 0xcf000001, 0x3f000000, 0x40200000, 0x5f000000, 0x33800000};
#define COUNT(a) (int)(sizeof(a) / sizeof *(a))

static uint64_t digest;
static void fold(uint64_t v) { digest = (digest ^ v) * 0x100000001b3 + (v >> 29); }
static uint64_t flags(void) {
    uint64_t f;
    __asm__ volatile("csrrw %0, fflags, zero" : "=r"(f));
    return f;
}
static void row(const char *name) {
    printf("%s %016lx\n", name, digest);
    digest = 0xcbf29ce484222325;
}

#define BINARY_D(insn)                                                                              \
    for (int i = 0; i < COUNT(doubles); i++)                                                        \
        for (int j = 0; j < COUNT(doubles); j++) {                                                  \
            uint64_t r;                                                                             \
            flags();                                                                                \
            __asm__ volatile("fmv.d.x ft0, %1\n fmv.d.x ft1, %2\n " insn " ft2, ft0, ft1\n fmv.x.d %0, ft2" \
                             : "=r"(r) : "r"(doubles[i]), "r"(doubles[j]) : "ft0", "ft1", "ft2");   \
            fold(r), fold(flags());                                                                 \
        }                                                                                           \
    row(insn);
#define BINARY_S(insn)                                                                              \
    for (int i = 0; i < COUNT(singles); i++)                                                        \
        for (int j = 0; j < COUNT(singles); j++) {                                                  \
            uint64_t r;                                                                             \
            flags();                                                                                \
            __asm__ volatile("fmv.w.x ft0, %1\n fmv.w.x ft1, %2\n " insn " ft2, ft0, ft1\n fmv.x.d %0, ft2" \
                             : "=r"(r) : "r"(singles[i]), "r"(singles[j]) : "ft0", "ft1", "ft2");   \
            fold(r), fold(flags());                                                                 \
        }                                                                                           \
    row(insn);
#define COMPARE(insn, values, move)                                                                 \
    for (int i = 0; i < COUNT(values); i++)                                                         \
        for (int j = 0; j < COUNT(values); j++) {                                                   \
            uint64_t r;                                                                             \
            flags();                                                                                \
            __asm__ volatile(move " ft0, %1\n " move " ft1, %2\n " insn " %0, ft0, ft1"             \
                             : "=r"(r) : "r"(values[i]), "r"(values[j]) : "ft0", "ft1");            \
            fold(r), fold(flags());                                                                 \
        }                                                                                           \
    row(insn);
#define TO_INTEGER(insn, values, move)                                                              \
    for (int i = 0; i < COUNT(values); i++) {                                                       \
        uint64_t r;                                                                                 \
        flags();                                                                                    \
        __asm__ volatile(move " ft0, %1\n " insn : "=r"(r) : "r"(values[i]) : "ft0");               \
        fold(r), fold(flags());                                                                     \
    }                                                                                               \
    row(insn);
#define UNARY(insn, values, move)                                                                   \
    for (int i = 0; i < COUNT(values); i++) {                                                       \
        uint64_t r;                                                                                 \
        flags();                                                                                    \
        __asm__ volatile(move " ft0, %1\n " insn "\n fmv.x.d %0, ft2" : "=r"(r) : "r"(values[i]) : "ft0", "ft2"); \
        fold(r), fold(flags());                                                                     \
    }                                                                                               \
    row(insn);
#define FUSED(insn, values, move)                                                                   \
    for (int i = 0; i < COUNT(values); i++)                                                         \
        for (int j = 0; j < COUNT(values); j++)                                                     \
            for (int k = 0; k < COUNT(values); k += 2) {                                            \
                uint64_t r;                                                                         \
                flags();                                                                            \
                __asm__ volatile(move " ft0, %1\n " move " ft1, %2\n " move " ft3, %3\n " insn      \
                                 " ft2, ft0, ft1, ft3\n fmv.x.d %0, ft2"                            \
                                 : "=r"(r) : "r"(values[i]), "r"(values[j]), "r"(values[k])         \
                                 : "ft0", "ft1", "ft2", "ft3");                                     \
                fold(r), fold(flags());                                                             \
            }                                                                                       \
    row(insn);

static void double_arithmetic(void) {
    BINARY_D("fadd.d") BINARY_D("fsub.d") BINARY_D("fmul.d") BINARY_D("fdiv.d") BINARY_D("fmin.d") BINARY_D("fmax.d")
    BINARY_D("fsgnj.d") BINARY_D("fsgnjn.d") BINARY_D("fsgnjx.d")
    COMPARE("feq.d", doubles, "fmv.d.x") COMPARE("flt.d", doubles, "fmv.d.x") COMPARE("fle.d", doubles, "fmv.d.x")
    FUSED("fmadd.d", doubles, "fmv.d.x") FUSED("fmsub.d", doubles, "fmv.d.x")
    FUSED("fnmadd.d", doubles, "fmv.d.x") FUSED("fnmsub.d", doubles, "fmv.d.x")
    UNARY("fsqrt.d ft2, ft0", doubles, "fmv.d.x") UNARY("fcvt.s.d ft2, ft0", doubles, "fmv.d.x")
}

static void single_arithmetic(void) {
    BINARY_S("fadd.s") BINARY_S("fsub.s") BINARY_S("fmul.s") BINARY_S("fdiv.s") BINARY_S("fmin.s") BINARY_S("fmax.s")
    BINARY_S("fsgnj.s") BINARY_S("fsgnjn.s") BINARY_S("fsgnjx.s")
    COMPARE("feq.s", singles, "fmv.w.x") COMPARE("flt.s", singles, "fmv.w.x") COMPARE("fle.s", singles, "fmv.w.x")
    FUSED("fmadd.s", singles, "fmv.w.x") FUSED("fnmsub.s", singles, "fmv.w.x")
    UNARY("fsqrt.s ft2, ft0", singles, "fmv.w.x") UNARY("fcvt.d.s ft2, ft0", singles, "fmv.w.x")
    // Singles that aren't boxed read as the canonical NaN.
    BINARY_D("fadd.s") BINARY_D("fsgnj.s") BINARY_D("fmin.s")
    COMPARE("feq.s", doubles, "fmv.d.x")
    TO_INTEGER("fclass.s %0, ft0", doubles, "fmv.d.x") TO_INTEGER("fmv.x.w %0, ft0", doubles, "fmv.d.x")
}

static void conversions(void) {
    TO_INTEGER("fclass.d %0, ft0", doubles, "fmv.d.x") TO_INTEGER("fclass.s %0, ft0", singles, "fmv.w.x")
    TO_INTEGER("fcvt.w.d %0, ft0, rtz", doubles, "fmv.d.x") TO_INTEGER("fcvt.wu.d %0, ft0, rtz", doubles, "fmv.d.x")
    TO_INTEGER("fcvt.l.d %0, ft0, rtz", doubles, "fmv.d.x") TO_INTEGER("fcvt.lu.d %0, ft0, rtz", doubles, "fmv.d.x")
    TO_INTEGER("fcvt.w.d %0, ft0, rdn", doubles, "fmv.d.x") TO_INTEGER("fcvt.l.d %0, ft0, rup", doubles, "fmv.d.x")
    TO_INTEGER("fcvt.w.d %0, ft0, rmm", doubles, "fmv.d.x") TO_INTEGER("fcvt.lu.d %0, ft0, rne", doubles, "fmv.d.x")
    TO_INTEGER("fcvt.w.s %0, ft0, rtz", singles, "fmv.w.x") TO_INTEGER("fcvt.wu.s %0, ft0, rne", singles, "fmv.w.x")
    TO_INTEGER("fcvt.l.s %0, ft0, rmm", singles, "fmv.w.x") TO_INTEGER("fcvt.lu.s %0, ft0, rup", singles, "fmv.w.x")
    UNARY("fcvt.d.l ft2, %1", doubles, "fmv.d.x") UNARY("fcvt.d.lu ft2, %1, rtz", doubles, "fmv.d.x")
    UNARY("fcvt.s.l ft2, %1, rup", doubles, "fmv.d.x") UNARY("fcvt.s.lu ft2, %1, rmm", doubles, "fmv.d.x")
    UNARY("fcvt.d.w ft2, %1", doubles, "fmv.d.x") UNARY("fcvt.s.wu ft2, %1, rdn", doubles, "fmv.d.x")
}

static void rounding_modes(void) {
    for (uint64_t mode = 0; mode < 5; mode++) {
        __asm__ volatile("fsrm %0" : : "r"(mode));
        printf("mode %lu\n", mode);
        BINARY_D("fadd.d") BINARY_D("fdiv.d") BINARY_S("fmul.s") FUSED("fmadd.d", doubles, "fmv.d.x")
        UNARY("fsqrt.d ft2, ft0", doubles, "fmv.d.x") UNARY("fcvt.s.d ft2, ft0", doubles, "fmv.d.x")
        TO_INTEGER("fcvt.l.d %0, ft0, dyn", doubles, "fmv.d.x") UNARY("fcvt.s.l ft2, %1", doubles, "fmv.d.x")
    }
    __asm__ volatile("fsrm zero");
    uint64_t whole;
    __asm__ volatile("fscsr %1\n frcsr %0" : "=r"(whole) : "r"(0x7ful));
    printf("fcsr %lx\n", whole);
    __asm__ volatile("fscsr zero");
}

int main(void) {
    digest = 0xcbf29ce484222325;
    double_arithmetic();
    single_arithmetic();
    conversions();
    rounding_modes();
    return 0;
}
