// Entry point, system calls and output for the freestanding guests.
#include "rt.h"

enum { SYS_OPENAT = 56, SYS_CLOSE = 57, SYS_READ = 63, SYS_WRITE = 64, SYS_EXIT_GROUP = 94 };
enum { AT_FDCWD = -100, O_RDONLY = 0, O_WRONLY = 1, O_CREAT = 0100, O_TRUNC = 01000 };

// The kernel starts a program with argc at the stack pointer and argv above it.
__asm__(".globl _start\n"
        "_start:\n"
        ".option push\n"
        ".option norelax\n"
        "  la gp, __global_pointer$\n"
        ".option pop\n"
        "  ld a0, 0(sp)\n"
        "  addi a1, sp, 8\n"
        "  andi sp, sp, -16\n"
        "  call main\n"
        "  call exit\n");

static i64 system_call(i64 number, i64 a, i64 b, i64 c, i64 d) {
    register i64 a7 __asm__("a7") = number;
    register i64 a0 __asm__("a0") = a;
    register i64 a1 __asm__("a1") = b;
    register i64 a2 __asm__("a2") = c;
    register i64 a3 __asm__("a3") = d;
    __asm__ volatile("ecall" : "+r"(a0) : "r"(a7), "r"(a1), "r"(a2), "r"(a3) : "memory");
    return a0;
}

static char out_buffer[8192];
static usize out_used;

void out_flush(void) {
    file_write_all(1, out_buffer, out_used);
    out_used = 0;
}

void exit(int status) {
    out_flush();
    for (;;) system_call(SYS_EXIT_GROUP, status, 0, 0, 0);
}

void out_char(char c) {
    if (out_used == sizeof out_buffer) out_flush();
    out_buffer[out_used++] = c;
}

void out_bytes(const void *bytes, usize len) {
    const char *from = bytes;
    for (usize i = 0; i < len; i++) out_char(from[i]);
}

void out_text(const char *text) { out_bytes(text, text_len(text)); }

void out_decimal(i64 value) {
    char digits[20];
    int count = 0;
    u64 left = value < 0 ? -(u64)value : (u64)value;
    do digits[count++] = (char)('0' + left % 10);
    while (left /= 10);
    if (value < 0) out_char('-');
    while (count) out_char(digits[--count]);
}

void out_hex(u64 value) {
    for (int shift = 60; shift >= 0; shift -= 4) out_char("0123456789abcdef"[value >> shift & 15]);
}

void complain(const char *text) { file_write_all(2, text, text_len(text)); }

i64 file_create(const char *path) {
    return system_call(SYS_OPENAT, AT_FDCWD, (i64)path, O_WRONLY | O_CREAT | O_TRUNC, 0644);
}

i64 file_open(const char *path) {
    return system_call(SYS_OPENAT, AT_FDCWD, (i64)path, O_RDONLY, 0);
}

i64 file_read(i64 fd, void *bytes, usize len) {
    return system_call(SYS_READ, fd, (i64)bytes, (i64)len, 0);
}

i64 file_write_all(i64 fd, const void *bytes, usize len) {
    const char *from = bytes;
    while (len) {
        i64 wrote = system_call(SYS_WRITE, fd, (i64)from, (i64)len, 0);
        if (wrote <= 0) return wrote;
        from += wrote;
        len -= (usize)wrote;
    }
    return 0;
}

void file_close(i64 fd) { system_call(SYS_CLOSE, fd, 0, 0, 0); }

usize text_len(const char *text) {
    usize len = 0;
    while (text[len]) len++;
    return len;
}

int text_equal(const char *a, const char *b) {
    while (*a && *a == *b) a++, b++;
    return *a == *b;
}

i64 text_number(const char *text) {
    i64 value = 0;
    while (*text >= '0' && *text <= '9') value = value * 10 + (*text++ - '0');
    return value;
}

// The compiler may call these three whether or not the source does.
void *memcpy(void *to, const void *from, usize len) {
    char *t = to;
    const char *f = from;
    while (len--) *t++ = *f++;
    return to;
}

void *memset(void *to, int byte, usize len) {
    char *t = to;
    while (len--) *t++ = (char)byte;
    return to;
}

int memcmp(const void *a, const void *b, usize len) {
    const u8 *x = a, *y = b;
    for (; len; len--, x++, y++)
        if (*x != *y) return *x - *y;
    return 0;
}
