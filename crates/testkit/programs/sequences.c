// Runs many short sequences of random instructions, each from many states, and says what became of
// registers, memory and faults. What it runs and where it starts is told on standard input, as
// `src/fuzz/batch.rs` writes it; the sequences' code is at CODE, or in the file that it is given.
//
// No C library: the sequences own every register but x31, which holds the address of `context`.
#include <stdint.h>

typedef uint64_t u64;
typedef uint32_t u32;
typedef uint16_t u16;

enum {
    CODE = 0x10000000,
    CONTEXT_FCSR = 512,
    CONTEXT_EXIT = 520,
    CONTEXT_SAVED = 528,
    CONTEXT_DUMMY = 704,
    FAULTS_MAX = 8,
    SEQUENCES_MAX = 8192,
    INPUTS_MAX = 64,
    WINDOWS = 4,
    WINDOW_WORDS = 16,
};

#define DATA 0x1000000000u
#define PAGE 4096u

// Where sequences read and write: both sides of the boundary of two writable pages, the end of a
// writable page before one that can only be read, the start of the writable one behind that, and
// the last bytes before nothing is mapped.
static u64 *const windows[WINDOWS][2] = {
    {(u64 *)(DATA + 2 * PAGE - 128), (u64 *)(DATA + 2 * PAGE)},
    {(u64 *)(DATA + 3 * PAGE - 128), 0},
    {(u64 *)(DATA + 4 * PAGE), 0},
    {(u64 *)(DATA + 5 * PAGE - 128), 0},
};

struct header {
    u64 magic, sequences, rounds, inputs, exact, verbose, pause_after, pause_ms, code_len;
};
struct sequence { u32 offset, first_input; };
struct input { u64 x[32], f[32], fcsr, memory[(WINDOWS + 1) * WINDOW_WORDS]; };
struct context { u64 x[32], f[32], fcsr, exit, saved[16], pad[6], dummy; };
struct record { u64 sequence, round, signal, code, address, pc, x[32], f[32], fcsr, memory[(WINDOWS + 1) * WINDOW_WORDS]; };

static struct header header;
static struct sequence sequences[SEQUENCES_MAX];
static struct input inputs[INPUTS_MAX];
static u64 hashes[SEQUENCES_MAX + 2];
static struct context context __attribute__((aligned(64)));
static struct record record;
static char stack[65536] __attribute__((aligned(16)));
static u64 hash, faults, faults_of_run, abandoned;
static u64 now_sequence, now_round;

void enter(struct context *);
extern char leave[], abandon[];

__asm__(
    ".option norvc\n"
    ".globl _start\n_start:\n mv a0, sp\n andi sp, sp, -16\n call main\n li a7, 93\n ecall\n"
    ".macro each_saved op\n"
    " \\op ra, 528(t6)\n \\op sp, 536(t6)\n \\op gp, 544(t6)\n \\op tp, 552(t6)\n \\op s0, 560(t6)\n"
    " \\op s1, 568(t6)\n \\op s2, 576(t6)\n \\op s3, 584(t6)\n \\op s4, 592(t6)\n \\op s5, 600(t6)\n"
    " \\op s6, 608(t6)\n \\op s7, 616(t6)\n \\op s8, 624(t6)\n \\op s9, 632(t6)\n \\op s10, 640(t6)\n"
    " \\op s11, 648(t6)\n.endm\n"
    ".macro each_f op\n .set n, 0\n"
    " .irp r,0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30,31\n"
    " \\op f\\r, 256+8*\\r(t6)\n .endr\n.endm\n"
    ".macro each_x op\n"
    " .irp r,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30\n"
    " \\op x\\r, 8*\\r(t6)\n .endr\n.endm\n"
    "enter:\n mv t6, a0\n each_saved sd\n"
    " addi t0, t6, 704\n sc.d zero, zero, (t0)\n"
    " ld t0, 512(t6)\n fscsr t0\n each_f fld\n ld ra, 8(t6)\n each_x ld\n jr ra\n"
    "leave:\n each_x sd\n each_f fsd\n frcsr t0\n sd t0, 512(t6)\n"
    "abandon:\n each_saved ld\n fscsr zero\n ret\n");

static long call(long n, long a, long b, long c, long d, long e, long f) {
    register long a0 __asm__("a0") = a, a1 __asm__("a1") = b, a2 __asm__("a2") = c,
                  a3 __asm__("a3") = d, a4 __asm__("a4") = e, a5 __asm__("a5") = f, a7 __asm__("a7") = n;
    __asm__ volatile("ecall" : "+r"(a0) : "r"(a1), "r"(a2), "r"(a3), "r"(a4), "r"(a5), "r"(a7) : "memory");
    return a0;
}

static void fail(long status) {
    call(94, status, 0, 0, 0, 0, 0);
}

static void read_all(void *to, u64 len) {
    for (char *at = to; len > 0;) {
        long count = call(63, 0, (long)at, (long)len, 0, 0, 0);
        if (count <= 0) fail(101);
        at += count, len -= (u64)count;
    }
}

static void write_all(const void *from, u64 len) {
    for (const char *at = from; len > 0;) {
        long count = call(64, 1, (long)at, (long)len, 0, 0, 0);
        if (count <= 0) fail(102);
        at += count, len -= (u64)count;
    }
}

static inline u64 mix(u64 h, u64 word) {
    h = (h ^ word) * 0x9e3779b97f4a7c15u;
    return h ^ h >> 29;
}

static u64 mix_all(u64 h, const u64 *words, u64 count) {
    for (u64 i = 0; i < count; i++) h = mix(h, words[i]);
    return h;
}

static u64 mix_memory(u64 h) {
    for (int w = 0; w < WINDOWS; w++)
        for (int side = 0; side < 2; side++)
            if (windows[w][side]) h = mix_all(h, windows[w][side], WINDOW_WORDS);
    return h;
}

static void copy(u64 *to, const u64 *from, u64 count) {
    for (u64 i = 0; i < count; i++) {
        to[i] = from[i];
        __asm__ volatile("" ::: "memory");
    }
}

static void set_memory(const struct input *input) {
    const u64 *from = input->memory;
    for (int w = 0; w < WINDOWS; w++)
        for (int side = 0; side < 2; side++)
            if (windows[w][side]) copy(windows[w][side], from, WINDOW_WORDS), from += WINDOW_WORDS;
}

// Writes what is so now: registers, memory, and the fault, if it is one.
static void tell(u64 signal, u64 code, u64 address, u64 pc, const u64 *x, const u64 *f, u64 fcsr) {
    record.sequence = now_sequence, record.round = now_round;
    record.signal = signal, record.code = code, record.address = address, record.pc = pc;
    copy(record.x + 1, x + 1, 31), copy(record.f, f, 32);
    record.fcsr = fcsr;
    u64 *to = record.memory;
    for (int w = 0; w < WINDOWS; w++)
        for (int side = 0; side < 2; side++)
            if (windows[w][side]) copy(to, windows[w][side], WINDOW_WORDS), to += WINDOW_WORDS;
    write_all(&record, sizeof record);
}

// A fault is part of what happened. The instruction is skipped, so that what comes after shows
// whether everything was as it should be; a jump to nowhere ends the run.
static void on_fault(int signal, const char *info, char *user) {
    u64 *x = (u64 *)(user + 176), *f = x + 32, *fcsr = f + 32;
    u64 code = *(const u32 *)(info + 8), address = *(const u64 *)(info + 16), pc = x[0];
    faults++, faults_of_run++;
    // A reservation ends with a trap, but not with every judge's.
    __asm__ volatile("sc.d zero, zero, (%0)" : : "r"(&context.dummy) : "memory");
    u64 head[4] = {(u64)signal, code, address, pc};
    hash = mix_memory(mix_all(mix_all(hash, head, 4), x + 1, 31));
    hash = mix(mix_all(hash, f, 32), *(u32 *)fcsr);
    if (header.verbose) tell((u64)signal, code, address, pc, x, f, *(u32 *)fcsr);
    if (pc - CODE >= header.code_len || faults_of_run >= FAULTS_MAX) {
        x[0] = (u64)abandon, x[31] = (u64)&context;
        context.exit = 0;
    } else {
        x[0] = pc + ((*(const u16 *)pc & 3) == 3 ? 4 : 2);
    }
}

static void catch_faults(void) {
    u64 alternate[3] = {(u64)stack, 0, sizeof stack};
    if (call(132, (long)alternate, 0, 0, 0, 0, 0)) fail(103);
    // SA_SIGINFO | SA_ONSTACK | SA_NODEFER
    u64 action[3] = {(u64)on_fault, 4 | 0x08000000 | 0x40000000, 0};
    static const int signals[] = {4, 5, 11, 7};
    for (int i = 0; i < (header.exact ? 4 : 2); i++)
        if (call(134, signals[i], (long)action, 0, 8, 0, 0)) fail(104);
}

static void map(const char *file) {
    // PROT_READ | PROT_WRITE; MAP_PRIVATE | MAP_FIXED | MAP_ANONYMOUS
    if (call(222, DATA + PAGE, 4 * PAGE, 3, 0x32, -1, 0) != DATA + PAGE) fail(105);
    if (call(226, DATA + 3 * PAGE, PAGE, 1, 0, 0, 0)) fail(106);
    if (!file) return;
    long fd = call(56, -100, (long)file, 0, 0, 0, 0);
    if (fd < 0) fail(107);
    // PROT_READ | PROT_EXEC; MAP_PRIVATE | MAP_FIXED
    if (call(222, CODE, (long)header.code_len, 5, 0x12, fd, 0) != CODE) fail(108);
    call(57, fd, 0, 0, 0, 0, 0);
}

static void run(u64 number) {
    const struct sequence *sequence = &sequences[number];
    const struct input *input = &inputs[(sequence->first_input + now_round) % header.inputs];
    now_sequence = number;
    faults_of_run = 0;
    hash = hashes[number];
    set_memory(input);
    copy(context.x, input->x, 65);
    context.x[1] = CODE + sequence->offset;
    context.exit = (u64)leave;
    enter(&context);
    if (context.exit) {
        hash = mix_all(mix_all(hash, context.x + 1, 30), context.f, 33);
        if (header.verbose) tell(0, 0, 0, 0, context.x, context.f, context.fcsr);
        hash = mix_memory(hash);
    } else {
        abandoned++;
    }
    hashes[number] = hash;
}

int main(const u64 *start) {
    read_all(&header, sizeof header);
    if (header.sequences > SEQUENCES_MAX || header.inputs > INPUTS_MAX) fail(109);
    read_all(sequences, header.sequences * sizeof *sequences);
    read_all(inputs, header.inputs * sizeof *inputs);
    map(start[0] > 1 ? (const char *)start[2] : 0);
    catch_faults();
    for (now_round = 0; now_round < header.rounds; now_round++) {
        if (header.pause_ms && now_round == header.pause_after) {
            u64 time[2] = {header.pause_ms / 1000, header.pause_ms % 1000 * 1000000};
            call(101, (long)time, 0, 0, 0, 0, 0);
        }
        for (u64 number = 0; number < header.sequences; number++) run(number);
    }
    hashes[header.sequences] = faults, hashes[header.sequences + 1] = abandoned;
    if (!header.verbose) write_all(hashes, (header.sequences + 2) * 8);
    return 0;
}
