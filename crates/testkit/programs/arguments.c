// Arguments, environment and what the kernel tells a program at its start.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/utsname.h>
#include <unistd.h>

extern char **environ;

int main(int argc, char **argv) {
    printf("%d arguments\n", argc - 1);
    for (int i = 1; i < argc; i++) printf("[%s]\n", argv[i]);
    printf("ends %d\n", argv[argc] == NULL);
    // The order of the environment is nobody's promise (QEMU turns it round), so each is asked for.
    int named = 0;
    for (char **e = environ; *e; e++) named += strncmp(*e, "GUEST_", 6) == 0;
    printf("%d of ours: %s, %s\n", named, getenv("GUEST_ONE"), getenv("GUEST_TWO"));
    printf("absent: %d\n", getenv("GUEST_ABSENT") == NULL);
    const char *name = strrchr(argv[0], '/');
    printf("name given: %d\n", (name ? name + 1 : argv[0])[0] != 0);
    printf("page %ld pagesz %ld random %d phdr %d entry %d secure %ld\n", sysconf(_SC_PAGESIZE), (long)getauxval(AT_PAGESZ),
           getauxval(AT_RANDOM) != 0, getauxval(AT_PHDR) != 0, getauxval(AT_ENTRY) != 0, (long)getauxval(AT_SECURE));
    struct utsname system;
    uname(&system);
    printf("%s %s\n", system.sysname, system.machine);
    printf("ids agree %d\n", getuid() == getauxval(AT_UID) && getegid() == getauxval(AT_EGID));
    printf("pid %d ppid %d\n", getpid() > 0, getppid() > 0);
    int local;
    printf("stack aligned %d, low enough %d\n", (unsigned long)__builtin_frame_address(0) % 16 == 0,
           (unsigned long)&local < 1ul << 47);
    fflush(stdout);
    return argc > 1 ? (int)strlen(argv[1]) : 0;
}
