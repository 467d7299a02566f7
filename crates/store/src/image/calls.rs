//! Direct calls: text that leads straight to other code of the same image.
//!
//! What a name stands for is up to each process, so text reaches names through cells. But it is nearly
//! always what it was when the image was written, and a call through a cell takes longer than one that
//! leads straight there. So an image's text calls code of the same image directly, and this part says
//! which entry each such call takes a name to stand for. A process in which the name stands for
//! something else leads the call to its veneer, which jumps where the name's cell says.
//!
//! ```text
//! one target per cell | calls, by cell
//! ```

use crate::fixed::fixed;
use crate::image::entry::Damaged;

fixed! {
    /// A direct call.
    pub(crate) struct CallRecord: 12 {
        /// The cell of the name that is called.
        0 => cell: u32,
        /// Where the field of the call is, from the image's base.
        4 => field: u32,
        /// Where the veneer is that jumps where the cell says.
        8 => veneer: u32,
    }
}

const TARGET_LEN: usize = 4;

/// What stands for no target. No code is at the image's base: cells or the header are.
const NONE: u32 = 0;

/// A direct call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct StoredCall {
    /// The cell of the name that is called.
    pub cell: u32,
    /// Where the field of the call is, from the image's base.
    pub field: u32,
    /// Where the veneer is that jumps where the cell says.
    pub veneer: u32,
}

/// The direct calls of an image that is to be written.
#[derive(Clone, Debug, Default)]
pub struct DirectCallsDraft {
    /// For each cell, where the code is, from the image's base, that its name is taken to stand for.
    pub targets: Vec<Option<u32>>,
    /// The calls, in any order.
    pub calls: Vec<StoredCall>,
}

/// The direct calls of an image, whose digest was found right.
#[derive(Clone, Copy, Debug)]
pub struct DirectCalls<'a> {
    targets: &'a [[u8; TARGET_LEN]],
    calls: &'a [[u8; CallRecord::LEN]],
}

impl DirectCallsDraft {
    /// The part's bytes; none if there are no calls.
    pub(crate) fn encode(&self) -> Vec<u8> {
        let Self { targets, calls } = self;
        if calls.is_empty() {
            return Vec::new();
        }
        let mut calls = calls.clone();
        calls.sort_unstable();
        let mut bytes = Vec::with_capacity(self.len());
        for target in targets {
            bytes.extend_from_slice(&target.unwrap_or(NONE).to_le_bytes());
        }
        for StoredCall {
            cell,
            field,
            veneer,
        } in calls
        {
            let record = CallRecord {
                cell,
                field,
                veneer,
            };
            bytes.extend_from_slice(&record.encode());
        }
        bytes
    }

    /// How many bytes [`Self::encode`] gives.
    fn len(&self) -> usize {
        match self.calls.len() {
            0 => 0,
            calls => self.targets.len() * TARGET_LEN + calls * CallRecord::LEN,
        }
    }
}

impl<'a> DirectCalls<'a> {
    /// Reads the part of an image with so many cells.
    pub(crate) fn read(bytes: &'a [u8], cell_count: u32) -> Result<Self, Damaged> {
        if bytes.is_empty() {
            return Ok(Self {
                targets: &[],
                calls: &[],
            });
        }
        let split = (cell_count as usize).checked_mul(TARGET_LEN);
        let (targets, calls) = split
            .and_then(|split| bytes.split_at_checked(split))
            .ok_or(Damaged)?;
        let (calls, rest) = calls.as_chunks();
        match rest.is_empty() {
            true => Ok(Self {
                targets: targets.as_chunks().0,
                calls,
            }),
            false => Err(Damaged),
        }
    }

    /// Where the code is, from the image's base, that calls take the name of a cell to stand for.
    pub fn target(&self, cell: u32) -> Option<u32> {
        let target = u32::from_le_bytes(*self.targets.get(cell as usize)?);
        (target != NONE).then_some(target)
    }

    /// The calls of the name of a cell.
    pub fn of_cell(&self, cell: u32) -> impl Iterator<Item = StoredCall> + use<'a> {
        let calls = self.calls;
        let start = calls.partition_point(|call| CallRecord::decode(call).cell < cell);
        let calls = calls[start..].iter().map(|call| {
            let CallRecord {
                cell,
                field,
                veneer,
            } = CallRecord::decode(call);
            StoredCall {
                cell,
                field,
                veneer,
            }
        });
        calls.take_while(move |call| call.cell == cell)
    }
}

#[cfg(test)]
mod tests {
    use super::{DirectCalls, DirectCallsDraft, StoredCall};
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn calls_read_back_by_cell(
            targets in prop::collection::vec(prop::option::of(1u32..), 1..9),
            calls in prop::collection::vec((any::<prop::sample::Index>(), any::<(u32, u32)>()), 0..20),
        ) {
            let count = targets.len() as u32;
            let call = |(cell, (field, veneer)): &(prop::sample::Index, (u32, u32))| StoredCall {
                cell: cell.index(targets.len()) as u32,
                field: *field,
                veneer: *veneer,
            };
            let calls: Vec<_> = calls.iter().map(call).collect();
            let draft = DirectCallsDraft { targets: targets.clone(), calls: calls.clone() };
            let bytes = draft.encode();
            let read = DirectCalls::read(&bytes, count).expect("it was written");
            for (cell, target) in (0..count).zip(&targets) {
                let expected = target.filter(|_| !calls.is_empty());
                prop_assert_eq!(read.target(cell), expected);
                let mut of_cell: Vec<_> = calls.iter().filter(|call| call.cell == cell).copied().collect();
                of_cell.sort_unstable();
                prop_assert_eq!(read.of_cell(cell).collect::<Vec<_>>(), of_cell);
            }
            prop_assert_eq!(read.target(count), None);
        }

        #[test]
        fn arbitrary_calls_never_panic(bytes: Vec<u8>, cell_count in 0u32..20, cell: u32) {
            if let Ok(calls) = DirectCalls::read(&bytes, cell_count) {
                let _ = calls.target(cell);
                let _ = calls.of_cell(cell).count();
            }
        }
    }
}
