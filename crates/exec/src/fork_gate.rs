//! A gate that keeps a process from being forked while a thread of it is in the middle of something.
//!
//! A process that `fork` makes has one thread. What the others held stays held there, and what they were
//! changing stays half changed: whoever waits for it waits for ever. So who takes locks of the cache's, or
//! initialises what all threads use, is inside while it does, and `fork` waits until nobody is; who wants to
//! enter meanwhile waits for `fork`. A thread may enter again while it is inside, and may fork itself.
//!
//! Entering costs one exchange of a word that no other thread writes, five nanoseconds. (`membarrier` would spare
//! it, and cost the first `fork` of a process with threads fifteen milliseconds.) `fork` waits two seconds at
//! most: a thread inside may be waiting for something that the caller of `fork` holds.
//!
//! Not for code that runs between `vfork` and `exec`, as no other code of this crate is.

use std::cell::Cell;
use std::marker::PhantomData;
use std::ops::{Deref, DerefMut};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::{Duration, Instant};

/// How long `fork` waits.
const PATIENCE: Duration = Duration::from_secs(2);

/// How many seats stand together.
const ROW_LEN: usize = 32;

/// A thread's place: apart from others, so that they don't share a cache line.
#[repr(align(64))]
struct Seat {
    /// Whether a thread has it.
    is_taken: AtomicBool,
    /// How often that thread is inside.
    depth: AtomicU32,
}

struct Row {
    seats: [Seat; ROW_LEN],
    next: OnceLock<Box<Row>>,
}

impl Row {
    const fn new() -> Self {
        Self {
            seats: [const {
                Seat {
                    is_taken: AtomicBool::new(false),
                    depth: AtomicU32::new(0),
                }
            }; ROW_LEN],
            next: OnceLock::new(),
        }
    }
}

static FIRST: Row = Row::new();

/// How many threads are about to fork, or do.
static FORKING: AtomicU32 = AtomicU32::new(0);

thread_local! {
    static SEAT: Cell<Option<&'static Seat>> = const { Cell::new(None) };
    static OWNER: SeatOwner = const { SeatOwner(PhantomData) };
}

/// Gives the thread's seat back at its end.
struct SeatOwner(PhantomData<*const ()>);

impl Drop for SeatOwner {
    fn drop(&mut self) {
        if let Some(seat) = SEAT.take() {
            seat.is_taken.store(false, Ordering::Release);
        }
    }
}

/// The calling thread is inside while this lives.
#[derive(Debug)]
pub struct Inside {
    seat: &'static Seat,
    /// A thread's own.
    _not_send: PhantomData<*const ()>,
}

impl std::fmt::Debug for Seat {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.depth.load(Ordering::Relaxed))
    }
}

/// Enters. No process is made by `fork` until the guard is dropped, unless by this thread.
#[inline]
pub fn enter() -> Inside {
    let seat = SEAT.get().unwrap_or_else(take_seat);
    let depth = seat.depth.load(Ordering::Relaxed);
    if depth > 0 {
        seat.depth.store(depth + 1, Ordering::Relaxed);
    } else if !sits_down(seat) {
        wait_for_fork(seat);
    }
    Inside {
        seat,
        _not_send: PhantomData,
    }
}

/// What a lock guards, by a thread that is inside as long as it holds it.
#[derive(Debug)]
pub struct Held<G> {
    // Dropped first.
    guard: G,
    _inside: Inside,
}

/// Takes a lock inside.
pub fn held<G>(lock: impl FnOnce() -> G) -> Held<G> {
    let inside = enter();
    Held {
        guard: lock(),
        _inside: inside,
    }
}

impl<G: Deref> Deref for Held<G> {
    type Target = G::Target;

    fn deref(&self) -> &G::Target {
        &self.guard
    }
}

impl<G: DerefMut> DerefMut for Held<G> {
    fn deref_mut(&mut self) -> &mut G::Target {
        &mut self.guard
    }
}

/// Takes the seat. Returns whether nobody forks.
#[inline]
fn sits_down(seat: &Seat) -> bool {
    // Who forks counts itself before it looks at seats, and who enters takes its seat before it looks at that
    // count: one of them sees the other.
    seat.depth.swap(1, Ordering::SeqCst);
    FORKING.load(Ordering::SeqCst) == 0
}

impl Drop for Inside {
    #[inline]
    fn drop(&mut self) {
        let depth = self.seat.depth.load(Ordering::Relaxed);
        self.seat.depth.store(depth - 1, Ordering::Release);
    }
}

/// Waits outside until nobody forks, and enters.
#[cold]
fn wait_for_fork(seat: &Seat) {
    loop {
        seat.depth.store(0, Ordering::SeqCst);
        let mut pause = Pause::default();
        while FORKING.load(Ordering::SeqCst) != 0 {
            pause.wait();
        }
        if sits_down(seat) {
            return;
        }
    }
}

/// A seat for the calling thread.
#[cold]
fn take_seat() -> &'static Seat {
    watch_forks();
    let mut row = &FIRST;
    loop {
        let free = row.seats.iter().find(|seat| {
            let taken =
                seat.is_taken
                    .compare_exchange(false, true, Ordering::Acquire, Ordering::Relaxed);
            taken.is_ok()
        });
        if let Some(seat) = free {
            seat.depth.store(0, Ordering::Relaxed);
            SEAT.set(Some(seat));
            // At the very end of a thread nobody gives it back any more.
            let _ = OWNER.try_with(|_| ());
            return seat;
        }
        row = row.next.get_or_init(|| Box::new(Row::new()));
    }
}

/// All seats.
fn seats() -> impl Iterator<Item = &'static Seat> {
    let rows = std::iter::successors(Some(&FIRST), |row| row.next.get().map(Box::as_ref));
    rows.flat_map(|row| &row.seats)
}

/// Waits shortly at first, and then longer.
#[derive(Default)]
struct Pause(u32);

impl Pause {
    fn wait(&mut self) {
        self.0 += 1;
        match self.0 < 64 {
            true => std::thread::yield_now(),
            false => std::thread::sleep(Duration::from_micros(100)),
        }
    }
}

/// Has the C library tell of forks, from the first time on that a thread enters.
fn watch_forks() {
    static WATCHES: AtomicBool = AtomicBool::new(false);
    // Miri doesn't fork.
    if !WATCHES.swap(true, Ordering::Relaxed) && !cfg!(miri) {
        #[expect(unsafe_code, reason = "the one call")]
        // SAFETY: the functions take nothing, and live as long as the object that this is part of, with which
        // the C library forgets them.
        unsafe {
            libc::pthread_atfork(Some(before), Some(after_in_parent), Some(after_in_child));
        }
    }
}

extern "C" fn before() {
    FORKING.fetch_add(1, Ordering::SeqCst);
    let own = SEAT.get();
    let is_own = |seat: &Seat| own.is_some_and(|own| std::ptr::eq(own, seat));
    let is_busy = |seat: &Seat| seat.depth.load(Ordering::SeqCst) != 0 && !is_own(seat);
    let (mut pause, start) = (Pause::default(), Instant::now());
    while seats().any(is_busy) && start.elapsed() < PATIENCE {
        pause.wait();
    }
}

extern "C" fn after_in_parent() {
    FORKING.fetch_sub(1, Ordering::SeqCst);
}

/// The seats of threads that this process doesn't have are free.
extern "C" fn after_in_child() {
    let own = SEAT.get();
    for seat in seats() {
        if own.is_none_or(|own| !std::ptr::eq(own, seat)) {
            seat.depth.store(0, Ordering::Relaxed);
            seat.is_taken.store(false, Ordering::Relaxed);
        }
    }
    FORKING.store(0, Ordering::SeqCst);
}

#[cfg(all(test, not(miri)))]
mod tests {
    use std::sync::Mutex;

    use super::*;
    use crate::in_child::in_child;

    /// The lock that a thread of the parent holds nearly all the time is free in every child.
    #[test]
    fn nobody_is_inside_when_a_process_is_forked() {
        static LOCK: Mutex<u32> = Mutex::new(0);
        static STOP: AtomicBool = AtomicBool::new(false);
        let thread = std::thread::spawn(|| {
            while !STOP.load(Ordering::Relaxed) {
                let _inside = enter();
                let mut held = LOCK.lock().expect("nobody panics");
                let _again = enter();
                *held += 1;
                std::thread::sleep(Duration::from_micros(300));
                *held += 1;
            }
        });
        for _ in 0..20 {
            let status = in_child(|| {
                let _inside = enter();
                LOCK.try_lock().is_ok_and(|held| held.is_multiple_of(2))
            });
            assert_eq!(status, 0);
        }
        STOP.store(true, Ordering::Relaxed);
        thread.join().expect("it doesn't panic");
    }

    #[test]
    fn who_is_inside_may_fork_itself() {
        let inside = enter();
        let start = Instant::now();
        let goes_in_and_out = || {
            drop(enter());
            true
        };
        assert_eq!(in_child(goes_in_and_out), 0);
        assert!(start.elapsed() < PATIENCE);
        drop(inside);
    }
}
