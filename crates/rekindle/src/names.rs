//! What the names that code refers to stand for: known when code is placed, or bound later.
//!
//! A front whose functions refer to each other in any order, as a linker's input does, can't give
//! a callee's address when the caller is placed. In a scope with late names every cell starts
//! empty and is noted under its name here, until the front binds the names that it knows by then.

use std::sync::{Arc, Mutex, PoisonError};

use rekindle_exec::Published;
use rustc_hash::FxHashMap;

use crate::loaded::LoadedImage;

/// Gives the value of a name that code refers to, if it has one in this process.
pub type Symbols = Box<dyn Fn(&str) -> Option<u64> + Send + Sync>;

/// What a scope knows about names.
pub(crate) enum Names {
    /// Values are given on demand.
    Given(Symbols),
    /// Cells wait for [`crate::Scope::bind_names`].
    Late(LateNames),
}

/// The cells that wait for the values of their names.
#[derive(Default)]
pub(crate) struct LateNames {
    waiting: Mutex<FxHashMap<Box<str>, Vec<WaitingCell>>>,
}

/// A cell without a value.
pub(crate) enum WaitingCell {
    /// In an image's writable memory, at an address from its base.
    Image(Arc<LoadedImage>, u32),
    /// In memory of this process, at an offset from the start of the block's data.
    Memory(Published, usize),
}

impl Names {
    /// The value for a cell now, if the name has one or need not have one yet.
    pub(crate) fn cell_value(&self, name: &str) -> Option<u64> {
        match self {
            Self::Given(symbols) => symbols(name),
            Self::Late(_) => Some(0),
        }
    }

    /// The value for a field in data, which can't wait.
    pub(crate) fn field_value(&self, name: &str) -> Option<u64> {
        match self {
            Self::Given(symbols) => symbols(name),
            Self::Late(_) => None,
        }
    }

    /// Where cells wait, if they may.
    pub(crate) fn late(&self) -> Option<&LateNames> {
        match self {
            Self::Given(_) => None,
            Self::Late(names) => Some(names),
        }
    }
}

impl LateNames {
    /// Notes that cells wait.
    pub(crate) fn wait<'a>(&self, cells: impl Iterator<Item = (&'a str, WaitingCell)>) {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        for (name, cell) in cells {
            match waiting.get_mut(name) {
                Some(others) => others.push(cell),
                None => {
                    waiting.insert(name.into(), vec![cell]);
                }
            }
        }
    }

    /// Fills all cells whose names `value_of` knows. Returns the other names.
    pub(crate) fn bind(&self, value_of: &mut dyn FnMut(&str) -> Option<u64>) -> Vec<String> {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        waiting.retain(|name, cells| match value_of(name) {
            None => true,
            Some(value) => {
                for cell in cells {
                    cell.fill(value);
                }
                false
            }
        });
        waiting.keys().map(|name| name.to_string()).collect()
    }
}

impl WaitingCell {
    fn fill(&self, value: u64) {
        let bytes = value.to_le_bytes();
        let written = match self {
            Self::Image(image, address) => image.write(*address, &bytes),
            Self::Memory(memory, offset) => memory.write_data(*offset, &bytes),
        };
        // Both were checked when the cell got its place.
        if let Err(error) = written {
            tracing::error!(%error, "a cell lies outside of its memory");
        }
    }
}

impl core::fmt::Debug for Names {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(match self {
            Self::Given(_) => "Given(..)",
            Self::Late(_) => "Late(..)",
        })
    }
}
