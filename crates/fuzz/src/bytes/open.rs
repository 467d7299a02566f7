//! Images that a process maps and uses: whatever their numbers say, it goes on.

use std::fs;
use std::ops::Range;
use std::path::PathBuf;

use rekindle::{Asked, Lookup, Scope};
use rekindle_store::Secret;
use rekindle_store::image::fuzzing;

use super::sample::{Sample, artifact, key, program_id, scope, value_of};
use super::subject::{Subject, mixed};

/// A cache, one of whose images is changed, opened by a process.
pub(super) struct Opened {
    sample: Sample,
    secret: Secret,
    files: Vec<PathBuf>,
    seeds: Vec<Vec<u8>>,
    rounds: u64,
}

impl Opened {
    pub(super) fn subject() -> Box<dyn Subject> {
        let sample = Sample::full();
        let files = sample.images();
        let seeds = files.iter().enumerate().map(|(number, file)| {
            let mut seed = fs::read(file).expect("readable");
            // The last byte says which file it is.
            seed.push(number as u8);
            seed
        });
        Box::new(Self {
            secret: sample.secret(),
            seeds: seeds.collect(),
            files,
            sample,
            rounds: 0,
        })
    }

    /// Has a process use the entries; their code isn't run.
    fn use_entries(&self, scope: &Scope) -> u64 {
        let mut hits = 0;
        for number in 0..8 {
            match scope.lookup(&key(number)) {
                Lookup::Hit(code) => {
                    hits += 1;
                    let end = code.address().0.checked_add(code.text_len_bytes().into());
                    assert!(end.is_some());
                    let _ = (code.name(), code.traps(), code.source_locations());
                    let _ = (code.metadata().len(), code.trap(3), code.source_location(5));
                    let located = scope.locate(code.address());
                    assert!(located.is_some() || code.text_len_bytes() == 0);
                }
                Lookup::Miss(ticket) => drop(scope.insert(ticket, artifact(number))),
            }
        }
        hits
    }
}

impl Subject for Opened {
    fn seeds(&self) -> Vec<Vec<u8>> {
        self.seeds.clone()
    }

    fn numbers(&self, input: &[u8]) -> Vec<Range<usize>> {
        fuzzing::numbers(input)
    }

    fn repair(&self, input: &mut Vec<u8>) {
        if let Some((_, image)) = input.split_last_mut() {
            fuzzing::seal(image, &self.secret);
        }
    }

    fn check(&mut self, input: &[u8]) -> u64 {
        let Some((which, image)) = input.split_last() else {
            return 0;
        };
        let which = usize::from(*which) % self.files.len();
        let file = &self.files[which];
        let folder = file.parent().expect("it lies in a folder");
        self.rounds += 1;
        // Many images of one scope are merged when a process flushes.
        let copies = match self.rounds.is_multiple_of(16) {
            true => 10,
            false => 1,
        };
        for entry in fs::read_dir(folder).expect("readable").flatten() {
            drop(fs::remove_file(entry.path()));
        }
        for number in 1..=copies {
            fs::write(folder.join(format!("{number}.img")), image).expect("space");
        }
        let cache = self.sample.open();
        let scope = scope(&cache);
        let mut way = vec![which as u64];
        way.push(self.use_entries(&scope));
        let unknown = scope.bind_names(&mut |asked| match asked {
            Asked::Name(name) => value_of(name),
            Asked::Number(_) => None,
        });
        way.push(unknown.map_or(99, |unknown| unknown.len() as u64));
        if let Some(program) = scope.open_program(&program_id()) {
            let unknown = program.bind_names(&mut |name| value_of(name));
            way.extend([3, unknown.len() as u64]);
            for number in 0..program.symbol_count().min(50) {
                let _ = (program.name(number), program.len_bytes(number));
                if let Some(address) = program.address(number) {
                    let _ = (program.code_at(address), program.locate(address));
                }
            }
            let _ = (
                program.find("object"),
                program.front().len(),
                program.part_count(),
            );
        }
        if copies > 1 {
            scope.flush();
        } else {
            scope.abandon_unflushed();
        }
        way.push(cache.statistics().entries_loaded);
        mixed(way)
    }
}
