#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/sysinfo.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/times.h>
#include <sys/uio.h>
#include <sys/utsname.h>
#include <sys/epoll.h>
#include <sys/random.h>
#include <sys/sendfile.h>
#include <sched.h>
#include <time.h>
#include <unistd.h>
#include <sys/auxv.h>
static void check(const char *what, long result) {
    printf("%s: %s%s\n", what, result < 0 ? "failed " : "ok", result < 0 ? strerror(errno) : "");
}
static int by_name(const struct dirent **a, const struct dirent **b) { return strcmp((*a)->d_name, (*b)->d_name); }
int main(int argc, char **argv) {
    char dir[] = "/tmp/rkfilesXXXXXX"; char buf[4096];
    if (!mkdtemp(dir)) return 1;
    chdir(dir);
    FILE *f = fopen("a.txt", "w"); for (int i = 0; i < 1000; i++) fprintf(f, "line %d\n", i); fclose(f);
    f = fopen("a.txt", "r"); int n = 0; while (fgets(buf, sizeof buf, f)) n++; printf("%d lines, at %ld\n", n, ftell(f));
    fseek(f, 100, SEEK_SET); fgets(buf, 100, f); printf("%s", buf); fclose(f);
    struct stat st; check("stat", stat("a.txt", &st));
    printf("%o %ld %ld %ld %ld\n", st.st_mode, (long)st.st_nlink, (long)st.st_size, (long)st.st_blksize, (long)st.st_blocks);
    struct stat st2; int fd = open("a.txt", O_RDWR); fstat(fd, &st2); printf("%d %d %d\n", st.st_ino == st2.st_ino, st.st_dev == st2.st_dev, st.st_mtim.tv_nsec == st2.st_mtim.tv_nsec);
    check("stat missing", stat("missing", &st)); check("mkdir", mkdir("d", 0755)); check("mkdir again", mkdir("d", 0755));
    check("symlink", symlink("a.txt", "l")); check("link", link("a.txt", "h")); check("rename", rename("h", "d/h"));
    n = readlink("l", buf, sizeof buf); printf("%.*s\n", n, buf); lstat("l", &st); printf("%o\n", st.st_mode);
    check("truncate", ftruncate(fd, 50)); check("chmod", fchmod(fd, 0600)); check("fallocate", posix_fallocate(fd, 0, 8192));
    fstat(fd, &st); printf("%ld %o\n", (long)st.st_size, st.st_mode);
    struct timespec ts[2] = {{1000, 5}, {2000, 7}}; check("utimens", futimens(fd, ts)); fstat(fd, &st); printf("%ld %ld %ld\n", st.st_atim.tv_sec, st.st_mtim.tv_sec, st.st_mtim.tv_nsec);
    struct iovec iov[2] = {{"ab", 2}, {"cde", 3}}; check("pwritev", pwritev(fd, iov, 2, 10)); pread(fd, buf, 10, 8); printf("%.10s\n", buf);
    check("fsync", fsync(fd)); check("access", access("a.txt", R_OK)); check("access missing", access("zz", R_OK));
    char *m = mmap(0, 8192, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0); memcpy(m, "mapped", 6); msync(m, 8192, MS_SYNC); pread(fd, buf, 6, 0); printf("%.6s\n", buf);
    m = mremap(m, 8192, 4096, 0); munmap(m, 4096);
    m = mmap(0, 1 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0); memset(m, 7, 1 << 20);
    m = mremap(m, 1 << 20, 1 << 24, MREMAP_MAYMOVE); printf("%d %d\n", m[(1 << 20) - 1], m[1 << 20]);
    check("mprotect", mprotect(m, 4096, PROT_READ)); check("madvise", madvise(m + 4096, 4096, MADV_DONTNEED)); printf("%d\n", m[4097]); munmap(m, 1 << 24);
    int out = open("copy", O_RDWR | O_CREAT, 0644); lseek(fd, 0, SEEK_SET); printf("%ld\n", (long)sendfile(out, fd, 0, 100)); loff_t o1 = 0, o2 = 200; printf("%ld\n", (long)copy_file_range(fd, &o1, out, &o2, 50, 0));
    struct dirent **names; n = scandir(".", &names, 0, by_name); for (int i = 0; i < n; i++) printf("%s %d\n", names[i]->d_name, names[i]->d_type);
    int p[2]; pipe2(p, O_CLOEXEC); write(p[1], "pipe", 4); n = read(p[0], buf, 10); printf("%.*s %d\n", n, buf, fcntl(p[0], F_GETFD));
    struct pollfd pf = {p[0], POLLIN, 0}; printf("poll %d\n", poll(&pf, 1, 10)); write(p[1], "x", 1); printf("poll %d %d\n", poll(&pf, 1, 10), pf.revents);
    int e = epoll_create1(0); struct epoll_event ev = {EPOLLIN, {.u64 = 0x123456789abcdef0}}, got; epoll_ctl(e, EPOLL_CTL_ADD, p[0], &ev); n = epoll_wait(e, &got, 1, 10); printf("epoll %d %x %lx\n", n, got.events, (long)got.data.u64);
    int sv[2]; check("socketpair", socketpair(AF_UNIX, SOCK_STREAM, 0, sv)); write(sv[0], "sock", 4); n = read(sv[1], buf, 10); printf("%.*s\n", n, buf);
    int d = dup(fd); int d2 = dup2(fd, 77); printf("%d %d\n", d > 0, d2); struct utsname u; uname(&u); printf("%s %s\n", u.sysname, u.machine);
    struct rlimit rl; check("getrlimit", getrlimit(RLIMIT_NOFILE, &rl)); struct rusage ru; check("getrusage", getrusage(RUSAGE_SELF, &ru)); struct sysinfo si; check("sysinfo", sysinfo(&si)); printf("%d\n", si.totalram > 0);
    cpu_set_t set; check("affinity", sched_getaffinity(0, sizeof set, &set)); struct tms tms; printf("%d\n", times(&tms) != -1); struct statfs sf; check("statfs", statfs(".", &sf)); printf("%d\n", sf.f_bsize > 0);
    struct timespec t1, t2; clock_gettime(CLOCK_MONOTONIC, &t1); struct timespec nap = {0, 2000000}; check("nanosleep", nanosleep(&nap, 0)); clock_gettime(CLOCK_MONOTONIC, &t2); printf("%d\n", (t2.tv_sec - t1.tv_sec) * 1000000000L + t2.tv_nsec - t1.tv_nsec >= 2000000);
    clock_getres(CLOCK_MONOTONIC, &t1); printf("%ld\n", t1.tv_nsec); struct timeval tv; gettimeofday(&tv, 0); printf("%d\n", tv.tv_sec > 1600000000); printf("%d %ld\n", (int)getrandom(buf, 16, 0), sysconf(_SC_CLK_TCK));
    n = readlink("/proc/self/exe", buf, sizeof buf); buf[n] = 0; printf("%s\n", strrchr(buf, '/') + 1 - buf > 1 ? "has exe" : "none");
    fd = open("/proc/self/cmdline", O_RDONLY); n = read(fd, buf, sizeof buf); printf("%d\n", strcmp(buf, argv[0]) == 0);
    printf("%d %lx %lx %lx\n", getauxval(AT_PAGESZ) == 4096, getauxval(AT_HWCAP) & 0x112d, getauxval(AT_SECURE), getauxval(AT_BASE));
    printf("%d %d\n", getpid() > 0, geteuid() == getauxval(AT_EUID)); check("unknown", syscall(500)); check("umask", umask(022)); check("isatty", isatty(0) - 1);
    printf("%ld\n", (long)write(99, "x", 1)); check("bad pointer", write(1, (void *)0x100, 1)); check("getcwd", getcwd(buf, sizeof buf) ? 0 : -1); printf("%d\n", strcmp(buf, dir));
    void *b0 = sbrk(0); sbrk(1 << 20); ((char *)b0)[(1 << 20) - 1] = 1; sbrk(-(1 << 20)); printf("%d\n", sbrk(0) == b0);
    chdir("/"); char cmd[200]; const char *all[] = {"a.txt", "l", "d/h", "copy"}; for (int i = 0; i < 4; i++) { snprintf(cmd, 200, "%s/%s", dir, all[i]); check("unlink", unlink(cmd)); } snprintf(cmd, 200, "%s/d", dir); rmdir(cmd); check("rmdir", rmdir(dir));
    return 0;
}
