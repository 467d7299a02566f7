// 1,536 small functions, no two alike, each called over and over: a program whose translation costs
// far more than its execution. It prints a checksum that depends on every call.
//
//   manyfuncs [ROUNDS]
#include "../rt/rt.h"

enum { TABLE_LEN = 256 };
static u64 table[TABLE_LEN];

static u64 rotate(u64 x, int by) { return x << by | x >> (64 - by); }

// Each function's shape is chosen by its number, and so are all its constants; the compiler folds
// the rest away.
static inline __attribute__((always_inline)) u64 body(u64 n, u64 x, u64 y) {
    const u64 k = n * 0x9e3779b97f4a7c15 + 0x632be59bd9b4e019;
    const int turn = (int)(n % 61 + 1);
    u64 *slot = &table[(x ^ k) % TABLE_LEN];
    switch (n % 6) {
        case 0:
            for (u64 i = 0; i < 2 + n % 3; i++) x = rotate(x * (k | 1), turn) + y;
            return x ^ *slot;
        case 1:
            x += *slot;
            if (x & 1 << n % 13) x ^= k >> 7;
            else x = rotate(x, turn) - (k & 0xfffff);
            *slot = x + y;
            return x;
        case 2:
            return (x % (k >> 40 | 3)) * (y | 1) + rotate(y, turn) + (k & 0x7ff);
        case 3:
            *slot += x ^ (u32)k;
            return rotate(*slot, turn) * 5 + (n << 3);
        case 4:
            switch (x % 5) {
                case 0: x += k & 0xffff; break;
                case 1: x ^= y + n; break;
                case 2: x -= y >> n % 31; break;
                case 3: x = rotate(x, turn); break;
                default: x *= 2 * n + 1;
            }
            return x ^ rotate(y, turn);
        default: {
            u64 low = x & 0xffffffff, high = x >> 32;
            low = low * (k & 0xffff) + high;
            high = high * (k >> 16 & 0xffff) ^ low;
            return low < high ? (high << 32 | (low & 0xffffffff)) : low + y - n;
        }
    }
}

#define FUNCTION(n) \
    static __attribute__((noinline)) u64 f##n(u64 x, u64 y) { return body(n, x, y); }
#define ENTRY(n) f##n,
#define SIXTEEN(each, p)                                                                    \
    each(p##0) each(p##1) each(p##2) each(p##3) each(p##4) each(p##5) each(p##6) each(p##7) \
    each(p##8) each(p##9) each(p##a) each(p##b) each(p##c) each(p##d) each(p##e) each(p##f)
#define PAGE(each, p)                                                                         \
    SIXTEEN(each, p##0) SIXTEEN(each, p##1) SIXTEEN(each, p##2) SIXTEEN(each, p##3)           \
    SIXTEEN(each, p##4) SIXTEEN(each, p##5) SIXTEEN(each, p##6) SIXTEEN(each, p##7)           \
    SIXTEEN(each, p##8) SIXTEEN(each, p##9) SIXTEEN(each, p##a) SIXTEEN(each, p##b)           \
    SIXTEEN(each, p##c) SIXTEEN(each, p##d) SIXTEEN(each, p##e) SIXTEEN(each, p##f)
#define ALL(each) \
    PAGE(each, 0x1) PAGE(each, 0x2) PAGE(each, 0x3) PAGE(each, 0x4) PAGE(each, 0x5) PAGE(each, 0x6)

ALL(FUNCTION)

static u64 (*const functions[])(u64, u64) = {ALL(ENTRY)};
enum { FUNCTIONS = sizeof functions / sizeof *functions };

int main(int argc, char **argv) {
    i64 rounds = argc > 1 ? text_number(argv[1]) : 400;
    u64 x = 1;
    for (i64 round = 0; round < rounds; round++)
        for (int i = 0; i < FUNCTIONS; i++) x = functions[i](x, x >> 17 ^ (u64)round) + (u64)i;
    out_decimal(FUNCTIONS);
    out_text(" functions, ");
    out_decimal(rounds);
    out_text(" rounds: ");
    out_hex(x);
    out_char('\n');
    return 0;
}
