// Text to values and back.
#include "lisp.h"

Source source;

static int peek(void) { return source.at < source.end ? (u8)*source.at : -1; }

static void skip_space(void) {
    for (;;) {
        int c = peek();
        if (c == ';') while (peek() >= 0 && peek() != '\n') source.at++;
        else if (c == ' ' || c == '\n' || c == '\t' || c == '\r') source.at++;
        else return;
    }
}

static int ends_word(int c) {
    return c < 0 || c == ' ' || c == '\n' || c == '\t' || c == '\r' || c == '(' || c == ')' ||
           c == ';' || c == '"' || c == '\'';
}

// A number where the whole word is one: digits, perhaps a sign, perhaps a point.
static int read_number(const char *at, const char *end, Value *into) {
    int negative = *at == '-', digits = 0;
    if (negative) at++;
    i64 whole = 0;
    for (; at < end && *at >= '0' && *at <= '9'; at++, digits++) whole = whole * 10 + (*at - '0');
    if (at == end) {
        *into = integer(negative ? -whole : whole);
        return digits > 0;
    }
    if (*at++ != '.' || !digits) return 0;
    double value = (double)whole, unit = 1;
    for (; at < end && *at >= '0' && *at <= '9'; at++) value += (*at - '0') * (unit /= 10);
    *into = real(negative ? -value : value);
    return at == end;
}

static Value read_string(void) {
    char text[512];
    u64 len = 0;
    source.at++;
    while (peek() >= 0 && peek() != '"') {
        char c = *source.at++;
        if (c == '\\' && peek() >= 0) {
            c = *source.at++;
            if (c == 'n') c = '\n';
            if (c == 'e') c = 27;
        }
        if (len < sizeof text) text[len++] = c;
    }
    if (peek() >= 0) source.at++;
    return string(text, len);
}

static Value read_list(void) {
    Value item;
    skip_space();
    if (peek() == ')') {
        source.at++;
        return nil;
    }
    if (!read_value(&item)) fail("a list isn't closed", nil);
    // A loop would be as clear, but lists in programs are short, and this keeps every cell rooted.
    Value rest = read_list();
    return pair(item, rest);
}

int read_value(Value *into) {
    skip_space();
    int c = peek();
    if (c < 0) return 0;
    if (c == '"') {
        *into = read_string();
        return 1;
    }
    if (c == '\'') {
        source.at++;
        Value quoted;
        if (!read_value(&quoted)) fail("nothing follows a quote", nil);
        *into = pair(symbol("quote", 5), pair(quoted, nil));
        return 1;
    }
    if (c == '(') {
        source.at++;
        *into = read_list();
        return 1;
    }
    if (c == ')') {
        source.at++;
        fail("a list is closed that wasn't open", nil);
    }
    const char *start = source.at;
    while (!ends_word(peek())) source.at++;
    u64 len = (u64)(source.at - start);
    if (len == 3 && memcmp(start, "nil", 3) == 0) *into = nil;
    else if (!read_number(start, source.at, into)) *into = symbol(start, len);
    return 1;
}

// Six decimal places, without trailing noughts.
static void print_real(double value) {
    if (value != value) {
        out_text("nan");
        return;
    }
    if (value < 0) out_char('-'), value = -value;
    if (value > 9e12) {
        out_text("huge");
        return;
    }
    i64 millionths = (i64)(value * 1000000 + 0.5);
    out_decimal(millionths / 1000000);
    out_char('.');
    i64 left = millionths % 1000000;
    for (i64 unit = 100000; unit == 100000 || (unit && left); unit /= 10) {
        out_char((char)('0' + left / unit));
        left %= unit;
    }
}

void print(Value v, int quoted) {
    if (is_integer(v)) {
        out_decimal(integer_of(v));
        return;
    }
    Cell *c = cell(v);
    switch (c->kind) {
        case NIL: out_text("nil"); break;
        case REAL: print_real(c->real); break;
        case SYMBOL: out_bytes(c->text, c->len); break;
        case STRING:
            if (quoted) out_char('"');
            out_bytes(c->text, c->len);
            if (quoted) out_char('"');
            break;
        case PAIR:
            out_char('(');
            for (;; out_char(' ')) {
                print(c->first, quoted);
                if (!is(c->rest, PAIR)) break;
                c = cell(c->rest);
            }
            if (c->rest != nil) out_text(" . "), print(c->rest, quoted);
            out_char(')');
            break;
        case CLOSURE: out_text("#<function>"); break;
        case MACRO: out_text("#<macro>"); break;
        default: out_text("#<builtin>"); break;
    }
}
