// Threads that meet in every way the standard library offers.
#include <atomic>
#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <cstdio>
#include <future>
#include <map>
#include <mutex>
#include <numeric>
#include <queue>
#include <shared_mutex>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

static thread_local int own = 0;

static long queue_sum() {
    std::mutex lock; std::condition_variable ready; std::queue<int> queue; bool done = false; std::atomic<long> sum{0};
    std::vector<std::thread> takers;
    for (int t = 0; t < 4; t++)
        takers.emplace_back([&] {
            for (;;) {
                std::unique_lock<std::mutex> hold(lock);
                ready.wait(hold, [&] { return done || !queue.empty(); });
                if (queue.empty()) return;
                int item = queue.front(); queue.pop(); hold.unlock();
                sum += item; own += item;
            }
        });
    for (int i = 1; i <= 20000; i++) { { std::lock_guard<std::mutex> hold(lock); queue.push(i); } ready.notify_one(); }
    { std::lock_guard<std::mutex> hold(lock); done = true; }
    ready.notify_all();
    for (auto &t : takers) t.join();
    return sum;
}

template <typename F> static void together(int count, F work) {
    std::vector<std::thread> threads;
    for (int t = 0; t < count; t++) threads.emplace_back(work, t);
    for (auto &t : threads) t.join();
}

int main() {
    std::atomic<long> counter{0}; std::atomic<unsigned char> byte{0}; long plain = 0; std::mutex lock;
    together(8, [&](int t) {
        for (int i = 0; i < 50000; i++) {
            counter.fetch_add(t + 1, std::memory_order_relaxed); byte += 3;
            long seen = counter.load(); while (i % 64 == 0 && !counter.compare_exchange_weak(seen, seen + 1)) {}
            if (i % 8 == 0) { std::lock_guard<std::mutex> hold(lock); plain++; }
        }
    });
    std::printf("atomics %ld %d %ld\n", counter.load(), byte.load(), plain);
    std::printf("queue %ld own %d\n", queue_sum(), own);

    std::atomic_flag spin = ATOMIC_FLAG_INIT; long spun = 0;
    together(4, [&](int) { for (int i = 0; i < 5000; i++) { while (spin.test_and_set(std::memory_order_acquire)) std::this_thread::yield(); spun++; spin.clear(std::memory_order_release); } });
    std::printf("spin %ld\n", spun);

    std::shared_mutex shared; std::map<int, std::string> table; std::atomic<long> found{0};
    together(6, [&](int t) {
        for (int i = 0; i < 500; i++) {
            if (t < 2) { std::unique_lock<std::shared_mutex> hold(shared); table[t * 1000 + i] = std::to_string(i * i); }
            else { std::shared_lock<std::shared_mutex> hold(shared); auto at = table.find(i); if (at != table.end() && at->second != std::to_string(i * i)) found++; }
        }
    });
    std::printf("table %zu wrong %ld\n", table.size(), found.load());

    std::vector<std::future<double>> futures;
    for (int f = 0; f < 6; f++) futures.push_back(std::async(std::launch::async, [f] { double x = 0; for (int i = 1; i < 20000; i++) x += 1.0 / (i * (f + 1.0)); if (f == 5) throw std::runtime_error("sixth"); return x; }));
    for (auto &f : futures) try { std::printf("future %.12f\n", f.get()); } catch (const std::exception &e) { std::printf("future threw %s\n", e.what()); }

    std::once_flag once; std::atomic<int> calls{0}; together(8, [&](int) { std::call_once(once, [&] { calls++; }); });
    std::timed_mutex timed; timed.lock(); bool got = true; std::thread([&] { got = timed.try_lock_for(std::chrono::milliseconds(20)); }).join();
    std::printf("once %d timed %d\n", calls.load(), got);

    std::vector<int> numbers(200000); std::iota(numbers.begin(), numbers.end(), 0); for (auto &n : numbers) n = int(n * 7919L % 200003);
    together(4, [&](int t) { std::sort(numbers.begin() + t * 50000, numbers.begin() + (t + 1) * 50000); });
    std::inplace_merge(numbers.begin(), numbers.begin() + 50000, numbers.begin() + 100000); std::inplace_merge(numbers.begin() + 100000, numbers.begin() + 150000, numbers.end()); std::inplace_merge(numbers.begin(), numbers.begin() + 100000, numbers.end());
    std::printf("sorted %d %d %d\n", std::is_sorted(numbers.begin(), numbers.end()), numbers[1000], numbers.back());
    for (int round = 0; round < 100; round++) together(3, [&](int) { own = round; });
    std::promise<std::string> promise; std::thread([&] { promise.set_value("kept"); }).detach(); std::printf("%s\n", promise.get_future().get().c_str());
}
