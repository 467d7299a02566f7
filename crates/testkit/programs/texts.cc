// Strings, regular expressions, random distributions, number conversions and a small expression parser.
#include <charconv>
#include <cstdio>
#include <iostream>
#include <random>
#include <regex>
#include <sstream>
#include <string>
#include <vector>

struct Parser {
    const char *at;
    double sum() {
        double v = product();
        while (*at == '+' || *at == '-') v = *at++ == '+' ? v + product() : v - product();
        return v;
    }
    double product() {
        double v = atom();
        while (*at == '*' || *at == '/') v = *at++ == '*' ? v * atom() : v / atom();
        return v;
    }
    double atom() {
        if (*at == '(') {
            at++;
            double v = sum();
            at++;
            return v;
        }
        char *end;
        double v = std::strtod(at, &end);
        at = end;
        return v;
    }
};

int main() {
    std::string text;
    for (int i = 0; i < 120; i++)
        text += "user" + std::to_string(i * 37) + "@host" + std::to_string(i % 9) + ".example.org; 2024-0" +
                std::to_string(i % 9 + 1) + "-1" + std::to_string(i % 10) + " ";
    std::regex mail(R"((\w+)@(\w+)\.(\w+)\.org)"), date(R"((\d{4})-(\d\d)-(\d\d))");
    long total = 0, count = 0;
    for (std::sregex_iterator it(text.begin(), text.end(), mail), end; it != end; ++it, count++)
        total += (*it)[1].length() * 3 + (*it)[2].str().back();
    std::printf("%ld %ld\n", count, total);
    std::string swapped = std::regex_replace(text.substr(0, 200), date, "$3/$2/$1");
    std::printf("%s\n", swapped.c_str());
    for (const char *candidate : {"abc", "aabbcc", "a1b2", ""})
        std::printf("%d", std::regex_match(candidate, std::regex("([a-c]{2})*|(a[0-9]b[0-9])")));
    std::putchar('\n');

    std::string s = "the quick brown fox";
    s.insert(4, "very ");
    s.replace(s.find("brown"), 5, "red");
    std::printf("%s %zu %zu %d\n", s.c_str(), s.find("fox"), s.rfind('e'), s.compare("the") > 0);
    for (double d : {0.1, 1e21, 123456.789, 5e-324, 1e-7}) {
        char buffer[64];
        auto result = std::to_chars(buffer, buffer + sizeof buffer, d);
        *result.ptr = 0;
        double back = 0;
        std::from_chars(buffer, result.ptr, back);
        std::printf("%s %d ", buffer, back == d);
    }
    std::putchar('\n');
    for (const char *e : {"1+2*3", "(1+2)*3", "2*(3+4)*(5-1)/7", "1/3+1/7*(2-9)"}) {
        Parser parser{e};
        std::printf("%s = %.15g\n", e, parser.sum());
    }
    std::mt19937 engine(2024);
    std::uniform_int_distribution<int> dice(1, 6);
    std::normal_distribution<double> normal(10, 2);
    long rolls = 0;
    double mean = 0;
    for (int i = 0; i < 3000; i++) rolls = rolls * 7 + dice(engine), mean += normal(engine);
    std::printf("%lx %.12g\n", rolls, mean / 3000);
    std::wstring wide = L"wide text";
    std::u16string sixteen = u"\u00e9t\u00e9";
    std::printf("%zu %zu\n", wide.find(L"text"), sixteen.size());
    return 0;
}
