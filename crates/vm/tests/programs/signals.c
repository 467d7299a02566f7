#define _GNU_SOURCE
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <unistd.h>
#include <ucontext.h>
static sigjmp_buf jump; static volatile sig_atomic_t count; static char stack[65536];
static void handler(int s, siginfo_t *i, void *c) { count++; printf("signal %d code %d self %d\n", s, i->si_code, i->si_pid == getpid()); }
static void fault(int s, siginfo_t *i, void *c) { printf("fault %d at %p code %d\n", s, i->si_addr, i->si_code); siglongjmp(jump, s); }
static void skip(int s, siginfo_t *i, void *c) { ucontext_t *u = c; u->uc_mcontext.__gregs[0] += 4; u->uc_mcontext.__gregs[10] = 1234; char on; printf("on alternate stack %d\n", &on >= stack && &on < stack + sizeof stack); }
static void alarmed(int s) { count += 100; }
int main(int argc, char **argv) {
    setvbuf(stdout, 0, _IOLBF, 4096);
    struct sigaction a = {0}; a.sa_sigaction = handler; a.sa_flags = SA_SIGINFO; sigaction(SIGUSR1, &a, 0); sigaction(SIGUSR2, &a, 0);
    raise(SIGUSR1); kill(getpid(), SIGUSR2); sigset_t set, old; sigemptyset(&set); sigaddset(&set, SIGUSR1); sigprocmask(SIG_BLOCK, &set, &old);
    raise(SIGUSR1); raise(SIGUSR1); printf("blocked %d\n", (int)count); sigpending(&set); printf("%d\n", sigismember(&set, SIGUSR1)); sigprocmask(SIG_SETMASK, &old, 0); printf("unblocked %d\n", (int)count);
    a.sa_sigaction = fault; sigaction(SIGSEGV, &a, 0); sigaction(SIGILL, &a, 0); sigaction(SIGTRAP, &a, 0); sigaction(SIGBUS, &a, 0);
    if (!sigsetjmp(jump, 1)) *(volatile int *)8 = 1;
    if (!sigsetjmp(jump, 1)) { char *m = mmap(0, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0); printf("%d\n", *m); mprotect(m, 4096, PROT_NONE); printf("%d\n", *m == 0 ? 0 : 0); }
    if (!sigsetjmp(jump, 1)) asm volatile("unimp");
    if (!sigsetjmp(jump, 1)) ((void (*)(void))0x10)();
    stack_t ss = {stack, 0, sizeof stack}; sigaltstack(&ss, 0); a.sa_sigaction = skip; a.sa_flags = SA_SIGINFO | SA_ONSTACK; sigaction(SIGSEGV, &a, 0);
    register long v asm("a0") = 5; asm volatile(".option push\n.option norvc\nld a0, 0(zero)\n.option pop" : "+r"(v)); printf("%ld\n", v);
    signal(SIGALRM, alarmed); struct itimerval it = {{0, 0}, {0, 5000}}; setitimer(ITIMER_REAL, &it, 0); while (count < 100); printf("alarm %d\n", (int)count);
    sigset_t alarms, none; sigemptyset(&none); sigemptyset(&alarms); sigaddset(&alarms, SIGALRM); sigprocmask(SIG_BLOCK, &alarms, &old);
    it.it_value.tv_usec = 5000; setitimer(ITIMER_REAL, &it, 0); sigsuspend(&none); printf("sigsuspend %d\n", (int)count); sigprocmask(SIG_SETMASK, &old, 0);
    it.it_value.tv_usec = 5000; it.it_interval.tv_usec = 5000; setitimer(ITIMER_REAL, &it, 0); pause(); printf("pause %d\n", count > 203); memset(&it, 0, sizeof it); setitimer(ITIMER_REAL, &it, 0);
    signal(SIGUSR1, SIG_IGN); raise(SIGUSR1); signal(SIGPIPE, SIG_IGN); int p[2]; pipe(p); close(p[0]); printf("%ld\n", (long)write(p[1], "x", 1)); fflush(stdout);
    if (argc > 1) { int which = atoi(argv[1]); signal(SIGSEGV, SIG_DFL); if (which == 0) abort(); if (which == 1) *(volatile int *)8 = 1; if (which == 2) { signal(SIGPIPE, SIG_DFL); write(p[1], "x", 1); } if (which == 3) { signal(SIGILL, SIG_DFL); asm volatile("unimp"); } if (which == 4) { signal(SIGTRAP, SIG_DFL); asm volatile("ebreak"); } raise(which); }
    return 0;
}
