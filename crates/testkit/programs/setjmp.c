// Jumps out of nested calls, with floating-point and integer state across them.
#include <setjmp.h>
#include <stdio.h>
#include <string.h>

static jmp_buf outer, inner;
static sigjmp_buf masked;

static int dive(int depth, double carried) {
    if (depth == 0) longjmp(outer, (int)carried);
    return dive(depth - 1, carried + 0.5) + 1;
}

static int generator_state;
static int attempt(int n) {
    volatile int tries = 0;
    int code = setjmp(inner);
    if (code < n) {
        tries++;
        longjmp(inner, code + 1);
    }
    return code * 100 + tries;
}

int main(void) {
    volatile double kept = 1.25;
    volatile long sum = 0;
    for (volatile int depth = 1; depth < 200; depth += 7) {
        int code = setjmp(outer);
        if (code == 0) dive(depth, kept);
        else sum += code * depth;
    }
    printf("%ld %g\n", sum, kept);
    for (int n = 0; n < 50; n += 10) printf("%d ", attempt(n));
    putchar('\n');
    if (sigsetjmp(masked, 1) == 0) siglongjmp(masked, 3);
    else puts("masked");
    volatile int count = 0;
    setjmp(outer);
    if (++count < 2000) longjmp(outer, 1);
    printf("%d %d\n", count, generator_state);
    return 0;
}
