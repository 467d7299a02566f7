//! What the cache's files and folders are called. What has another name isn't ours, and is neither
//! counted nor removed.

pub(crate) const VERSION_FOLDER: &str = "v1";
pub(crate) const DIGESTS_FOLDER: &str = "digests";
pub(crate) const ENVIRONMENT_FILE: &str = "environment.json";
pub(crate) const SECRET_FILE: &str = "secret";
pub(crate) const LOCK_FILE: &str = "lock";
pub(crate) const TEMPORARY_SUFFIX: &str = ".tmp";

const IMAGE_SUFFIX: &str = ".img";
const NOTE_SUFFIX: &str = ".intact";
const USE_SUFFIX: &str = ".used";

/// Random bytes in the name of a temporary file.
pub(crate) const TEMPORARY_BYTES: usize = 12;

/// A file of a scope's folder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ScopeFile {
    /// An image.
    Image(u32),
    /// Says that an image is intact.
    Note(u32),
    /// Says when an image was last used.
    Use(u32),
    /// Held while images are merged.
    Lock,
    /// A file that is being written.
    Temporary,
}

impl ScopeFile {
    /// What a name stands for; `None` if it isn't one of ours.
    pub(crate) fn of_name(name: &str) -> Option<Self> {
        let number = |suffix| number_before(name, suffix);
        None.or_else(|| number(IMAGE_SUFFIX).map(Self::Image))
            .or_else(|| number(NOTE_SUFFIX).map(Self::Note))
            .or_else(|| number(USE_SUFFIX).map(Self::Use))
            .or_else(|| (name == LOCK_FILE).then_some(Self::Lock))
            .or_else(|| is_temporary(name).then_some(Self::Temporary))
    }
}

pub(crate) fn image_name(number: u32) -> String {
    format!("{number}{IMAGE_SUFFIX}")
}

pub(crate) fn note_name(number: u32) -> String {
    format!("{number}{NOTE_SUFFIX}")
}

pub(crate) fn use_name(number: u32) -> String {
    format!("{number}{USE_SUFFIX}")
}

pub(crate) fn image_number(name: &str) -> Option<u32> {
    number_before(name, IMAGE_SUFFIX)
}

/// Whether a name is the first half of a digest: that of an environment, a scope, a remembered digest.
pub(crate) fn is_digest(name: &str) -> bool {
    is_hex(name, 32)
}

/// Whether a name is that of a file that is being written, or that whoever wrote it left.
pub(crate) fn is_temporary(name: &str) -> bool {
    let random = name.strip_prefix('.');
    let random = random.and_then(|name| name.strip_suffix(TEMPORARY_SUFFIX));
    random.is_some_and(|random| is_hex(random, 2 * TEMPORARY_BYTES))
}

fn is_hex(text: &str, len: usize) -> bool {
    let is_digit = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
    text.len() == len && text.bytes().all(is_digit)
}

/// The number that stands before a suffix, as we write numbers.
fn number_before(name: &str, suffix: &str) -> Option<u32> {
    let digits = name.strip_suffix(suffix)?;
    let is_ours = digits.bytes().all(|byte| byte.is_ascii_digit());
    let is_ours = is_ours && (digits == "0" || !digits.starts_with('0'));
    is_ours.then(|| digits.parse().ok())?
}

#[cfg(test)]
mod tests {
    use super::{
        ScopeFile, image_name, image_number, is_digest, is_temporary, note_name, use_name,
    };

    #[test]
    fn names_are_what_we_write_and_nothing_else() {
        assert_eq!(image_number("17.img"), Some(17));
        for name in [
            "img",
            ".img",
            "+1.img",
            "1.tmp",
            "99999999999.img",
            "1.img.tmp",
            "01.img",
        ] {
            assert_eq!(image_number(name), None, "{name}");
        }
        let files = [
            (image_name(3), ScopeFile::Image(3)),
            (note_name(3), ScopeFile::Note(3)),
            (use_name(3), ScopeFile::Use(3)),
            ("lock".to_owned(), ScopeFile::Lock),
            (format!(".{}.tmp", "0f".repeat(12)), ScopeFile::Temporary),
        ];
        for (name, file) in files {
            assert_eq!(ScopeFile::of_name(&name), Some(file), "{name}");
        }
        for name in ["handlers.py", "x.intact", ".hidden.tmp", "locks"] {
            assert_eq!(ScopeFile::of_name(name), None, "{name}");
        }
        assert!(is_digest(&"0a".repeat(16)) && !is_digest("api") && !is_digest(&"0A".repeat(16)));
        assert!(!is_temporary("old.tmp"));
    }
}
