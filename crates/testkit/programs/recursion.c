// Calls: Fibonacci, Ackermann, Takeuchi, Hanoi, mutual recursion and deep recursion.
#include <stdio.h>
#include <stdlib.h>

__attribute__((noinline)) static long fib(long n) { return n < 2 ? n : fib(n - 1) + fib(n - 2); }
__attribute__((noinline)) static long ackermann(long m, long n) {
    return m == 0 ? n + 1 : n == 0 ? ackermann(m - 1, 1) : ackermann(m - 1, ackermann(m, n - 1));
}
__attribute__((noinline)) static long tak(long x, long y, long z) {
    return y >= x ? z : tak(tak(x - 1, y, z), tak(y - 1, z, x), tak(z - 1, x, y));
}
static long moves;
__attribute__((noinline)) static void hanoi(int n, int from, int to, int by) {
    if (n == 0) return;
    hanoi(n - 1, from, by, to);
    moves += from * 3 + to;
    hanoi(n - 1, by, to, from);
}
static int odd(int n);
__attribute__((noinline)) static int even(int n) { return n == 0 ? 1 : odd(n - 1); }
__attribute__((noinline)) static int odd(int n) { return n == 0 ? 0 : even(n - 1); }
__attribute__((noinline)) static double deep(int n) { return n == 0 ? 1 : deep(n - 1) * 1.0001 + n % 3; }

int main(int argc, char **argv) {
    long n = argc > 1 ? atol(argv[1]) : 24;
    printf("fib %ld\n", fib(n));
    printf("ackermann %ld\n", ackermann(2, 300) + ackermann(3, 5));
    printf("tak %ld\n", tak(14, 8, 3));
    hanoi(14, 1, 3, 2);
    printf("hanoi %ld\n", moves);
    printf("even %d deep %.10g\n", even(10001), deep(20000));
    return 0;
}
