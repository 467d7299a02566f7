//! `docs/format.md` against the code.

use crate::environment::FORMAT_VERSION;
use crate::fixed::FieldSpan;
use crate::image::{
    CallRecord, EntryRecord, HEADER_OFFSET, HeaderFields, ProgramHead, SymbolRecord,
};
use crate::memo::MemoRecord;

const PAGE: &str = include_str!("../../../docs/format.md");

/// The table of offsets under a heading.
fn table(heading: &str) -> Vec<(String, usize, usize)> {
    let section = PAGE
        .split_once(&format!("\n{heading}\n"))
        .expect("the heading is there")
        .1;
    let section = section.split("\n#").next().expect("a section");
    section.lines().filter_map(row).collect()
}

/// A row of such a table: `| offset | bytes | field | meaning |` with numbers.
fn row(line: &str) -> Option<(String, usize, usize)> {
    let mut cells = line.strip_prefix('|')?.split('|').map(str::trim);
    let offset = cells.next()?.parse().ok()?;
    let len = cells.next()?.parse().ok()?;
    Some((cells.next()?.to_owned(), offset, len))
}

fn assert_same(heading: &str, fields: &[FieldSpan]) {
    let fields: Vec<_> = fields
        .iter()
        .map(|(name, offset, len)| ((*name).to_owned(), *offset, *len))
        .collect();
    assert_eq!(table(heading), fields, "{heading}");
}

#[test]
fn the_page_says_what_the_code_does() {
    assert_same("### Header", HeaderFields::FIELDS);
    assert_same("### Entry", EntryRecord::FIELDS);
    assert_same("### Direct calls", CallRecord::FIELDS);
    assert_same("### Program", ProgramHead::FIELDS);
    assert_same("### A program's symbol", SymbolRecord::FIELDS);
    assert_same("## A remembered digest", MemoRecord::FIELDS);
    assert!(PAGE.contains(&format!("At offset {HEADER_OFFSET} of the file")));
    assert!(PAGE.starts_with("# The bytes on disk\n\nVersion 7 "));
    assert_eq!(FORMAT_VERSION, 7);
}
