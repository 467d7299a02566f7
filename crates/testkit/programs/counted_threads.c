// A loop in anonymous memory, which nobody compiles, in a thread that isn't the first: 20,000,000
// instructions. With "exit", that thread ends the process.
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

__asm__(".text\n.globl loop, loop_end\nloop: li a1, 0\n"
        "1: slli a2, a1, 5\n sub a1, a2, a1\n add a1, a1, a0\n addi a0, a0, -1\n bnez a0, 1b\n mv a0, a1\n ret\n"
        "loop_end:");
extern unsigned long loop(unsigned long);
extern char loop_end[];
static int exits, rounds = 1000;

static void *run(void *page) {
    printf("%lx\n", ((unsigned long (*)(unsigned long))page)(rounds));
    if (exits) exit(0);
    return NULL;
}

int main(int argc, char **argv) {
    pthread_t thread;
    exits = argc > 1 && !strcmp(argv[1], "exit");
    if (argc > 1) rounds = 4000000;
    char *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    memcpy(page, (void *)loop, loop_end - (char *)loop);
    __builtin___clear_cache(page, page + 4096);
    pthread_create(&thread, NULL, run, page);
    pthread_join(thread, NULL);
    return 0;
}
