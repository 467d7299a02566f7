//! Whether a run was right.

use std::collections::BTreeSet;
use std::fs;

use super::world::{Outcome, sources};
use super::{Guest, Judge, regrtest};
use crate::run::Ending;

/// What a guest's runs are held against.
#[derive(Clone, Debug)]
pub struct Expectation {
    known: Vec<u8>,
    passes: BTreeSet<String>,
}

impl Expectation {
    /// What is known of a guest. `by_qemu` is how it ran there, which decides where that is its
    /// judge.
    #[must_use]
    pub fn new(guest: &Guest, by_qemu: Option<&Outcome>) -> Expectation {
        let known = sources().join(format!("expected/{}.txt", guest.name));
        Expectation {
            known: fs::read(known).unwrap_or_default(),
            passes: by_qemu.map_or_else(BTreeSet::new, |outcome| {
                regrtest::passes(&outcome.observation)
            }),
        }
    }

    /// What is wrong with a run, if something is.
    #[must_use]
    pub fn fault(&self, guest: &Guest, outcome: &Outcome) -> Option<String> {
        let seen = &outcome.observation;
        if outcome.is_ended_by_us {
            return Some(format!("did not end within {:?}", guest.limit));
        }
        match guest.judge {
            Judge::Known => {
                if seen.stdout != self.known {
                    let difference = first_difference(&seen.stdout, &self.known);
                    return Some(format!(
                        "{difference}; {:?}; {}",
                        seen.ending,
                        tail(&seen.stderr)
                    ));
                }
                if !seen.stderr.is_empty() {
                    return Some(format!("standard error: {}", head(&seen.stderr)));
                }
                (seen.ending != Ending::Code(0)).then(|| format!("{:?}", seen.ending))
            }
            Judge::Passes => {
                let seen = regrtest::passes(seen);
                let missing: Vec<&String> = self.passes.difference(&seen).collect();
                if self.passes.is_empty() {
                    return Some("no test passes under QEMU".to_owned());
                }
                let shown: Vec<&str> = missing.iter().map(|name| name.as_str()).collect();
                (!missing.is_empty()).then(|| {
                    format!(
                        "{} passes of QEMU's missing: {}",
                        shown.len(),
                        shown.join(", ")
                    )
                })
            }
        }
    }

    /// What a table says of a right run.
    #[must_use]
    pub fn praise(&self, guest: &Guest, outcome: &Outcome) -> String {
        match guest.judge {
            Judge::Known => "right".to_owned(),
            Judge::Passes => format!("{} pass", regrtest::passes(&outcome.observation).len()),
        }
    }
}

/// Keeps a run's output as what is known of the guest.
///
/// # Errors
/// If the file can't be written.
pub fn bless(guest: &Guest, outcome: &Outcome) -> std::io::Result<()> {
    let folder = sources().join("expected");
    fs::create_dir_all(&folder)?;
    let file = folder.join(format!("{}.txt", guest.name));
    fs::write(file, &outcome.observation.stdout)
}

fn first_difference(seen: &[u8], expected: &[u8]) -> String {
    let (seen, expected) = (
        String::from_utf8_lossy(seen),
        String::from_utf8_lossy(expected),
    );
    let mut lines = expected.lines();
    for (number, line) in seen.lines().enumerate() {
        let known = lines.next().unwrap_or("(the end)");
        if line != known {
            return format!("line {}: {line:?}, expected {known:?}", number + 1);
        }
    }
    match lines.next() {
        Some(line) => format!("ends before {line:?}"),
        None => "differs in its line ends".to_owned(),
    }
}

/// The end of a text, where what went wrong last is said.
fn tail(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    let from = text.len().saturating_sub(300);
    let from = (from..text.len()).find(|&at| text.is_char_boundary(at));
    text[from.unwrap_or(0)..].trim_end().to_owned()
}

fn head(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).chars().take(300).collect()
}
