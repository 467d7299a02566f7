// Templates, bit sets and threads of control in one: Life on a torus, run for a parameter of generations.
#include <array>
#include <bitset>
#include <cstdio>
#include <cstdlib>
#include <vector>

template <std::size_t Width, std::size_t Height>
class World {
    std::array<std::bitset<Width>, Height> rows{};

  public:
    void seed(unsigned long state) {
        for (auto &row : rows)
            for (std::size_t x = 0; x < Width; x++) {
                state = state * 6364136223846793005ul + 1442695040888963407ul;
                row[x] = state >> 62 == 0;
            }
    }
    void step() {
        auto before = rows;
        for (std::size_t y = 0; y < Height; y++)
            for (std::size_t x = 0; x < Width; x++) {
                int alive = 0;
                for (std::size_t dy = Height - 1; dy <= Height + 1; dy++)
                    for (std::size_t dx = Width - 1; dx <= Width + 1; dx++)
                        alive += before[(y + dy) % Height][(x + dx) % Width];
                alive -= before[y][x];
                rows[y][x] = alive == 3 || (alive == 2 && before[y][x]);
            }
    }
    std::size_t population() const {
        std::size_t total = 0;
        for (auto &row : rows) total += row.count();
        return total;
    }
    void draw() const {
        for (auto &row : rows) {
            for (std::size_t x = 0; x < Width; x++) std::putchar(row[x] ? '#' : '.');
            std::putchar('\n');
        }
    }
};

int main(int argc, char **argv) {
    int generations = argc > 1 ? std::atoi(argv[1]) : 30;
    static World<72, 24> world;
    world.seed(3);
    for (int g = 0; g < generations; g++) world.step();
    world.draw();
    std::printf("%zu\n", world.population());
    return 0;
}
