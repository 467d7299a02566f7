// Descriptors of every kind, and what the kernel says of pointers that lead nowhere.
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <netinet/in.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#define CHECK(what, condition)                                             \
    do {                                                                   \
        int holds = (condition);                                           \
        printf("%s: %s\n", what, holds ? "yes" : strerror(errno));         \
    } while (0)

static void epoll_and_eventfd(void) {
    int poller = epoll_create1(EPOLL_CLOEXEC);
    int counter = eventfd(3, EFD_SEMAPHORE | EFD_NONBLOCK);
    struct epoll_event event = {.events = EPOLLIN, .data.u64 = 0x1122334455667788};
    CHECK("epoll_ctl", epoll_ctl(poller, EPOLL_CTL_ADD, counter, &event) == 0);
    struct epoll_event ready[4];
    memset(ready, 0, sizeof ready);
    int count = epoll_wait(poller, ready, 4, 1000);
    printf("epoll: %d, events %#x, data %#llx\n", count, ready[0].events, (long long)ready[0].data.u64);
    uint64_t value;
    int reads = 0;
    while (read(counter, &value, sizeof value) == sizeof value) reads += value;
    printf("eventfd: %d reads, then %s\n", reads, strerror(errno));
    printf("epoll: %d\n", epoll_wait(poller, ready, 4, 0));
    event.events = EPOLLOUT | EPOLLONESHOT;
    event.data.u32 = 7;
    CHECK("epoll_ctl mod", epoll_ctl(poller, EPOLL_CTL_MOD, counter, &event) == 0);
    sigset_t none;
    sigemptyset(&none);
    count = epoll_pwait(poller, ready, 4, 1000, &none);
    printf("epoll_pwait: %d, data %u\n", count, ready[0].data.u32);
    printf("epoll_pwait: %d\n", epoll_pwait(poller, ready, 4, 0, &none));
    close(poller);
    close(counter);
}

static void timers(void) {
    int timer = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC);
    struct itimerspec spec = {{0, 2000000}, {0, 1000000}};
    CHECK("timerfd_settime", timerfd_settime(timer, 0, &spec, 0) == 0);
    uint64_t ticks = 0, sum = 0;
    while (sum < 3 && read(timer, &ticks, sizeof ticks) == sizeof ticks) sum += ticks;
    printf("timerfd: %s\n", sum >= 3 ? "ticks" : "stands still");
    CHECK("timerfd_gettime", timerfd_gettime(timer, &spec) == 0 && spec.it_interval.tv_nsec == 2000000);
    close(timer);
}

static void signals_as_descriptors(void) {
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGUSR2);
    sigprocmask(SIG_BLOCK, &set, 0);
    int descriptor = signalfd(-1, &set, SFD_NONBLOCK);
    union sigval word = {.sival_int = 77};
    sigqueue(getpid(), SIGUSR2, word);
    struct signalfd_siginfo info;
    long got = read(descriptor, &info, sizeof info);
    printf("signalfd: %ld, signal %u, value %d, from self %d\n", got, info.ssi_signo, info.ssi_int,
           info.ssi_pid == (unsigned)getpid());
    close(descriptor);
    sigprocmask(SIG_UNBLOCK, &set, 0);
}

static void watches(const char *folder) {
    int watcher = inotify_init1(IN_NONBLOCK);
    int watch = inotify_add_watch(watcher, folder, IN_CREATE | IN_DELETE | IN_MODIFY);
    CHECK("inotify_add_watch", watch >= 0);
    char path[256];
    snprintf(path, sizeof path, "%s/seen", folder);
    int file = open(path, O_CREAT | O_WRONLY, 0600);
    CHECK("write", write(file, "x", 1) == 1);
    close(file);
    unlink(path);
    char buffer[4096] __attribute__((aligned(8)));
    long len = read(watcher, buffer, sizeof buffer);
    for (char *at = buffer; at < buffer + len;) {
        struct inotify_event *event = (struct inotify_event *)at;
        printf("inotify: %#x %s\n", event->mask, event->len ? event->name : "");
        at += sizeof *event + event->len;
    }
    CHECK("inotify_rm_watch", inotify_rm_watch(watcher, watch) == 0);
    close(watcher);
}

static void terminals(void) {
    int master = posix_openpt(O_RDWR | O_NOCTTY);
    CHECK("openpt", master >= 0 && grantpt(master) == 0 && unlockpt(master) == 0);
    int slave = open(ptsname(master), O_RDWR | O_NOCTTY);
    CHECK("isatty", isatty(slave));
    struct termios modes;
    CHECK("tcgetattr", tcgetattr(slave, &modes) == 0);
    printf("canonical %d, echo %d\n", !!(modes.c_lflag & ICANON), !!(modes.c_lflag & ECHO));
    cfmakeraw(&modes);
    CHECK("tcsetattr", tcsetattr(slave, TCSANOW, &modes) == 0);
    struct winsize size = {24, 80, 0, 0}, read_size;
    CHECK("TIOCSWINSZ", ioctl(master, TIOCSWINSZ, &size) == 0);
    CHECK("TIOCGWINSZ", ioctl(slave, TIOCGWINSZ, &read_size) == 0 && read_size.ws_col == 80);
    char text[16] = {0};
    CHECK("pty write", write(master, "hello\r", 6) == 6);
    CHECK("pty read", read(slave, text, sizeof text) == 6 && !strcmp(text, "hello\r"));
    int waiting = -1;
    write(master, "abc", 3);
    struct pollfd readable = {slave, POLLIN};
    CHECK("poll", poll(&readable, 1, 1000) == 1);
    CHECK("FIONREAD", ioctl(slave, FIONREAD, &waiting) == 0 && waiting == 3);
    close(slave);
    close(master);
}

static void *serve(void *argument) {
    int listener = *(int *)argument;
    int client = accept4(listener, 0, 0, SOCK_CLOEXEC);
    char buffer[64];
    long len;
    while ((len = recv(client, buffer, sizeof buffer, 0)) > 0) {
        for (long i = 0; i < len; i++) buffer[i] ^= 0x20;
        send(client, buffer, len, MSG_NOSIGNAL);
    }
    close(client);
    return 0;
}

static void sockets(void) {
    int listener = socket(AF_INET, SOCK_STREAM, 0);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof address;
    int one = 1;
    CHECK("setsockopt", setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one) == 0);
    CHECK("bind", bind(listener, (struct sockaddr *)&address, len) == 0 && listen(listener, 4) == 0);
    CHECK("getsockname", getsockname(listener, (struct sockaddr *)&address, &len) == 0);
    pthread_t thread;
    pthread_create(&thread, 0, serve, &listener);
    int client = socket(AF_INET, SOCK_STREAM, 0);
    CHECK("connect", connect(client, (struct sockaddr *)&address, len) == 0);
    struct iovec parts[2] = {{"Hello, ", 7}, {"World", 5}};
    struct msghdr message = {.msg_iov = parts, .msg_iovlen = 2};
    CHECK("sendmsg", sendmsg(client, &message, 0) == 12);
    shutdown(client, SHUT_WR);
    char reply[64] = {0};
    CHECK("recv", recv(client, reply, sizeof reply, MSG_WAITALL) == 12);
    printf("reply %s\n", reply);
    int type;
    len = sizeof type;
    CHECK("getsockopt", getsockopt(client, SOL_SOCKET, SO_TYPE, &type, &len) == 0 && type == SOCK_STREAM);
    pthread_join(thread, 0);
    close(client);
    close(listener);
}

// A descriptor goes to a child through a socket, which writes to it.
static void passed_descriptors(void) {
    int pair[2], pipe_ends[2];
    CHECK("socketpair", socketpair(AF_UNIX, SOCK_DGRAM, 0, pair) == 0 && pipe2(pipe_ends, O_CLOEXEC) == 0);
    fflush(stdout);
    pid_t child = fork();
    char control[CMSG_SPACE(sizeof(int))] __attribute__((aligned(8)));
    char byte = 'p';
    struct iovec part = {&byte, 1};
    struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1, .msg_control = control,
                             .msg_controllen = sizeof control};
    if (child == 0) {
        if (recvmsg(pair[1], &message, 0) != 1) _exit(1);
        int passed;
        memcpy(&passed, CMSG_DATA(CMSG_FIRSTHDR(&message)), sizeof passed);
        _exit(write(passed, "through", 7) == 7 ? 0 : 2);
    }
    struct cmsghdr *header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(sizeof(int));
    memcpy(CMSG_DATA(header), &pipe_ends[1], sizeof(int));
    CHECK("sendmsg", sendmsg(pair[0], &message, 0) == 1);
    int status;
    CHECK("waitpid", waitpid(child, &status, 0) == child && status == 0);
    char text[8] = {0};
    CHECK("read", read(pipe_ends[0], text, 7) == 7 && !strcmp(text, "through"));
    close(pair[0]), close(pair[1]), close(pipe_ends[0]), close(pipe_ends[1]);
}

static void mappings(const char *folder) {
    char path[256];
    snprintf(path, sizeof path, "%s/mapped", folder);
    int file = open(path, O_CREAT | O_RDWR | O_TRUNC, 0600);
    CHECK("ftruncate", ftruncate(file, 8192) == 0);
    char *shared = mmap(0, 8192, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    strcpy(shared + 4096, "second page");
    CHECK("msync", msync(shared, 8192, MS_SYNC) == 0);
    char text[16] = {0};
    CHECK("pread", pread(file, text, 12, 4096) == 12 && !strcmp(text, "second page"));
    char *moved = mremap(shared, 8192, 16384, MREMAP_MAYMOVE);
    CHECK("mremap", moved != MAP_FAILED && !strcmp(moved + 4096, "second page"));
    CHECK("mprotect", mprotect(moved, 4096, PROT_READ) == 0);
    CHECK("read into what can't be written", pread(file, moved, 4, 0) == -1 && errno == EFAULT);
    CHECK("munmap", munmap(moved + 4096, 4096) == 0);
    CHECK("write from a hole", write(file, moved + 4096, 1) == -1 && errno == EFAULT);
    unsigned char there[2];
    CHECK("mincore of a hole", mincore(moved + 4096, 4096, there) == -1 && errno == ENOMEM);
    munmap(moved, 16384);
    close(file);
    unlink(path);
}

// Pointers that lead nowhere, or into the engine, are the guest's errors.
static void bad_pointers(void) {
    static const uintptr_t nowhere[] = {8, 0x7f0000000000, (uintptr_t)-4096, (uintptr_t)1 << 38};
    int ends[2];
    pipe(ends);
    for (unsigned i = 0; i < sizeof nowhere / sizeof *nowhere; i++) {
        void *bad = (void *)nowhere[i];
        int faults = 0;
        faults += write(ends[1], bad, 1) == -1 && errno == EFAULT;
        faults += stat(bad, bad) == -1 && errno == EFAULT;
        faults += open(bad, O_RDONLY) == -1 && errno == EFAULT;
        faults += fstat(0, bad) == -1 && errno == EFAULT;
        faults += syscall(SYS_rt_sigaction, SIGUSR1, bad, 0, 8) == -1 && errno == EFAULT;
        faults += sigaltstack(bad, 0) == -1 && errno == EFAULT;
        faults += pipe(bad) == -1 && errno == EFAULT;
        faults += writev(ends[1], bad, 1) == -1 && errno == EFAULT;
        faults += getcwd(bad, 4096) == 0 && errno == EFAULT;
        faults += nanosleep(bad, 0) == -1 && errno == EFAULT;
        faults += execve(bad, 0, 0) == -1 && errno == EFAULT;
        printf("bad pointer %u: %d of 11 calls say so\n", i, faults);
    }
    close(ends[0]), close(ends[1]);
}

int main(void) {
    char folder[] = "/tmp/descriptors-XXXXXX";
    if (!mkdtemp(folder)) return 1;
    epoll_and_eventfd();
    timers();
    signals_as_descriptors();
    watches(folder);
    terminals();
    sockets();
    passed_descriptors();
    mappings(folder);
    bad_pointers();
    rmdir(folder);
    return 0;
}
