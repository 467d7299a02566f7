// Floating-point kernels: matrix multiplication, n bodies, the spectral norm, a Fourier transform.
#include <complex.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

enum { N = 64 };
static double a[N][N], b[N][N], c[N][N];
static float fa[N][N], fc[N][N];

static void matrices(int rounds) {
    for (int i = 0; i < N; i++)
        for (int j = 0; j < N; j++) {
            a[i][j] = (i * 3 + j * 7) % 17 / 3.0;
            b[i][j] = (i * 5 - j) % 13 * 0.25;
            fa[i][j] = (float)a[i][j];
        }
    for (int r = 0; r < rounds; r++)
        for (int i = 0; i < N; i++)
            for (int j = 0; j < N; j++) {
                double sum = 0;
                float fsum = 0;
                for (int k = 0; k < N; k++) {
                    sum += a[i][k] * b[k][j];
                    fsum += fa[i][k] * fa[k][j];
                }
                c[i][j] = sum + c[i][j] * 0.5;
                fc[i][j] = fsum;
            }
    double trace = 0;
    for (int i = 0; i < N; i++) trace += c[i][i] + (double)fc[i][N - 1 - i];
    printf("matrices %a\n", trace);
}

typedef struct { double x, y, z, vx, vy, vz, mass; } Body;
static Body bodies[5] = {{0, 0, 0, 0, 0, 0, 39.47841760435743},
                         {4.84, -1.16, -0.10, 0.606, 2.811, -0.02, 0.03769},
                         {8.34, 4.12, -0.4, -1.01, 1.82, 0.008, 0.01128},
                         {12.89, -15.11, -0.22, 1.08, 0.86, -0.01, 0.0017},
                         {15.37, -25.9, 0.179, 0.979, 0.594, -0.034, 0.002}};

static void orbit(int steps) {
    for (int s = 0; s < steps; s++) {
        for (int i = 0; i < 5; i++)
            for (int j = i + 1; j < 5; j++) {
                Body *p = &bodies[i], *q = &bodies[j];
                double dx = p->x - q->x, dy = p->y - q->y, dz = p->z - q->z;
                double d2 = dx * dx + dy * dy + dz * dz, k = 0.01 / (d2 * sqrt(d2));
                p->vx -= dx * q->mass * k, p->vy -= dy * q->mass * k, p->vz -= dz * q->mass * k;
                q->vx += dx * p->mass * k, q->vy += dy * p->mass * k, q->vz += dz * p->mass * k;
            }
        for (int i = 0; i < 5; i++) {
            bodies[i].x += 0.01 * bodies[i].vx;
            bodies[i].y += 0.01 * bodies[i].vy;
            bodies[i].z += 0.01 * bodies[i].vz;
        }
    }
    for (int i = 0; i < 5; i++) printf("body %.17g %.17g\n", bodies[i].x, bodies[i].vz);
}

static double entry(int i, int j) { return 1.0 / ((i + j) * (i + j + 1) / 2 + i + 1); }

static void spectral(int n) {
    double *u = malloc(n * sizeof *u), *v = malloc(n * sizeof *v), *w = malloc(n * sizeof *w);
    for (int i = 0; i < n; i++) u[i] = 1;
    for (int round = 0; round < 6; round++) {
        double *from = round & 1 ? v : u, *to = round & 1 ? u : v;
        for (int i = 0; i < n; i++) {
            w[i] = 0;
            for (int j = 0; j < n; j++) w[i] += entry(i, j) * from[j];
        }
        for (int i = 0; i < n; i++) {
            to[i] = 0;
            for (int j = 0; j < n; j++) to[i] += entry(j, i) * w[j];
        }
    }
    double uv = 0, vv = 0;
    for (int i = 0; i < n; i++) uv += u[i] * v[i], vv += v[i] * v[i];
    printf("spectral %.15g\n", sqrt(uv / vv));
    free(u), free(v), free(w);
}

static void transform(double complex *x, int n) {
    if (n == 1) return;
    double complex *half = malloc(n * sizeof *half);
    for (int i = 0; i < n / 2; i++) half[i] = x[2 * i], half[n / 2 + i] = x[2 * i + 1];
    transform(half, n / 2);
    transform(half + n / 2, n / 2);
    for (int i = 0; i < n / 2; i++) {
        double complex t = cexp(-2 * I * M_PI * i / n) * half[n / 2 + i];
        x[i] = half[i] + t, x[i + n / 2] = half[i] - t;
    }
    free(half);
}

int main(int argc, char **argv) {
    int size = argc > 1 ? atoi(argv[1]) : 1;
    matrices(2 * size);
    orbit(3000 * size);
    spectral(60 + 20 * size);
    double complex x[1024];
    for (int i = 0; i < 1024; i++) x[i] = sin(i * 0.37) + I * cos(i * 0.11);
    transform(x, 1024);
    printf("transform %.12g %.12g\n", creal(x[60]), cimag(x[1000]));
    return 0;
}
