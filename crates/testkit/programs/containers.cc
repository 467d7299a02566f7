// The standard containers and algorithms under load.
#include <algorithm>
#include <array>
#include <cstdint>
#include <cstdio>
#include <deque>
#include <list>
#include <map>
#include <memory>
#include <numeric>
#include <optional>
#include <queue>
#include <random>
#include <set>
#include <string>
#include <string_view>
#include <tuple>
#include <unordered_map>
#include <variant>
#include <vector>

static std::uint64_t fold(std::uint64_t h, std::uint64_t v) { return (h ^ v) * 1099511628211u; }

static void maps(int n) {
    std::mt19937_64 random(42);
    std::map<std::uint64_t, int> tree;
    std::unordered_map<std::uint64_t, int> hash;
    std::map<std::string, std::vector<int>> words;
    for (int i = 0; i < n; i++) {
        std::uint64_t k = random() % (2 * n);
        tree[k] += i;
        hash[k] += i;
        words["w" + std::to_string(k % 97)].push_back(i);
        if (i % 5 == 0) tree.erase(random() % n);
    }
    std::uint64_t h = 0;
    for (auto &[k, v] : tree) h = fold(h, k * 31 + v);
    std::uint64_t unordered = 0;
    for (auto &[k, v] : hash) unordered += k * 17 + v;
    for (auto &[w, list] : words) h = fold(h, w.size() + list.size() + list.back());
    std::printf("maps %zu %zu %zu %lx %lx\n", tree.size(), hash.size(), words.size(), h, unordered);
    auto at = tree.lower_bound(n);
    std::printf("lower %lu\n", at == tree.end() ? 0 : at->first);
}

static void sequences(int n) {
    std::mt19937 random(7);
    std::vector<int> v(n);
    for (auto &x : v) x = static_cast<int>(random() % 100000);
    auto sorted = v;
    std::sort(sorted.begin(), sorted.end());
    auto stable = v;
    std::stable_sort(stable.begin(), stable.end(), [](int a, int b) { return a % 100 < b % 100; });
    std::nth_element(v.begin(), v.begin() + n / 2, v.end());
    std::uint64_t h = 0;
    for (int x : stable) h = fold(h, x);
    std::printf("sort %d %d %d %lx %d\n", sorted[0], sorted[n / 2], sorted[n - 1], h, v[n / 2] == sorted[n / 2]);
    sorted.erase(std::unique(sorted.begin(), sorted.end()), sorted.end());
    std::printf("unique %zu sum %ld %d\n", sorted.size(), std::accumulate(sorted.begin(), sorted.end(), 0L),
                std::binary_search(sorted.begin(), sorted.end(), sorted[3]));
    std::deque<int> deque;
    std::list<int> list;
    for (int i = 0; i < n; i++) {
        if (i % 3) deque.push_back(i);
        else deque.push_front(i);
        list.insert(i % 2 ? list.begin() : list.end(), i);
        if (deque.size() > 100) deque.pop_front();
    }
    list.sort(std::greater<>());
    std::printf("deque %zu %d list %zu %d\n", deque.size(), deque[50], list.size(), list.front());
    std::priority_queue<std::pair<int, int>> heap;
    for (int i = 0; i < n; i++) heap.emplace(i * 7919 % 10007, i);
    h = 0;
    for (; !heap.empty(); heap.pop()) h = fold(h, heap.top().first + heap.top().second);
    std::printf("heap %lx\n", h);
}

struct Shape {
    virtual ~Shape() = default;
    virtual double area() const = 0;
};
struct Square : Shape {
    double side;
    explicit Square(double s) : side(s) {}
    double area() const override { return side * side; }
};
struct Circle : Shape {
    double radius;
    explicit Circle(double r) : radius(r) {}
    double area() const override { return 3.14159 * radius * radius; }
};

static void objects(int n) {
    std::vector<std::unique_ptr<Shape>> shapes;
    std::shared_ptr<int> shared = std::make_shared<int>(0);
    for (int i = 0; i < n; i++) {
        if (i % 3) shapes.push_back(std::make_unique<Square>(i % 10));
        else shapes.push_back(std::make_unique<Circle>(i % 7));
        auto copy = shared;
        ++*copy;
    }
    double total = 0;
    for (auto &shape : shapes) total += shape->area();
    int squares = 0;
    for (auto &shape : shapes) squares += dynamic_cast<Square *>(shape.get()) != nullptr;
    std::printf("shapes %.4f %d %d\n", total, squares, *shared);
    std::variant<int, double, std::string> v;
    std::string out;
    for (int i = 0; i < 30; i++) {
        if (i % 3 == 0) v = i;
        else if (i % 3 == 1) v = i * 0.5;
        else v = std::string(i % 5, 'x');
        std::visit([&](auto &x) {
            if constexpr (std::is_same_v<std::decay_t<decltype(x)>, std::string>) out += x;
            else out += std::to_string(x);
        }, v);
    }
    std::printf("%s\n", out.c_str());
    std::set<std::tuple<int, std::string_view>> set{{3, "c"}, {1, "a"}, {2, "b"}, {1, "a"}};
    std::optional<int> maybe;
    std::printf("%zu %d\n", set.size(), maybe.value_or(-1));
}

int main(int argc, char **argv) {
    int n = argc > 1 ? std::atoi(argv[1]) : 4000;
    maps(n);
    sequences(n);
    objects(n);
    return 0;
}
