// C++ exceptions: through many frames, with destructors, rethrown, nested, by base class, and many times.
#include <cstdio>
#include <exception>
#include <functional>
#include <memory>
#include <new>
#include <stdexcept>
#include <string>
#include <typeinfo>
#include <vector>

static long destroyed;
struct Guard {
    long weight;
    explicit Guard(long w) : weight(w) {}
    ~Guard() { destroyed += weight; }
};

struct Special : std::runtime_error {
    int code;
    Special(int c) : std::runtime_error("special " + std::to_string(c)), code(c) {}
};

__attribute__((noinline)) static int descend(int depth, int kind) {
    Guard guard(depth);
    if (depth == 0) switch (kind % 6) {
            case 0: throw kind;
            case 1: throw Special(kind);
            case 2: throw std::out_of_range("range");
            case 3: throw std::string("text");
            case 4: throw std::bad_alloc();
            default: return 1;
        }
    return descend(depth - 1, kind) + 1;
}

static long attempt(int depth, int kind) {
    try {
        return descend(depth, kind);
    } catch (int n) {
        return 1000 + n;
    } catch (const Special &s) {
        return 2000 + s.code;
    } catch (const std::logic_error &e) {
        return 3000 + e.what()[0];
    } catch (const std::string &s) {
        return 4000 + static_cast<long>(s.size());
    } catch (...) {
        return 5000;
    }
}

static std::string nested(int level) {
    try {
        try {
            if (level == 0) throw Special(level);
            nested(level - 1);
            throw std::runtime_error("after " + std::to_string(level));
        } catch (const std::exception &) {
            std::throw_with_nested(std::runtime_error("level " + std::to_string(level)));
        }
    } catch (const std::exception &e) {
        std::string text = e.what();
        try {
            std::rethrow_if_nested(e);
        } catch (const std::exception &inner) {
            text += " <- " + std::string(inner.what());
        }
        return text;
    }
}

int main(int argc, char **argv) {
    int rounds = argc > 1 ? std::atoi(argv[1]) : 600;
    long sum = 0;
    for (int i = 0; i < rounds; i++) sum = sum * 3 + attempt(i % 40, i);
    std::printf("%lx %ld\n", sum, destroyed);
    for (int level = 0; level < 4; level++) std::puts(nested(level).c_str());
    try {
        try {
            throw Special(9);
        } catch (std::runtime_error &e) {
            std::printf("first %s\n", e.what());
            throw;
        }
    } catch (Special &s) {
        std::printf("again %d\n", s.code);
    }
    try {
        std::vector<int>(3).at(7);
    } catch (std::exception &e) {
        std::printf("%s\n", typeid(e).name());
    }
    try {
        std::function<void()> empty;
        empty();
    } catch (std::bad_function_call &) {
        std::puts("bad call");
    }
    std::exception_ptr held;
    try {
        throw 42;
    } catch (...) {
        held = std::current_exception();
    }
    try {
        std::rethrow_exception(held);
    } catch (int n) {
        std::printf("held %d\n", n);
    }
    return 0;
}
