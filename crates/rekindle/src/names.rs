//! What the names that code refers to stand for: known when code is placed, or bound later.
//!
//! A front whose functions refer to each other in any order, as a linker's input does, can't give
//! a callee's address when the caller is placed. In a scope with late names every cell starts
//! empty and waits, until the front binds the names that it knows by then: cells of code in memory
//! under their names here, those of an image in the image's own list.

use std::sync::{Mutex, PoisonError};

use rekindle_exec::Published;
use rustc_hash::FxHashMap;

/// Gives the value of a name that code refers to, if it has one in this process.
pub type Symbols = Box<dyn Fn(&str) -> Option<u64> + Send + Sync>;

/// What a scope knows about names.
pub(crate) enum Names {
    /// Values are given on demand.
    Given(Symbols),
    /// Cells wait for [`crate::Scope::bind_names`].
    Late(LateNames),
}

/// The cells in memory that wait for the values of their names.
#[derive(Default)]
pub(crate) struct LateNames {
    waiting: Mutex<FxHashMap<Box<str>, Vec<WaitingCell>>>,
}

/// A cell without a value: at an offset from the start of a block's data.
pub(crate) struct WaitingCell(pub(crate) Published, pub(crate) usize);

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

    /// Fills all cells whose names `value_of` knows. The other names are added to `unknown`.
    pub(crate) fn bind(
        &self,
        value_of: &mut dyn FnMut(&str) -> Option<u64>,
        unknown: &mut Vec<String>,
    ) {
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
        unknown.extend(waiting.keys().map(|name| name.to_string()));
    }
}

impl WaitingCell {
    fn fill(&self, value: u64) {
        let Self(memory, offset) = self;
        // The offset was checked when the cell got its place.
        if let Err(error) = memory.write_data(*offset, &value.to_le_bytes()) {
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
