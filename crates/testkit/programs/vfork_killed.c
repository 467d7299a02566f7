// Children of vfork that are killed while the engine is busy for them: whoever made them goes on.
#define _GNU_SOURCE
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { ROUNDS = 150 };
static atomic_int child, rounds;

static void *kill_children(void *unused) {
    int seen = 0;
    while (atomic_load(&rounds) < ROUNDS) {
        int pid = atomic_load(&child);
        if (!pid || pid == seen) continue;
        seen = pid;
        struct timespec wait = {0, 1000 * (rand() % 700)};
        nanosleep(&wait, NULL);
        kill(pid, SIGKILL);
    }
    return NULL;
}

static void handle(int signal) {}

// What a child may do of which the engine keeps something.
static void work(int forks) {
    for (;;) {
        if (forks) {
            // The library's fork would take the locks of its own allocator, which the parent needs.
            int pid = syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0);
            if (!pid) syscall(SYS_exit_group, 0);
            syscall(SYS_wait4, pid, NULL, 0, NULL);
            continue;
        }
        char *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        page[0] = 1;
        mprotect(page, 4096, PROT_READ);
        munmap(page, 4096);
        signal(SIGABRT, handle);
        execl("/nothing/here", "nothing", NULL);
    }
}

int main(int argc, char **argv) {
    // QEMU's vfork is a fork, whose children share no memory.
    if (argc < 2) return puts("nobody is killed"), 0;
    pthread_t killer;
    int killed = 0, status;
    if (pthread_create(&killer, NULL, kill_children, NULL)) return 1;
    for (int i = 0; i < ROUNDS; i++) {
        int pid = vfork();
        if (!pid) {
            atomic_store(&child, getpid());
            work(!strcmp(argv[1], "forks"));
        }
        if (waitpid(pid, &status, 0) == pid && WIFSIGNALED(status)) killed++;
        // What the engine does for this process it does still.
        char *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (page == MAP_FAILED) return 2;
        page[0] = 1;
        munmap(page, 4096);
        atomic_store(&rounds, i + 1);
    }
    pthread_join(killer, NULL);
    // What a child changes of the memory that it shares is there afterwards.
    static char *volatile shared;
    if (!vfork()) {
        shared = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        shared[0] = 42;
        _exit(0);
    }
    wait(&status);
    printf("killed %d, shared %d, ", killed, shared[0]);
    printf("unmapped %d\n", munmap(shared, 4096));
    return 0;
}
