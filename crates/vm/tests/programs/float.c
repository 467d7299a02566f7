#include <stdio.h>
#include <math.h>
#include <stdlib.h>
#include <fenv.h>
volatile double a = 1.0, b = 3.0; volatile float fa = 1.0f, fb = 3.0f;
int main(void) {
    int modes[] = {FE_TONEAREST, FE_DOWNWARD, FE_UPWARD, FE_TOWARDZERO};
    for (int i = 0; i < 4; i++) {
        fesetround(modes[i]); feclearexcept(FE_ALL_EXCEPT);
        double q = a / b; float fq = fa / fb;
        printf("%a %a %x\n", q, fq, fetestexcept(FE_ALL_EXCEPT));
        printf("%ld %ld\n", lrint(2.5 * a), lrint(-2.5 * a));
    }
    fesetround(FE_TONEAREST);
    double x = 0.1;
    for (int i = 0; i < 40; i++) {
        printf("%.17g %.3e %a | %g %g %g %g %g\n", x, x * 1e200, x, sin(x), exp(x), log(fabs(x) + 1), pow(x, 1.7), tgamma(x));
        printf("%.9g %g %g\n", (float)x, cbrtf((float)x), hypotf((float)x, 2));
        x = x * -1.37 + 0.01;
    }
    printf("%g %g %g\n", 1 / (a - 1), -1 / (a - 1), (a - 1) / (a - 1));
    printf("%Lf %Lg\n", (long double)a / 3, 1e300L * 1e300L);
    printf("%.20Lf\n", 3.14159265358979323846264338327950288L);
    printf("%d %u %ld %lu\n", (int)(a * 1e20), (unsigned)(a * -5), (long)(a * 1e30), (unsigned long)(a * 1e30));
    printf("%d\n", fetestexcept(FE_ALL_EXCEPT));
    char *end; printf("%.17g %.17g\n", strtod("3.14159e-310", &end), strtod("0x1.8p3", &end));
    for (int i = 0; i < 20; i++) printf("%g ", fma(i * 0.1, 3.3, -1.1) + fmin(i, 7) + fmax(-i, -3) + floor(i * .37) + nearbyint(i * .5));
    printf("\n");
    return 0;
}
