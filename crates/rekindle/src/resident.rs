//! The memory layer: code that this process can call already.

use rekindle_exec::HostAddr;
use rekindle_store::Key;
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::hash::{BuildHasher, Hasher};

use crate::code::{Code, Located};

/// Code by key and by address.
#[derive(Debug, Default)]
pub(crate) struct Resident {
    /// What this process compiled.
    compiled: HashMap<Key, Code, KeyHasher>,
    /// What was loaded, by the number of its image in the scope and its own in the image: an image
    /// has an index of its keys, and thousands of entries would have to move as another grew.
    loaded: Vec<Vec<Option<Code>>>,
    count: usize,
    /// All of them by address, when someone asked: loading must not pay for it. Out of date if
    /// there are fewer than `count`; code never goes.
    by_address: Vec<Code>,
}

impl Resident {
    pub(crate) fn compiled(&self, key: &Key) -> Option<&Code> {
        self.compiled.get(key)
    }

    /// What was loaded from an entry of an image.
    pub(crate) fn loaded(&self, image: usize, index: u32) -> Option<&Code> {
        self.loaded.get(image)?.get(index as usize)?.as_ref()
    }

    /// Adds code that was compiled, unless the key has some already. Returns what the key has, and
    /// whether it is the code given.
    pub(crate) fn add(&mut self, key: Key, code: Code) -> (Code, bool) {
        match self.compiled.entry(key) {
            Entry::Occupied(present) => (present.get().clone(), false),
            Entry::Vacant(vacant) => {
                vacant.insert(code.clone());
                self.count += 1;
                (code, true)
            }
        }
    }

    /// Adds code that was loaded from an entry of an image that has `entry_count`, unless another
    /// thread did. Returns what the entry has, and whether it is the code given.
    pub(crate) fn add_loaded(
        &mut self,
        image: usize,
        entry_count: u32,
        index: u32,
        code: Code,
    ) -> (Code, bool) {
        if self.loaded.len() <= image {
            self.loaded.resize_with(image + 1, Vec::new);
        }
        let entries = &mut self.loaded[image];
        if entries.is_empty() {
            entries.resize(entry_count as usize, None);
        }
        match &mut entries[index as usize] {
            Some(present) => (present.clone(), false),
            vacant => {
                *vacant = Some(code.clone());
                self.count += 1;
                (code, true)
            }
        }
    }

    /// What is at an address.
    pub(crate) fn locate(&mut self, pc: HostAddr) -> Option<Located> {
        if self.by_address.len() < self.count {
            let loaded = self.loaded.iter().flatten().flatten();
            self.by_address = self.compiled.values().chain(loaded).cloned().collect();
            self.by_address.sort_unstable_by_key(Code::address);
        }
        let after = self.by_address.partition_point(|code| code.address() <= pc);
        self.by_address.get(after.checked_sub(1)?)?.locate(pc)
    }
}

/// A key is a hash already; eight of its bytes serve as they are.
#[derive(Clone, Copy, Debug, Default)]
struct KeyHasher;

impl BuildHasher for KeyHasher {
    type Hasher = Prefix;

    fn build_hasher(&self) -> Prefix {
        Prefix(0)
    }
}

/// Takes the last eight bytes written.
struct Prefix(u64);

impl Hasher for Prefix {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        if let Some(last) = bytes.last_chunk() {
            self.0 = u64::from_le_bytes(*last);
        }
    }

    fn write_usize(&mut self, _: usize) {
        // The length that `[u8; 32]` hashes before its bytes.
    }
}
