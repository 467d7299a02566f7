// The Lisp's built-in functions. Integers stay integers until a real number joins them.
#include "lisp.h"

static double real_of(Value v) {
    if (is_integer(v)) return (double)integer_of(v);
    if (is(v, REAL)) return cell(v)->real;
    fail("not a number", v);
}

static Cell *pair_of(Value v) {
    if (!is(v, PAIR)) fail("not a pair", v);
    return cell(v);
}

static i64 whole_of(Value v) {
    if (!is_integer(v)) fail("not an integer", v);
    return integer_of(v);
}

static Value from_truth(int true) { return true ? truth : nil; }

#define ARITHMETIC(name, operator)                                                              \
    static Value name(Value *a, int n) {                                                        \
        Value total = a[0];                                                                     \
        for (int i = 1; i < n; i++)                                                             \
            total = is_integer(total) && is_integer(a[i])                                       \
                        ? integer((i64)((u64)integer_of(total) operator(u64) integer_of(a[i]))) \
                        : real(real_of(total) operator real_of(a[i]));                          \
        return total;                                                                           \
    }
ARITHMETIC(plus, +)
ARITHMETIC(multiply, *)
ARITHMETIC(subtract, -)

static Value minus(Value *a, int n) {
    Value from_zero[2] = {integer(0), a[0]};
    return n == 1 ? subtract(from_zero, 2) : subtract(a, n);
}

#define COMPARISON(name, operator)                                                     \
    static Value name(Value *a, int n) {                                               \
        (void)n;                                                                       \
        if (is_integer(a[0]) && is_integer(a[1]))                                      \
            return from_truth(integer_of(a[0]) operator integer_of(a[1]));             \
        return from_truth(real_of(a[0]) operator real_of(a[1]));                       \
    }
COMPARISON(less, <)
COMPARISON(more, >)
COMPARISON(at_most, <=)
COMPARISON(at_least, >=)
COMPARISON(same_number, ==)

static Value divide(Value *a, int n) {
    (void)n;
    return real(real_of(a[0]) / real_of(a[1]));
}

static Value quotient(Value *a, int n) {
    (void)n;
    if (whole_of(a[1]) == 0) fail("division by zero", a[0]);
    return integer(whole_of(a[0]) / whole_of(a[1]));
}

static Value modulo(Value *a, int n) {
    (void)n;
    if (whole_of(a[1]) == 0) fail("division by zero", a[0]);
    i64 left = whole_of(a[0]) % whole_of(a[1]);
    return integer(left && (left < 0) != (whole_of(a[1]) < 0) ? left + whole_of(a[1]) : left);
}

static Value floor_of(Value *a, int n) {
    (void)n;
    if (is_integer(a[0])) return a[0];
    double value = real_of(a[0]);
    i64 whole = (i64)value;
    return integer((double)whole > value ? whole - 1 : whole);
}

static Value square_root(Value *a, int n) {
    (void)n;
    return real(__builtin_sqrt(real_of(a[0])));
}

static Value cons(Value *a, int n) { (void)n; return pair(a[0], a[1]); }
static Value car(Value *a, int n) { (void)n; return a[0] == nil ? nil : pair_of(a[0])->first; }
static Value cdr(Value *a, int n) { (void)n; return a[0] == nil ? nil : pair_of(a[0])->rest; }
static Value set_car(Value *a, int n) { (void)n; return pair_of(a[0])->first = a[1]; }
static Value set_cdr(Value *a, int n) { (void)n; return pair_of(a[0])->rest = a[1]; }
static Value is_pair(Value *a, int n) { (void)n; return from_truth(is(a[0], PAIR)); }
static Value is_null(Value *a, int n) { (void)n; return from_truth(a[0] == nil); }
static Value is_eq(Value *a, int n) { (void)n; return from_truth(a[0] == a[1]); }

static Value list(Value *a, int n) {
    Value made = nil;
    while (n) made = pair(a[--n], made);
    return made;
}

static Value call_with_list(Value *a, int n) {
    (void)n;
    Value arguments[16];
    int count = 0;
    for (Value at = a[1]; at != nil; at = pair_of(at)->rest) {
        if (count == 16) fail("too many arguments", a[0]);
        arguments[count++] = pair_of(at)->first;
    }
    return apply(a[0], arguments, count);
}

static Value display(Value *a, int n) {
    for (int i = 0; i < n; i++) print(a[i], 0);
    return nil;
}

static Value write_value(Value *a, int n) { (void)n; print(a[0], 1); return nil; }
static Value newline(Value *a, int n) { (void)a, (void)n; out_char('\n'); return nil; }
static Value emit(Value *a, int n) { (void)n; out_char((char)whole_of(a[0])); return nil; }
static Value collected(Value *a, int n) { (void)a, (void)n; return integer(collections()); }

void builtins_start(void) {
    enum { ANY = 16 };
    builtin("+", plus, 1, ANY), builtin("*", multiply, 1, ANY), builtin("-", minus, 1, ANY);
    builtin("<", less, 2, 2), builtin(">", more, 2, 2), builtin("<=", at_most, 2, 2);
    builtin(">=", at_least, 2, 2), builtin("=", same_number, 2, 2), builtin("/", divide, 2, 2);
    builtin("quotient", quotient, 2, 2), builtin("mod", modulo, 2, 2);
    builtin("floor", floor_of, 1, 1), builtin("sqrt", square_root, 1, 1);
    builtin("cons", cons, 2, 2), builtin("car", car, 1, 1), builtin("cdr", cdr, 1, 1);
    builtin("set-car!", set_car, 2, 2), builtin("set-cdr!", set_cdr, 2, 2);
    builtin("pair?", is_pair, 1, 1), builtin("null?", is_null, 1, 1), builtin("not", is_null, 1, 1);
    builtin("eq?", is_eq, 2, 2), builtin("list", list, 0, ANY);
    builtin("apply", call_with_list, 2, 2), builtin("display", display, 0, ANY);
    builtin("write", write_value, 1, 1), builtin("newline", newline, 0, 0);
    builtin("emit", emit, 1, 1), builtin("collections", collected, 0, 0);
}
