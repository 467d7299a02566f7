//! The memory layer: code that this process can call already.

use rekindle_exec::HostAddr;
use rekindle_store::Key;
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::hash::{BuildHasher, Hasher};
use std::sync::Arc;

use crate::bits::Bits;
use crate::code::{Code, Located};
use crate::loaded::LoadedImage;

/// Code by key and by address.
#[derive(Debug, Default)]
pub(crate) struct Resident {
    /// What this process compiled.
    compiled: HashMap<Key, Code, KeyHasher>,
    /// What it compiled before under keys that have code of another signature now. It may be running.
    replaced: Vec<Code>,
    /// Which entries were loaded, by the number of their image in the scope. The image has all else:
    /// an index of its keys, and what code is made of.
    loaded: Vec<Bits>,
    count: usize,
    /// All of them by address, when someone asked: loading must not pay for it. Out of date if
    /// there are fewer than `count`; code never goes.
    by_address: Vec<Code>,
}

impl Resident {
    pub(crate) fn compiled(&self, key: &Key) -> Option<&Code> {
        self.compiled.get(key)
    }

    /// Whether an entry of an image was loaded.
    pub(crate) fn is_loaded(&self, image: usize, index: u32) -> bool {
        let entries = self.loaded.get(image);
        entries.is_some_and(|entries| entries.contains(index))
    }

    /// Adds code that was compiled, unless the key has some of that signature already. Returns what the
    /// key has, and whether it is the code given.
    pub(crate) fn add(&mut self, key: Key, code: Code) -> (Code, bool) {
        match self.compiled.entry(key) {
            Entry::Occupied(present) if present.get().signature() == code.signature() => {
                return (present.get().clone(), false);
            }
            Entry::Occupied(mut other) => self.replaced.push(other.insert(code.clone())),
            Entry::Vacant(vacant) => drop(vacant.insert(code.clone())),
        }
        self.count += 1;
        (code, true)
    }

    /// Notes that an entry of an image was loaded. Returns whether that is new: another thread may
    /// have been faster.
    pub(crate) fn add_loaded(&mut self, image: usize, index: u32) -> bool {
        if self.loaded.len() <= image {
            self.loaded.resize_with(image + 1, Bits::default);
        }
        let is_new = self.loaded[image].insert(index);
        self.count += usize::from(is_new);
        is_new
    }

    /// What is at an address; `images` are those of the scope.
    pub(crate) fn locate(&mut self, pc: HostAddr, images: &[Arc<LoadedImage>]) -> Option<Located> {
        if self.by_address.len() < self.count {
            let loaded = self.loaded.iter().zip(images).flat_map(|(entries, image)| {
                let code = |index| Code::loaded(Arc::clone(image), &image.record(index));
                entries.iter().map(code)
            });
            let compiled = self.compiled.values().chain(&self.replaced).cloned();
            self.by_address = compiled.chain(loaded).collect();
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
