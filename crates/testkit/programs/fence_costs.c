// A fence between calls of the C library, as often as the argument says.
#include <stdio.h>
#include <stdlib.h>

int main(int argc, char **argv) {
    char text[64];
    int rounds = argc > 1 ? atoi(argv[1]) : 100, len = 0;
    for (int i = 0; i < rounds; i++) {
        __asm__ volatile("fence.i" ::: "memory");
        len += snprintf(text, sizeof text, "%d", i & 7);
    }
    printf("done %d\n", len);
    return 0;
}
