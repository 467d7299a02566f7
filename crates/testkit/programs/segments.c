// System V's shared memory and semaphores: attached at chosen and given places, twice, read-only, with a
// child, detached in parts; and what is said about them.
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ipc.h>
#include <sys/mman.h>
#include <sys/sem.h>
#include <sys/shm.h>
#include <sys/wait.h>
#include <unistd.h>

static const char *outcome(void *address) { return address == (void *)-1 ? strerror(errno) : "attached"; }

static void refused(int signal) { _exit(signal); }

static void memory(void) {
    int id = shmget(IPC_PRIVATE, 3 * 4096 - 100, IPC_CREAT | 0600);
    if (id < 0) {
        perror("shmget");
        return;
    }
    char *first = shmat(id, NULL, 0);
    char *second = shmat(id, NULL, SHM_RDONLY);
    printf("%s, %s\n", outcome(first), outcome(second));
    strcpy(first + 5000, "seen from both");
    puts(second + 5000);
    pid_t child = fork();
    if (child == 0) {
        strcpy(first + 6000, "from the child");
        _exit(shmdt(first) == 0 && shmdt(first) == -1 && errno == EINVAL ? 7 : 1);
    }
    int status = 0;
    waitpid(child, &status, 0);
    printf("%d %s\n", WEXITSTATUS(status), second + 6000);
    child = fork();
    if (child == 0) {
        signal(SIGSEGV, refused);
        *(volatile char *)second = 1;
        _exit(0);
    }
    waitpid(child, &status, 0);
    printf("refused: %d\n", WEXITSTATUS(status));

    char *room = mmap(NULL, 4 * 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    printf("taken: %s\n", outcome(shmat(id, room, 0)));
    printf("remapped: %s\n", outcome(shmat(id, room, SHM_REMAP)));
    puts(room + 5000);
    printf("detached: %d\n", shmdt(room));
    printf("odd: %s\n", outcome(shmat(id, room + 8, 0)));
    printf("rounded: %s\n", outcome(shmat(id, room + 8, SHM_RND)));
    puts(room + 5000);
    // What is left of it goes, and nothing else.
    munmap(room + 4096, 4096);
    char *between = mmap(room + 4096, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
    printf("in parts: %d, still there: %d\n", shmdt(room), *between);
    printf("again: %s\n", outcome(shmat(id, room, 0)));
    printf("%d\n", shmdt(room + 3 * 4096) == -1 && errno == EINVAL);

    struct shmid_ds about;
    printf("%d\n", shmctl(id, IPC_STAT, &about));
    printf("%zu %d %d\n", about.shm_segsz, (int)about.shm_nattch, about.shm_cpid == getpid());
    printf("%d\n", shmctl(id, IPC_RMID, NULL));
    printf("%d\n", shmdt(first));
    printf("%d\n", shmdt(second));
    printf("absent: %s\n", outcome(shmat(0x7ffffff0, NULL, 0)));
}

static void semaphores(void) {
    int id = semget(IPC_PRIVATE, 3, IPC_CREAT | 0640);
    unsigned short values[3] = {4, 5, 6};
    struct { unsigned long before; struct semid_ds about; unsigned long after; } held = {1, {}, 2};
    semctl(id, 0, SETALL, values);
    struct sembuf change[] = {{1, -2, 0}, {2, 3, SEM_UNDO}};
    printf("%d\n", semop(id, change, 2));
    printf("%d %d\n", semctl(id, 1, GETVAL), semctl(id, 2, GETVAL));
    printf("%d\n", semctl(id, 0, IPC_STAT, &held.about));
    printf("%lu %o\n", (unsigned long)held.about.sem_nsems, held.about.sem_perm.mode & 0777);
    printf("%d %d %lu %lu\n", held.about.sem_otime > 1000000, held.about.sem_ctime > 1000000, held.before, held.after);
    printf("%d\n", semctl(id, 0, IPC_STAT, (void *)8));
    puts(strerror(errno));
    printf("%d\n", semctl(id, 0, IPC_RMID));
}

int main(void) {
    setvbuf(stdout, NULL, _IONBF, 0);
    memory();
    semaphores();
    return 0;
}
