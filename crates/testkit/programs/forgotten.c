// Given an argument: changes the protection of one page of its own text, and after that the bytes of a function in
// another, in its file. Exits with what the function returns then: 2, as on Linux, where nobody wrote to its page.
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

// Both start a page: answer returns 1, and unused is never run.
__asm__(".text\n.option push\n.option norvc\n.balign 4096\n.globl answer, unused\n"
        "answer: li a0, 1\n ret\n"
        ".balign 4096\nunused: ret\n.balign 4096\n.option pop\n");
extern int answer(void);
extern char unused[], __executable_start[];

int main(int count, char **arguments) {
    if (answer() != 1) return 9;
    for (int round = 0; round < 20000; round++) answer();
    if (count == 1) return 0;
    if (mprotect(unused, 4096, PROT_READ | PROT_WRITE | PROT_EXEC)) perror("mprotect"), exit(9);
    static const uint32_t two = 0x00200513;
    int fd = open(arguments[0], O_RDWR);
    off_t offset = (char *)answer - __executable_start;
    if (fd < 0 || pwrite(fd, &two, 4, offset) != 4) perror("pwrite"), exit(9);
    __asm__ volatile("fence.i" ::: "memory");
    return answer();
}
