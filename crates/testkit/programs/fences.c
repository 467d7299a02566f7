// Every way in which Linux lets a program say that it has changed code. Each writes versions of a function
// and counts the calls that ran an older one than was written last.
#define _GNU_SOURCE
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { VERSIONS = 300, FLUSH = 259, REGISTER_SYNC_CORE = 64, SYNC_CORE = 32 };
typedef int (*Function)(void);
typedef void (*Say)(void);

static uint32_t *writable, *code;
static atomic_int want, got, value, stop;

// li a0, n; ret
static void write_version(int n) {
    writable[0] = 0x00000513 | (uint32_t)n << 20;
    writable[1] = 0x00008067;
    atomic_thread_fence(memory_order_seq_cst);
}

static void fence(void) { __asm__ volatile("fence.i" ::: "memory"); }
static void flush_nothing(void) { syscall(FLUSH, 0L, 0L, 0L); }
static void flush_local(void) { syscall(FLUSH, 0L, 0L, 1L); }
static void flush_elsewhere(void) { syscall(FLUSH, writable, writable + 2, 0L); }
static void flush_code(void) { syscall(FLUSH, code, code + 2, 0L); }
static void barrier(void) { fence(), syscall(SYS_membarrier, SYNC_CORE, 0, 0); }

// What the calling thread sees.
static void own(const char *name, Say say) {
    int stale = 0;
    for (int version = 1; version < VERSIONS; version++) {
        write_version(version), say();
        for (int call = 0; call < 3; call++) stale += ((Function)code)() != version;
    }
    printf("%s: stale %d\n", name, stale);
}

static void *run(void *unused) {
    for (int last = 0; !atomic_load(&stop);) {
        int now = atomic_load(&want);
        if (now == last) continue;
        atomic_store(&value, ((Function)code)());
        last = now;
        atomic_store(&got, now);
    }
    return NULL;
}

// What another thread sees.
static void others(const char *name, Say say) {
    pthread_t thread;
    int stale = 0;
    atomic_store(&want, 0), atomic_store(&got, 0), atomic_store(&stop, 0);
    write_version(0), flush_code();
    pthread_create(&thread, NULL, run, NULL);
    for (int version = 1; version < VERSIONS; version++) {
        write_version(version), say();
        atomic_store(&want, version);
        while (atomic_load(&got) != version) {}
        stale += atomic_load(&value) != version;
    }
    atomic_store(&stop, 1);
    pthread_join(thread, NULL);
    printf("%s, another thread: stale %d\n", name, stale);
}

int main(int argc, char **argv) {
    // QEMU doesn't see what is written through another mapping.
    if (argc < 2) return puts("nothing changes"), 0;
    long registered = syscall(SYS_membarrier, REGISTER_SYNC_CORE, 0, 0);
    int fd = memfd_create("code", 0);
    ftruncate(fd, 4096);
    for (int aliased = 0; aliased < 2; aliased++) {
        int all = PROT_READ | PROT_WRITE | PROT_EXEC;
        if (aliased) {
            writable = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
            code = mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_SHARED, fd, 0);
        } else {
            writable = code = mmap(NULL, 4096, all, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        }
        puts(aliased ? "another mapping" : "one mapping");
        own("fence.i", fence);
        own("flush of nothing", flush_nothing);
        own("flush for one thread", flush_local);
        own("flush of the writable mapping", flush_elsewhere);
        own("flush of the code", flush_code);
        others("flush of nothing", flush_nothing);
        others("flush of the writable mapping", flush_elsewhere);
        others("flush of the code", flush_code);
        if (!registered) others("membarrier", barrier);
    }
    // What isn't known is refused, as Linux does.
    printf("unknown flag: %ld\n", syscall(FLUSH, 0L, 0L, 2L));
    return 0;
}
