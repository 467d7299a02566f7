//! The header of an image: the only part that a reader believes as a whole.
//!
//! It stands at a fixed offset, right behind the ELF header's tables, and ends in a keyed digest of
//! itself. Whatever it says about the layout is believed only after that digest was checked, which
//! costs the same for any image; ELF's own tables are for other programs and are never read.

use constant_time_eq::constant_time_eq_32;

use crate::digest::Digest;
use crate::environment::{FORMAT_VERSION, ScopeId};
use crate::fixed::fixed;
use crate::image::entry::EntryRecord;
use crate::secret::{Secret, Use};

/// Where the header stands in the file.
pub const HEADER_OFFSET: usize = 512;

/// How much of the file a reader needs to judge it.
pub const PREFIX_LEN: usize = HEADER_OFFSET + HeaderFields::LEN;

/// The first bytes of the header.
pub(crate) const MAGIC: [u8; 8] = *b"REKINDLE";

/// Bytes of a slot of the index.
pub(crate) const SLOT_LEN: u64 = 8;

fixed! {
    /// The header as it is on disk.
    pub(crate) struct HeaderFields: 384 {
        /// `REKINDLE`.
        0 => magic: [u8; 8],
        /// Version of everything below.
        8 => format_version: u32,
        /// ELF's number of the machine.
        12 => machine: u16,
        /// Zero.
        14 => reserved: u16,
        /// Length of the whole file in bytes.
        16 => file_len: u64,
        /// Random; part of every digest in the image.
        24 => image_id: [u8; 16],
        /// The environment's digest.
        40 => environment: [u8; 32],
        /// The scope's digest.
        72 => scope: [u8; 32],
        /// The scope's name for people, padded with zeroes.
        104 => label: [u8; 80],
        /// When the image was written, in seconds since 1970.
        184 => created_s: u64,
        /// What compiling all entries cost, in nanoseconds.
        192 => compile_time_ns: u64,
        /// Bytes of writable memory that stand before the file; a multiple of the page.
        200 => writable_len: u64,
        /// Bytes of a page.
        208 => page_len: u32,
        /// Cells at the start of the writable memory, 8 bytes each.
        212 => cell_count: u32,
        /// Where the text starts in the file; a multiple of the page.
        216 => text_offset: u64,
        /// Bytes of text.
        224 => text_len: u64,
        /// Where the index's slots start.
        232 => slots_offset: u64,
        /// Where the entry records start.
        240 => records_offset: u64,
        /// Number of slots; a power of two.
        248 => slot_count: u32,
        /// Number of entry records.
        252 => record_count: u32,
        /// Bytes of text, constants and data that the entries have.
        256 => payload_len: u64,
        /// Where the program part starts.
        264 => program_offset: u32,
        /// Bytes of it; zero in an image without one.
        268 => program_len: u32,
        /// Keyed digest, shortened, of everything from the text to the end of the program part.
        272 => program_digest: [u8; 16],
        /// Where the call frame information starts.
        288 => frames_offset: u32,
        /// Bytes of it, its terminator included; zero if there is none.
        292 => frames_len: u32,
        /// Keyed digest, shortened, of the call frame information.
        296 => frames_digest: [u8; 16],
        /// Where the direct calls start.
        312 => calls_offset: u32,
        /// Bytes of them; zero in an image without any.
        316 => calls_len: u32,
        /// Over those.
        320 => calls_digest: [u8; 16],
        /// Zero.
        336 => reserved_tail: [u8; 16],
        /// Keyed BLAKE3 of the bytes before.
        352 => digest: [u8; 32],
    }
}

/// Bytes of the header that its digest covers.
const DIGESTED_LEN: usize = HeaderFields::LEN - 32;

/// What a reader expects an image to be.
#[derive(Clone, Debug)]
pub struct Identity {
    /// The environment's digest.
    pub environment: Digest,
    /// The scope's digest.
    pub scope: Digest,
    /// ELF's number of the machine.
    pub machine: u16,
}

/// Why an image was refused whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal {
    /// The file is shorter than a header.
    #[error("the file is too short")]
    TooShort,
    /// The file is something else.
    #[error("the file isn't an image")]
    NotAnImage,
    /// Another format.
    #[error("the format's version is {0}")]
    FormatVersion(u32),
    /// The header isn't what was written with this user's secret.
    #[error("the header's digest is wrong")]
    Digest,
    /// The header says another length than the file has.
    #[error("the file has {found} bytes instead of {expected}")]
    Length {
        /// What the header says.
        expected: u64,
        /// What the file has.
        found: u64,
    },
    /// The image belongs to another environment, scope or machine.
    #[error("the image belongs elsewhere")]
    Foreign,
    /// The header's numbers contradict each other.
    #[error("the header contradicts itself")]
    Inconsistent,
}

/// A header that was authenticated and whose numbers were checked against each other.
#[derive(Clone, Debug)]
pub struct ImageHeader {
    pub(crate) fields: HeaderFields,
    /// Whether the rest of the image was checked already, so that its digests need not be.
    pub(crate) is_intact: bool,
}

impl ImageHeader {
    /// Judges an image by the first [`PREFIX_LEN`] bytes of its file.
    ///
    /// # Errors
    /// Why nothing in the file may be believed.
    pub fn read(
        prefix: &[u8],
        file_len: u64,
        secret: &Secret,
        identity: Option<&Identity>,
    ) -> Result<Self, Refusal> {
        let bytes = prefix
            .get(HEADER_OFFSET..)
            .and_then(|rest| rest.first_chunk::<{ HeaderFields::LEN }>())
            .ok_or(Refusal::TooShort)?;
        let fields = HeaderFields::decode(bytes);
        if fields.magic != MAGIC {
            return Err(Refusal::NotAnImage);
        }
        if fields.format_version != FORMAT_VERSION {
            return Err(Refusal::FormatVersion(fields.format_version));
        }
        if !constant_time_eq_32(&digest_of(bytes, secret), &fields.digest) {
            return Err(Refusal::Digest);
        }
        if fields.file_len != file_len {
            return Err(Refusal::Length {
                expected: fields.file_len,
                found: file_len,
            });
        }
        if let Some(Identity {
            environment,
            scope,
            machine,
        }) = identity
        {
            let same = fields.environment == environment.0
                && fields.scope == scope.0
                && fields.machine == *machine;
            if !same {
                return Err(Refusal::Foreign);
            }
        }
        if !is_consistent(&fields) {
            return Err(Refusal::Inconsistent);
        }
        Ok(Self {
            fields,
            is_intact: false,
        })
    }

    /// The digest that the header has of itself; it differs between any two images.
    pub(crate) fn digest(&self) -> Digest {
        Digest(self.fields.digest)
    }

    /// The same header of an image that is known to be intact, see
    /// [`ScopeFolder::knows_intact`](crate::ScopeFolder::knows_intact): none of its digests is checked
    /// any more.
    #[must_use]
    pub fn of_intact_image(self) -> Self {
        Self {
            is_intact: true,
            ..self
        }
    }

    /// Whether the image is known to be intact.
    pub fn is_intact(&self) -> bool {
        self.is_intact
    }

    /// The length of the whole file in bytes.
    pub fn file_len(&self) -> u64 {
        self.fields.file_len
    }

    /// Bytes of writable memory that stand before the file.
    pub fn writable_len(&self) -> u64 {
        self.fields.writable_len
    }

    /// The part of the file that holds text.
    pub fn text(&self) -> core::ops::Range<u64> {
        self.fields.text_offset..self.fields.text_offset + self.fields.text_len
    }

    /// The part of the file that a program's digest covers; empty in an image that isn't one.
    pub fn program(&self) -> core::ops::Range<usize> {
        let HeaderFields {
            text_offset,
            program_offset,
            program_len,
            ..
        } = self.fields;
        match program_len {
            0 => 0..0,
            len => text_offset as usize..program_offset as usize + len as usize,
        }
    }

    /// The part of the file that holds call frame information.
    pub fn frames(&self) -> core::ops::Range<usize> {
        let HeaderFields {
            frames_offset,
            frames_len,
            ..
        } = self.fields;
        range(frames_offset, frames_len)
    }

    /// The part of the file that says which calls are direct; empty in an image without any.
    pub fn calls(&self) -> core::ops::Range<usize> {
        let HeaderFields {
            calls_offset,
            calls_len,
            ..
        } = self.fields;
        range(calls_offset, calls_len)
    }

    /// How many cells there are at the start of the writable memory.
    pub fn cell_count(&self) -> u32 {
        self.fields.cell_count
    }

    /// How many entries there are.
    pub fn entry_count(&self) -> u32 {
        self.fields.record_count
    }

    /// When the image was written, in seconds since 1970.
    pub fn created_s(&self) -> u64 {
        self.fields.created_s
    }

    /// What compiling all entries cost, in nanoseconds.
    pub fn compile_time_ns(&self) -> u64 {
        self.fields.compile_time_ns
    }

    /// The scope's name for people; may be empty.
    pub fn label(&self) -> String {
        let label = &self.fields.label;
        let len = label
            .iter()
            .position(|byte| *byte == 0)
            .unwrap_or(label.len());
        String::from_utf8_lossy(&label[..len]).into_owned()
    }
}

/// Completes a header with its digest.
pub(crate) fn seal(mut fields: HeaderFields, secret: &Secret) -> [u8; HeaderFields::LEN] {
    fields.digest = digest_of(&fields.encode(), secret);
    fields.encode()
}

/// The scope's name as the header keeps it: as much as fits, cut between characters.
pub(crate) fn label_of(scope: &ScopeId) -> [u8; 80] {
    let mut label = [0; 80];
    let text = scope.label();
    let len = (0..=text.len().min(label.len()))
        .rev()
        .find(|len| text.is_char_boundary(*len));
    let len = len.unwrap_or(0);
    label[..len].copy_from_slice(&text.as_bytes()[..len]);
    label
}

fn digest_of(bytes: &[u8; HeaderFields::LEN], secret: &Secret) -> [u8; 32] {
    *secret
        .hasher(Use::Header)
        .update(&bytes[..DIGESTED_LEN])
        .finalize()
        .as_bytes()
}

fn range(offset: u32, len: u32) -> core::ops::Range<usize> {
    offset as usize..offset as usize + len as usize
}

/// Whether all parts lie within the file. The digest makes this a check of our own writer, and a
/// guard against a secret that leaked.
fn is_consistent(fields: &HeaderFields) -> bool {
    let fits = |offset: u64, len: u64| {
        offset
            .checked_add(len)
            .is_some_and(|end| end <= fields.file_len)
    };
    let page = u64::from(fields.page_len);
    page.is_power_of_two()
        && fields.writable_len.is_multiple_of(page)
        && fields.text_offset.is_multiple_of(page)
        && fields.text_offset >= page
        && fits(fields.text_offset, fields.text_len)
        && fields.slot_count.is_power_of_two()
        && fits(fields.slots_offset, u64::from(fields.slot_count) * SLOT_LEN)
        && fits(
            fields.records_offset,
            u64::from(fields.record_count) * EntryRecord::LEN as u64,
        )
        && u64::from(fields.cell_count) * 8 <= fields.writable_len
        && fits(fields.program_offset.into(), fields.program_len.into())
        && fits(fields.frames_offset.into(), fields.frames_len.into())
        && fits(fields.calls_offset.into(), fields.calls_len.into())
        && (fields.program_len == 0 || u64::from(fields.program_offset) >= fields.text_offset)
        && fields.file_len <= u64::from(u32::MAX)
        && fields.writable_len <= u64::from(u32::MAX)
}
