//! The one hash of names.

/// A quick hash of a name, the same on every machine. Different names of up to seven bytes have different
/// ones; that longer ones have is likely and not certain, so whoever finds something by it compares the
/// names, unless nobody chose them to be alike.
pub fn name_hash(name: &str) -> u64 {
    const FACTOR: u64 = 0x9e37_79b9_7f4a_7c15;
    let (words, rest) = name.as_bytes().as_chunks::<8>();
    let mut last = [0; 8];
    last[..rest.len()].copy_from_slice(rest);
    let mut hash = name.len() as u64;
    for word in words.iter().chain([&last]) {
        hash = (hash ^ u64::from_le_bytes(*word)).wrapping_mul(FACTOR);
        hash ^= hash >> 29;
    }
    hash.wrapping_mul(FACTOR).rotate_left(32)
}

#[cfg(test)]
mod tests {
    use super::name_hash;
    use std::collections::HashSet;

    #[test]
    fn names_have_hashes_of_their_own() {
        let short = (0..=u16::MAX).map(|number| format!("{number:x}"));
        let long = (0..=u16::MAX).map(|number| format!("a function of number {number}"));
        // Zeros behind a name aren't what fills its last word.
        let filled = (0..20).map(|len| "\0".repeat(len));
        let names: Vec<String> = short.chain(long).chain(filled).collect();
        let hashes: HashSet<u64> = names.iter().map(|name| name_hash(name)).collect();
        assert_eq!(hashes.len(), names.len());
    }

    #[test]
    fn images_depend_on_these_values() {
        // Recorded once; with others, the format has another number.
        assert_eq!(name_hash(""), EMPTY);
        assert_eq!(name_hash("function"), FUNCTION);
    }

    const EMPTY: u64 = 0x0000_0000_0000_0000;
    const FUNCTION: u64 = 0xec8e_e9d9_3cb6_a062;
}
