#include <algorithm>
#include <fstream>
#include <iostream>
#include <map>
#include <memory>
#include <numeric>
#include <random>
#include <regex>
#include <sstream>
#include <stdexcept>
#include <string>
#include <vector>
#include <iomanip>
#include <chrono>
struct Noise { std::string n; Noise(std::string s) : n(s) {} ~Noise() { std::cout << "~" << n << "\n"; } };
static int thrower(int depth) {
    Noise noise("d" + std::to_string(depth));
    if (depth == 0) throw std::runtime_error("bottom");
    return thrower(depth - 1) + 1;
}
struct Base { virtual ~Base() = default; virtual int f() const = 0; };
struct D1 : Base { int f() const override { return 1; } };
struct D2 : Base { int f() const override { return 2; } };
int main(int argc, char **argv) {
    try { thrower(5); } catch (const std::exception &e) { std::cout << "caught " << e.what() << "\n"; }
    try { std::vector<int> v(3); v.at(7) = 1; } catch (const std::out_of_range &e) { std::cout << e.what() << "\n"; }
    std::map<std::string, int> words; std::string word;
    while (std::cin >> word) words[word]++;
    for (auto &[w, n] : words) std::cout << std::setw(10) << w << ": " << n << "\n";
    std::mt19937_64 random(42); std::vector<unsigned long> v(20000);
    for (auto &x : v) x = random();
    std::sort(v.begin(), v.end());
    std::cout << std::accumulate(v.begin(), v.end(), 0ul) << " " << v[0] << "\n";
    std::stringstream s; s << std::fixed << std::setprecision(6) << 3.14159265 << ' ' << std::hex << 255 << ' ' << std::scientific << 1e-9;
    std::cout << s.str() << "\n";
    std::vector<std::unique_ptr<Base>> objs; for (int i = 0; i < 10; i++) if (i % 3) objs.push_back(std::make_unique<D1>()); else objs.push_back(std::make_unique<D2>());
    int sum = 0; for (auto &o : objs) { sum += o->f(); if (dynamic_cast<D2 *>(o.get())) sum += 10; }
    std::cout << sum << "\n";
    std::regex re("([a-z]+)=([0-9]+)"); std::string text = "a=1, bc=22; def=333"; 
    for (std::sregex_iterator i(text.begin(), text.end(), re), e; i != e; ++i) std::cout << (*i)[1] << "->" << (*i)[2] << "\n";
    std::normal_distribution<double> nd(0, 1); std::mt19937 g(7); double t = 0; for (int i = 0; i < 1000; i++) t += nd(g);
    std::cout << std::setprecision(17) << t << "\n";
    try { try { throw 5; } catch (int x) { std::cout << "int " << x << "\n"; throw; } } catch (...) { std::cout << "again\n"; }
    std::cerr << "to stderr\n";
    throw std::logic_error("uncaught");
}
