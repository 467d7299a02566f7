//! Memory for code that this process compiles.
//!
//! An arena grows by chunks of address space, and hands out parts of them. Code's pages are writable until it
//! is published, and executable from then on; they are never both, and not written again before
//! all that they hold was given back. Whole pages are the price: a page that holds published
//! code can't take more, because it may be executing on another core. Who publishes many blocks at
//! once has them closer, in a [`Batch`](crate::Batch).

use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use crate::block::{Block, Demand, Span};
use crate::chunk::{Area, Areas, Chunk, Part};
use crate::imp::page_len;
use crate::process::PerProcess;

/// Address space that an arena's first chunk reserves. Memory is used only where it is touched, but a
/// process may have a limit, and thousands of arenas.
const FIRST_LEN: usize = 256 << 10;

/// How much longer each chunk is than the one before it.
const GROWTH: usize = 4;

/// Address space that no chunk exceeds, unless a single demand does.
const CHUNK_LEN: usize = 256 << 20;

/// Hands out memory for code and its data. Shared between threads; a process that is forked goes on with
/// chunks of its own.
#[derive(Debug, Default)]
pub struct Arena {
    chunks: PerProcess<Mutex<Chunks>>,
}

/// Where memory comes from.
#[derive(Debug, Default)]
struct Chunks {
    /// The newest chunk.
    newest: Option<Arc<Chunk>>,
    /// The others, as long as something is in them.
    older: Vec<Weak<Chunk>>,
    /// How long the last chunk was meant to be; zero if there is none.
    last_len: usize,
}

/// What is asked of an arena at once.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Lens {
    pub(crate) code: usize,
    pub(crate) data: usize,
    pub(crate) data_align: usize,
}

impl Arena {
    /// An arena that holds nothing yet.
    pub const fn new() -> Self {
        Self {
            chunks: PerProcess::new(),
        }
    }

    /// Reserves memory for a block of code.
    ///
    /// # Errors
    /// If the system gives no memory, or the demand is absurdly large.
    pub fn reserve(&self, demand: Demand) -> io::Result<Block> {
        self.reserve_in(Area::Code, demand)
    }

    /// Reserves memory for constants without code: once published, it can be read and nothing else.
    ///
    /// # Errors
    /// As [`Self::reserve`].
    pub fn reserve_constants(&self, len: usize) -> io::Result<Block> {
        let demand = Demand {
            code_len: len,
            data_align: 1,
            ..Demand::default()
        };
        self.reserve_in(Area::Constants, demand)
    }

    fn reserve_in(&self, area: Area, demand: Demand) -> io::Result<Block> {
        demand.check()?;
        let lens = Lens {
            code: demand.code_len,
            data: demand.data_len,
            data_align: demand.data_align,
        };
        let (code, data) = self.take(area, lens)?;
        let code_range = code.range.start..code.range.start + demand.code_len;
        let used = (code.used(&code_range), data.used(&data.range));
        let (code_start, data_start) = (code.range.start, data.range.start);
        let mut block = Block {
            span: Span::new(code, data),
            code: code_start,
            data: data_start,
            demand,
        };
        block.clear(used.0, used.1);
        Ok(block)
    }

    /// Takes memory for code or constants, and for data, of one chunk.
    pub(crate) fn take(&self, area: Area, lens: Lens) -> io::Result<(Part, Part)> {
        let mut chunks = self.lock();
        let Chunks { newest, older, .. } = &mut *chunks;
        if let Some(parts) = newest.as_ref().and_then(|chunk| take_of(chunk, area, lens)) {
            return Ok(parts);
        }
        older.retain(|chunk| chunk.strong_count() > 0);
        let mut older = older.iter().filter_map(Weak::upgrade);
        if let Some(parts) = older.find_map(|chunk| take_of(&chunk, area, lens)) {
            return Ok(parts);
        }
        let chunk = chunks.grow(area, lens)?;
        take_of(&chunk, area, lens).ok_or_else(|| io::ErrorKind::OutOfMemory.into())
    }

    fn lock(&self) -> MutexGuard<'_, Chunks> {
        // A panic elsewhere leaves the chunks as they were, so a poisoned lock is as good.
        self.chunks
            .get()
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

fn take_of(chunk: &Arc<Chunk>, area: Area, lens: Lens) -> Option<(Part, Part)> {
    let code = chunk.take(area, lens.code, 1)?;
    let data = match lens.data {
        0 => Part::empty(chunk, Area::Data),
        len => chunk.take(Area::Data, len, lens.data_align)?,
    };
    Some((code, data))
}

impl Chunks {
    /// A new chunk that has what is asked for.
    fn grow(&mut self, area: Area, lens: Lens) -> io::Result<Arc<Chunk>> {
        let len = match self.last_len {
            0 => FIRST_LEN,
            last => (last * GROWTH).min(CHUNK_LEN),
        };
        let reserve = |len| {
            let mut areas = Areas::of(len);
            let wanted = match area {
                Area::Constants => &mut areas.constants,
                Area::Code | Area::Data => &mut areas.code,
            };
            *wanted = lens.code.max(*wanted);
            areas.data = areas.data.max(lens.data + page_len());
            Chunk::reserve(areas)
        };
        // Where there is little address space left, a chunk is as short as a first one.
        let chunk = reserve(len).or_else(|_| reserve(FIRST_LEN))?;
        self.last_len = len;
        let last = self.newest.replace(Arc::clone(&chunk));
        self.older.extend(last.as_ref().map(Arc::downgrade));
        Ok(chunk)
    }
}

#[cfg(test)]
mod tests {
    use super::{Area, Areas, Arena, CHUNK_LEN, Demand, FIRST_LEN, GROWTH, Lens};
    use crate::imp::page_len;

    const CODE_LEN: usize = Areas::of(CHUNK_LEN).code;

    fn demand(code_len: usize, data_len: usize) -> Demand {
        Demand {
            code_len,
            data_len,
            data_align: 16,
            code_align: 0,
        }
    }

    #[test]
    fn blocks_are_apart_and_close() {
        let arena = Arena::new();
        let first = arena.reserve(demand(100, 16)).expect("memory");
        let second = arena.reserve(demand(5000, 10)).expect("memory");
        let page = page_len() as u64;
        assert_eq!(second.code_address().0 - first.code_address().0, page);
        assert_eq!(second.data_address().0 - first.data_address().0, 16);
        let distance = second.data_address().0 - first.code_address().0;
        assert!(distance < 1 << 31);
    }

    #[test]
    fn large_demands_get_a_chunk_of_their_own() {
        let arena = Arena::new();
        let mut block = arena
            .reserve(demand(CODE_LEN + 1, 20 << 20))
            .expect("memory");
        let last = block.data_mut().len() - 1;
        block.data_mut()[last] = 1;
        assert_eq!(block.code_mut().len(), CODE_LEN + 1);
        assert!(arena.reserve(demand(usize::MAX, 0)).is_err());
        let constants = arena.reserve_constants(CHUNK_LEN).expect("memory");
        assert_eq!(constants.code_len(), CHUNK_LEN);
    }

    #[test]
    fn odd_alignments_are_refused() {
        let refused = |demand| Arena::new().reserve(demand).is_err();
        for align in [0, 3, 1 << 20] {
            let data_align = align;
            assert!(refused(Demand {
                data_align,
                ..demand(1, 1)
            }));
            let code_align = align.max(1);
            assert!(
                code_align == 1
                    || refused(Demand {
                        code_align,
                        ..demand(1, 1)
                    })
            );
        }
    }

    #[test]
    fn an_arena_reserves_little_and_grows() {
        let arena = Arena::new();
        let lens: Vec<usize> = (0..7)
            .map(|index| {
                let code_len = Areas::of(FIRST_LEN << (2 * index.min(5))).code;
                let block = arena.reserve(demand(code_len, 8)).expect("memory");
                std::mem::forget(block.span.clone());
                block.span.chunk.memory.len()
            })
            .collect();
        let grown = |times: u32| FIRST_LEN * GROWTH.pow(times);
        assert_eq!(lens, [0, 1, 2, 3, 4, 5, 5].map(grown));
    }

    #[test]
    fn memory_that_is_given_back_is_used_again_and_zero() {
        let arena = Arena::new();
        let fill = |len: usize| {
            let mut block = arena.reserve(demand(len, 24)).expect("memory");
            assert!(block.code_mut().iter().all(|byte| *byte == 0));
            assert!(block.data_mut().iter().all(|byte| *byte == 0));
            block.code_mut().fill(0xcc);
            block.data_mut().fill(0xdd);
            block.publish().expect("executable memory")
        };
        let kept = fill(1);
        let places: Vec<u64> = (0..1000).map(|_| fill(5000).code_address().0).collect();
        assert!(places.iter().all(|place| *place == places[0]), "it grows");
        let large = fill(100 << 10).code_address();
        assert_eq!(fill(100 << 10).code_address(), large);
        assert_eq!(kept.chunk_address(), fill(1).chunk_address());
    }

    #[test]
    fn constants_share_no_pages_with_code() {
        let arena = Arena::new();
        let (mut constants, code) = (
            arena.reserve_constants(10).expect("memory"),
            arena.reserve(demand(10, 0)).expect("memory"),
        );
        constants.code_mut().fill(7);
        let (constants, code) = (constants.publish(), code.publish());
        let place = constants.expect("memory").code_address().0;
        let distance = place - code.expect("memory").code_address().0;
        assert!(distance as usize >= Areas::of(FIRST_LEN).code);
    }

    #[test]
    fn what_a_part_of_an_area_lacks_is_no_reason_to_lose_the_rest() {
        let arena = Arena::new();
        let lens = |code, data| Lens {
            code,
            data,
            data_align: 1,
        };
        let (code, _data) = arena.take(Area::Code, lens(1, 8)).expect("memory");
        // Its chunk has code left, but not so much data: neither is taken there.
        let areas = Areas::of(FIRST_LEN);
        let elsewhere = arena.take(Area::Code, lens(1, areas.data)).expect("memory");
        let behind = arena.take(Area::Code, lens(1, 8)).expect("memory");
        assert_eq!(
            behind.0.chunk.memory.base(),
            elsewhere.0.chunk.memory.base()
        );
        assert!(
            code.chunk
                .take(Area::Code, areas.code - page_len(), 1)
                .is_some()
        );
    }

    #[cfg(all(target_arch = "x86_64", not(miri)))]
    #[test]
    fn published_code_runs() {
        use crate::entry::{Entry, signature_of};
        type Answer = unsafe extern "C" fn() -> u32;

        let arena = Arena::new();
        for answer in [7u8, 9] {
            let mut block = arena.reserve(demand(6, 0)).expect("memory");
            // `mov eax, answer; ret`
            block
                .code_mut()
                .copy_from_slice(&[0xb8, answer, 0, 0, 0, 0xc3]);
            let published = block.publish().expect("executable memory");
            let at = published.code_at(0).expect("there is code");
            drop(published);
            let entry: Entry<Answer> =
                Entry::new(at, signature_of::<Answer>()).expect("the same type");
            #[expect(unsafe_code, reason = "calls what was written above")]
            // SAFETY: the code takes nothing and returns a number in `eax`, as its type says.
            let result = unsafe { (entry.function())() };
            assert_eq!(result, u32::from(answer));
        }
    }
}
