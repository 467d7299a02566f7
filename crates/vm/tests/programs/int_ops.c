// Every integer instruction, atomics and misaligned accesses over edge cases and random operands.
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#define COUNT 64
static uint64_t v[COUNT], seed = 88172645463325252u, hash = 0xcbf29ce484222325;
static uint64_t rnd(void) { seed ^= seed << 13; seed ^= seed >> 7; seed ^= seed << 17; return seed; }
static void mix(uint64_t x) { hash = (hash ^ x) * 0x100000001b3; hash ^= hash >> 29; }
static void show(const char *name) { printf("%s %016lx\n", name, hash); hash = 0xcbf29ce484222325; }
#define TWO(op) for (int i = 0; i < COUNT; i++) for (int j = 0; j < COUNT; j++) { uint64_t r; asm volatile(op " %0, %1, %2" : "=r"(r) : "r"(v[i]), "r"(v[j])); mix(r); } show(op);
#define ONE(op) for (int i = 0; i < COUNT; i++) { uint64_t r; asm volatile(op " %0, %1" : "=r"(r) : "r"(v[i])); mix(r); } show(op);
#define IMM1(op, k) for (int i = 0; i < COUNT; i++) { uint64_t r; asm volatile(op " %0, %1, " #k : "=r"(r) : "r"(v[i])); mix(r); }
#define IMM(op) IMM1(op, 0) IMM1(op, 1) IMM1(op, -1) IMM1(op, 2047) IMM1(op, -2048) IMM1(op, 85) IMM1(op, -1366) show(op);
#define SHIFT(op) IMM1(op, 0) IMM1(op, 1) IMM1(op, 31) IMM1(op, 13) show(op);
#define SHIFT64(op) IMM1(op, 0) IMM1(op, 1) IMM1(op, 31) IMM1(op, 32) IMM1(op, 45) IMM1(op, 63) show(op);
#define BRANCH(op) for (int i = 0; i < COUNT; i++) for (int j = 0; j < COUNT; j++) { uint64_t r = 0; asm volatile(op " %1, %2, 1f\naddi %0, %0, 1\n1:" : "+r"(r) : "r"(v[i]), "r"(v[j])); mix(r); } show(op);
#define AMO(op, t) for (int i = 0; i < COUNT; i++) for (int j = 0; j < COUNT; j++) { uint64_t m = v[i], r; asm volatile(op " %0, %2, (%1)" : "=&r"(r) : "r"(&m), "r"(v[j]) : "memory"); mix(r); mix(m); } show(op);
#define LOAD(op) for (int i = 0; i < 40; i++) { uint64_t r; asm volatile(op " %0, 3(%1)" : "=r"(r) : "r"((char *)v + i) : "memory"); mix(r); } show(op);
#define STORE(op) { char b[64]; memset(b, 1, 64); for (int i = 0; i < 40; i++) { asm volatile(op " %0, 3(%1)" : : "r"(v[i]), "r"(b + i) : "memory"); for (int k = 0; k < 64; k++) mix(b[k]); } show(op); }
int main(void) {
    const uint64_t edges[] = { 0, 1, -1, 2, -2, 0x7fffffff, 0x80000000, 0xffffffff, 0x100000000, 0x7fffffffffffffff, 0x8000000000000000, 0xffffffff80000000, 0xffffffff7fffffff, 31, 32, 63, 64, 0x8080808080808080, 0x00ff00ff0100ff00 };
    for (int i = 0; i < COUNT; i++) v[i] = i < sizeof edges / 8 ? edges[i] : rnd() >> rnd() % 64;
    TWO("add") TWO("sub") TWO("sll") TWO("slt") TWO("sltu") TWO("xor") TWO("srl") TWO("sra") TWO("or") TWO("and") TWO("addw") TWO("subw") TWO("sllw") TWO("srlw") TWO("sraw")
    TWO("mul") TWO("mulh") TWO("mulhsu") TWO("mulhu") TWO("div") TWO("divu") TWO("rem") TWO("remu") TWO("mulw") TWO("divw") TWO("divuw") TWO("remw") TWO("remuw")
    TWO("add.uw") TWO("sh1add") TWO("sh2add") TWO("sh3add") TWO("sh1add.uw") TWO("sh2add.uw") TWO("sh3add.uw") TWO("andn") TWO("orn") TWO("xnor") TWO("max") TWO("maxu") TWO("min") TWO("minu") TWO("rol") TWO("ror") TWO("rolw") TWO("rorw") TWO("bclr") TWO("bext") TWO("binv") TWO("bset")
    ONE("clz") ONE("ctz") ONE("cpop") ONE("clzw") ONE("cpopw") ONE("sext.b") ONE("sext.h") ONE("zext.h") ONE("orc.b") ONE("rev8")
    for (int i = 0; i < COUNT; i++) { uint64_t r; asm volatile("ctzw %0, %1" : "=r"(r) : "r"(v[i])); mix((uint32_t)v[i] ? r : 32); } show("ctzw"); // QEMU 7.2 gets ctzw of 0 wrong
    IMM("addi") IMM("slti") IMM("sltiu") IMM("xori") IMM("ori") IMM("andi") IMM("addiw") SHIFT64("slli") SHIFT64("srli") SHIFT64("srai") SHIFT("slliw") SHIFT("srliw") SHIFT("sraiw") SHIFT64("slli.uw") SHIFT64("rori") SHIFT("roriw") SHIFT64("bclri") SHIFT64("bexti") SHIFT64("binvi") SHIFT64("bseti")
    BRANCH("beq") BRANCH("bne") BRANCH("blt") BRANCH("bge") BRANCH("bltu") BRANCH("bgeu")
    AMO("amoswap.w", ) AMO("amoadd.w", ) AMO("amoxor.w", ) AMO("amoand.w", ) AMO("amoor.w", ) AMO("amomin.w", ) AMO("amomax.w", ) AMO("amominu.w", ) AMO("amomaxu.w", ) AMO("amoswap.d", ) AMO("amoadd.d.aqrl", ) AMO("amoxor.d", ) AMO("amoand.d.aq", ) AMO("amoor.d.rl", ) AMO("amomin.d", ) AMO("amomax.d", ) AMO("amominu.d", ) AMO("amomaxu.d", )
    LOAD("lb") LOAD("lh") LOAD("lw") LOAD("ld") LOAD("lbu") LOAD("lhu") LOAD("lwu") STORE("sb") STORE("sh") STORE("sw") STORE("sd")
    uint64_t m[2] = {5, 6}, r, f; asm volatile("lr.d %0, (%2)\nsc.d %1, %3, (%2)" : "=&r"(r), "=&r"(f) : "r"(m), "r"(9l) : "memory"); printf("%ld %ld %ld\n", r, f, m[0]);
    asm volatile("sc.d %0, %2, (%1)" : "=&r"(f) : "r"(m), "r"(10l) : "memory"); printf("%ld %ld\n", f, m[0]);
    asm volatile("lr.w %0, (%2)\nsc.w %1, %3, (%4)" : "=&r"(r), "=&r"(f) : "r"(m), "r"(9l), "r"(m + 1) : "memory"); printf("%ld %ld %ld\n", r, f, m[1]);
    m[0] = 0xffffffff80000000; asm volatile("lr.w %0, (%2)\nsc.w %1, zero, (%2)" : "=&r"(r), "=&r"(f) : "r"(m) : "memory"); printf("%lx %ld %lx\n", r, f, m[0]);
    asm volatile("rdtime %0\nrdcycle %1\nrdinstret %1" : "=r"(r), "=r"(f)); uint64_t t; asm volatile("rdtime %0" : "=r"(t)); printf("%d\n", t >= r);
    asm volatile("auipc %0, 0x80000\nauipc %1, 0\nsub %0, %0, %1" : "=&r"(r), "=&r"(f)); printf("%lx\n", r); asm volatile("lui %0, 0x80000" : "=r"(r)); printf("%lx\n", r);
    asm volatile("fence\nfence rw, w\nfence.i\nfence.tso\n.insn 0x0100000f"); // the last is pause
    return 0;
}
