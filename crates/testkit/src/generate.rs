//! C sources that are too large and too regular to keep: thousands of functions, and large switches.
//!
//! The same number gives the same text on every machine, so that built programs can be cached by
//! what they were made from.

use std::fmt::Write;

/// A kind of generated program.
#[derive(Clone, Copy, Debug)]
pub enum Generator {
    /// This many functions that all differ, called in turn, round after round.
    Functions(u32),
    /// This many functions, each one switch of a hundred and more cases.
    Switches(u32),
}

impl Generator {
    /// The program's C source.
    #[must_use]
    pub fn source(self) -> String {
        match self {
            Generator::Functions(count) => functions(count),
            Generator::Switches(count) => switches(count),
        }
    }
}

/// The constants of the generated text (Knuth's MMIX multiplier).
struct Lcg(u64);

impl Lcg {
    fn next(&mut self) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        self.0 >> 33
    }

    fn below(&mut self, limit: u64) -> u64 {
        self.next() % limit
    }
}

const PROLOGUE: &str = "#include <stdint.h>\n#include <stdio.h>\n#include <stdlib.h>\n\
    typedef uint64_t u64;\nstatic u64 table[256];\n";

fn functions(count: u32) -> String {
    let mut random = Lcg(1);
    let mut text = String::from(PROLOGUE);
    for n in 0..count {
        let _ = writeln!(
            text,
            "__attribute__((noinline)) static u64 f{n}(u64 x, u64 y) {{"
        );
        for _ in 0..2 + random.below(4) {
            statement(&mut text, &mut random);
        }
        // Now and then a call of an earlier one, so that the call graph is more than a table.
        if n > 0 && random.below(5) == 0 {
            let _ = writeln!(text, "  x ^= f{}(y, x + {n});", random.below(u64::from(n)));
        }
        let _ = writeln!(text, "  return x + y * {};\n}}", random.below(1000) * 2 + 1);
    }
    text.push_str("static u64 (*const all[])(u64, u64) = {");
    for n in 0..count {
        let _ = write!(text, "f{n},");
    }
    let _ = writeln!(
        text,
        "}};\nint main(int argc, char **argv) {{\n  long rounds = argc > 1 ? atol(argv[1]) : 1;\n  \
         u64 x = 1;\n  for (long r = 0; r < rounds; r++)\n    for (int i = 0; i < {count}; i++) \
         x = all[i](x, (u64)i + r) + i;\n  printf(\"{count} functions: %016lx\\n\", x);\n  return 0;\n}}"
    );
    text
}

fn statement(text: &mut String, random: &mut Lcg) {
    let (k, turn) = (random.next(), random.below(60) + 1);
    let _ = match random.below(7) {
        0 => writeln!(text, "  x = x * {k}u + y;"),
        1 => writeln!(text, "  x ^= x >> {turn}; y += x;"),
        2 => writeln!(
            text,
            "  if (x & {}) x += {k}u; else y ^= x >> 7;",
            1_u64 << (turn % 12)
        ),
        3 => writeln!(
            text,
            "  for (int i = 0; i < {}; i++) x = (x << 5 | x >> 59) ^ y;",
            turn % 5 + 1
        ),
        4 => writeln!(text, "  table[x % 256] += y; y ^= table[{}];", k % 256),
        5 => writeln!(text, "  x = x / {} + y % {};", k % 1000 + 3, k % 91 + 2),
        _ => writeln!(text, "  y = (uint32_t)y * (u64)(uint32_t)(x + {k}u);"),
    };
}

fn switches(count: u32) -> String {
    let mut random = Lcg(2);
    let mut text = String::from(PROLOGUE);
    for n in 0..count {
        let cases = 100 + random.below(60);
        let _ = writeln!(
            text,
            "__attribute__((noinline)) static u64 s{n}(u64 x) {{\n  switch (x % {}) {{",
            cases + 3
        );
        for case in 0..cases {
            let _ = write!(text, "    case {case}: ");
            let k = random.next();
            let _ = match random.below(6) {
                0 => writeln!(text, "return x * {k}u + {case};"),
                1 => writeln!(text, "x ^= {k}u; break;"),
                2 => writeln!(text, "x += table[{}]; // falls through", k % 256),
                3 => writeln!(text, "table[{}] = x; break;", k % 256),
                4 => writeln!(text, "x = x >> {} | {k}u; break;", k % 40 + 1),
                _ => writeln!(text, "x -= {k}u; if (x & 8) return x; break;"),
            };
        }
        let _ = writeln!(text, "    default: x = ~x;\n  }}\n  return x ^ x >> 9;\n}}");
    }
    text.push_str(
        "int main(int argc, char **argv) {\n  long rounds = argc > 1 ? atol(argv[1]) : 1;\n  \
         u64 x = 1;\n  for (long r = 0; r < rounds; r++) {\n",
    );
    for n in 0..count {
        let _ = writeln!(
            text,
            "    x = s{n}(x + r) * 6364136223846793005u + 1442695040888963407u;\n    x ^= x >> 31;"
        );
    }
    let _ = writeln!(
        text,
        "  }}\n  printf(\"{count} switches: %016lx\\n\", x);\n  return 0;\n}}"
    );
    text
}

#[cfg(test)]
mod tests {
    use super::Generator;

    #[test]
    fn generation_is_repeatable() {
        assert_eq!(
            Generator::Functions(50).source(),
            Generator::Functions(50).source()
        );
        assert!(Generator::Switches(3).source().contains("case 99:"));
    }
}
