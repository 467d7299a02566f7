// The printf family over every conversion, flag, width and precision that is portable.
#include <inttypes.h>
#include <limits.h>
#include <math.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <wchar.h>

static const double doubles[] = {0.0, -0.0, 1.0, -1.5, 0.1, 123456.789, 1e100, -1e-100, 5e-324,
                                 1.7976931348623157e308, 2.5, 3.5, 0.5, 1e15, 1e16, 1e21, 0.0001,
                                 0.00001, 123456789012345678.0, 3.141592653589793, 2.2250738585072014e-308};
static const long longs[] = {0, 1, -1, 42, -42, 255, 65536, INT_MAX, INT_MIN, LONG_MAX, LONG_MIN, 1000000007};

static void all_integers(void) {
    static const char *formats[] = {"[%ld]", "[%5ld]", "[%-8ld]", "[%08ld]", "[%+ld]", "[% ld]", "[%.4ld]",
                                    "[%12.6ld]", "[%-12.6ld]", "[%lu]", "[%lx]", "[%#lx]", "[%#lX]",
                                    "[%lo]", "[%#lo]", "[%#020lx]", "[%'ld]", "[%+.0ld]"};
    for (size_t f = 0; f < sizeof formats / sizeof *formats; f++) {
        for (size_t i = 0; i < sizeof longs / sizeof *longs; i++) printf(formats[f], longs[i]);
        putchar('\n');
    }
    for (size_t i = 0; i < sizeof longs / sizeof *longs; i++)
        printf("%hhd %hd %d %ld %lld %jd %zd %td\n", (signed char)longs[i], (short)longs[i], (int)longs[i],
               longs[i], (long long)longs[i], (intmax_t)longs[i], (ssize_t)longs[i], (ptrdiff_t)longs[i]);
}

static void all_floats(void) {
    static const char *formats[] = {"[%f]", "[%.0f]", "[%#.0f]", "[%.1f]", "[%.3f]", "[%+12.4f]", "[%-12.4f]",
                                    "[%012.3f]", "[% f]", "[%e]", "[%.0e]", "[%.10e]", "[%E]", "[%g]",
                                    "[%#g]", "[%.3g]", "[%.15g]", "[%.17g]", "[%G]", "[%a]", "[%.2a]",
                                    "[%A]", "[%20.10a]", "[%.40f]", "[%'.2f]"};
    for (size_t f = 0; f < sizeof formats / sizeof *formats; f++) {
        for (size_t i = 0; i < sizeof doubles / sizeof *doubles; i++) printf(formats[f], doubles[i]);
        putchar('\n');
    }
    printf("%f %F %e %g %a\n", INFINITY, INFINITY, -INFINITY, INFINITY, -INFINITY);
    printf("%f %F %e %g %10.3f %-10f|\n", NAN, NAN, NAN, NAN, NAN, NAN);
    long double wide = 1.0L / 3;
    printf("%Lf %Le %Lg %La %.30Lf\n", wide, wide * 1e300L, wide, wide, wide * 1e10L);
    printf("%Lg %.36Lg\n", 1e4000L, 2.0L / 7 * 1e-3000L);
}

static void strings(void) {
    printf("[%s] [%10s] [%-10s] [%.3s] [%10.3s] [%c] [%5c] [%-5c]\n", "hello", "hello", "hello", "hello",
           "hello", 'x', 'y', 'z');
    printf("[%*d] [%-*d] [%.*f] [%*.*s]\n", 7, 42, 7, 42, 3, 2.718281828, 9, 2, "abc");
    printf("%2$s %1$s %3$d%%\n", "first", "second", 100);
    printf("%p %p\n", (void *)0x1234, (void *)0);
    int count = 0;
    printf("counted%n", &count);
    printf(" %d\n", count);
    printf("[%ls] [%lc]\n", L"wide", (wint_t)L'w');
    char small[8];
    int wanted = snprintf(small, sizeof small, "%s-%d", "truncated", 12345);
    printf("%d %s\n", wanted, small);
    char *made = NULL;
    if (asprintf(&made, "%s/%05d/%x", "made", 77, 48879) > 0) puts(made);
    free(made);
}

static void scanning(void) {
    int a, b, c;
    double d, e;
    char word[32], set[32];
    int n = sscanf("42 0x1f 077 3.25e2 -1e-3 word abc123", "%d %i %i %lf %lf %31s %31[a-c]", &a, &b, &c, &d, &e,
                   word, set);
    printf("%d: %d %d %d %g %g %s %s\n", n, a, b, c, d, e, word, set);
    static const char *numbers[] = {"0", "1e400", "-1e-400", "0x1.8p3", "inf", "nan", "1.7976931348623159e308",
                                    "2.2250738585072011e-308", "9007199254740993", "0.1e-1x", "junk"};
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        char *end;
        double v = strtod(numbers[i], &end);
        printf("%s -> %a %g left '%s'\n", numbers[i], v, v, end);
    }
    printf("%ld %ld %lu %ld\n", strtol("-0x7fffffffffffffff", NULL, 0), strtol("99999999999999999999", NULL, 10),
           strtoul("zz", NULL, 36), strtol("0b1", NULL, 0));
    printf("%.9g %a\n", strtof("16777217", NULL), strtof("1e-45", NULL));
}

int main(void) {
    all_integers();
    all_floats();
    strings();
    scanning();
    fprintf(stderr, "to the other stream: %d\n", 7);
    return 0;
}
