//! What the names that code refers to stand for: known when code is placed, or bound later.
//!
//! A front whose functions refer to each other in any order, as a linker's input does, can't give
//! a callee's address when the caller is placed. In a scope with late names every cell starts
//! empty and waits, until the front binds the names that it knows by then: cells of code in memory
//! under their names here, those of an image in the image's own list. Calls in code that isn't published
//! yet are led straight to their targets then.

use std::sync::{Mutex, PoisonError};

use rekindle_exec::{Batch, BatchEditor, Published};
use rekindle_link::{Address, Arch, CALL_FIELD_LEN, Call};
use rustc_hash::FxHashMap;

/// Gives the value of a name that code refers to, if it has one in this process.
pub type Symbols = Box<dyn Fn(&str) -> Option<u64> + Send + Sync>;

/// What a scope knows about names.
pub(crate) enum Names {
    /// Values are given on demand.
    Given(Symbols),
    /// Cells and calls wait for [`crate::Scope::bind_names`].
    Late(LateNames),
}

/// What waits in memory for the values of names.
#[derive(Default)]
pub(crate) struct LateNames {
    waiting: Mutex<Waiting>,
}

#[derive(Default)]
struct Waiting {
    /// Numbers of the names that something waits for.
    names: FxHashMap<Box<str>, u32>,
    /// The number of the next name.
    next_name: u32,
    blocks: Vec<Published>,
    cells: Vec<WaitingCell>,
    calls: Vec<WaitingCall>,
}

/// A cell without a value.
struct WaitingCell {
    block: u32,
    name: u32,
    /// Its number; cells stand at the start of the block's data.
    index: u32,
}

/// A call that leads to a veneer.
struct WaitingCall {
    block: u32,
    name: u32,
    /// Where its field is, in bytes from the start of the code.
    field: u32,
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

    /// Where cells and calls wait, if they may.
    pub(crate) fn late(&self) -> Option<&LateNames> {
        match self {
            Self::Given(_) => None,
            Self::Late(names) => Some(names),
        }
    }
}

impl LateNames {
    /// Notes that the cells of a block wait, one for each of `symbols`, and that its `calls` may be led
    /// straight to where those are.
    pub(crate) fn wait(&self, published: &Published, symbols: &[&str], calls: &[Call]) {
        if symbols.is_empty() {
            return;
        }
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        let waiting = &mut *waiting;
        // There are fewer blocks and names than bytes of code.
        let block = waiting.blocks.len() as u32;
        waiting.blocks.push(published.clone());
        let first = waiting.cells.len();
        for (index, symbol) in (0..).zip(symbols) {
            let name = match waiting.names.get(*symbol) {
                Some(name) => *name,
                None => {
                    let name = waiting.next_name;
                    waiting.next_name += 1;
                    waiting.names.insert((*symbol).into(), name);
                    name
                }
            };
            waiting.cells.push(WaitingCell { block, name, index });
        }
        for Call { symbol, field, .. } in calls {
            let name = waiting.cells[first + *symbol as usize].name;
            waiting.calls.push(WaitingCall {
                block,
                name,
                field: *field,
            });
        }
    }

    /// Fills all cells whose names `value_of` knows, and leads calls of those that are close there, in
    /// code of the batch. The other names are added to `unknown`.
    pub(crate) fn bind(
        &self,
        value_of: &mut dyn FnMut(&str) -> Option<u64>,
        unknown: &mut Vec<String>,
        batch: &Batch,
    ) {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        let waiting = &mut *waiting;
        let mut values = vec![None; waiting.next_name as usize];
        waiting.names.retain(|name, number| {
            let value = value_of(name);
            values[*number as usize] = value;
            value.is_none()
        });
        unknown.extend(waiting.names.keys().map(|name| name.to_string()));
        let Waiting { blocks, cells, .. } = waiting;
        cells.retain(|cell| match values[cell.name as usize] {
            None => true,
            Some(value) => {
                cell.fill(&blocks[cell.block as usize], value);
                false
            }
        });
        // Those of what isn't known yet go through their veneers for good.
        let mut editor = batch.edit();
        for call in std::mem::take(&mut waiting.calls) {
            if let Some(value) = values[call.name as usize] {
                call.lead(&waiting.blocks[call.block as usize], value, &mut editor);
            }
        }
        if waiting.cells.is_empty() {
            *waiting = Waiting::default();
        }
    }
}

impl WaitingCell {
    fn fill(&self, block: &Published, value: u64) {
        // The index was checked when the cell got its place.
        if let Err(error) = block.write_data(self.index as usize * 8, &value.to_le_bytes()) {
            tracing::error!(%error, "a cell lies outside of its memory");
        }
    }
}

impl WaitingCall {
    /// Leads the call straight to where its name is. If that is too far, it goes on leading to the
    /// veneer.
    fn lead(&self, block: &Published, target: u64, editor: &mut BatchEditor<'_>) {
        let Some(arch) = Arch::host() else { return };
        let field = self.field as usize;
        let place = block.code_address().offset(self.field.into());
        editor.edit(block, field..field + CALL_FIELD_LEN, |bytes| {
            if let Some(field) = bytes.first_chunk_mut() {
                arch.lead_call(field, Address(place.0), Address(target));
            }
        });
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
