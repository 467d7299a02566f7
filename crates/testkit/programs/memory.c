// Misaligned accesses of all widths, string functions, mappings and protections, and the break.
#define _GNU_SOURCE
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static void misaligned(void) {
    static uint8_t area[64];
    uint64_t sum = 0;
    for (int i = 0; i < 64; i++) area[i] = (uint8_t)(i * 37 + 11);
    for (int offset = 0; offset < 40; offset++) {
        uint64_t d;
        int32_t w;
        uint32_t wu;
        int16_t h;
        double f;
        float s;
        __asm__ volatile("ld %0, 0(%6)\n lw %1, 1(%6)\n lwu %2, 3(%6)\n lh %3, 5(%6)\n fld %4, 2(%6)\n flw %5, 7(%6)"
                         : "=&r"(d), "=&r"(w), "=&r"(wu), "=&r"(h), "=&f"(f), "=&f"(s) : "r"(area + offset) : "memory");
        sum = sum * 31 + d + (uint64_t)w + wu + (uint64_t)h;
        __asm__ volatile("sd %0, 0(%3)\n fsd %1, 9(%3)\n sh %2, 17(%3)" : : "r"(sum), "f"(f), "r"(w), "r"(area + offset) : "memory");
        sum += area[offset + 3];
    }
    printf("misaligned %016lx\n", sum);
}

static void across_pages(void) {
    uint8_t *pages = mmap(NULL, 3 * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    for (int offset = 4089; offset < 4096; offset++) {
        uint64_t v = 0x0123456789abcdef * (uint64_t)offset, back;
        __asm__ volatile("sd %1, 0(%2)\n ld %0, 0(%2)" : "=&r"(back) : "r"(v), "r"(pages + offset) : "memory");
        if (back != v) puts("torn");
    }
    printf("mprotect %d\n", mprotect(pages + 4096, 4096, PROT_READ));
    printf("munmap %d\n", munmap(pages + 8192, 4096));
    uint8_t *moved = mremap(pages, 4096, 65536, MREMAP_MAYMOVE);
    printf("mremap %d %x\n", moved != MAP_FAILED, moved[4090]);
    uint8_t *fixed = mmap(moved + 4096, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
    printf("fixed %d zero %d\n", fixed == moved + 4096, fixed[0]);
    void *bad = mmap((void *)1, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
    printf("bad %d %s\n", bad == MAP_FAILED, strerror(errno));
    printf("madvise %d\n", madvise(moved, 4096, MADV_DONTNEED));
    printf("cleared %d\n", moved[4090]);
    char *start = sbrk(0);
    char *grown = sbrk(100000);
    grown[99999] = 1;
    printf("break %d %d\n", grown == start, sbrk(0) == start + 100000);
}

static void strings(void) {
    static char a[600], b[600];
    uint64_t sum = 0;
    for (int i = 0; i < 599; i++) a[i] = (char)('a' + i * 7 % 26);
    for (int from = 0; from < 20; from++)
        for (int len = 0; len < 300; len += 13) {
            memcpy(b + from, a + 20 - from, len);
            memmove(b + from + 3, b + from, len);
            memset(b + 400, from, len % 64);
            b[500 + from] = 0;
            sum = sum * 131 + strlen(b) + (uint64_t)(memcmp(a, b, len) > 0) + (uint64_t)(strcmp(a + from, b) < 0);
            char *found = strchr(a + from, 'q');
            sum += found ? (uint64_t)(found - a) : 1;
            found = memchr(b, 'z', 400);
            sum += found ? (uint64_t)(found - b) : 2;
            found = strstr(a, "hov");
            sum += found ? (uint64_t)(found - a) : 3;
        }
    char list[] = "one,two;;three", *save;
    for (char *word = strtok_r(list, ",;", &save); word; word = strtok_r(NULL, ",;", &save)) printf("%s|", word);
    printf(" %016lx %zu %zu\n", sum, strspn("aabbc", "ab"), strcspn("hello", "l"));
}

int main(void) {
    misaligned();
    across_pages();
    strings();
    return 0;
}
