// Integer arithmetic at the edges: multiplication, division and remainders of all widths, shifts,
// 128-bit arithmetic, overflow builtins, narrowing and sign extension.
#include <limits.h>
#include <stdint.h>
#include <stdio.h>

static const uint64_t edges[] = {0, 1, 2, 3, 7, 10, 0x7f, 0x80, 0xff, 0x7fff, 0x8000, 0xffff, 0x7fffffff, 0x80000000,
                                 0xffffffff, 0x100000000, 0x7fffffffffffffff, 0x8000000000000000,
                                 0xffffffffffffffff, 0xfffffffffffffffe, 0x123456789abcdef0, 0xdeadbeefcafebabe};
enum { EDGES = sizeof edges / sizeof *edges };

static uint64_t digest = 14695981039346656037u;
static void fold(uint64_t v) { digest = (digest ^ v) * 1099511628211u + (v >> 32); }

// The machine's own division instructions, whose results for a divisor of nought and for overflow are
// defined by the architecture and not by C.
#define DIVISION(name)                                                             \
    static uint64_t name##_insn(uint64_t a, uint64_t b) {                          \
        uint64_t r;                                                                \
        __asm__ volatile(#name " %0, %1, %2" : "=r"(r) : "r"(a), "r"(b));          \
        return r;                                                                  \
    }
DIVISION(div) DIVISION(divu) DIVISION(rem) DIVISION(remu)
DIVISION(divw) DIVISION(divuw) DIVISION(remw) DIVISION(remuw)
DIVISION(mulh) DIVISION(mulhsu) DIVISION(mulhu) DIVISION(mulw)
DIVISION(sllw) DIVISION(srlw) DIVISION(sraw) DIVISION(sll) DIVISION(srl) DIVISION(sra)
DIVISION(slt) DIVISION(sltu) DIVISION(addw) DIVISION(subw)

static void instructions(void) {
    static const struct { const char *name; uint64_t (*call)(uint64_t, uint64_t); } all[] = {
        {"div", div_insn}, {"divu", divu_insn}, {"rem", rem_insn}, {"remu", remu_insn}, {"divw", divw_insn},
        {"divuw", divuw_insn}, {"remw", remw_insn}, {"remuw", remuw_insn}, {"mulh", mulh_insn},
        {"mulhsu", mulhsu_insn}, {"mulhu", mulhu_insn}, {"mulw", mulw_insn}, {"sllw", sllw_insn},
        {"srlw", srlw_insn}, {"sraw", sraw_insn}, {"sll", sll_insn}, {"srl", srl_insn}, {"sra", sra_insn},
        {"slt", slt_insn}, {"sltu", sltu_insn}, {"addw", addw_insn}, {"subw", subw_insn}};
    for (size_t op = 0; op < sizeof all / sizeof *all; op++) {
        uint64_t sum = 0;
        for (int i = 0; i < EDGES; i++)
            for (int j = 0; j < EDGES; j++) {
                uint64_t r = all[op].call(edges[i], edges[j]);
                sum = sum * 31 + r;
                if (j == 0 || (i == 17 && j == 18)) printf("%lx ", r);
            }
        printf("%s %016lx\n", all[op].name, sum);
    }
}

static void wide(void) {
    for (int i = 0; i < EDGES; i++)
        for (int j = 0; j < EDGES; j++) {
            unsigned __int128 a = (unsigned __int128)edges[i] << 64 | edges[j];
            unsigned __int128 b = (unsigned __int128)edges[j] << 32 | edges[(i + j) % EDGES] | 1;
            unsigned __int128 results[] = {a + b, a - b, a * b, a / b, a % b, a >> (j * 5 % 128), a << (i * 7 % 128),
                                           (unsigned __int128)((__int128)a / (__int128)b),
                                           (unsigned __int128)((__int128)a >> (i + j))};
            for (size_t r = 0; r < sizeof results / sizeof *results; r++) {
                fold((uint64_t)results[r]);
                fold((uint64_t)(results[r] >> 64));
            }
            fold(a < b), fold((__int128)a < (__int128)b);
        }
    printf("128-bit %016lx\n", digest);
}

static void checked(void) {
    for (int i = 0; i < EDGES; i++)
        for (int j = 0; j < EDGES; j++) {
            long l;
            int n;
            unsigned long u;
            fold((uint64_t)__builtin_add_overflow((long)edges[i], (long)edges[j], &l)), fold((uint64_t)l);
            fold((uint64_t)__builtin_mul_overflow((long)edges[i], (long)edges[j], &l)), fold((uint64_t)l);
            fold((uint64_t)__builtin_sub_overflow((int)edges[i], (int)edges[j], &n)), fold((uint64_t)n);
            fold((uint64_t)__builtin_mul_overflow(edges[i], edges[j], &u)), fold(u);
        }
    printf("overflow %016lx\n", digest);
}

static void narrowing(void) {
    for (int i = 0; i < EDGES; i++) {
        volatile uint64_t v = edges[i];
        printf("%d %u %d %u %d %u %d\n", (int8_t)v, (uint8_t)v, (int16_t)v, (uint16_t)v, (int32_t)v, (uint32_t)v,
               (int)((int8_t)v >> 3));
        fold((uint64_t)((int32_t)v / 7)), fold((uint32_t)v / 10), fold(v / 1000000007), fold((uint64_t)((int64_t)v / -3));
        fold(v % 641), fold((uint64_t)((int64_t)v % 1000)), fold((uint16_t)v * (int16_t)v);
    }
    printf("narrow %016lx\n", digest);
}

int main(void) {
    instructions();
    wide();
    checked();
    narrowing();
    return 0;
}
