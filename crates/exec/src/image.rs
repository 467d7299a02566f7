//! Mapping image files.
//!
//! The mapping has the shape that the linker laid out: writable memory first, then the file as it
//! is. The file's pages are shared with every process that maps it; they are never writable here.
//! The writable part starts as zeroes, and entries copy their data into it when they are first
//! used, so that what is in the file stays as it was written and can be checked at any time.
//!
//! A large file that is to be read whole is mapped once more, for reading, at an address of the
//! system's choice. All of a program is read before any of it runs for the first time, and where the
//! parts of one mapping allow different things, the system can't map its large pages as such, nor many
//! small ones at once: that takes longer than the reading. The two show the same pages of one file,
//! which nobody changes.
//!
//! A file whose code may have to be edited is mapped once more, too: what is read, and verified, is
//! what was written, and what runs may then be an edited copy, private to this process.

use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use rustix::fs::OFlags;

use crate::address::HostAddr;
use crate::arch::make_coherent;
use crate::entry::CodeAddress;
use crate::frames::{self, MalformedFrames, RegisteredFrames};
use crate::image_ranges::KnownRange;
use crate::imp::{Access, Memory, page_len};
use crate::room::{ReadRoom, Room};

/// The least length of a file that is mapped once more: that of a large page of most machines.
const LARGE_PAGE_LEN: usize = 2 << 20;

/// The shape of a mapping. All but `file_len` are multiples of a page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImageShape {
    /// Bytes of writable memory before the file.
    pub writable_len: u64,
    /// The file's length in bytes.
    pub file_len: u64,
    /// The part of the file that holds code.
    pub text: Range<u64>,
    /// Whether someone will read most of the file, rather than run it alone.
    pub is_read_whole: bool,
    /// Whether code may have to be edited: see [`ImageMapping::edit_text`].
    pub edits_text: bool,
    /// Whether code is copied even where the file could be mapped executable; for tests.
    pub copy_text: bool,
    /// Whether all of the file is read instead of mapped: on a file system of another machine it may
    /// become shorter, or be gone, while it is mapped, and touching it would be fatal then.
    pub copy_file: bool,
}

/// An image file in memory.
///
/// Invariant: the memory is `writable_len` bytes of read-write memory and `file_len` bytes that
/// nothing writes; the view is the same `file_len` bytes. Where there is a view, there is no reference
/// to the code in the memory, which [`Self::edit_text`] may replace.
#[derive(Debug)]
pub struct ImageMapping {
    /// Dropped before the memory is.
    frames: OnceLock<RegisteredFrames>,
    /// The same: where the file is, for handlers of signals.
    _known: Vec<KnownRange>,
    memory: Memory,
    _room: Room,
    _read_room: Option<ReadRoom>,
    /// The file once more, to be read.
    view: Option<Memory>,
    writable_len: usize,
    file_len: usize,
    /// The part of the file that holds code.
    text: Range<usize>,
    text_is_copied: bool,
    edits_text: bool,
    /// Held while writing, so that two threads don't write at once.
    writing: Mutex<()>,
}

impl ImageMapping {
    /// Maps a file. Where its file system forbids execution, the code is copied into anonymous
    /// memory instead.
    ///
    /// The file must be as long as the shape says, since touching pages past the end of a file is
    /// fatal, and open for reading alone: its bytes are lent out as what nobody writes.
    ///
    /// ```compile_fail,E0133
    /// # use rekindle_exec::{ImageMapping, ImageShape};
    /// # fn safe_caller(file: &std::fs::File, shape: &ImageShape) -> std::io::Result<ImageMapping> {
    /// ImageMapping::new(file, shape)
    /// # }
    /// ```
    ///
    /// # Errors
    /// If the shape is impossible, the file is too short or may be written, or the system refuses.
    ///
    /// # Safety
    /// Nobody writes to the file or makes it shorter by another way while this lives, unless the shape says
    /// that it is copied.
    #[expect(unsafe_code, reason = "who else writes to the file, its keeper knows")]
    pub unsafe fn new(file: &File, shape: &ImageShape) -> io::Result<Self> {
        let size = |len: u64| usize::try_from(len).map_err(|_| io::ErrorKind::InvalidInput);
        let (writable_len, file_len) = (size(shape.writable_len)?, size(shape.file_len)?);
        let (start, end) = (size(shape.text.start)?, size(shape.text.end)?);
        let room = Room::take()?;
        let is_readable_only = !is_writable(file)?;
        if file.metadata()?.len() < shape.file_len || !is_readable_only {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        let page = page_len();
        let aligned = [writable_len, start]
            .iter()
            .all(|len| len.is_multiple_of(page));
        if !aligned || start > end || end > file_len || file_len > isize::MAX as usize / 4 {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        let len = writable_len
            .checked_add(file_len)
            .ok_or(io::ErrorKind::InvalidInput)?;
        // Protections change at pages, so what shares the text's last page goes with it.
        let pages = start..end.next_multiple_of(page).min(file_len);
        let read = match shape.copy_file {
            true => Some(read_whole(file, file_len)?),
            false => None,
        };
        let (read_room, read) = read.unzip();
        let mut memory = Memory::reserve(len)?;
        if file_len > 0 {
            match &read {
                Some(bytes) => put(&mut memory, writable_len, bytes)?,
                None => memory.map_file(writable_len, file_len, Access::Read, file, 0)?,
            }
        }
        let text_is_copied = match &read {
            _ if start == end => false,
            Some(_) => make_executable(&mut memory, writable_len + pages.start, pages.len())?,
            None => map_text(&mut memory, file, writable_len, pages, shape.copy_text)?,
        };
        let is_read_elsewhere =
            shape.is_read_whole && file_len >= LARGE_PAGE_LEN && !text_is_copied;
        let view = match (&read, is_read_elsewhere || shape.edits_text) {
            (Some(bytes), true) => {
                let mut view = Memory::reserve(file_len)?;
                put(&mut view, 0, bytes)?;
                Some(view)
            }
            (None, true) => Some(Memory::of_file(file, file_len)?),
            (_, false) => None,
        };
        let file_start = memory.at(writable_len).expose_provenance() as u64;
        let of_view = view
            .iter()
            .map(|view| view.base().expose_provenance() as u64);
        let known = std::iter::once(file_start)
            .chain(of_view)
            .map(|start| KnownRange::new(start, file_len));
        Ok(Self {
            frames: OnceLock::new(),
            _known: known.collect(),
            memory,
            _room: room,
            _read_room: read_room,
            view,
            writable_len,
            file_len,
            text: start..end,
            text_is_copied,
            edits_text: shape.edits_text,
            writing: Mutex::new(()),
        })
    }

    /// The address of the mapping's first byte, from which all of an image's addresses count.
    pub fn base(&self) -> HostAddr {
        HostAddr(self.memory.base().expose_provenance() as u64)
    }

    /// The address of a byte of the code, by its offset in the file, for an [`Entry`](crate::Entry).
    /// `None` if there is no code.
    pub fn code_at(self: &Arc<Self>, offset: usize) -> Option<CodeAddress> {
        if !self.text.contains(&offset) {
            return None;
        }
        let address = self.base().offset((self.writable_len + offset) as u64);
        CodeAddress::new(address, Arc::clone(self) as _)
    }

    /// Whether the code had to be copied.
    pub fn text_is_copied(&self) -> bool {
        self.text_is_copied
    }

    /// The file's bytes, to be read. Where they were laid out is another matter: addresses count
    /// from [`Self::base`].
    pub fn bytes(&self) -> &[u8] {
        match &self.view {
            Some(view) => self.file_at(view.base()),
            None => self.file_at(self.memory.at(self.writable_len)),
        }
    }

    /// The file's bytes in one of the two mappings.
    #[expect(unsafe_code, reason = "memory becomes a slice")]
    fn file_at(&self, start: *const u8) -> &[u8] {
        // SAFETY: by the invariant these bytes are readable and nobody writes them in this
        // process. Another process of the same user could write the file itself, which no one can
        // prevent and nobody does: images are immutable once they have their name.
        unsafe { std::slice::from_raw_parts(start, self.file_len) }
    }

    /// Makes the call frame records in a part of the file known to the unwinder, for as long as the
    /// file is mapped; a terminator ends them. A mapping has one such part: another is ignored.
    ///
    /// # Errors
    /// If they aren't records of this file's code, or share a page with code that may be edited.
    pub fn register_frames(&self, records: Range<usize>) -> Result<(), MalformedFrames> {
        let text_end = self.text.end.next_multiple_of(page_len());
        if records.start < text_end && self.text.start < records.end {
            return Err(MalformedFrames);
        }
        // What the unwinder will read is the same; what is mapped already is quicker to check.
        let bytes = self.bytes().get(records.clone()).ok_or(MalformedFrames)?;
        let file = self.base().offset(self.writable_len as u64);
        let at = |offset: usize| file.offset(offset as u64).0;
        let code = at(self.text.start)..at(self.text.end);
        if frames::check(bytes, at(records.start), &code)? > 0 {
            let placed = self.memory.at(self.writable_len + records.start);
            self.frames.get_or_init(|| {
                #[expect(unsafe_code, reason = "the one call")]
                // SAFETY: by the invariant nothing writes the file's bytes, these aren't on the pages
                // that `edit_text` replaces, and the registration is dropped before they are unmapped.
                unsafe {
                    RegisteredFrames::register(placed)
                }
            });
        }
        Ok(())
    }

    /// Puts an edited copy in the place of the pages that hold a part of the code; `edit` gets that
    /// part. What [`Self::bytes`] gives stays as it was. Who executes the code meanwhile executes what
    /// was there or what will be.
    ///
    /// # Errors
    /// If the shape didn't say that code may be edited, the part isn't code, or the system refuses;
    /// nothing changed then.
    pub fn edit_text(&self, part: Range<usize>, edit: impl FnOnce(&mut [u8])) -> io::Result<()> {
        let is_text = self.text.start <= part.start && part.end <= self.text.end;
        if !self.edits_text || !is_text || part.is_empty() {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        let page = page_len();
        let start = part.start / page * page;
        let len = part.end.next_multiple_of(page) - start;
        let placed = self.writable_len + start;
        let edit = |copy: &mut [u8]| {
            edit(&mut copy[part.start - start..part.end - start]);
            make_coherent(copy.as_ptr(), len);
        };
        let _guard = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        #[expect(unsafe_code, reason = "the one call")]
        // SAFETY: by the invariant there is no reference to the code where it was laid out, since
        // there is a view. The pages may hold what stands behind the code, up to the next page: gaps.
        unsafe {
            let access = Access::ReadExecute;
            self.memory.replace_shared(placed, len, access, edit)?;
        }
        make_coherent(self.memory.at(placed), len);
        Ok(())
    }

    /// Writes into the writable part, `address` bytes from the base.
    ///
    /// Compiled code may read what is written; that it does so only afterwards is the caller's
    /// affair, as calling it is.
    ///
    /// # Errors
    /// If the bytes don't fit in the writable part.
    pub fn write(&self, address: u64, bytes: &[u8]) -> io::Result<()> {
        let offset = usize::try_from(address).map_err(|_| io::ErrorKind::InvalidInput)?;
        let end = offset
            .checked_add(bytes.len())
            .ok_or(io::ErrorKind::InvalidInput)?;
        if end > self.writable_len {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        let to = self.memory.at(offset);
        let _guard = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        #[expect(unsafe_code, reason = "writes through a pointer")]
        // SAFETY: the range lies in the writable part, to which no references exist, and the lock
        // keeps other threads from writing at the same time.
        unsafe {
            std::ptr::copy_nonoverlapping(bytes.as_ptr(), to, bytes.len());
        }
        Ok(())
    }
}

/// Whether a file can be written through its descriptor.
fn is_writable(file: &File) -> io::Result<bool> {
    let flags = rustix::fs::fcntl_getfl(file)?;
    Ok((flags & OFlags::RWMODE) != OFlags::RDONLY)
}

/// Reads a file from its start: over a network, so each byte once. Takes room for it, and for it once
/// more should its code be edited.
fn read_whole(file: &File, len: usize) -> io::Result<(ReadRoom, Vec<u8>)> {
    let room = ReadRoom::take(len.saturating_mul(2))?;
    let mut bytes = Vec::new();
    bytes
        .try_reserve_exact(len)
        .map_err(|_| io::ErrorKind::OutOfMemory)?;
    bytes.resize(len, 0);
    file.read_exact_at(&mut bytes, 0)?;
    Ok((room, bytes))
}

/// Puts what was read in place of some memory.
fn put(memory: &mut Memory, start: usize, read: &[u8]) -> io::Result<()> {
    let copy = |bytes: &mut [u8]| {
        bytes.copy_from_slice(read);
        Ok(())
    };
    memory.replace_by_copy(start, read.len(), copy)?;
    memory.protect(start, read.len(), Access::Read)
}

/// Makes code that was copied executable. Returns that it was copied.
fn make_executable(memory: &mut Memory, start: usize, len: usize) -> io::Result<bool> {
    memory.protect(start, len, Access::ReadExecute)?;
    make_coherent(memory.at(start), len);
    Ok(true)
}

/// Makes the text executable. Returns whether it had to be copied.
fn map_text(
    memory: &mut Memory,
    file: &File,
    file_base: usize,
    text: Range<usize>,
    copy: bool,
) -> io::Result<bool> {
    let (start, len) = (file_base + text.start, text.end - text.start);
    let offset = text.start as u64;
    if !copy {
        match memory.map_file(start, len, Access::ReadExecute, file, offset) {
            Ok(()) => return Ok(false),
            // A `noexec` mount says EPERM; security modules say EACCES.
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {}
            Err(error) => return Err(error),
        }
    }
    memory.replace_by_copy(start, len, |bytes| file.read_exact_at(bytes, offset))?;
    make_executable(memory, start, len)
}

#[cfg(all(test, not(miri)))]
mod tests {
    use super::{ImageMapping, ImageShape};
    use std::io::Write;

    const PAGE: u64 = 1 << 16;

    fn file(len: usize) -> std::fs::File {
        let bytes: Vec<u8> = (0..len).map(|index| (index / 251) as u8).collect();
        file_of(&bytes)
    }

    /// A file of these bytes, open for reading alone.
    fn file_of(bytes: &[u8]) -> std::fs::File {
        let mut file = tempfile::NamedTempFile::new().expect("a temporary file");
        file.write_all(bytes).expect("space");
        std::fs::File::open(file.path()).expect("it is there")
    }

    fn map(file: &std::fs::File, shape: &ImageShape) -> std::io::Result<ImageMapping> {
        #[expect(unsafe_code, reason = "the one call")]
        // SAFETY: the file is a test's own, which leaves it alone unless it is copied.
        unsafe {
            ImageMapping::new(file, shape)
        }
    }

    fn shape(copy_text: bool) -> ImageShape {
        ImageShape {
            writable_len: PAGE,
            file_len: 3 * PAGE + 5,
            text: PAGE..2 * PAGE + 100,
            is_read_whole: true,
            edits_text: false,
            copy_text,
            copy_file: false,
        }
    }

    #[test]
    fn the_file_stands_behind_the_writable_part() {
        let file = file(3 * PAGE as usize + 5);
        for copy_text in [false, true] {
            let mapping = map(&file, &shape(copy_text)).expect("it maps");
            assert_eq!(mapping.text_is_copied(), copy_text);
            assert_eq!(mapping.bytes().len(), 3 * PAGE as usize + 5);
            for (index, byte) in mapping.bytes().iter().enumerate() {
                assert_eq!(*byte, (index / 251) as u8);
            }
        }
    }

    #[test]
    fn a_copied_file_may_be_shortened() {
        let bytes: Vec<u8> = (0..3 * PAGE + 5).map(|at| (at / 251) as u8).collect();
        for edits_text in [false, true] {
            let shape = ImageShape {
                edits_text,
                copy_file: true,
                ..shape(false)
            };
            let mut whole = tempfile::NamedTempFile::new().expect("a temporary file");
            whole.write_all(&bytes).expect("space");
            let file = std::fs::File::open(whole.path()).expect("it is there");
            let mapping = map(&file, &shape).expect("it is read");
            whole.as_file().set_len(0).expect("it is ours");
            assert!(mapping.text_is_copied());
            let placed = mapping.file_at(mapping.memory.at(mapping.writable_len));
            assert!(mapping.bytes() == bytes && placed == bytes);
            assert!(map(&file, &shape).is_err(), "too short");
        }
    }

    #[test]
    fn a_large_file_is_read_elsewhere() {
        let len = super::LARGE_PAGE_LEN + 5;
        let shape = ImageShape {
            file_len: len as u64,
            ..shape(false)
        };
        let mapping = map(&file(len), &shape).expect("it maps");
        assert!(mapping.view.is_some());
        let placed = mapping.file_at(mapping.memory.at(mapping.writable_len));
        assert_ne!(mapping.bytes().as_ptr(), placed.as_ptr());
        assert_eq!(mapping.bytes().len(), len);
        assert!(mapping.bytes() == placed);
        assert_eq!(placed[PAGE as usize], (PAGE / 251) as u8);
    }

    #[test]
    fn edited_code_is_another_than_what_is_read() {
        let file = file(3 * PAGE as usize + 5);
        for copy_text in [false, true] {
            let shape = ImageShape {
                edits_text: true,
                ..shape(copy_text)
            };
            let mapping = map(&file, &shape).expect("it maps");
            let before = mapping.bytes().to_vec();
            let start = PAGE as usize + 4090;
            for value in [7, 9] {
                let edit = |bytes: &mut [u8]| bytes[0] = value;
                mapping.edit_text(start..start + 10, edit).expect("code");
                let edit = |bytes: &mut [u8]| bytes.copy_from_slice(&[value; 3]);
                let end = 2 * PAGE as usize + 100;
                mapping.edit_text(end - 3..end, edit).expect("code");
                // No reference to this memory lives while it is edited.
                let placed = mapping.file_at(mapping.memory.at(mapping.writable_len));
                let differs = |at: &usize| placed[*at] != before[*at];
                let differing: Vec<usize> = (0..placed.len()).filter(differs).collect();
                assert_eq!(differing, [start, end - 3, end - 2, end - 1]);
                assert!(differing.iter().all(|at| placed[*at] == value));
                assert_eq!(mapping.bytes(), before);
            }
            for part in [0..4, PAGE as usize - 1..PAGE as usize + 3, start..start] {
                assert!(mapping.edit_text(part, |_| unreachable!()).is_err());
            }
        }
        let mapping = map(&file, &shape(false)).expect("it maps");
        let text = PAGE as usize..PAGE as usize + 4;
        assert!(mapping.edit_text(text, |_| unreachable!()).is_err());
    }

    #[test]
    fn writes_stay_in_the_writable_part() {
        let mapping = map(&file(3 * PAGE as usize + 5), &shape(false)).expect("maps");
        assert!(mapping.write(8, &[1, 2, 3]).is_ok());
        assert!(mapping.write(PAGE - 1, &[1]).is_ok());
        for address in [PAGE - 2, PAGE, u64::MAX - 1] {
            assert!(mapping.write(address, &[1, 2, 3]).is_err());
        }
    }

    #[cfg(target_arch = "x86_64")]
    #[test]
    fn copied_and_mapped_text_runs() {
        use crate::entry::{Entry, signature_of};
        use std::sync::Arc;
        type Answer = unsafe extern "C" fn() -> u32;

        let mut bytes = vec![0; 3 * PAGE as usize + 5];
        // `mov eax, 9; ret`
        bytes[PAGE as usize..][..6].copy_from_slice(&[0xb8, 9, 0, 0, 0, 0xc3]);
        let file = file_of(&bytes);
        for copy_text in [false, true] {
            let mapping = map(&file, &shape(copy_text)).expect("it maps");
            let mapping = Arc::new(mapping);
            let at = mapping.code_at(PAGE as usize).expect("there is code");
            for outside in [0, PAGE as usize - 1, 2 * PAGE as usize + 100, usize::MAX] {
                assert!(mapping.code_at(outside).is_none());
            }
            drop(mapping);
            let entry: Entry<Answer> =
                Entry::new(at, signature_of::<Answer>()).expect("the same type");
            #[expect(unsafe_code, reason = "calls what was written above")]
            // SAFETY: the code takes nothing and returns a number in `eax`, as its type says.
            let result = unsafe { (entry.function())() };
            assert_eq!(result, 9);
        }
    }

    #[test]
    fn files_that_are_short_or_open_for_writing_are_refused() {
        let len = 3 * PAGE as usize + 5;
        assert!(map(&file(len - 1), &shape(false)).is_err());
        let mut writable = tempfile::tempfile().expect("a temporary file");
        writable.write_all(&vec![0; len]).expect("space");
        assert!(map(&writable, &shape(false)).is_err());
        assert!(map(&file(len), &shape(false)).is_ok());
    }

    #[test]
    fn what_the_unwinder_reads_is_not_on_pages_of_code() {
        let mut bytes = vec![0; 3 * PAGE as usize + 5];
        bytes[PAGE as usize..2 * PAGE as usize + 100].fill(0xcc);
        // A terminator alone, right behind the code.
        bytes[2 * PAGE as usize + 100..][..4].fill(0);
        let mapping = map(&file_of(&bytes), &shape(false)).expect("it maps");
        let behind = 2 * PAGE as usize + 100;
        assert!(mapping.register_frames(behind..behind + 4).is_err());
        let apart = 3 * PAGE as usize;
        assert!(mapping.register_frames(apart..apart + 4).is_ok());
    }

    #[test]
    fn impossible_shapes_are_refused() {
        let file = file(10);
        let shapes = [
            ImageShape {
                writable_len: 1,
                ..shape(false)
            },
            ImageShape {
                text: PAGE..9 * PAGE,
                ..shape(false)
            },
            ImageShape {
                text: 5..6,
                ..shape(false)
            },
            ImageShape {
                file_len: u64::MAX,
                ..shape(false)
            },
        ];
        for shape in shapes {
            assert!(map(&file, &shape).is_err());
        }
    }
}
