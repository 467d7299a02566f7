// A static position-independent program without a library (Debian's cross glibc cannot make static PIEs):
// it relocates itself, then calls through relocated tables and checks what the kernel told it.
#include <elf.h>
#include <stddef.h>
#include <stdint.h>

static long system_call(long number, long a, long b, long c) {
    register long a7 __asm__("a7") = number, a0 __asm__("a0") = a, a1 __asm__("a1") = b, a2 __asm__("a2") = c;
    __asm__ volatile("ecall" : "+r"(a0) : "r"(a7), "r"(a1), "r"(a2) : "memory");
    return a0;
}

static void put(const char *text) {
    long len = 0;
    while (text[len]) len++;
    system_call(64, 1, (long)text, len);
}

static void put_hex(uint64_t v) {
    char digits[18];
    for (int i = 0; i < 16; i++) digits[i] = "0123456789abcdef"[v >> (60 - 4 * i) & 15];
    digits[16] = '\n';
    digits[17] = 0;
    put(digits);
}

static uint64_t twist(uint64_t x) { return x ^ x << 13; }
static uint64_t shift(uint64_t x) { return x ^ x >> 7; }
static uint64_t grow(uint64_t x) { return x * 6364136223846793005u + 1; }
static uint64_t mirror(uint64_t x) { return x << 32 | x >> 32; }
static uint64_t (*functions[])(uint64_t) = {twist, shift, grow, mirror};
static const char *names[] = {"twist", " shift", " grow", " mirror\n"};
static uint64_t counter = 5, *pointer = &counter;
extern const Elf64_Ehdr __ehdr_start __attribute__((visibility("hidden")));
extern Elf64_Dyn _DYNAMIC[] __attribute__((visibility("hidden")));

__attribute__((used)) static void begin(long *stack) {
    uint64_t base = (uint64_t)&__ehdr_start, table = 0, size = 0;
    for (Elf64_Dyn *d = _DYNAMIC; d->d_tag != DT_NULL; d++) {
        if (d->d_tag == DT_RELA) table = d->d_un.d_ptr;
        if (d->d_tag == DT_RELASZ) size = d->d_un.d_val;
    }
    for (Elf64_Rela *r = (Elf64_Rela *)(base + table), *end = (Elf64_Rela *)(base + table + size); r < end; r++)
        *(uint64_t *)(base + r->r_offset) = base + (uint64_t)r->r_addend;

    long argc = *stack;
    char **environment = (char **)stack + argc + 2;
    while (*environment) environment++;
    uint64_t phdr = 0, entry = 0;
    for (Elf64_auxv_t *aux = (Elf64_auxv_t *)(environment + 1); aux->a_type != AT_NULL; aux++) {
        if (aux->a_type == AT_PHDR) phdr = aux->a_un.a_val;
        if (aux->a_type == AT_ENTRY) entry = aux->a_un.a_val;
    }
    put(phdr == base + __ehdr_start.e_phoff && entry == base + __ehdr_start.e_entry ? "told truly\n" : "misled\n");
    for (int i = 0; i < 4; i++) put(names[i]);
    uint64_t x = 1;
    for (int i = 0; i < 400000; i++) {
        x = functions[x >> 61 & 3](x) + *pointer;
        counter += x & 1;
    }
    put_hex(x);
    system_call(94, (long)(counter & 63), 0, 0);
}

__asm__(".globl _start\n_start:\n mv a0, sp\n andi sp, sp, -16\n tail begin\n");
