// Many writes of a process that has, or had, its own memory open to be written.
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int main(int argc, char **argv) {
    int rounds = argc > 1 ? atoi(argv[1]) : 100, nowhere = open("/dev/null", O_WRONLY);
    const char *state = argc > 2 ? argv[2] : "never";
    int memory = strcmp(state, "never") ? open("/proc/self/mem", O_RDWR) : -1;
    if (!strcmp(state, "closed")) close(memory);
    long done = 0;
    for (int i = 0; i < rounds; i++) done += write(nowhere, "", 1);
    printf("done %ld\n", done);
    return 0;
}
