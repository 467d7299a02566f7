//! Telling a process from those that it was forked from.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::fork_gate::enter;
use crate::imp::{Memory, page_len};

/// The number of the process that asks: never that of a process that it was forked from, nor zero. What
/// was noted under another number belongs to another process. Quick, and takes no lock.
pub fn process_number() -> u64 {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    let Some(number) = wiped_on_fork() else {
        return std::process::id().into();
    };
    match number.load(Ordering::Relaxed) {
        0 => {
            // A process that was forked counts on from where the other was.
            let new = NEXT.fetch_add(1, Ordering::Relaxed);
            let set = number.compare_exchange(0, new, Ordering::Relaxed, Ordering::Relaxed);
            set.map_or_else(|faster| faster, |_zero| new)
        }
        number => number,
    }
}

/// Whether this process was forked from one that had asked for its number.
pub fn is_forked() -> bool {
    let number = process_number();
    wiped_on_fork().is_some() && number > 1
}

/// A value that each process has for itself: one that was forked starts with a new one, and never waits for
/// what a thread of the other process held.
#[derive(Debug)]
pub struct PerProcess<T> {
    own: OnceLock<(u64, T)>,
    /// That of a process that was forked from this one's.
    next: OnceLock<Box<PerProcess<T>>>,
}

impl<T> PerProcess<T> {
    /// No process's value yet.
    pub const fn new() -> Self {
        Self {
            own: OnceLock::new(),
            next: OnceLock::new(),
        }
    }
}

impl<T> Default for PerProcess<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T: Default> PerProcess<T> {
    /// This process's value.
    pub fn get(&self) -> &T {
        let number = process_number();
        match self.own.get() {
            Some((owner, value)) if *owner == number => value,
            _ => self.find_or_add(number),
        }
    }

    #[cold]
    fn find_or_add(&self, number: u64) -> &T {
        // A process that is forked meanwhile would wait for ever for what nobody goes on to initialise.
        let _inside = enter();
        let mut here = self;
        loop {
            let (owner, value) = here.own.get_or_init(|| (number, T::default()));
            if *owner == number {
                return value;
            }
            here = here.next.get_or_init(Box::default);
        }
    }
}

/// A number that the kernel sets to zero in a process that `fork` makes; none if it can't.
fn wiped_on_fork() -> Option<&'static AtomicU64> {
    static WIPED: OnceLock<Option<&'static AtomicU64>> = OnceLock::new();
    *WIPED.get_or_init(|| {
        let memory = Memory::reserve(page_len()).ok()?;
        memory.wipe_on_fork().ok()?;
        let memory: &'static Memory = Box::leak(Box::new(memory));
        #[expect(unsafe_code, reason = "memory becomes a number")]
        // SAFETY: the memory is page-aligned, readable, writable, zeroed, never given back, and used
        // for nothing else.
        Some(unsafe { AtomicU64::from_ptr(memory.base().cast()) })
    })
}

#[cfg(all(test, not(miri)))]
mod tests {
    use super::{PerProcess, is_forked, process_number};
    use crate::in_child::in_child;
    use std::sync::Mutex;

    #[test]
    fn a_process_has_no_value_of_another() {
        let values: PerProcess<Mutex<u32>> = PerProcess::default();
        values
            .own
            .set((u64::MAX, Mutex::new(1)))
            .expect("it is empty");
        let held = values.own.get().expect("it was set").1.lock();
        *values.get().lock().expect("it isn't the one that is held") += 5;
        assert_eq!(*values.get().lock().expect("nobody panicked"), 5);
        assert_eq!(*held.expect("nobody panicked"), 1);
    }

    #[test]
    fn a_forked_process_has_another_number() {
        let own = process_number();
        assert!(own != 0 && own == process_number());
        let is_new = || process_number() != own && process_number() != 0 && is_forked();
        assert_eq!(in_child(is_new), 0);
        assert_eq!(process_number(), own);
    }
}
