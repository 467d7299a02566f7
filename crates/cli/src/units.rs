//! Numbers as people read them.

/// A number of bytes: `512 B`, `1.5 KiB`, `12 MiB`.
#[expect(clippy::cast_precision_loss, reason = "two digits are read")]
pub(crate) fn bytes(bytes: u64) -> String {
    const UNITS: [&str; 5] = ["B", "KiB", "MiB", "GiB", "TiB"];
    let mut value = bytes as f64;
    let mut unit = 0;
    // What would be printed as 1024 of one unit is one of the next.
    while value >= 1023.5 && unit + 1 < UNITS.len() {
        value /= 1024.0;
        unit += 1;
    }
    let digits = usize::from(unit > 0 && value < 9.95);
    format!("{value:.digits$} {}", UNITS[unit])
}

/// A duration: `85 µs`, `1.5 ms`, `12 s`, `3.4 min`.
#[expect(clippy::cast_precision_loss, reason = "two digits are read")]
pub(crate) fn duration(nanoseconds: u64) -> String {
    const UNITS: [(&str, f64); 4] = [("µs", 1e3), ("ms", 1e6), ("s", 1e9), ("min", 60e9)];
    let is_larger = |(_, size): &&(&str, f64)| nanoseconds as f64 / size >= 0.9995;
    let (unit, size) = UNITS.iter().rfind(is_larger).unwrap_or(&UNITS[0]);
    let value = nanoseconds as f64 / size;
    let digits = usize::from(value < 9.95 && nanoseconds > 0);
    format!("{value:.digits$} {unit}")
}

/// `1234567` as `1,234,567`.
pub(crate) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() * 4 / 3);
    for (at, digit) in digits.char_indices() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// `1 image`, `2 images`.
pub(crate) fn count(number: u64, what: &str) -> String {
    let (stem, plural) = match what.strip_suffix('y') {
        Some(stem) => (stem, "ies"),
        None => (what, "s"),
    };
    match number {
        1 => format!("1 {what}"),
        _ => format!("{} {stem}{plural}", grouped(number)),
    }
}

#[cfg(test)]
mod tests {
    use super::{bytes, count, duration, grouped};

    #[test]
    fn sizes_have_two_digits_or_more() {
        for (number, text) in [
            (0, "0 B"),
            (1023, "1023 B"),
            (1024, "1.0 KiB"),
            (1536, "1.5 KiB"),
            (10 << 10, "10 KiB"),
            ((1 << 20) - 1, "1.0 MiB"),
            (512 << 20, "512 MiB"),
            (5 << 30, "5.0 GiB"),
            (u64::MAX, "16777216 TiB"),
        ] {
            assert_eq!(bytes(number), text);
        }
    }

    #[test]
    fn durations_have_two_digits_or_more() {
        for (number, text) in [
            (0, "0 µs"),
            (300, "0.3 µs"),
            (85_000, "85 µs"),
            (999_960, "1.0 ms"),
            (1_500_000, "1.5 ms"),
            (12_000_000_000, "12 s"),
            (200_000_000_000, "3.3 min"),
        ] {
            assert_eq!(duration(number), text);
        }
    }

    #[test]
    fn digits_are_grouped_in_threes() {
        assert_eq!(grouped(0), "0");
        assert_eq!(grouped(999), "999");
        assert_eq!(grouped(1000), "1,000");
        assert_eq!(grouped(1_234_567), "1,234,567");
    }

    #[test]
    fn one_thing_is_no_more() {
        assert_eq!(count(1, "image"), "1 image");
        assert_eq!(count(0, "image"), "0 images");
        assert_eq!(count(1200, "entry"), "1,200 entries");
    }
}
