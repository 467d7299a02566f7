//! What a person should hear about the cache, once.

use core::fmt;

/// Why a process keeps nothing whose code no other could tell from another build's.
pub(crate) const UNKNOWN_BUILD: &str = "nothing is kept between runs: nothing tells this build of the \
    program from others, since it has no build id (a linker's `--build-id`) and its file can't be read";

/// One quiet remark: why the cache does less than it might. Displayed as a sentence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notice {
    text: String,
}

impl Notice {
    pub(crate) fn new(text: impl Into<String>) -> Self {
        Self { text: text.into() }
    }

    pub(crate) fn text(&self) -> &str {
        &self.text
    }
}

impl fmt::Display for Notice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}
