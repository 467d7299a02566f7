//! How others ask for a thread's attention: see [`rekindle_hart::attention`].

use crate::signal::SharedWord;

/// Reaches a thread's word from others.
#[derive(Debug)]
pub struct Attention(SharedWord);

impl Attention {
    /// Reaches the thread whose word this is.
    pub fn new(word: SharedWord) -> Self {
        Self(word)
    }

    /// Asks for attention.
    pub fn raise(&self) {
        self.0.set();
    }
}
