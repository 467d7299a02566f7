// The Lisp's heap: cells of one size, marked and swept; roots are the symbol table and the machine
// stack, read conservatively.
#include "lisp.h"

enum { CELLS = 400000, TEXT_BYTES = 1 << 20, BUCKETS = 512 };

static Cell cells[CELLS];
static Cell *free_cells;
static char texts[TEXT_BYTES];
static u64 texts_used;
static Value symbols[BUCKETS];  // lists of symbols
static Value *stack_base;
static i64 collection_count;
Value nil, truth;

i64 collections(void) { return collection_count; }

static void mark(Value v) {
    while (!is_integer(v) && v && !cell(v)->marked) {
        Cell *c = cell(v);
        c->marked = 1;
        switch (c->kind) {
            case PAIR: mark(c->first); v = c->rest; break;
            case SYMBOL: v = c->global; break;
            case CLOSURE:
            case MACRO: mark(c->parameters); mark(c->body); v = c->scope; break;
            default: return;
        }
    }
}

static void mark_if_cell(Value word) {
    u64 offset = word - (u64)cells;
    if (offset < sizeof cells && offset % sizeof(Cell) == 0 && cell(word)->kind != FREE) mark(word);
}

__attribute__((noinline)) static void mark_stack(Value *from) {
    for (Value *at = from; at < stack_base; at++) mark_if_cell(*at);
}

static void sweep(void) {
    free_cells = NULL;
    for (Cell *c = cells + CELLS; c-- > cells;) {
        if (!c->marked) {
            c->kind = FREE;
            c->rest = (Value)free_cells;
            free_cells = c;
        }
        c->marked = 0;
    }
}

__attribute__((noinline)) static void collect(void) {
    // Callee-saved registers may hold the only reference to a cell.
    Value saved[12];
    __asm__ volatile(
        "sd s0, 0(%0)\n sd s1, 8(%0)\n sd s2, 16(%0)\n sd s3, 24(%0)\n sd s4, 32(%0)\n"
        "sd s5, 40(%0)\n sd s6, 48(%0)\n sd s7, 56(%0)\n sd s8, 64(%0)\n sd s9, 72(%0)\n"
        "sd s10, 80(%0)\n sd s11, 88(%0)" : : "r"(saved) : "memory");
    collection_count++;
    mark(nil);
    for (int i = 0; i < BUCKETS; i++) mark(symbols[i]);
    mark_stack(saved);
    sweep();
    if (!free_cells) {
        complain("lisp: out of memory\n");
        exit(1);
    }
}

static Cell *take(Kind kind) {
    if (!free_cells) collect();
    Cell *c = free_cells;
    free_cells = (Cell *)c->rest;
    c->kind = kind;
    return c;
}

void heap_start(void *base) {
    stack_base = base;
    sweep();
    nil = (Value)take(NIL);
    for (int i = 0; i < BUCKETS; i++) symbols[i] = nil;
    truth = symbol("t", 1);
    cell(truth)->global = truth;
}

Value pair(Value first, Value rest) {
    Cell *c = take(PAIR);
    c->first = first;
    c->rest = rest;
    return (Value)c;
}

Value real(double value) {
    Cell *c = take(REAL);
    c->real = value;
    return (Value)c;
}

static const char *keep_text(const char *text, u64 len) {
    if (texts_used + len > TEXT_BYTES) {
        complain("lisp: too much text\n");
        exit(1);
    }
    memcpy(texts + texts_used, text, len);
    texts_used += len;
    return texts + texts_used - len;
}

Value string(const char *text, u64 len) {
    Cell *c = take(STRING);
    c->text = keep_text(text, len);
    c->len = len;
    return (Value)c;
}

Value symbol(const char *text, u64 len) {
    u64 hash = 5381;
    for (u64 i = 0; i < len; i++) hash = hash * 33 + (u8)text[i];
    Value *bucket = &symbols[hash % BUCKETS];
    for (Value at = *bucket; at != nil; at = cell(at)->rest) {
        Cell *known = cell(cell(at)->first);
        if (known->len == len && memcmp(known->text, text, len) == 0) return (Value)known;
    }
    Cell *c = take(SYMBOL);
    c->text = keep_text(text, len);
    c->len = len;
    c->global = 0;
    *bucket = pair((Value)c, *bucket);
    return (Value)c;
}

Value closure(Kind kind, Value parameters, Value body, Value scope) {
    Cell *c = take(kind);
    c->parameters = parameters;
    c->body = body;
    c->scope = scope;
    return (Value)c;
}

static Value define(const char *name, Cell *c) {
    cell(symbol(name, text_len(name)))->global = (Value)c;
    return (Value)c;
}

Value builtin(const char *name, Value (*call)(Value *, int), int least, int most) {
    Cell *c = take(BUILTIN);
    c->call = call;
    c->least = least;
    c->most = most;
    return define(name, c);
}

Value form(const char *name, int number) {
    Cell *c = take(FORM);
    c->form = number;
    return define(name, c);
}
