// A child of vfork makes a process of its own by fork, which goes on to allocate and to make threads. QEMU's
// vfork is a fork, so that what is printed is the same there.
#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

static void *add(void *sum) {
    for (int i = 0; i < 250; i++) {
        char *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        page[0] = 1;
        __atomic_fetch_add((int *)sum, page[0], __ATOMIC_RELAXED);
        munmap(page, 4096);
    }
    return NULL;
}

static int grandchild(void) {
    int sum = 0, status;
    for (int round = 0; round < 2; round++) {
        pthread_t threads[4];
        for (int i = 0; i < 4; i++)
            if (pthread_create(&threads[i], NULL, add, &sum)) return 1;
        // It makes processes of its own while its threads are busy.
        int forked = fork();
        if (!forked) _exit(3);
        if (waitpid(forked, &status, 0) != forked || WEXITSTATUS(status) != 3) return 2;
        int shared = vfork();
        if (!shared) {
            execl("/nothing/here", "nothing", NULL);
            _exit(errno == ENOENT ? 4 : 5);
        }
        if (waitpid(shared, &status, 0) != shared || WEXITSTATUS(status) != 4) return 3;
        for (int i = 0; i < 4; i++) pthread_join(threads[i], NULL);
    }
    return sum == 2000 ? 7 : 4;
}

int main(void) {
    int status, total = 0;
    for (int i = 0; i < 4; i++) {
        int pid = vfork();
        if (!pid) {
            int inner = fork();
            if (!inner) _exit(grandchild());
            waitpid(inner, &status, 0);
            _exit(WIFEXITED(status) ? WEXITSTATUS(status) : 99);
        }
        if (waitpid(pid, &status, 0) != pid) return 1;
        total += WEXITSTATUS(status);
    }
    printf("%d of 28\n", total);
    return 0;
}
