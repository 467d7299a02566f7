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
    by_key: HashMap<Key, Code, KeyHasher>,
    /// Sorted when someone asks: loading must not pay for it.
    by_address: Vec<Code>,
    is_sorted: bool,
}

impl Resident {
    pub(crate) fn get(&self, key: &Key) -> Option<&Code> {
        self.by_key.get(key)
    }

    /// Adds code, unless the key has some already. Returns what the key has, and whether it is the
    /// code given.
    pub(crate) fn add(&mut self, key: Key, code: Code) -> (Code, bool) {
        match self.by_key.entry(key) {
            Entry::Occupied(present) => (present.get().clone(), false),
            Entry::Vacant(vacant) => {
                vacant.insert(code.clone());
                self.by_address.push(code.clone());
                self.is_sorted = false;
                (code, true)
            }
        }
    }

    /// What is at an address.
    pub(crate) fn locate(&mut self, pc: HostAddr) -> Option<Located> {
        if !self.is_sorted {
            self.by_address.sort_unstable_by_key(Code::address);
            self.is_sorted = true;
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
