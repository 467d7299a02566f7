//! A place in a guest's code, as people name it.

use std::fmt;
use std::str::FromStr;

/// A place in a guest's code.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CodeLocation {
    /// At this address in the running guest.
    Pc(u64),
    /// In a function of the program, or of a library.
    Function {
        /// The symbol.
        name: String,
        /// How many bytes behind the function's start.
        offset: u64,
    },
}

/// What isn't a place: not `0xPC`, `NAME` or `NAME+0xOFFSET`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("neither an address (0x…), nor a function's name, nor a name with +0x… behind it")]
pub struct NoCodeLocation;

impl FromStr for CodeLocation {
    type Err = NoCodeLocation;

    fn from_str(text: &str) -> Result<Self, NoCodeLocation> {
        let number = |digits: &str| u64::from_str_radix(digits, 16).map_err(|_| NoCodeLocation);
        if let Some(digits) = text.strip_prefix("0x") {
            return number(digits).map(Self::Pc);
        }
        let (name, offset) = match text.rsplit_once("+0x") {
            Some((name, digits)) => (name, number(digits)?),
            None => (text, 0),
        };
        if name.is_empty() || name.starts_with(|first: char| first.is_ascii_digit()) {
            return Err(NoCodeLocation);
        }
        let name = name.to_owned();
        Ok(Self::Function { name, offset })
    }
}

impl fmt::Display for CodeLocation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Pc(pc) => write!(f, "{pc:#x}"),
            Self::Function { name, offset: 0 } => f.write_str(name),
            Self::Function { name, offset } => write!(f, "{name}+{offset:#x}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{CodeLocation, NoCodeLocation};

    #[test]
    fn places_are_read_as_they_are_written() {
        for text in ["0x1052c", "main", "main+0x1c", "_ZN4core3fmtE+0x2"] {
            let location: CodeLocation = text.parse().expect(text);
            assert_eq!(location.to_string(), text);
        }
        for text in ["", "0x", "0xmain", "17", "main+0x", "+0x10"] {
            assert_eq!(text.parse::<CodeLocation>(), Err(NoCodeLocation), "{text}");
        }
    }
}
