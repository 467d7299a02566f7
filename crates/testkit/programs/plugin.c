// A library that is written while it is mapped, by what was open before it became one, if the program is told
// by what. The numbers say how far each call counted, before and after.
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { TEXT_AT = 0x100 };
typedef long (*Function)(long, long);

static uint32_t add(int step) { return (uint32_t)step << 20 | 10 << 15 | 10 << 7 | 0x13; }

// A library with one segment: a loop that adds `step` to a0 a1 times.
static void write_library(int fd, int step) {
    unsigned char image[0x200] = {0x7f, 'E', 'L', 'F', 2, 1, 1};
    uint16_t kinds[2] = {3, 243};
    uint32_t version = 1, flags = 5, float_abi = 4 | 1, load = 1;
    uint64_t headers_at = 64;
    uint16_t sizes[] = {64, 56, 1};
    memcpy(image + 16, kinds, 4);
    memcpy(image + 20, &version, 4);
    memcpy(image + 32, &headers_at, 8);
    memcpy(image + 48, &float_abi, 4);
    memcpy(image + 52, sizes, 6);
    uint64_t fields[] = {0, 0, 0, sizeof image, sizeof image, 0x1000};
    memcpy(image + 64, &load, 4);
    memcpy(image + 68, &flags, 4);
    memcpy(image + 72, fields, sizeof fields);
    uint32_t text[] = {add(step), 0xfff58593, 0xfe059ce3, 0x00008067};
    memcpy(image + TEXT_AT, text, sizeof text);
    if (pwrite(fd, image, sizeof image, 0) != sizeof image) perror("plugin"), exit(9);
}

static long count(char *place) {
    long x = 0;
    for (int i = 0; i < 300; i++) x = ((Function)(place + TEXT_AT))(x, 100);
    usleep(50000); // What is hot is compiled meanwhile.
    for (int i = 0; i < 300; i++) x = ((Function)(place + TEXT_AT))(x, 100);
    return x;
}

int main(int argc, char **argv) {
    const char *how = argc > 1 ? argv[1] : "";
    uint32_t *shared = NULL, other = add(5);
    int fd = !strcmp(how, "memfd") ? memfd_create("plugin", 0) : open("plugin.so", O_CREAT | O_RDWR, 0755);
    write_library(fd, 3);
    if (!strcmp(how, "shared")) {
        shared = mmap(NULL, 0x1000, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
        close(fd), fd = open("plugin.so", O_RDONLY);
    }
    if (!strcmp(how, "copied")) {
        int copy = dup(fd);
        close(fd), fd = copy;
    }
    char *place = mmap(NULL, 0x1000, PROT_READ | PROT_EXEC, MAP_PRIVATE, fd, 0);
    printf("%ld\n", count(place));
    if (!*how) {
        // Nothing changes.
    } else if (shared) {
        shared[TEXT_AT / 4] = other;
        munmap(shared, 0x1000);
    } else if (!strcmp(how, "truncated")) {
        close(fd);
        if (truncate("plugin.so", 0)) perror("truncate");
        write_library(open("plugin.so", O_WRONLY), 5);
    } else {
        // Another file of the same kind comes and goes.
        if (!strcmp(how, "copied")) close(open("/proc/self/exe", O_RDWR));
        if (pwrite(fd, &other, 4, TEXT_AT) != 4) perror("pwrite"), exit(9);
    }
    syscall(259, 0, 0, 0);
    printf("%ld\n", count(place));
    return 0;
}
