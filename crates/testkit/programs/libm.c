// The mathematical library over special values and a sweep of ordinary ones, to the last bit.
#include <complex.h>
#include <fenv.h>
#include <math.h>
#include <stdio.h>

#define COUNT(a) (sizeof(a) / sizeof *(a))

typedef double (*Unary)(double);
typedef double (*Binary)(double, double);
typedef float (*UnaryFloat)(float);

static const double values[] = {0.0, -0.0, 0.5, -0.5, 1.0, -1.0, 1.5, 2.0, -2.25, 3.141592653589793, 10.0, -10.5,
                                0.1, 1e-5, -1e-10, 100.25, 709.5, 1e10, -1e16, 1e300, 5e-324, 1e-308, INFINITY,
                                -INFINITY, NAN};

#define NAMED(f) {#f, f}
static const struct { const char *name; Unary call; } unary[] = {
    NAMED(sin), NAMED(cos), NAMED(tan), NAMED(asin), NAMED(acos), NAMED(atan), NAMED(sinh), NAMED(cosh),
    NAMED(tanh), NAMED(asinh), NAMED(acosh), NAMED(atanh), NAMED(exp), NAMED(exp2), NAMED(expm1), NAMED(log),
    NAMED(log2), NAMED(log10), NAMED(log1p), NAMED(sqrt), NAMED(cbrt), NAMED(erf), NAMED(erfc), NAMED(tgamma),
    NAMED(lgamma), NAMED(floor), NAMED(ceil), NAMED(trunc), NAMED(round), NAMED(rint), NAMED(nearbyint),
    NAMED(fabs), NAMED(logb), NAMED(j0), NAMED(y1)};
static const struct { const char *name; Binary call; } binary[] = {
    NAMED(pow), NAMED(atan2), NAMED(fmod), NAMED(remainder), NAMED(hypot), NAMED(fmin), NAMED(fmax), NAMED(fdim),
    NAMED(copysign), NAMED(nextafter)};
static const struct { const char *name; UnaryFloat call; } single[] = {
    NAMED(sinf), NAMED(cosf), NAMED(tanf), NAMED(expf), NAMED(logf), NAMED(sqrtf), NAMED(cbrtf), NAMED(atanf),
    NAMED(floorf), NAMED(roundf), NAMED(tanhf), NAMED(erff), NAMED(tgammaf)};

// The sign of a NaN says nothing.
static void show(double v) {
    if (isnan(v)) printf(" nan");
    else printf(" %a", v);
}

static void special_values(void) {
    for (size_t f = 0; f < COUNT(unary); f++) {
        printf("%s:", unary[f].name);
        for (size_t i = 0; i < COUNT(values); i++) {
            volatile double x = values[i];
            show(unary[f].call(x));
        }
        putchar('\n');
    }
    for (size_t f = 0; f < COUNT(binary); f++) {
        printf("%s:", binary[f].name);
        for (size_t i = 0; i < COUNT(values); i++)
            for (size_t j = 0; j < COUNT(values); j += 2) show(binary[f].call(values[i], values[j]));
        putchar('\n');
    }
    for (size_t f = 0; f < COUNT(single); f++) {
        printf("%s:", single[f].name);
        for (size_t i = 0; i < COUNT(values); i++) show(single[f].call((float)values[i]));
        putchar('\n');
    }
}

static void sweep(void) {
    double sums[COUNT(unary)] = {0};
    for (int step = 1; step < 400; step++) {
        double x = step * 0.01171875;
        for (size_t f = 0; f < COUNT(unary); f++) {
            double y = unary[f].call(x > 1 && (f == 3 || f == 4 || f == 11) ? 1 / x : x);
            if (isfinite(y)) sums[f] += y;
        }
    }
    for (size_t f = 0; f < COUNT(unary); f++) printf("%s %a\n", unary[f].name, sums[f]);
}

static void pieces(void) {
    for (size_t i = 0; i < COUNT(values); i++) {
        int exponent = 0, quotient = 0;
        double whole = 0, fraction = frexp(values[i], &exponent), part = modf(values[i], &whole);
        show(fraction);
        printf(" %d", isfinite(values[i]) ? exponent : 0);
        show(part);
        show(whole);
        show(ldexp(values[i], -7));
        show(remquo(values[i], 3, &quotient));
        printf(" %d%d%d%d %d", !!isnan(values[i]), !!isinf(values[i]), !!isnormal(values[i]), !!signbit(values[i]),
               fpclassify(values[i]));
        if (fabs(values[i]) < 1e9) printf(" %ld %ld %lld", lrint(values[i]), lround(values[i]), llrint(values[i]));
        putchar('\n');
    }
    show(fma(1e16 + 2, 1 + 0x1p-50, -1e16));
    show(fma(0.1, 10, -1));
    show(fmaf(0.1f, 10, -1));
    double complex z = csqrt(-3 + 4 * I) * cexp(I);
    show(creal(z));
    show(cimag(z));
    long double wide = sqrtl(2.0L) + sinl(1.0L) * expl(0.5L);
    printf(" %La\n", wide);
}

static void modes_and_flags(void) {
    static const int modes[] = {FE_TONEAREST, FE_DOWNWARD, FE_UPWARD, FE_TOWARDZERO};
    for (size_t m = 0; m < COUNT(modes); m++) {
        fesetround(modes[m]);
        volatile double one = 1, three = 3, tiny = 1e-20, half = 2.5;
        volatile float fone = 1, fseven = 7;
        show(one / three);
        show(-one / three);
        show(one + tiny);
        show(rint(half));
        show(rint(-half));
        show(sqrt(three));
        show(fone / fseven);
        show((float)(one / three));
        show(fma(one / three, three, tiny));
        printf(" %ld %d\n", lrint(half), fegetround() == modes[m]);
    }
    fesetround(FE_TONEAREST);
    volatile double zero = 0, huge = 1e308, small = 5e-324, minus = -1, third = 3;
    static const struct { const char *name; int bit; } flags[] = {
        {"invalid", FE_INVALID}, {"divide", FE_DIVBYZERO}, {"overflow", FE_OVERFLOW},
        {"underflow", FE_UNDERFLOW}, {"inexact", FE_INEXACT}};
    for (int test = 0; test < 8; test++) {
        volatile double result = 0;
        volatile long whole = 0;
        feclearexcept(FE_ALL_EXCEPT);
        switch (test) {
            case 0: result = zero / zero; break;
            case 1: result = minus / zero; break;
            case 2: result = huge * 10; break;
            case 3: result = small / third; break;
            case 4: result = minus / third; break;
            case 5: result = sqrt(minus); break;
            case 6: whole = (long)(huge * minus); break;
            default: result = huge - huge; break;
        }
        printf("%d:", test);
        for (size_t f = 0; f < COUNT(flags); f++)
            if (fetestexcept(flags[f].bit)) printf(" %s", flags[f].name);
        show(result);
        printf(" %ld\n", whole);
    }
}

static void conversions(void) {
    for (size_t i = 0; i < COUNT(values); i++) {
        volatile double x = values[i];
        volatile float y = (float)x;
        printf("%d %u %ld %lu %d %ld\n", (int)x, (unsigned)x, (long)x, (unsigned long)x, (int)y, (long)y);
    }
    static const long wholes[] = {0, 1, -1, 16777217, 9007199254740993, -9223372036854775807 - 1,
                                  9223372036854775807, 0x7fffffbfffffffff};
    for (size_t i = 0; i < COUNT(wholes); i++) {
        volatile long whole = wholes[i];
        show((double)whole);
        show((float)whole);
        show((double)(unsigned long)whole);
        show((float)(unsigned long)whole);
        show((double)(int)whole);
        show((float)(unsigned)whole);
        putchar('\n');
    }
}

int main(void) {
    special_values();
    sweep();
    pieces();
    modes_and_flags();
    conversions();
    return 0;
}
