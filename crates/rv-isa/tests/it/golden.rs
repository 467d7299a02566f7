//! One line for each mnemonic, assembled and printed by GNU binutils: needs no tools to run.

use rv_isa::{decode, disassemble, encode, encode_compressed};

/// Rows of `pc word mnemonic operands`, as `as` encoded them and `objdump -M no-aliases` prints
/// them.
const ROWS: &str = include_str!("golden.txt");

/// The mnemonics of all 4-byte rows.
pub(crate) fn mnemonics() -> impl Iterator<Item = &'static str> {
    rows()
        .filter(|row| row.word & 3 == 3)
        .map(|row| row.mnemonic)
}

#[test]
fn each_mnemonic_decodes_prints_and_encodes() {
    let mut count = 0;
    for row in rows() {
        let decoded = decode(row.word).unwrap_or_else(|| panic!("{row:?} does not decode"));
        let text = disassemble(decoded, row.pc).to_string().replace('\t', " ");
        assert_eq!(
            text,
            format!("{} {}", row.mnemonic, row.operands).trim_end()
        );
        if decoded.len == 4 {
            assert_eq!(encode(&decoded.inst), Ok(row.word), "{row:?}");
        } else {
            assert_eq!(
                encode_compressed(&decoded.inst).map(u32::from),
                Some(row.word),
                "{row:?}"
            );
        }
        count += 1;
    }
    assert!(count > 200, "{count} rows");
}

#[derive(Debug)]
struct Row {
    pc: u64,
    word: u32,
    mnemonic: &'static str,
    operands: &'static str,
}

fn rows() -> impl Iterator<Item = Row> {
    ROWS.lines().map(|line| {
        let mut parts = line.splitn(4, ' ');
        let mut next = || parts.next().unwrap_or_default();
        let mut hex = || u64::from_str_radix(next(), 16).unwrap_or_else(|_| panic!("{line}"));
        let (pc, word) = (hex(), hex() as u32);
        Row {
            pc,
            word,
            mnemonic: next(),
            operands: next(),
        }
    })
}
