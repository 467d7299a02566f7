//! Call frame information, made known to the unwinder: what lets a panic, an exception or a
//! backtrace pass through compiled code.
//!
//! The unwinder believes what it is given, so what is given is checked here first: records that
//! follow each other to a terminator, of the one form that this workspace's compilers make, for code
//! that is where they say. What their rows say of registers is trusted as the code itself is.

use std::ops::Range;
use std::sync::OnceLock;

/// The encoding of code addresses: relative to the field, in 32 bits.
const PCREL_SDATA4: u8 = 0x1b;

/// A list of call frame records is not one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MalformedFrames;

impl core::fmt::Display for MalformedFrames {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("the call frame information is malformed")
    }
}

impl core::error::Error for MalformedFrames {}

impl From<MalformedFrames> for std::io::Error {
    fn from(error: MalformedFrames) -> Self {
        Self::new(std::io::ErrorKind::InvalidData, error)
    }
}

/// Records that the unwinder knows, until this is dropped.
///
/// Invariant: `start` is what `register` was given.
#[derive(Debug)]
pub(crate) struct RegisteredFrames {
    start: usize,
}

impl RegisteredFrames {
    /// Makes records known that [`check`] found right.
    ///
    /// # Safety
    /// The records stay readable and unchanged until the result is dropped.
    #[expect(unsafe_code, reason = "the caller knows how long the records live")]
    pub(crate) unsafe fn register(start: *const u8) -> Self {
        let start = start.expose_provenance();
        // SAFETY: the caller promises what the unwinder needs; `check` saw to the terminator.
        unsafe { system::register(start) };
        Self { start }
    }
}

/// Whether the unwinder looks through all that was registered, rather than in a tree.
pub(crate) fn looks_through_all() -> bool {
    static ANSWER: OnceLock<bool> = OnceLock::new();
    *ANSWER.get_or_init(system::looks_through_all)
}

impl Drop for RegisteredFrames {
    fn drop(&mut self) {
        #[expect(unsafe_code, reason = "the one call")]
        // SAFETY: by the invariant these records are registered, and only this handle ends that.
        unsafe {
            system::deregister(self.start);
        }
    }
}

/// Checks records that lie at `address`, their terminator included: each is a CIE, or an FDE of one
/// before it for code within `code`. Returns how many FDEs there are.
pub(crate) fn check(
    records: &[u8],
    address: u64,
    code: &Range<u64>,
) -> Result<usize, MalformedFrames> {
    let mut at = 0;
    let mut last_cie = None;
    let mut count = 0;
    loop {
        let len = word(records, at)? as usize;
        if len == 0 {
            return match at + 4 == records.len() {
                true => Ok(count),
                false => Err(MalformedFrames),
            };
        }
        let start = at + 4;
        let end = start.checked_add(len).ok_or(MalformedFrames)?;
        let body = records.get(start..end).ok_or(MalformedFrames)?;
        match word(body, 0)? {
            0 => {
                check_cie(body)?;
                last_cie = Some(at);
            }
            distance => {
                // Compilers put each function's CIE before its FDE, so one is all to remember.
                if Some(start) != last_cie.map(|cie| cie + distance as usize) {
                    return Err(MalformedFrames);
                }
                let field = address.wrapping_add(start as u64 + 4);
                let first = word(body, 4)?.cast_signed();
                let first = field.wrapping_add_signed(first.into());
                let last = first.checked_add(word(body, 8)?.into());
                // Some unwinders can't let go of a list that is for no code at all.
                let is_code = |last| first < last && last <= code.end;
                if first < code.start || !last.is_some_and(is_code) {
                    return Err(MalformedFrames);
                }
                // The augmentation's length: none of ours has any.
                if body.get(12) != Some(&0) {
                    return Err(MalformedFrames);
                }
                count += 1;
            }
        }
        at = end;
    }
}

/// Version 1, augmentation `zR`, factors and a register of one byte each, and our encoding.
fn check_cie(body: &[u8]) -> Result<(), MalformedFrames> {
    let is_ours = matches!(
        body.get(4..13),
        Some([1, b'z', b'R', 0, 0..0x80, 0..0x80, 0..0x80, 1, PCREL_SDATA4])
    );
    is_ours.then_some(()).ok_or(MalformedFrames)
}

fn word(bytes: &[u8], at: usize) -> Result<u32, MalformedFrames> {
    let word = bytes.get(at..).and_then(|bytes| bytes.first_chunk());
    word.map(|word| u32::from_le_bytes(*word))
        .ok_or(MalformedFrames)
}

#[cfg(all(target_os = "linux", target_env = "gnu", not(miri)))]
mod system {
    //! libgcc's unwinder, which takes a whole list at once.

    use core::ptr::with_exposed_provenance;
    use std::sync::atomic::{AtomicUsize, Ordering};

    #[expect(unsafe_code, reason = "libgcc's own interface")]
    unsafe extern "C" {
        fn __register_frame(start: *const u8);
        fn __deregister_frame(start: *const u8);
        fn __register_frame_info(start: *const u8, object: *const Object);
        fn __deregister_frame_info(start: *const u8) -> *const Object;
    }

    /// What libgcc keeps of a list; it is smaller. Up to version 12 one of its words is the address of
    /// the one that was registered before.
    #[repr(C, align(16))]
    #[derive(Default)]
    struct Object([AtomicUsize; 16]);

    /// Bytes that make a list of one function: of the byte at its own start.
    #[repr(C, align(8))]
    struct List([u8; 56]);

    impl List {
        fn new() -> Box<Self> {
            let mut list = Box::new(Self([0; 56]));
            let start = std::ptr::from_ref(&*list).addr() as u64;
            list.0[..21].copy_from_slice(&[
                17, 0, 0, 0, 0, 0, 0, 0, 1, b'z', b'R', 0, 1, 0x78, 16, 1, 0, 0, 0, 0, 0,
            ]);
            // Behind that, an FDE: length, where its CIE is, address, how many bytes.
            list.0[21..29].copy_from_slice(&[23, 0, 0, 0, 25, 0, 0, 0]);
            list.0[29..37].copy_from_slice(&start.to_le_bytes());
            list.0[37] = 1;
            list
        }
    }

    /// Registers two lists and sees whether the second leads to the first.
    pub(super) fn looks_through_all() -> bool {
        // Another thread may come in between.
        (0..3).any(|_| second_leads_to_first())
    }

    fn second_leads_to_first() -> bool {
        let lists = [List::new(), List::new()];
        let objects = [(); 2].map(|()| Box::<Object>::default());
        for (list, object) in lists.iter().zip(&objects) {
            #[expect(unsafe_code, reason = "the one call")]
            // SAFETY: the list is sound, and it and the object, of words that anyone may write, live until
            // it is let go.
            unsafe {
                __register_frame_info(list.0.as_ptr(), std::ptr::from_ref(&**object));
            }
        }
        let first = std::ptr::from_ref(&*objects[0]).addr();
        let mut words = objects[1].0.iter();
        let leads = words.any(|word| word.load(Ordering::Relaxed) == first);
        for list in &lists {
            #[expect(unsafe_code, reason = "the one call")]
            // SAFETY: it was registered above.
            unsafe {
                __deregister_frame_info(list.0.as_ptr());
            }
        }
        leads
    }

    #[expect(unsafe_code, reason = "the caller knows what lies there")]
    pub(super) unsafe fn register(start: usize) {
        // SAFETY: the caller's.
        unsafe { __register_frame(with_exposed_provenance(start)) }
    }

    #[expect(unsafe_code, reason = "the caller knows what lies there")]
    pub(super) unsafe fn deregister(start: usize) {
        // SAFETY: the caller's.
        unsafe { __deregister_frame(with_exposed_provenance(start)) }
    }
}

#[cfg(not(all(target_os = "linux", target_env = "gnu", not(miri))))]
mod system {
    //! Other unwinders take one record at a time, or none: code runs and can't be unwound.

    #[expect(unsafe_code, reason = "has the signature of its twin")]
    pub(super) unsafe fn register(_: usize) {}

    #[expect(unsafe_code, reason = "has the signature of its twin")]
    pub(super) unsafe fn deregister(_: usize) {}

    pub(super) fn looks_through_all() -> bool {
        true
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::{MalformedFrames, check};

    const ADDRESS: u64 = 0x7000;

    /// Bytes of what [`records_at`] makes.
    pub(crate) const RECORDS_LEN: usize = 52;

    /// Bytes of code that it is for.
    pub(crate) const CODE_LEN: u64 = 16;

    fn records(code: u64) -> Vec<u8> {
        records_at(ADDRESS, code)
    }

    /// A CIE and an FDE for sixteen bytes at `code`, and a terminator, to lie at an address.
    pub(crate) fn records_at(address: u64, code: u64) -> Vec<u8> {
        let mut records = vec![20, 0, 0, 0, 0, 0, 0, 0, 1, b'z', b'R', 0];
        records.extend([1, 0x78, 16, 1, 0x1b, 0x0c, 7, 8, 0x90, 1, 0, 0]);
        records.extend([20, 0, 0, 0, 28, 0, 0, 0]);
        let distance = code.wrapping_sub(address + records.len() as u64) as u32;
        records.extend(distance.to_le_bytes());
        records.extend([16, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
        records.extend([0; 4]);
        records
    }

    #[test]
    fn records_for_code_that_is_there_are_right() {
        let records = records(0x5000);
        assert_eq!(check(&records, ADDRESS, &(0x5000..0x5010)), Ok(1));
        assert_eq!(check(&[0; 4], ADDRESS, &(0..0)), Ok(0));
        let twice = [&records[..records.len() - 4], &records].concat();
        // The second's code lies elsewhere, as far from it as the first's is.
        assert!(check(&twice, ADDRESS, &(0x5000..0x5010)).is_err());
        assert_eq!(check(&twice, ADDRESS, &(0x5000..0x6000)), Ok(2));
    }

    #[test]
    fn code_that_is_elsewhere_is_refused() {
        let records = records(0x5000);
        for code in [0x5000..0x500f, 0x5001..0x6000, 0..0] {
            assert_eq!(check(&records, ADDRESS, &code), Err(MalformedFrames));
        }
        let mut of_nothing = records.clone();
        of_nothing[36..40].fill(0);
        assert_eq!(
            check(&of_nothing, ADDRESS, &(0x5000..0x5010)),
            Err(MalformedFrames)
        );
    }

    #[test]
    fn no_list_that_is_cut_or_changed_reaches_outside() {
        let records = records(0x5000);
        let code = 0x5000..0x5010;
        for len in 0..records.len() {
            assert!(check(&records[..len], ADDRESS, &code).is_err(), "{len}");
        }
        // Lengths, pointers, versions and encodings; register rules are the compiler's.
        for place in (0..17).chain(24..37) {
            for bit in 0..8 {
                let mut other = records.clone();
                other[place] ^= 1 << bit;
                let harmless = [12, 13, 14].contains(&place) && bit < 7;
                let result = check(&other, ADDRESS, &code);
                assert_eq!(result.is_ok(), harmless, "{place} {bit}");
            }
        }
    }
}
