# The compiler compiles, the assembler assembles, the linker links, and what they made runs.
cd "$(mktemp -d)" || exit 1
cat >main.c <<'END'
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <pthread.h>
#include <math.h>
#include "other.h"
static int by_value(const void *a, const void *b) { return *(const int *)a - *(const int *)b; }
static void *square(void *n) { return (void *)((long)n * (long)n); }
int main(int argc, char **argv) {
    int numbers[100];
    for (int i = 0; i < 100; i++) numbers[i] = (i * 7919) % 101;
    qsort(numbers, 100, sizeof *numbers, by_value);
    pthread_t thread; void *result;
    pthread_create(&thread, 0, square, (void *)12L); pthread_join(thread, &result);
    printf("%d %d %ld %.10f %s %d\n", numbers[0], numbers[99], (long)result, sin(1) + sqrt(2), GREETING, other(argc));
    return argc > 1 ? atoi(argv[1]) : 0;
}
END
echo 'int other(int); 
#define GREETING "compiled"' >other.h
echo '#include "other.h"
int other(int n) { int sum = 0; for (int i = 0; i < n * 1000; i++) sum += i ^ n; return sum; }' >other.c
gcc -O2 -Wall -c main.c && gcc -O0 -g -S other.c && as other.s -o other.o && gcc main.o other.o -o program -lm && ./program && ./program 42; echo "status $?"
gcc -O2 -fPIC -shared other.c -o libother.so && gcc -O1 main.c -L. -lother -lm -o dynamic && LD_LIBRARY_PATH=. ./dynamic x
gcc -Os -static main.c other.c -lm -o fixed && ./fixed; gcc -E -P -DX=3 - <<<'#if X > 2
yes X
#endif'; ar rcs libo.a other.o && nm libo.a | grep -c ' T other'; gcc main.c libo.a -lm -flto -O2 -o lto && ./lto; strip program && ./program
gcc -c - -x c </dev/null 2>/dev/null; echo 'int main(void) { return undeclared; }' >bad.c; gcc bad.c 2>&1 | grep -c error; objdump -d other.o | grep -c other; readelf -h program | grep Machine | tr -s ' '; size program | wc -l; echo 'puts' | c++filt
