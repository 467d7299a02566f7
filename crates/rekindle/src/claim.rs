//! What a scope with late names uses of an image that it shares with others of its process.
//!
//! A cell of an image has one value for all who use it, and nobody knows a scope's values before its
//! names are bound. Until then what the scope found in the image is a claim. When names are bound, cells
//! that nobody gave a value take this scope's; where a cell has another, the entries that refer to it can't
//! be used as they are: the scope gets copies of its own. So does who asks for an entry whose
//! writable memory is another scope's.

use std::io;
use std::sync::{Arc, MutexGuard};

use rekindle_store::image::{Damaged, VerifiedRecord};

use crate::bits::Bits;
use crate::loaded::{Binding, LoadedImage, WaitingCell};
use crate::miss::MissReason;
use crate::wanted::{Asked, Known, Wanted};

/// What a scope uses of an image.
#[derive(Debug)]
pub(crate) struct Claim {
    pub(crate) image: Arc<LoadedImage>,
    /// The entries that it uses.
    pub(crate) loaded: Bits,
    /// The cells of those entries.
    cells: Bits,
    /// Of those, the ones that wait for their names.
    waiting: Vec<WaitingCell>,
    /// Entries that were added since no cell waited.
    unsettled: Vec<u32>,
}

/// An entry that can't be used as it is: the number of its claim, and its own.
pub(crate) type Misfit = (usize, u32);

impl Claim {
    pub(crate) fn new(image: &Arc<LoadedImage>) -> Self {
        Self {
            image: Arc::clone(image),
            loaded: Bits::default(),
            cells: Bits::default(),
            waiting: Vec::new(),
            unsettled: Vec::new(),
        }
    }

    /// Adds an entry. Returns whether it can be used, as far as that is known now: if not, it is to be copied.
    pub(crate) fn add(
        &mut self,
        record: &VerifiedRecord,
        wanted: &Wanted<'_>,
        scope: u64,
    ) -> Result<bool, MissReason> {
        let (image, cells) = (&*self.image, &mut self.cells);
        let mut new = Vec::new();
        let mut all_known = true;
        let fields = image.each_cell(record, |mut cell, name| {
            if cells.insert(cell.index) {
                let name = core::str::from_utf8(name).ok();
                let known = name.and_then(|name| wanted.knows(name));
                all_known &= known.is_some();
                cell.known = known.unwrap_or(Known::ByName);
                new.push(cell);
            }
        });
        let result = match fields {
            Ok(fields) if all_known => image.claim_data(record, &fields, scope),
            Ok(_) => Err(MissReason::OtherNames),
            Err(Damaged) => Err(MissReason::Damaged),
        };
        if result != Ok(true) {
            for cell in new {
                cells.remove(cell.index);
            }
            return result;
        }
        self.waiting.extend(new);
        self.loaded.insert(record.index());
        self.unsettled.push(record.index());
        image.note_use(record);
        Ok(true)
    }

    /// The values of the cells that wait, as far as they are known.
    fn values(&self, value_of: &mut dyn FnMut(Asked<'_>) -> Option<u64>) -> Vec<Option<u64>> {
        let value = |cell: &WaitingCell| match cell.known {
            Known::As(number) => value_of(Asked::Number(number)),
            Known::ByName => value_of(Asked::Name(self.image.name_of(cell))),
        };
        self.waiting.iter().map(value).collect()
    }

    /// The entries that refer to a cell with another value.
    fn misfits(&self, binding: &Binding, values: &[Option<u64>]) -> Vec<u32> {
        let mut others = Bits::default();
        let mut is_other = false;
        for (cell, value) in self.waiting.iter().zip(values) {
            if let (Some(value), Some(bound)) = (value, binding.value(cell.index))
                && *value != bound
            {
                is_other |= others.insert(cell.index);
            }
        }
        if !is_other {
            return Vec::new();
        }
        let refers = |index: &u32| {
            let mut refers = false;
            let each = |cell: WaitingCell, _: &[u8]| refers |= others.contains(cell.index);
            let cells = self.image.each_cell(&self.image.record(*index), each);
            refers || cells.is_err()
        };
        let unsettled = self.unsettled.iter().copied();
        unsettled.filter(refers).collect()
    }

    /// Gives up entries, and the cells that only they refer to.
    fn give_up(&mut self, entries: &[u32]) {
        for index in entries {
            self.loaded.remove(*index);
        }
        let loaded = &self.loaded;
        self.unsettled.retain(|index| loaded.contains(*index));
        let mut needed = Bits::default();
        for index in &self.unsettled {
            let each = |cell: WaitingCell, _: &[u8]| {
                needed.insert(cell.index);
            };
            // What is damaged was given up.
            let _ = self.image.each_cell(&self.image.record(*index), each);
        }
        let cells = &mut self.cells;
        self.waiting.retain(|cell| {
            let is_needed = needed.contains(cell.index);
            if !is_needed {
                cells.remove(cell.index);
            }
            is_needed
        });
    }

    /// Gives cells their values that have none.
    fn bind(
        &mut self,
        binding: &mut Binding,
        values: &[Option<u64>],
        unknown: &mut Vec<String>,
    ) -> io::Result<()> {
        let all = self.waiting.iter().zip(values);
        let new: Vec<(u32, u64)> = all
            .clone()
            .filter_map(|(cell, value)| Some((cell.index, (*value)?)))
            .filter(|(index, _)| binding.value(*index).is_none())
            .collect();
        self.image.bind_cells(binding, &new)?;
        let still = all.filter(|(_, value)| value.is_none());
        let still: Vec<WaitingCell> = still.map(|(cell, _)| *cell).collect();
        unknown.extend(still.iter().map(|cell| self.image.name_of(cell).to_owned()));
        self.waiting = still;
        if self.waiting.is_empty() {
            self.unsettled.clear();
        }
        Ok(())
    }
}

/// Gives the cells that wait their values, as far as `value_of` knows them; the other names are added to
/// `unknown`. Or returns the entries that can't be used as they are, which are given up: then nothing
/// else changed, and once there are copies of them, this is to be asked again.
///
/// # Errors
/// If calls can't be led where they have to.
pub(crate) fn settle(
    claims: &mut [Claim],
    value_of: &mut dyn FnMut(Asked<'_>) -> Option<u64>,
    unknown: &mut Vec<String>,
) -> io::Result<Vec<Misfit>> {
    // Whoever is asked for values may look up code of other scopes, and bind their names.
    let mut open: Vec<(usize, &mut Claim, Vec<Option<u64>>)> = claims
        .iter_mut()
        .enumerate()
        .filter(|(_, claim)| !claim.waiting.is_empty())
        .map(|(number, claim)| {
            let values = claim.values(value_of);
            (number, claim, values)
        })
        .collect();
    // Whoever locks several images does so in this order.
    open.sort_unstable_by_key(|(_, claim, _)| Arc::as_ptr(&claim.image));
    let images: Vec<Arc<LoadedImage>> = open
        .iter()
        .map(|(_, claim, _)| Arc::clone(&claim.image))
        .collect();
    let mut bindings: Vec<Option<MutexGuard<'_, Binding>>> =
        images.iter().map(|image| image.binding_here()).collect();
    let mut misfits = Vec::new();
    for ((number, claim, values), binding) in open.iter_mut().zip(&bindings) {
        let entries = match binding {
            Some(binding) => claim.misfits(binding, values),
            // An image of the process that this one was forked from: its lock may be held for ever.
            None => claim.unsettled.clone(),
        };
        if !entries.is_empty() {
            claim.give_up(&entries);
            misfits.extend(entries.into_iter().map(|index| (*number, index)));
        }
    }
    if misfits.is_empty() {
        for ((_, claim, values), binding) in open.iter_mut().zip(&mut bindings) {
            if let Some(binding) = binding {
                claim.bind(binding, values, unknown)?;
            }
        }
    }
    Ok(misfits)
}
