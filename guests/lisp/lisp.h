// A small Lisp: what its files share.
//
// A value is one word: an odd word is an integer of 63 bits; anything else is the address of a cell
// in the heap. Cells never move, so C code may keep them in local variables: the collector finds
// them there by scanning the machine stack conservatively.
#ifndef LISP_H
#define LISP_H
#include "../rt/rt.h"

typedef u64 Value;

typedef enum { FREE, NIL, PAIR, SYMBOL, STRING, REAL, CLOSURE, MACRO, BUILTIN, FORM } Kind;

typedef struct {
    u32 kind;
    u32 marked;
    union {
        struct { Value first, rest; };                         // PAIR
        struct { const char *text; u64 len; Value global; };   // SYMBOL, STRING
        double real;                                           // REAL
        struct { Value parameters, body, scope; };             // CLOSURE, MACRO
        struct { Value (*call)(Value *arguments, int count); int least, most; };  // BUILTIN
        int form;                                              // FORM: a special form's number
    };
} Cell;

static inline int is_integer(Value v) { return v & 1; }
static inline Value integer(i64 n) { return (u64)n << 1 | 1; }
static inline i64 integer_of(Value v) { return (i64)v >> 1; }
static inline Cell *cell(Value v) { return (Cell *)v; }
static inline Kind kind_of(Value v) { return is_integer(v) ? FREE : (Kind)cell(v)->kind; }
static inline int is(Value v, Kind kind) { return !is_integer(v) && cell(v)->kind == kind; }

// heap.c
extern Value nil, truth;
void heap_start(void *stack_base);
Value pair(Value first, Value rest);
Value real(double value);
Value string(const char *text, u64 len);
Value symbol(const char *text, u64 len);  // the one symbol of that name
Value closure(Kind kind, Value parameters, Value body, Value scope);
Value builtin(const char *name, Value (*call)(Value *, int), int least, int most);
Value form(const char *name, int number);
i64 collections(void);

// reader.c: reads from `source.at` up to `source.end`.
typedef struct { const char *at, *end; } Source;
extern Source source;
int read_value(Value *into);  // 1 read; 0 end of text
void print(Value v, int quoted);

// lisp.c
Value evaluate(Value expression, Value scope);
Value apply(Value function, Value *arguments, int count);
void fail(const char *problem, Value about) __attribute__((noreturn));

// builtins.c
void builtins_start(void);

// demos.c
typedef struct { const char *name, *text, *end; } Demo;
extern const Demo demos[];

#endif
