// qsort, an own quicksort, heap sort and binary search over several element types.
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct { uint32_t key; char name[12]; double weight; } Record;

static uint64_t seed = 88172645463325252;
static uint64_t next_random(void) {
    seed ^= seed << 13;
    seed ^= seed >> 7;
    return seed ^= seed << 17;
}

static int by_long(const void *a, const void *b) {
    long x = *(const long *)a, y = *(const long *)b;
    return (x > y) - (x < y);
}
static int by_name(const void *a, const void *b) { return strcmp(((const Record *)a)->name, ((const Record *)b)->name); }
static int by_weight(const void *a, const void *b) {
    double x = ((const Record *)a)->weight, y = ((const Record *)b)->weight;
    return (x > y) - (x < y);
}
static int by_text(const void *a, const void *b) { return strcmp(*(char *const *)a, *(char *const *)b); }

static void quick(int *v, long low, long high) {
    while (low < high) {
        int pivot = v[low + (high - low) / 2];
        long i = low - 1, j = high + 1;
        for (;;) {
            do i++; while (v[i] < pivot);
            do j--; while (v[j] > pivot);
            if (i >= j) break;
            int t = v[i];
            v[i] = v[j], v[j] = t;
        }
        quick(v, low, j);
        low = j + 1;
    }
}

static void heap(int *v, long n) {
    for (long start = n / 2, end = n; end > 1;) {
        if (start > 0) start--;
        else {
            end--;
            int t = v[end];
            v[end] = v[0], v[0] = t;
        }
        for (long root = start, child; (child = 2 * root + 1) < end; root = child) {
            if (child + 1 < end && v[child] < v[child + 1]) child++;
            if (v[root] >= v[child]) break;
            int t = v[root];
            v[root] = v[child], v[child] = t;
        }
    }
}

static uint64_t digest(const void *bytes, size_t len) {
    uint64_t h = 14695981039346656037u;
    for (size_t i = 0; i < len; i++) h = (h ^ ((const uint8_t *)bytes)[i]) * 1099511628211u;
    return h;
}

int main(int argc, char **argv) {
    long n = argc > 1 ? atol(argv[1]) : 20000;
    long *longs = malloc(n * sizeof *longs);
    int *a = malloc(n * sizeof *a), *b = malloc(n * sizeof *b);
    Record *records = calloc(n, sizeof *records);
    char **texts = malloc(n * sizeof *texts);
    for (long i = 0; i < n; i++) {
        longs[i] = (long)next_random();
        a[i] = b[i] = (int)next_random();
        records[i].key = (uint32_t)i;
        records[i].weight = (double)(next_random() % 100000) / 7;
        snprintf(records[i].name, sizeof records[i].name, "n%lu", (unsigned long)(next_random() % 1000000));
        texts[i] = records[i].name;
    }
    qsort(longs, n, sizeof *longs, by_long);
    quick(a, 0, n - 1);
    heap(b, n);
    qsort(texts, n / 4, sizeof *texts, by_text);
    printf("%016lx %016lx %d\n", digest(longs, n * sizeof *longs), digest(a, n * sizeof *a), !memcmp(a, b, n * sizeof *a));
    printf("%s %s %s\n", texts[0], texts[n / 8], texts[n / 4 - 1]);
    qsort(records, n, sizeof *records, by_name);
    printf("%s %s\n", records[0].name, records[n - 1].name);
    qsort(records, n, sizeof *records, by_weight);
    printf("%g %g %g\n", records[0].weight, records[n / 2].weight, records[n - 1].weight);
    long found = 0;
    for (long i = 0; i < n; i += 3) found += bsearch(&longs[i], longs, n, sizeof *longs, by_long) == &longs[i];
    printf("found %ld\n", found);
    return 0;
}
