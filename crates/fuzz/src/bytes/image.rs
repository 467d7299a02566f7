//! Images as bytes: what verifies is what was written, and nothing that verifies reaches outside.

use std::collections::HashSet;
use std::fs;
use std::ops::Range;

use rekindle::Artifact;
use rekindle_store::Secret;
use rekindle_store::image::{
    ImageHeader, ImageView, PREFIX_LEN, ProgramView, VerifiedRecord, fuzzing,
};

use super::sample::{Sample, key};
use super::subject::{Subject, mixed};

/// Images whose digests are as they are: a change is noticed.
pub(super) struct Damaged {
    common: Common,
    written: HashSet<Vec<u8>>,
    programs: HashSet<Vec<u8>>,
}

/// Images whose digests are right whatever was changed, as a bug of our writer would make them.
pub(super) struct Sealed(Common);

struct Common {
    secret: Secret,
    seeds: Vec<Vec<u8>>,
}

impl Common {
    fn new() -> Self {
        let sample = Sample::full();
        let images = sample.images().into_iter();
        Self {
            secret: sample.secret(),
            seeds: images
                .map(|file| fs::read(file).expect("readable"))
                .collect(),
        }
    }
}

impl Damaged {
    pub(super) fn subject() -> Box<dyn Subject> {
        let common = Common::new();
        let mut written = HashSet::new();
        let mut programs = HashSet::new();
        for seed in &common.seeds {
            let mut keep = |seen: Seen<'_>| match seen {
                Seen::Entry(artifact) => drop(written.insert(artifact.encode())),
                Seen::Program(bytes, _) => drop(programs.insert(bytes.to_vec())),
            };
            read(seed, &common.secret, false, &mut keep);
        }
        assert!(written.len() >= 6 && programs.len() == 1);
        Box::new(Self {
            common,
            written,
            programs,
        })
    }
}

impl Subject for Damaged {
    fn seeds(&self) -> Vec<Vec<u8>> {
        self.common.seeds.clone()
    }

    fn check(&mut self, input: &[u8]) -> u64 {
        read(input, &self.common.secret, false, &mut |seen| match seen {
            Seen::Entry(artifact) => assert!(
                self.written.contains(&artifact.encode()),
                "an entry that nobody wrote: {artifact:?}"
            ),
            Seen::Program(bytes, _) => {
                assert!(self.programs.contains(bytes), "a program that nobody wrote")
            }
        })
    }
}

impl Sealed {
    pub(super) fn subject() -> Box<dyn Subject> {
        Box::new(Self(Common::new()))
    }
}

impl Subject for Sealed {
    fn seeds(&self) -> Vec<Vec<u8>> {
        self.0.seeds.clone()
    }

    fn numbers(&self, input: &[u8]) -> Vec<Range<usize>> {
        fuzzing::numbers(input)
    }

    fn repair(&self, input: &mut Vec<u8>) {
        fuzzing::seal(input, &self.0.secret);
    }

    fn check(&mut self, input: &[u8]) -> u64 {
        let ways = [false, true].map(|is_intact| {
            read(input, &self.0.secret, is_intact, &mut |seen| {
                if let Seen::Program(_, view) = seen {
                    ask_program(&view);
                }
            })
        });
        mixed(ways)
    }
}

/// What an image was found to hold.
enum Seen<'a> {
    /// An entry.
    Entry(Box<Artifact>),
    /// A program, and the bytes that its digest covers.
    Program(&'a [u8], ProgramView<'a>),
}

/// Asks an image for everything, and tells what it has. Returns the way that it went.
fn read(image: &[u8], secret: &Secret, is_intact: bool, see: &mut dyn FnMut(Seen<'_>)) -> u64 {
    let prefix = &image[..image.len().min(PREFIX_LEN)];
    let header = match ImageHeader::read(prefix, image.len() as u64, secret, None) {
        Ok(header) if is_intact => header.of_intact_image(),
        Ok(header) => header,
        Err(why) => return mixed(format!("{why:?}").bytes().map(u64::from).take(12)),
    };
    let view = ImageView::new(&header, image, secret).expect("the header said the length");
    assert!(header.text().end <= image.len() as u64);
    assert!(header.label().len() <= 3 * 80);
    let mut way = vec![1];
    let all = [
        view.frames()
            .is_ok_and(|frames| image.get(frames).is_some()),
        view.direct_calls().is_ok(),
        view.check_all().is_ok(),
    ];
    way.extend(all.map(u64::from));
    if let Ok(calls) = view.direct_calls() {
        let cells = (0..header.cell_count().min(64)).map(|cell| calls.of_cell(cell).count());
        way.push(cells.sum::<usize>().min(20) as u64);
    }
    if let Ok(Some(places)) = view.program() {
        let program = places.view(image);
        for name in ["function1", "object", "other", ""] {
            let found = places.find(image, name);
            assert!(found.is_none_or(|number| number < program.symbol_count()));
        }
        assert_eq!(places.address(image, program.symbol_count()), None);
        let covered = image.get(header.program()).expect("it was covered");
        see(Seen::Program(covered, program));
        way.push(2);
    }
    for number in 0..8 {
        way.push(u64::from(view.find(&key(number)).is_some()));
    }
    let mut verified = 0;
    for entry in view.entries().take(1000) {
        let Ok(record) = entry.verify() else { continue };
        verified += 1;
        way.push(ask_entry(&view, &record, header.writable_len(), see));
    }
    way.truncate(24);
    mixed(way.into_iter().chain([verified]))
}

fn ask_entry(
    view: &ImageView<'_>,
    record: &VerifiedRecord,
    writable_len: u64,
    see: &mut dyn FnMut(Seen<'_>),
) -> u64 {
    let again = view.verified_before(record.index());
    assert!(again.is_some_and(|again| again.key() == record.key()));
    let text = u64::from(record.text_offset()) + u64::from(record.text_len_bytes());
    assert!(text <= view.bytes().len() as u64);
    for (place, _) in record.copies(writable_len) {
        assert!(view.bytes().get(place).is_some(), "data outside the file");
    }
    let bindings = view.bindings(record).map(|bindings| {
        let (cells, fields) = (bindings.cells.len(), bindings.fields.len());
        assert!(cells + fields <= view.bytes().len());
    });
    let mut cells = 0;
    let one_by_one = view.bindings_with(record, |_, _| cells += 1);
    assert!(one_by_one.is_ok() || bindings.is_err());
    let tables = view.tables(record).is_ok();
    let metadata = view.metadata(record).len();
    let key_parts = view.key_parts(record).is_ok();
    let name = view.name(record).is_ok();
    let artifact = view.artifact(record);
    let is_whole = artifact.is_ok();
    if let Ok(artifact) = artifact {
        see(Seen::Entry(Box::new(artifact)));
    }
    let ways = [
        bindings.is_ok(),
        tables,
        metadata > 0,
        key_parts,
        name,
        is_whole,
    ];
    mixed(ways.map(u64::from))
}

fn ask_program(view: &ProgramView<'_>) {
    let count = view.symbol_count();
    for number in (0..count.min(100)).chain([count, u32::MAX]) {
        let symbol = view.symbol(number);
        assert_eq!(symbol.is_some(), number < count);
    }
    // A binding takes two bytes at least.
    let bindings = view.bindings().map(|bindings| bindings.fields.len());
    assert!(bindings.is_err() || view.front().len() + view.initial().len() < 1 << 20);
}

/// Parts of entries: bindings, tables, what only merges need, direct calls.
pub(super) struct Parts;

impl Parts {
    pub(super) fn subject() -> Box<dyn Subject> {
        Box::new(Self)
    }
}

impl Subject for Parts {
    fn seeds(&self) -> Vec<Vec<u8>> {
        vec![
            // Two cells and a field of each kind.
            b"\x02\x01\x03abc\x02\x00\x02\x10\x00\x07\x20\x01\x01x\x08".to_vec(),
            // A name, a symbol that ends in it, a relocation, no unwind information, a key's part.
            b"\x01n\x02\x01:\x01\x00\x04\x02\xff\x01v\x07\x00\x01\x04body12345678".to_vec(),
            // Unwind information.
            b"\x01n\x00\x00\x01\x20\x04abcd\x00".to_vec(),
            // Two traps and a source location.
            b"\x02\x06\x09\x0c\x01\x01\x02\x20\x0e".to_vec(),
            // The calls of two cells.
            b"\x02\x00\x00\x00\x00\x10\x00\x00\x00\x00\x00\x00\x00\x01\x00\x00\x00\x20\x00\x00\x00"
                .to_vec(),
        ]
    }

    fn check(&mut self, input: &[u8]) -> u64 {
        let parts = fuzzing::parts(input);
        mixed(
            parts
                .map(u64::from)
                .into_iter()
                .chain([input.len().min(40) as u64]),
        )
    }
}
