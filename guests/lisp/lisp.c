// A small Lisp: lexical scope, closures, macros, proper tail calls, integers and reals.
//
//   lisp                reads expressions from standard input and prints their values
//   lisp FILE           runs a program
//   lisp --demo NAME    runs a program that is built in; --demos lists them
#include "lisp.h"

enum { QUOTE, IF, DEFINE, SET, LAMBDA, MACRO_FORM, LET, COND, AND, OR, BEGIN, WHILE };
enum { MAX_ARGUMENTS = 16, MAX_DEPTH = 12000 };

static int interactive;
static int depth;
static void *restart[5];  // where a failure goes back to in a conversation

void fail(const char *problem, Value about) {
    out_text("error: ");
    out_text(problem);
    if (about != nil) out_text(": "), print(about, 1);
    out_char('\n');
    if (!interactive) exit(1);
    __builtin_longjmp(restart, 1);
}

// A scope is a list of (symbol . value), innermost first.
static Cell *binding(Value name, Value scope) {
    for (; scope != nil; scope = cell(scope)->rest) {
        Cell *bound = cell(cell(scope)->first);
        if (bound->first == name) return bound;
    }
    return NULL;
}

static Value look_up(Value name, Value scope) {
    Cell *bound = binding(name, scope);
    if (bound) return bound->rest;
    if (!cell(name)->global) fail("nothing has this name", name);
    return cell(name)->global;
}

static Value nth(Value list, int n) {
    while (n-- && is(list, PAIR)) list = cell(list)->rest;
    if (!is(list, PAIR)) fail("a form is too short", nil);
    return cell(list)->first;
}

static Value bind(Value function, Value *arguments, int count) {
    Value scope = cell(function)->scope, at = cell(function)->parameters;
    for (int i = 0;; i++, at = cell(at)->rest) {
        if (is(at, SYMBOL)) {  // a name for all the arguments that are left
            Value left = nil;
            while (count > i) left = pair(arguments[--count], left);
            return pair(pair(at, left), scope);
        }
        if (at == nil) {
            if (i < count) fail("too many arguments", cell(function)->parameters);
            return scope;
        }
        if (i == count) fail("too few arguments", cell(function)->parameters);
        scope = pair(pair(cell(at)->first, arguments[i]), scope);
    }
}

// All but the last expression of a body; the last is returned for the caller to continue with.
static Value all_but_last(Value body, Value scope) {
    if (body == nil) return nil;
    for (; cell(body)->rest != nil; body = cell(body)->rest) evaluate(cell(body)->first, scope);
    return cell(body)->first;
}

static Value define_name(Value rest, Value scope) {
    Value name = nth(rest, 0), value;
    if (is(name, PAIR)) {
        value = closure(CLOSURE, cell(name)->rest, cell(rest)->rest, scope);
        name = cell(name)->first;
    } else {
        value = evaluate(nth(rest, 1), scope);
    }
    if (!is(name, SYMBOL)) fail("not a name", name);
    cell(name)->global = value;
    return name;
}

static Value assign(Value rest, Value scope) {
    Value name = nth(rest, 0), value = evaluate(nth(rest, 1), scope);
    Cell *bound = binding(name, scope);
    if (bound) return bound->rest = value;
    if (!is(name, SYMBOL) || !cell(name)->global) fail("nothing has this name", name);
    return cell(name)->global = value;
}

static Value let_scope(Value bindings, Value scope) {
    for (; bindings != nil; bindings = cell(bindings)->rest) {
        Value bound = cell(bindings)->first;
        scope = pair(pair(nth(bound, 0), evaluate(nth(bound, 1), scope)), scope);
    }
    return scope;
}

static Value repeat(Value rest, Value scope) {
    while (evaluate(nth(rest, 0), scope) != nil)
        for (Value at = cell(rest)->rest; at != nil; at = cell(at)->rest)
            evaluate(cell(at)->first, scope);
    return nil;
}

// One step of a special form. Returns 1 when `*expression` (in `*scope`) is what to evaluate next,
// in place of the form; 0 when `*expression` is the value.
static int step(int number, Value rest, Value *expression, Value *scope) {
    switch (number) {
        case QUOTE: *expression = nth(rest, 0); return 0;
        case IF:
            if (evaluate(nth(rest, 0), *scope) != nil) *expression = nth(rest, 1);
            else if (cell(cell(rest)->rest)->rest == nil) return *expression = nil, 0;
            else *expression = nth(rest, 2);
            return 1;
        case DEFINE: *expression = define_name(rest, *scope); return 0;
        case SET: *expression = assign(rest, *scope); return 0;
        case LAMBDA:
            *expression = closure(CLOSURE, nth(rest, 0), cell(rest)->rest, *scope);
            return 0;
        case MACRO_FORM:
            *expression = closure(MACRO, nth(rest, 0), cell(rest)->rest, *scope);
            return 0;
        case LET:
            *scope = let_scope(nth(rest, 0), *scope);
            *expression = all_but_last(cell(rest)->rest, *scope);
            return 1;
        case COND:
            for (; rest != nil; rest = cell(rest)->rest)
                if (evaluate(nth(cell(rest)->first, 0), *scope) != nil) {
                    *expression = all_but_last(cell(cell(rest)->first)->rest, *scope);
                    return 1;
                }
            return *expression = nil, 0;
        case AND:
        case OR:
            if (rest == nil) return *expression = number == AND ? truth : nil, 0;
            for (; cell(rest)->rest != nil; rest = cell(rest)->rest) {
                Value value = evaluate(cell(rest)->first, *scope);
                if ((value == nil) == (number == AND)) return *expression = value, 0;
            }
            *expression = cell(rest)->first;
            return 1;
        case BEGIN: *expression = all_but_last(rest, *scope); return 1;
        default: *expression = repeat(rest, *scope); return 0;
    }
}

static Value call_builtin(Value function, Value *arguments, int count) {
    if (count < cell(function)->least || count > cell(function)->most)
        fail("a built-in function got the wrong number of arguments", integer(count));
    return cell(function)->call(arguments, count);
}

Value apply(Value function, Value *arguments, int count) {
    if (is(function, BUILTIN)) return call_builtin(function, arguments, count);
    if (!is(function, CLOSURE) && !is(function, MACRO)) fail("not a function", function);
    Value scope = bind(function, arguments, count);
    return evaluate(all_but_last(cell(function)->body, scope), scope);
}

static int argument_values(Value at, Value scope, Value *arguments, int evaluated) {
    int count = 0;
    for (; at != nil; at = cell(at)->rest) {
        if (count == MAX_ARGUMENTS) fail("too many arguments", nil);
        arguments[count++] = evaluated ? evaluate(cell(at)->first, scope) : cell(at)->first;
    }
    return count;
}

Value evaluate(Value expression, Value scope) {
    Value arguments[MAX_ARGUMENTS];
    if (++depth > MAX_DEPTH) fail("too deep", nil);
    for (;;) {
        if (is(expression, SYMBOL)) {
            expression = look_up(expression, scope);
            break;
        }
        if (!is(expression, PAIR)) break;
        Value head = cell(expression)->first, rest = cell(expression)->rest;
        Value function = is(head, SYMBOL) ? look_up(head, scope) : evaluate(head, scope);
        if (is(function, FORM)) {
            if (!step(cell(function)->form, rest, &expression, &scope)) break;
            continue;
        }
        int count = argument_values(rest, scope, arguments, !is(function, MACRO));
        if (is(function, MACRO)) {
            expression = apply(function, arguments, count);
            continue;
        }
        if (!is(function, CLOSURE)) {
            expression = apply(function, arguments, count);
            break;
        }
        scope = bind(function, arguments, count);
        expression = all_but_last(cell(function)->body, scope);
    }
    depth--;
    return expression;
}

static void run(const char *text, const char *end) {
    Value expression;
    source = (Source){text, end};
    while (read_value(&expression)) evaluate(expression, nil);
}

static char program[1 << 16];

static void converse(void) {
    Value expression;
    i64 got;
    volatile i64 len = 0;
    interactive = 1;
    for (;;) {
        out_text("> ");
        out_flush();
        got = file_read(0, program + len, sizeof program - (usize)len);
        if (got <= 0) break;
        len += got;
        if (program[len - 1] != '\n') continue;
        source = (Source){program, program + len};
        len = 0;
        // A failure comes back to here, and what follows the failed expression is read next.
        (void)__builtin_setjmp(restart);
        depth = 0;
        while (read_value(&expression)) {
            print(evaluate(expression, nil), 1);
            out_char('\n');
        }
    }
    out_char('\n');
}

static int run_file(const char *path) {
    i64 file = file_open(path), len = 0, got;
    if (file < 0) {
        complain("lisp: cannot open the program\n");
        return 1;
    }
    while ((got = file_read(file, program + len, sizeof program - (usize)len)) > 0) len += got;
    run(program, program + len);
    return 0;
}

static void forms_start(void) {
    form("quote", QUOTE), form("if", IF), form("define", DEFINE), form("set!", SET);
    form("lambda", LAMBDA), form("macro", MACRO_FORM), form("let", LET), form("cond", COND);
    form("and", AND), form("or", OR), form("begin", BEGIN), form("while", WHILE);
}

int main(int argc, char **argv) {
    heap_start(__builtin_frame_address(0));
    forms_start();
    builtins_start();
    if (argc == 1) return converse(), 0;
    if (argc == 2 && !text_equal(argv[1], "--demos")) return run_file(argv[1]);
    for (const Demo *demo = demos; demo->name; demo++) {
        if (argc == 2) out_text(demo->name), out_char('\n');
        else if (text_equal(argv[1], "--demo") && text_equal(argv[2], demo->name))
            return run(demo->text, demo->end), 0;
    }
    if (argc == 2) return 0;
    complain("usage: lisp [FILE | --demo NAME | --demos]\n");
    return 2;
}
