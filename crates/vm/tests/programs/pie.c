static long call(long number, long a, long b, long c) {
    register long a0 asm("a0") = a, a1 asm("a1") = b, a2 asm("a2") = c, a7 asm("a7") = number;
    asm volatile("ecall" : "+r"(a0) : "r"(a1), "r"(a2), "r"(a7) : "memory");
    return a0;
}
static const char text[] = "position-independent\n";
static int zeros[5000];
static int set = 17;
void start(long *stack) {
    long argc = stack[0]; char **argv = (char **)(stack + 1); char **envp = argv + argc + 1;
    long *aux = (long *)envp; int pagesz = 0, entry = 0;
    while (*aux) aux++;
    extern void _start(void);
    for (aux++; aux[0]; aux += 2) { if (aux[0] == 6) pagesz = aux[1] == 4096; if (aux[0] == 9) entry = aux[1] == (long)_start; }
    call(64, 1, (long)text, sizeof text - 1);
    for (int i = 0; i < argc; i++) { int n = 0; while (argv[i][n]) n++; if (i) call(64, 1, (long)argv[i], n); }
    for (int i = 0; i < 5000; i++) set += zeros[i];
    call(93, set + pagesz * 32 + entry * 64, 0, 0);
}
asm(".globl _start\n_start: .option push\n.option norelax\nmv a0, sp\n.option pop\ncall start\n");
