// Closes its standard error once code is hot, as a daemon does, if it is told how, and goes on until it has
// read a byte.
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

__attribute__((noinline)) static unsigned heat(unsigned rounds) {
    unsigned sum = 0;
    for (unsigned i = 0; i < rounds; i++) sum = sum * 31 + (i ^ sum >> 3);
    return sum;
}

int main(int argc, char **argv) {
    unsigned sum = 0;
    char byte;
    for (int i = 0; i < 200; i++) {
        sum += heat(20000);
        if (i % 50 == 0) usleep(50000);
    }
    const char *how = argc > 1 ? argv[1] : "";
    if (!strcmp(how, "over")) dup2(open("/dev/null", O_WRONLY), 2);
    if (!strcmp(how, "close")) close(2);
    printf("%u\n", sum), fflush(stdout);
    return read(0, &byte, 1) < 0;
}
