#include <stdio.h>
int main(int argc, char **argv) {
    printf("Hello, world: %d arguments\n", argc);
    for (int i = 1; i < argc; i++) printf("  %d: %s\n", i, argv[i]);
    return 42;
}
