// The little that a freestanding RISC-V Linux program needs: an entry point, system calls, and
// buffered output. No C library is linked into a guest, so each ELF holds only the code shown here.
#ifndef RT_H
#define RT_H

typedef unsigned char u8;
typedef unsigned int u32;
typedef unsigned long u64;
typedef long i64;
typedef unsigned long usize;

#define NULL ((void *)0)

// Written by each guest; the value is the process's exit status.
int main(int argc, char **argv);

void exit(int status) __attribute__((noreturn));

// Standard output, buffered; flushed when full, at exit and by out_flush.
void out_char(char c);
void out_text(const char *text);
void out_bytes(const void *bytes, usize len);
void out_decimal(i64 value);
void out_hex(u64 value);
void out_flush(void);
// Standard error, unbuffered.
void complain(const char *text);

// Files: each returns a negated errno on failure, as the kernel does.
i64 file_create(const char *path);
i64 file_open(const char *path);
i64 file_read(i64 fd, void *bytes, usize len);
i64 file_write_all(i64 fd, const void *bytes, usize len);
void file_close(i64 fd);

usize text_len(const char *text);
int text_equal(const char *a, const char *b);
// The decimal number that `text` starts with; 0 where there is none.
i64 text_number(const char *text);

void *memcpy(void *to, const void *from, usize len);
void *memset(void *to, int byte, usize len);
int memcmp(const void *a, const void *b, usize len);

#endif
