// Code that is written while the program runs: generated, called until hot, rewritten, called again.
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

typedef long (*Function)(long);

// addi a0, a0, n; ret
static void write_adder(uint32_t *code, int n) {
    code[0] = (uint32_t)n << 20 | 10 << 15 | 10 << 7 | 0x13;
    code[1] = 0x00008067;
    __builtin___clear_cache((char *)code, (char *)(code + 2));
    __asm__ volatile("fence.i" ::: "memory");
}

int main(void) {
    uint32_t *code = mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (code == MAP_FAILED) return 1;
    Function f = (Function)code;
    long x = 0;
    for (int version = 1; version < 12; version++) {
        write_adder(code, version);
        for (int i = 0; i < 3000; i++) x = f(x);
        printf("%ld\n", x);
    }
    // Changed by way of mprotect, as careful programs do.
    for (int version = 20; version < 24; version++) {
        mprotect(code, 4096, PROT_READ | PROT_WRITE);
        write_adder(code, version);
        mprotect(code, 4096, PROT_READ | PROT_EXEC);
        for (int i = 0; i < 3000; i++) x = f(x);
        printf("%ld\n", x);
    }
    // Unmapped, and something else mapped in its place.
    munmap(code, 4096);
    code = mmap(code, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
    write_adder(code, 100);
    for (int i = 0; i < 3000; i++) x = ((Function)code)(x);
    printf("%ld\n", x);
    return 0;
}
