// iostream: formatting, parsing, string streams, files, locale-independent output.
#include <bitset>
#include <fstream>
#include <iomanip>
#include <iostream>
#include <limits>
#include <sstream>
#include <string>
#include <vector>

struct Point {
    double x, y;
};
static std::ostream &operator<<(std::ostream &out, const Point &p) { return out << '(' << p.x << ", " << p.y << ')'; }
static std::istream &operator>>(std::istream &in, Point &p) {
    char open, comma, close;
    return in >> open >> p.x >> comma >> p.y >> close;
}

int main() {
    std::cout << "hello " << 42 << ' ' << 3.25 << ' ' << true << ' ' << 'c' << ' ' << nullptr << '\n';
    std::cout << std::hex << std::showbase << 255 << ' ' << std::oct << 8 << std::dec << ' ' << std::boolalpha << false << '\n';
    std::cout << std::setw(10) << 1.5 << std::left << std::setw(10) << "left" << std::right << std::setfill('*') << std::setw(8) << 7 << '\n';
    std::cout << std::setfill(' ') << std::fixed << std::setprecision(3) << 3.14159 << ' ' << std::scientific << 12345.678 << ' '
              << std::defaultfloat << std::setprecision(17) << 0.1 << ' ' << std::hexfloat << 0.1 << std::defaultfloat << '\n';
    std::cout << std::setprecision(6) << std::numeric_limits<double>::max() << ' ' << std::numeric_limits<long>::min() << ' '
              << std::numeric_limits<double>::infinity() << '\n';
    std::istringstream in("12 -7 0x1f 3.5e3 (1.5, -2.25) rest of the line\nnext");
    int a, b;
    std::string hex, rest;
    double d;
    Point p;
    in >> a >> b >> hex >> d >> p;
    std::getline(in, rest);
    std::cout << a << ' ' << b << ' ' << hex << ' ' << d << ' ' << p << rest << '\n';
    std::istringstream bad("word");
    int none = 5;
    bad >> none;
    std::cout << bad.fail() << ' ' << none << '\n';
    {
        std::ofstream file("numbers.txt");
        for (int i = 0; i < 300; i++) file << i * i << (i % 10 == 9 ? '\n' : ' ');
    }
    std::ifstream file("numbers.txt");
    long sum = 0, value, count = 0;
    while (file >> value) sum += value, count++;
    std::cout << count << ' ' << sum << '\n';
    std::ostringstream out;
    for (int i = 0; i < 200; i++) out << std::setw(5) << i * 7 % 101 << (i % 3 ? "" : ";");
    std::cout << out.str().size() << ' ' << out.str().substr(100, 40) << '\n';
    std::cout << std::bitset<16>(0xbeef) << ' ' << std::quoted("a \"quoted\" text") << '\n';
    std::cerr << "an error line\n";
    std::string line;
    long lines = 0;
    while (std::getline(std::cin, line)) lines += static_cast<long>(line.size());
    std::cout << "stdin " << lines << std::endl;
    return 0;
}
