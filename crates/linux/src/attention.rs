//! How others ask for a thread's attention: see [`rekindle_hart::attention`].

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

/// Reaches a thread's word from others.
#[derive(Debug)]
pub struct Attention(Arc<AtomicU32>);

impl Attention {
    /// Reaches the thread whose word this is.
    pub fn new(word: Arc<AtomicU32>) -> Self {
        Self(word)
    }

    /// Asks for attention.
    pub fn raise(&self) {
        self.0.store(1, Ordering::Release);
    }
}
