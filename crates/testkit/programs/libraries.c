// Libraries that come and go at one address, as by dlclose and dlopen: their code is called until it is
// hot, by several threads, and after each change of what is mapped there none may run the code before.
#include <fcntl.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum { CALLERS = 3, CHANGES = 9, CALLS = 30000, TEXT_AT = 0x100 };
typedef long (*Function)(long, long);

static char *place;
static pthread_barrier_t barrier;
static long sums[CALLERS][CHANGES];

// A library with one segment: a loop that adds `step` to a0 a1 times.
static void write_library(const char *name, int step) {
    unsigned char image[0x200] = {0x7f, 'E', 'L', 'F', 2, 1, 1};
    uint16_t kinds[2] = {3, 243};
    uint32_t version = 1;
    uint64_t headers_at = 64;
    uint16_t sizes[] = {64, 56, 1};
    uint32_t flags = 5;
    memcpy(image + 16, kinds, 4);
    memcpy(image + 20, &version, 4);
    memcpy(image + 32, &headers_at, 8);
    uint32_t float_abi = 4 | 1;
    memcpy(image + 48, &float_abi, 4);
    memcpy(image + 52, sizes, 6);
    uint32_t load = 1;
    uint64_t fields[] = {0, 0, 0, sizeof image, sizeof image, 0x1000};
    memcpy(image + 64, &load, 4);
    memcpy(image + 68, &flags, 4);
    memcpy(image + 72, fields, sizeof fields);
    uint32_t text[] = {
        (uint32_t)step << 20 | 10 << 15 | 10 << 7 | 0x13, // addi a0, a0, step
        0xfff58593,                                       // addi a1, a1, -1
        0xfe059ce3,                                       // bnez a1, -8
        0x00008067,                                       // ret
    };
    memcpy(image + TEXT_AT, text, sizeof text);
    int fd = open(name, O_CREAT | O_TRUNC | O_WRONLY, 0755);
    if (write(fd, image, sizeof image) != sizeof image) perror(name);
    close(fd);
}

static int map_library(const char *name) {
    int fd = open(name, O_RDONLY);
    void *at = mmap(place, 0x1000, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_FIXED, fd, 0);
    close(fd);
    return at == place;
}

static void *call(void *argument) {
    long number = (long)argument;
    for (int change = 0; change < CHANGES; change++) {
        pthread_barrier_wait(&barrier);
        long x = number;
        for (int i = 0; i < 300; i++) x = ((Function)(place + TEXT_AT))(x, CALLS / 300);
        sums[number][change] = x;
        pthread_barrier_wait(&barrier);
    }
    return NULL;
}

// How much address space the process takes, in MiB.
static long address_space(void) {
    char line[128];
    long kilobytes = 0;
    FILE *status = fopen("/proc/self/status", "r");
    while (fgets(line, sizeof line, status)) sscanf(line, "VmSize: %ld", &kilobytes);
    fclose(status);
    return kilobytes >> 10;
}

// Libraries that come and go all the time: what is kept of those that are gone doesn't grow.
static int come_and_go(int changes) {
    long before = 0, x = 0;
    for (int change = 0; change < changes; change++) {
        if (!map_library(change & 1 ? "first.so" : "second.so")) return 1;
        for (int i = 0; i < 300; i++) x = ((Function)(place + TEXT_AT))(x, 10);
        if (change % 20 == 0) usleep(1000); // What is hot may be compiled meanwhile.
        if (change == changes / 4) before = address_space();
    }
    long grown = address_space() - before;
    printf("%ld, %s\n", x, grown < 64 ? "no growth" : "growth");
    if (grown >= 64) fprintf(stderr, "%ld MiB more\n", grown);
    return 0;
}

int main(int argc, char **argv) {
    write_library("first.so", 3);
    write_library("second.so", 5);
    place = mmap(NULL, 0x1000, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (argc > 1) return come_and_go(atoi(argv[1]));
    if (place == MAP_FAILED || pthread_barrier_init(&barrier, NULL, CALLERS + 1)) return 1;
    pthread_t threads[CALLERS];
    for (long i = 0; i < CALLERS; i++)
        if (pthread_create(&threads[i], NULL, call, (void *)i)) return 1;
    for (int change = 0; change < CHANGES; change++) {
        switch (change % 3) {
        case 0: // Unmapped before.
            munmap(place, 0x1000);
            if (!map_library("first.so")) return 1;
            break;
        case 1: // Mapped over.
            if (!map_library("second.so")) return 1;
            break;
        case 2: { // The same library with its text changed in memory.
            if (!map_library("first.so")) return 1;
            mprotect(place, 0x1000, PROT_READ | PROT_WRITE);
            uint32_t add = (uint32_t)(change + 20) << 20 | 10 << 15 | 10 << 7 | 0x13;
            memcpy(place + TEXT_AT, &add, 4);
            mprotect(place, 0x1000, PROT_READ | PROT_EXEC);
        }
        }
        __asm__ volatile("fence.i" ::: "memory");
        pthread_barrier_wait(&barrier);
        pthread_barrier_wait(&barrier);
    }
    for (int i = 0; i < CALLERS; i++) pthread_join(threads[i], NULL);
    for (int i = 0; i < CALLERS; i++)
        for (int change = 0; change < CHANGES; change++)
            printf("%ld%c", sums[i][change], change == CHANGES - 1 ? '\n' : ' ');
    return 0;
}
