//! The door to a heap of its own for a child of `vfork`.
//!
//! Such a child shares its parent's memory, and may be killed between any two instructions. Inside the
//! system's allocator, which they share, too, it would leave that locked or half changed. So between
//! [`ChildHeap::enter`] and [`ChildHeap::leave`], what the calling thread allocates, or the child that goes
//! on in its place, comes from mappings of its own. Nobody looks at them after a child that was killed:
//! they are unmapped as a whole, but for one that the next child gets.
//!
//! What a child frees of its parent's stays allocated. That is little: all that a child works with was made
//! on its own heap, and each block of the parent's can stay only once.
//!
//! A process that such a child makes by `fork` has memory of its own, but can't use the system's allocator
//! either: it may have been locked, or half changed, by a thread that isn't in that process. It keeps the
//! heap for good, and all its threads allocate there.
//!
//! All of this needs [`Allocator`] as the program's allocator, which costs a look at a thread-local variable
//! and a static one where there is no such child. Without it a child allocates as its parent does.
//!
//! It covers what Rust allocates. In such a child nothing may be called of the C library that allocates for
//! itself (`opendir`, `realpath`, `getaddrinfo`, `pthread_create`) or takes a lock (`fork`, `sigaction` of
//! `SIGABRT`), and nothing that fills something lazily which the parent sees.

#![expect(unsafe_code, reason = "it is an allocator")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::ptr;
use std::sync::atomic::{AtomicBool, AtomicPtr, Ordering};

use crate::errno::Errno;

/// The length of a heap's first mapping. Each further one is twice as long as the last, up to a limit.
const FIRST_LEN: usize = 1 << 20;
const MAPPING_LEN_MAX: usize = 64 << 20;
/// Blocks have the length of a power of two, and are aligned to that, but to no more than this unless
/// their layout asks for it. A free block holds a pointer to the next.
const BLOCK_LEN_MIN: usize = 16;
const BLOCK_ALIGN_MAX: usize = 4096;

thread_local! {
    /// The heap that the calling thread has entered last.
    static CURRENT: Cell<Option<&'static Heap>> = const { Cell::new(None) };
}

/// The heap that this process keeps, since a child of `vfork` made it by `fork`.
static KEPT: AtomicPtr<Heap> = AtomicPtr::new(ptr::null_mut());

/// The first mapping of a heap whose child has ended, for the next one: most of what a child costs here is
/// that its memory isn't present at first. A child of a child doesn't use it, since it might die with it.
static SPARE: AtomicPtr<Mapping> = AtomicPtr::new(ptr::null_mut());

/// The system's allocator, but in a child of `vfork` one of its own.
#[derive(Clone, Copy, Debug, Default)]
pub struct Allocator;

/// The heap of a child of `vfork`, which ends when this is dropped.
#[derive(Debug)]
pub struct ChildHeap(&'static Heap);

/// Where a child allocates. It lies at the start of its first mapping.
#[derive(Debug)]
struct Heap {
    /// Where the thread allocated before.
    outer: Option<&'static Heap>,
    /// Whether the child has ended: nothing is allocated here any more.
    is_over: Cell<bool>,
    /// Whether anything was allocated here: where [`Allocator`] isn't the program's, nothing is.
    is_used: Cell<bool>,
    /// Its latest mapping. Whenever the child is killed, this list is whole.
    mapping: AtomicPtr<Mapping>,
    /// Held by who changes what follows. A child is its only user; a process that keeps it has threads.
    is_locked: AtomicBool,
    /// What hasn't been used of the latest mapping yet.
    next: Cell<*mut u8>,
    room: Cell<usize>,
    /// Free blocks, by the logarithm of their length.
    free: [Cell<*mut u8>; usize::BITS as usize],
}

/// The head of a mapping.
#[derive(Debug)]
struct Mapping {
    previous: *mut Mapping,
    len: usize,
}

/// A heap whose lock is held until this is dropped.
pub(crate) struct Locked(&'static Heap);

impl ChildHeap {
    /// Makes a heap: what the calling thread allocates from here on lies in it.
    ///
    /// # Safety
    /// Until [`Self::leave`] the thread, and the process that `vfork` makes, hand nothing that
    /// they allocate to anybody else. When this is dropped, on the same thread and after all that were
    /// made later, nothing refers to what was allocated in between.
    ///
    /// # Errors
    /// [`Errno::EAGAIN`] where there is no memory.
    pub unsafe fn enter() -> Result<Self, Errno> {
        let heap = Heap::map(CURRENT.get()).ok_or(Errno::EAGAIN)?;
        CURRENT.set(Some(heap));
        Ok(Self(heap))
    }

    /// The child has ended: what the calling thread allocates lies where it did before. What the child
    /// allocated can be read and dropped still.
    pub fn leave(&self) {
        self.0.is_over.set(true);
    }

    /// Whether the calling thread is a child of `vfork`, or is about to be one.
    #[must_use]
    pub fn is_entered() -> bool {
        CURRENT.get().is_some_and(|heap| !heap.is_over.get())
    }
}

impl Drop for ChildHeap {
    fn drop(&mut self) {
        let outer = self.0.outer;
        CURRENT.set(outer);
        let mut mapping = self.0.mapping.load(Ordering::Acquire);
        while !mapping.is_null() {
            // SAFETY: the list is whole.
            let Mapping { previous, len } = unsafe { mapping.read() };
            let is_first = previous.is_null();
            if is_first && outer.is_none() {
                mapping = SPARE.swap(mapping, Ordering::AcqRel);
            }
            if !mapping.is_null() {
                // SAFETY: nobody refers to anything in it, as `enter` asks for. The first mapping, which
                // holds the heap, is last.
                unsafe { libc::munmap(mapping.cast(), len) };
            }
            mapping = previous;
        }
    }
}

/// Holds the heap still that the calling thread allocates on, if that isn't the system's.
pub(crate) fn hold() -> Option<Locked> {
    let heap = serving().filter(|heap| heap.is_used.get());
    heap.map(Heap::lock)
}

/// This process was made just now, by `fork`, of one that had a heap of its own: it keeps that.
pub(crate) fn keep(held: &Locked) {
    KEPT.store(ptr::from_ref(held.0).cast_mut(), Ordering::Release);
    CURRENT.set(None);
}

/// The heap that the calling thread allocates on, if that isn't the system's.
fn serving() -> Option<&'static Heap> {
    let mut heap = CURRENT.get();
    while let Some(this) = heap
        && this.is_over.get()
    {
        heap = this.outer;
    }
    heap.or_else(kept)
}

fn kept() -> Option<&'static Heap> {
    let kept = KEPT.load(Ordering::Acquire).cast_const();
    // SAFETY: what a process keeps is never unmapped, and shared between threads under its lock.
    unsafe { kept.as_ref() }
}

/// Whether the calling thread has entered no heap, and its process keeps none.
#[inline]
fn is_ordinary() -> bool {
    CURRENT.get().is_none() && KEPT.load(Ordering::Relaxed).is_null()
}

impl Heap {
    /// A new heap, at the start of its first mapping.
    fn map(outer: Option<&'static Self>) -> Option<&'static Self> {
        let spare = match outer {
            None => SPARE.swap(ptr::null_mut(), Ordering::AcqRel),
            Some(_) => ptr::null_mut(),
        };
        let mapping = match spare.is_null() {
            true => Mapping::map(FIRST_LEN, ptr::null_mut())?,
            false => spare,
        };
        let rest = Mapping::rest(mapping);
        let padding = rest.align_offset(align_of::<Self>());
        let used = padding + size_of::<Self>();
        let place = rest.wrapping_add(padding).cast::<Self>();
        let heap = Self {
            outer,
            is_over: Cell::new(false),
            is_used: Cell::new(false),
            mapping: AtomicPtr::new(mapping),
            is_locked: AtomicBool::new(false),
            next: Cell::new(rest.wrapping_add(used)),
            room: Cell::new(FIRST_LEN - size_of::<Mapping>() - used),
            free: [const { Cell::new(ptr::null_mut()) }; usize::BITS as usize],
        };
        // SAFETY: it is aligned, inside the mapping, and nobody else's.
        unsafe { place.write(heap) };
        // SAFETY: it was written just now, and is there until the mapping isn't.
        unsafe { place.as_ref() }
    }

    fn lock(&'static self) -> Locked {
        while self.is_locked.swap(true, Ordering::Acquire) {
            std::thread::yield_now();
        }
        Locked(self)
    }

    /// Whether a block is one of this heap's.
    fn holds(&self, block: *const u8) -> bool {
        let mut mapping = self.mapping.load(Ordering::Acquire);
        // SAFETY: the list is whole at any time, and there as long as the heap is.
        while let Some(this) = unsafe { mapping.as_ref() } {
            if block.addr().wrapping_sub(mapping.addr()) < this.len {
                return true;
            }
            mapping = this.previous;
        }
        false
    }
}

impl Drop for Locked {
    fn drop(&mut self) {
        self.0.is_locked.store(false, Ordering::Release);
    }
}

impl Locked {
    /// A block, or null where there is no memory.
    fn allocate(&self, layout: Layout) -> *mut u8 {
        self.0.is_used.set(true);
        let len = block_len(layout);
        let free = &self.0.free[len.trailing_zeros() as usize];
        let block = free.get();
        if block.is_null() || layout.align() > BLOCK_ALIGN_MAX {
            let align = layout.align().max(len.min(BLOCK_ALIGN_MAX));
            return self.allocate_new(len, align).unwrap_or(ptr::null_mut());
        }
        // SAFETY: a free block's first word is a pointer to the next.
        free.set(unsafe { block.cast::<*mut u8>().read() });
        block
    }

    fn allocate_new(&self, len: usize, align: usize) -> Option<*mut u8> {
        if let Some(block) = self.take(len, align) {
            return Some(block);
        }
        let latest = self.0.mapping.load(Ordering::Relaxed);
        // SAFETY: a heap has a mapping, and it is there as long as the heap is.
        let latest_len = unsafe { (*latest).len };
        let needed = len.checked_add(align)?.checked_add(size_of::<Mapping>())?;
        let wanted = needed.max((latest_len * 2).min(MAPPING_LEN_MAX));
        let wanted = wanted.checked_next_multiple_of(BLOCK_ALIGN_MAX)?;
        let mapping = Mapping::map(wanted, latest)?;
        self.0.mapping.store(mapping, Ordering::Release);
        self.0.next.set(Mapping::rest(mapping));
        self.0.room.set(wanted - size_of::<Mapping>());
        self.take(len, align)
    }

    /// Takes a block of what hasn't been used.
    fn take(&self, len: usize, align: usize) -> Option<*mut u8> {
        let next = self.0.next.get();
        let padding = next.addr().wrapping_neg() & (align - 1);
        let room = self.0.room.get().checked_sub(padding.checked_add(len)?)?;
        self.0.room.set(room);
        self.0.next.set(next.wrapping_add(padding + len));
        Some(next.wrapping_add(padding))
    }

    /// Takes back a block of this heap.
    ///
    /// # Safety
    /// It was allocated with this layout, and isn't used any more.
    unsafe fn free(&self, block: *mut u8, layout: Layout) {
        let free = &self.0.free[block_len(layout).trailing_zeros() as usize];
        // SAFETY: every block has room for a pointer, and is aligned for one.
        unsafe { block.cast::<*mut u8>().write(free.get()) };
        free.set(block);
    }
}

impl Mapping {
    fn map(len: usize, previous: *mut Self) -> Option<*mut Self> {
        let protection = libc::PROT_READ | libc::PROT_WRITE;
        let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;
        // SAFETY: asks for memory that nobody has.
        let start = unsafe { libc::mmap(ptr::null_mut(), len, protection, flags, -1, 0) };
        if start == libc::MAP_FAILED {
            return None;
        }
        let mapping = start.cast::<Self>();
        // SAFETY: the mapping is new and longer than its head.
        unsafe { mapping.write(Self { previous, len }) };
        Some(mapping)
    }

    /// What follows the head.
    fn rest(mapping: *mut Self) -> *mut u8 {
        mapping.wrapping_add(1).cast()
    }
}

/// How long the block for a layout is. (A layout's size rounded up is at most half the address space.)
fn block_len(layout: Layout) -> usize {
    let len = layout.size().max(layout.align()).max(BLOCK_LEN_MIN);
    len.next_power_of_two()
}

/// Allocates where the calling thread does.
///
/// # Safety
/// As for [`GlobalAlloc::alloc`].
#[cold]
unsafe fn allocate_apart(layout: Layout) -> *mut u8 {
    match serving() {
        Some(heap) => heap.lock().allocate(layout),
        // SAFETY: as for this function.
        None => unsafe { System.alloc(layout) },
    }
}

/// Frees a block on a thread that isn't ordinary.
///
/// # Safety
/// As for [`GlobalAlloc::dealloc`].
#[cold]
unsafe fn free_apart(block: *mut u8, layout: Layout) {
    let mut heap = CURRENT.get();
    while let Some(this) = heap
        && this.is_over.get()
    {
        if this.holds(block) {
            // It goes with its mapping.
            return;
        }
        heap = this.outer;
    }
    match heap.or_else(kept) {
        // SAFETY: as for this function.
        Some(heap) if heap.holds(block) => unsafe { heap.lock().free(block, layout) },
        // The parent's, or of the process that this one was forked from.
        Some(_) => {}
        // SAFETY: it is on no heap of a child, so the system allocated it.
        None => unsafe { System.dealloc(block, layout) },
    }
}

// SAFETY: a block comes from the system's allocator or from a heap, and goes back to where it came from, or
// nowhere: what a heap holds is known by its address. A heap hands each part of its mappings out once until
// it is freed, as long and as aligned as its layout says.
unsafe impl GlobalAlloc for Allocator {
    #[inline]
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        if is_ordinary() {
            // SAFETY: as for this function.
            unsafe { System.alloc(layout) }
        } else {
            // SAFETY: as for this function.
            unsafe { allocate_apart(layout) }
        }
    }

    #[inline]
    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        if is_ordinary() {
            // SAFETY: as for this function.
            return unsafe { System.alloc_zeroed(layout) };
        }
        // SAFETY: as for this function.
        let block = unsafe { allocate_apart(layout) };
        if !block.is_null() {
            // SAFETY: it is as long as that.
            unsafe { block.write_bytes(0, layout.size()) };
        }
        block
    }

    #[inline]
    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        if is_ordinary() {
            // SAFETY: there is no heap that it may be on, so the system allocated it.
            unsafe { System.dealloc(block, layout) }
        } else {
            // SAFETY: as for this function.
            unsafe { free_apart(block, layout) }
        }
    }

    #[inline]
    unsafe fn realloc(&self, block: *mut u8, layout: Layout, len: usize) -> *mut u8 {
        if is_ordinary() {
            // SAFETY: there is no heap that it may be on, so the system allocated it.
            return unsafe { System.realloc(block, layout, len) };
        }
        // SAFETY: the caller answers for the length.
        let wanted = unsafe { Layout::from_size_align_unchecked(len, layout.align()) };
        // SAFETY: as for this function.
        let new = unsafe { allocate_apart(wanted) };
        if !new.is_null() {
            let common = len.min(layout.size());
            // SAFETY: both are that long, and the new one is nobody else's.
            unsafe { ptr::copy_nonoverlapping(block, new, common) };
            // SAFETY: as for this function.
            unsafe { free_apart(block, layout) };
        }
        new
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn enter() -> ChildHeap {
        // SAFETY: the tests drop what they make in the order of which it asks, and share nothing.
        unsafe { ChildHeap::enter() }.expect("there is memory")
    }

    fn allocate(size: usize, align: usize) -> (*mut u8, Layout) {
        let layout = Layout::from_size_align(size, align).expect("it is a layout");
        // SAFETY: its size isn't 0.
        let block = unsafe { Allocator.alloc(layout) };
        assert!(!block.is_null() && block.addr().is_multiple_of(align));
        // SAFETY: it is that long.
        unsafe { block.write_bytes(0xa5, size) };
        (block, layout)
    }

    fn free((block, layout): (*mut u8, Layout)) {
        // SAFETY: the tests free what they allocated, once.
        unsafe { Allocator.dealloc(block, layout) };
    }

    fn byte(block: *const u8, at: usize) -> u8 {
        // SAFETY: the tests ask for bytes of blocks that are longer, and have been written.
        unsafe { block.wrapping_add(at).read() }
    }

    #[test]
    fn blocks_of_a_child_lie_apart_and_are_used_again() {
        let heap = enter();
        let mut ends = Vec::new();
        for (size, align) in [(1, 1), (24, 8), (4097, 16), (100, 8192), (3 << 20, 64)] {
            let block = allocate(size, align);
            assert!(heap.0.holds(block.0));
            ends.push((block.0.addr(), block.0.addr() + size));
        }
        ends.sort_unstable();
        let apart = ends.windows(2).all(|pair| pair[0].1 <= pair[1].0);
        assert!(apart, "{ends:x?}");
        let first = allocate(1000, 8);
        free(first);
        assert_eq!(allocate(1024, 8).0, first.0);
        // SAFETY: its size isn't 0.
        let zeroed = unsafe { Allocator.alloc_zeroed(first.1) };
        assert!((0..1000).all(|at| byte(zeroed, at) == 0));
    }

    #[test]
    fn a_free_block_serves_no_layout_that_it_is_not_aligned_for() {
        let heap = enter();
        let _padding = allocate(16, 16);
        for _ in 0..4 {
            free(allocate(16, 16));
            assert!(heap.0.holds(allocate(16, 256).0));
        }
    }

    #[test]
    fn the_parent_allocates_as_before_when_the_child_has_ended() {
        let before = allocate(64, 8);
        let heap = enter();
        assert!(ChildHeap::is_entered());
        // SAFETY: it was allocated with this layout.
        let moved = unsafe { Allocator.realloc(before.0, before.1, 200) };
        assert!(heap.0.holds(moved));
        assert_eq!(byte(moved, 63), 0xa5);
        heap.leave();
        assert!(!ChildHeap::is_entered());
        let after = allocate(64, 8);
        assert!(!heap.0.holds(after.0));
        free(after);
        let layout = Layout::from_size_align(200, 8).expect("it is a layout");
        // SAFETY: it was allocated with this layout.
        let out = unsafe { Allocator.realloc(moved, layout, 300) };
        assert!(
            !heap.0.holds(out),
            "what the parent goes on with is its own"
        );
        drop(heap);
        assert!(is_ordinary());
        assert_eq!(byte(out, 63), 0xa5);
    }

    #[test]
    fn a_child_of_a_child_has_a_heap_of_its_own() {
        let outer = enter();
        let block = allocate(64, 8);
        let inner = enter();
        free(block);
        assert!(inner.0.holds(allocate(64, 8).0));
        inner.leave();
        assert!(outer.0.holds(allocate(64, 8).0));
        drop(inner);
        assert_ne!(allocate(64, 8).0, block.0, "who shares it freed it");
    }
}
