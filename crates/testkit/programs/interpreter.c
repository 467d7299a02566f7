// A bytecode interpreter by computed goto: indirect jumps, unpredictable ones.
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

enum Op { PUSH, ADD, SUB, MUL, DUP, SWAP, OVER, DROP, JUMP_IF, JUMP, LOAD, STORE, LESS, MOD, XOR, HALT };

static long run(const int *code, long *memory) {
    static void *labels[] = {&&push, &&add, &&sub, &&mul, &&dup, &&swap, &&over, &&drop, &&jump_if, &&jump,
                             &&load, &&store, &&less, &&mod, &&xor, &&halt};
    long stack[64], *top = stack, t;
    const int *pc = code;
#define NEXT goto *labels[*pc++]
    NEXT;
push: *++top = *pc++; NEXT;
add: top--; top[0] += top[1]; NEXT;
sub: top--; top[0] -= top[1]; NEXT;
mul: top--; top[0] *= top[1]; NEXT;
dup: top++; top[0] = top[-1]; NEXT;
swap: t = top[0]; top[0] = top[-1]; top[-1] = t; NEXT;
over: top++; top[0] = top[-2]; NEXT;
drop: top--; NEXT;
jump_if: t = *pc++; if (*top--) pc = code + t; NEXT;
jump: pc = code + *pc; NEXT;
load: top[0] = memory[top[0] & 255]; NEXT;
store: memory[top[0] & 255] = top[-1]; top -= 2; NEXT;
less: top--; top[0] = top[0] < top[1]; NEXT;
mod: top--; top[0] = top[1] ? top[0] % top[1] : 0; NEXT;
xor: top--; top[0] ^= top[1]; NEXT;
halt: return *top;
}

int main(int argc, char **argv) {
    int rounds = argc > 1 ? atoi(argv[1]) : 60000;
    static long memory[256];
    // i = 0; do { m[i % 251] = m[(i * 7) % 251] * 31 + i ^ 5; i++ } while (i < rounds); result m[17]
    const int code[] = {PUSH, 0,
                        /* 2 */ DUP, PUSH, 7, MUL, PUSH, 251, MOD, LOAD, PUSH, 31, MUL, OVER, ADD, PUSH, 5, XOR,
                        OVER, PUSH, 251, MOD, STORE,
                        PUSH, 1, ADD, DUP, PUSH, rounds, LESS, JUMP_IF, 2,
                        DROP, PUSH, 17, LOAD, HALT};
    printf("%ld\n", run(code, memory));
    long sum = 0;
    for (int i = 0; i < 256; i++) sum = sum * 3 + memory[i];
    printf("%lx\n", sum);
    return 0;
}
