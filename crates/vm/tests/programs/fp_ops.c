// Every floating-point instruction over edge cases and random operands in every rounding mode,
// static and dynamic: one line for each with a hash of all results and flags.
#include <stdint.h>
#include <stdio.h>
#define EDGES 30
#define COUNT 120
static uint64_t d[COUNT], s[COUNT], seed = 88172645463325252u;
static uint64_t rnd(void) { seed ^= seed << 13; seed ^= seed >> 7; seed ^= seed << 17; return seed; }
static const uint64_t edges_d[EDGES] = { 0, 1ull << 63, 0x3ff0000000000000, 0xbff0000000000000, 0x7ff0000000000000, 0xfff0000000000000, 0x7ff8000000000000, 0xfff8000000000001, 0x7ff0000000000001, 0xfff4000000000000, 1, 0x000fffffffffffff, 0x0010000000000000, 0x8010000000000001, 0x7fefffffffffffff, 0xffefffffffffffff, 0x4340000000000000, 0x43e0000000000000, 0xc3e0000000000000, 0x43f0000000000000, 0x41dfffffffc00000, 0x41efffffffe00000, 0xc1e0000000200000, 0x3fe0000000000000, 0x3ff8000000000000, 0x4004000000000000, 0xbfe0000000000000, 0x36a0000000000000, 0x380fffffe0000000, 0x47efffffefffffff };
static const uint64_t edges_s[EDGES] = { 0, 0x80000000, 0x3f800000, 0xbf800000, 0x7f800000, 0xff800000, 0x7fc00000, 0xffc00001, 0x7f800001, 0xffa00000, 1, 0x007fffff, 0x00800000, 0x80800001, 0x7f7fffff, 0xff7fffff, 0x4b800000, 0x5f000000, 0xdf000000, 0x5f800000, 0x4effffff, 0x4f7fffff, 0xcf000001, 0x3f000000, 0x3fc00000, 0x40200000, 0xbf000000, 0x33800000, 0x34000000, 0x7effffff };
static uint64_t hash;
static void mix(uint64_t v) { hash = (hash ^ v) * 0x100000001b3; hash ^= hash >> 29; }
static void show(const char *name) { printf("%s %016lx\n", name, hash); hash = 0xcbf29ce484222325; }
#define FLAGS ({ uint64_t f_; asm volatile("csrrw %0, fflags, zero" : "=r"(f_)); f_; })
#define BINARY(op, v, load, move, rm) for (int i = 0; i < COUNT; i++) for (int j = 0; j < COUNT; j++) { uint64_t r_; double t_; asm volatile(load " ft0, %2\n" load " ft1, %3\n" op " %1, ft0, ft1" rm "\nfmv.x.d %0, %1" : "=r"(r_), "=f"(t_) : "m"(v[i]), "m"(v[j]) : "ft0", "ft1"); mix(r_); mix(FLAGS); }
#define COMPARE(op, v, load) for (int i = 0; i < COUNT; i++) for (int j = 0; j < COUNT; j++) { uint64_t r_; asm volatile(load " ft0, %1\n" load " ft1, %2\n" op " %0, ft0, ft1" : "=r"(r_) : "m"(v[i]), "m"(v[j]) : "ft0", "ft1"); mix(r_); mix(FLAGS); } show(op);
#define UNARY(op, v, load, rm) for (int i = 0; i < COUNT; i++) { uint64_t r_; asm volatile(load " ft0, %1\n" op " ft1, ft0" rm "\nfmv.x.d %0, ft1" : "=r"(r_) : "m"(v[i]) : "ft0", "ft1"); mix(r_); mix(FLAGS); }
#define TO_INT(op, v, load, rm) for (int i = 0; i < COUNT; i++) { uint64_t r_; asm volatile(load " ft0, %1\n" op " %0, ft0" rm : "=r"(r_) : "m"(v[i]) : "ft0"); mix(r_); mix(FLAGS); }
#define FROM_INT(op, rm) for (int i = 0; i < COUNT; i++) { uint64_t r_; asm volatile(op " ft0, %1" rm "\nfmv.x.d %0, ft0" : "=r"(r_) : "r"(d[i] >> (i % 64)) : "ft0"); mix(r_); mix(FLAGS); }
#define FUSED(op, v, load, rm) for (int i = 0; i < COUNT * 30; i++) { uint64_t r_; int a = rnd() % COUNT, b = rnd() % COUNT, c = rnd() % COUNT; asm volatile(load " ft0, %1\n" load " ft1, %2\n" load " ft2, %3\n" op " ft0, ft0, ft1, ft2" rm "\nfmv.x.d %0, ft0" : "=r"(r_) : "m"(v[a]), "m"(v[b]), "m"(v[c]) : "ft0", "ft1", "ft2"); mix(r_); mix(FLAGS); }
#define ROUNDED(rm, label) \
    BINARY("fadd.d", d, "fld", , rm) show("fadd.d " label); BINARY("fsub.d", d, "fld", , rm) show("fsub.d " label); BINARY("fmul.d", d, "fld", , rm) show("fmul.d " label); BINARY("fdiv.d", d, "fld", , rm) show("fdiv.d " label); \
    BINARY("fadd.s", s, "flw", , rm) show("fadd.s " label); BINARY("fsub.s", s, "flw", , rm) show("fsub.s " label); BINARY("fmul.s", s, "flw", , rm) show("fmul.s " label); BINARY("fdiv.s", s, "flw", , rm) show("fdiv.s " label); \
    UNARY("fsqrt.d", d, "fld", rm) show("fsqrt.d " label); UNARY("fsqrt.s", s, "flw", rm) show("fsqrt.s " label); UNARY("fcvt.s.d", d, "fld", rm) show("fcvt.s.d " label); \
    TO_INT("fcvt.w.d", d, "fld", rm) TO_INT("fcvt.wu.d", d, "fld", rm) TO_INT("fcvt.l.d", d, "fld", rm) TO_INT("fcvt.lu.d", d, "fld", rm) show("to int d " label); \
    TO_INT("fcvt.w.s", s, "flw", rm) TO_INT("fcvt.wu.s", s, "flw", rm) TO_INT("fcvt.l.s", s, "flw", rm) TO_INT("fcvt.lu.s", s, "flw", rm) show("to int s " label); \
    FROM_INT("fcvt.s.w", rm) FROM_INT("fcvt.s.wu", rm) FROM_INT("fcvt.s.l", rm) FROM_INT("fcvt.s.lu", rm) FROM_INT("fcvt.d.l", rm) FROM_INT("fcvt.d.lu", rm) show("from int " label); \
    FUSED("fmadd.d", d, "fld", rm) show("fmadd.d " label); FUSED("fmsub.d", d, "fld", rm) show("fmsub.d " label); FUSED("fnmadd.d", d, "fld", rm) show("fnmadd.d " label); FUSED("fnmsub.d", d, "fld", rm) show("fnmsub.d " label); \
    FUSED("fmadd.s", s, "flw", rm) show("fmadd.s " label); FUSED("fmsub.s", s, "flw", rm) show("fmsub.s " label); FUSED("fnmadd.s", s, "flw", rm) show("fnmadd.s " label); FUSED("fnmsub.s", s, "flw", rm) show("fnmsub.s " label);
int main(void) {
    for (int i = 0; i < COUNT; i++) {
        uint64_t r = rnd();
        d[i] = i < EDGES ? edges_d[i] : i % 2 ? r : (r & 0x800fffffffffffff) | (1023 + (uint64_t)(i % 40) - 20) << 52;
        r = rnd();
        s[i] = i < EDGES ? edges_s[i] : (i % 2 ? r : (r & 0x807fffff) | (127 + (i % 30) - 15) << 23) & 0xffffffff;
    }
    show("start");
    for (int mode = 0; mode < 5; mode++) { asm volatile("fsrm %0" : : "r"(mode)); printf("mode %d\n", mode); ROUNDED("", "dyn") }
    asm volatile("fsrm %0" : : "r"(3));
    ROUNDED(", rne", "rne") ROUNDED(", rtz", "rtz") ROUNDED(", rdn", "rdn") ROUNDED(", rup", "rup") ROUNDED(", rmm", "rmm")
    asm volatile("fsrm zero");
    COMPARE("feq.d", d, "fld") COMPARE("flt.d", d, "fld") COMPARE("fle.d", d, "fld") COMPARE("feq.s", s, "flw") COMPARE("flt.s", s, "flw") COMPARE("fle.s", s, "flw")
    BINARY("fmin.d", d, "fld", , "") show("fmin.d"); BINARY("fmax.d", d, "fld", , "") show("fmax.d"); BINARY("fmin.s", s, "flw", , "") show("fmin.s"); BINARY("fmax.s", s, "flw", , "") show("fmax.s");
    BINARY("fsgnj.d", d, "fld", , "") BINARY("fsgnjn.d", d, "fld", , "") BINARY("fsgnjx.d", d, "fld", , "") BINARY("fsgnj.s", s, "flw", , "") BINARY("fsgnjn.s", s, "flw", , "") BINARY("fsgnjx.s", s, "flw", , "") show("fsgnj");
    TO_INT("fclass.d", d, "fld", "") TO_INT("fclass.s", s, "flw", "") TO_INT("fmv.x.w", s, "flw", "") TO_INT("fmv.x.w", d, "fld", "") show("class, move");
    UNARY("fcvt.d.s", s, "flw", "") FROM_INT("fcvt.d.w", "") FROM_INT("fcvt.d.wu", "") FROM_INT("fmv.w.x", "") FROM_INT("fmv.d.x", "") show("exact");
    // Singles that are not NaN-boxed.
    BINARY("fadd.s", d, "fld", , "") BINARY("fsgnj.s", d, "fld", , "") BINARY("fmin.s", d, "fld", , "") COMPARE("feq.s", d, "fld") TO_INT("fclass.s", d, "fld", "") UNARY("fcvt.d.s", d, "fld", "") TO_INT("fcvt.w.s", d, "fld", "") show("unboxed");
    uint64_t a, b, c; asm volatile("li %0, 0xff\ncsrw fcsr, %0\ncsrr %0, frm\ncsrr %1, fflags\ncsrrci %2, fcsr, 5" : "=r"(a), "=r"(b), "=r"(c)); printf("%lx %lx %lx", a, b, c); asm volatile("csrr %0, fcsr\nfsrmi %1, 2\nfsflagsi %2, 9" : "=r"(a), "=r"(b), "=r"(c)); printf(" %lx %lx %lx", a, b, c); asm volatile("csrr %0, fcsr\ncsrwi fcsr, 0" : "=r"(a)); printf(" %lx\n", a);
    return 0;
}
