//! Holds the crates and the way their imports run against `cargo metadata`.

use std::collections::{BTreeMap, BTreeSet};

use cargo_metadata::{DependencyKind, Metadata};

use super::document::{CrateRow, Document};
use crate::shell::root;

/// A package's direct imports, by what they are for.
#[derive(Debug, Default)]
struct Imports {
    product: BTreeSet<String>,
    test: BTreeSet<String>,
}

pub(crate) fn check(document: &Document, metadata: &Metadata) -> Vec<String> {
    let actual = imports(metadata);
    let mut faults = same_crates(document, &actual);
    for row in &document.crates {
        if let Some(imports) = actual.get(&row.name) {
            faults.extend(arrows_of(row, imports, document));
        }
    }
    for absence in &document.absences {
        let Some(imports) = actual.get(&absence.importer) else {
            faults.push(format!(
                "an absence names {}, which is no crate here",
                absence.importer
            ));
            continue;
        };
        if imports.product.contains(&absence.never) {
            faults.push(format!(
                "{} imports {}, and must not",
                absence.importer, absence.never
            ));
        }
    }
    faults
}

fn imports(metadata: &Metadata) -> BTreeMap<String, Imports> {
    let mut found: BTreeMap<String, Imports> = BTreeMap::new();
    for package in metadata.workspace_packages() {
        let imports = found.entry(package.name.to_string()).or_default();
        for dependency in &package.dependencies {
            let kind = match dependency.kind {
                DependencyKind::Development => &mut imports.test,
                _ => &mut imports.product,
            };
            kind.insert(dependency.name.clone());
        }
    }
    found
}

fn same_crates(document: &Document, actual: &BTreeMap<String, Imports>) -> Vec<String> {
    let told: BTreeSet<&str> = document
        .crates
        .iter()
        .map(|row| row.name.as_str())
        .collect();
    let there: BTreeSet<&str> = actual.keys().map(String::as_str).collect();
    let untold = there
        .difference(&told)
        .map(|name| format!("{name} is not in ARCHITECTURE.md"));
    let gone = told
        .difference(&there)
        .map(|name| format!("{name} is in ARCHITECTURE.md only"));
    let folders = document
        .crates
        .iter()
        .filter(|row| !root().join(&row.folder).is_dir());
    let folders = folders.map(|row| format!("{} has no folder {}", row.name, row.folder));
    untold.chain(gone).chain(folders).collect()
}

/// Imports run downward only; the table lists them all, and lists none that isn't there.
fn arrows_of(row: &CrateRow, imports: &Imports, document: &Document) -> Vec<String> {
    let find = |name: &str| document.crates.iter().find(|other| other.name == name);
    let mut faults = Vec::new();
    for name in &imports.product {
        let Some(other) = find(name) else { continue };
        let downward = match (row.floor, other.floor) {
            (Some(own), Some(below)) => below < own,
            (Some(_), None) => false,
            (None, _) => true,
        };
        if !downward {
            faults.push(format!(
                "{} imports {name}, which is not below it",
                row.name
            ));
        }
        if !row.imports.contains(name) {
            faults.push(format!(
                "{} imports {name}, and ARCHITECTURE.md doesn't say so",
                row.name
            ));
        }
    }
    for name in &row.imports {
        if !imports.product.contains(name) {
            faults.push(format!(
                "{} doesn't import {name}, as ARCHITECTURE.md says",
                row.name
            ));
        }
    }
    for name in &imports.test {
        // A test may use a side crate, or what lies below; never what lies above.
        let upward = find(name).and_then(|other| other.floor) > row.floor && row.floor.is_some();
        if upward {
            faults.push(format!(
                "tests of {} import {name}, which is above it",
                row.name
            ));
        }
    }
    faults
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::{Document, Imports, arrows_of};

    const TEXT: &str = "## Crates\n\
        | 1 | `low` | `low` | – | – |\n| 2 | `high` | `high` | `low` | – |\n\
        | side | `tool` | `tool` | – | – |\n\
        ## Absences\n| `low` | `high` | – |\n## Doors\n| `low/` | – |\n";

    fn faults(row: usize, product: &[&str], test: &[&str]) -> Vec<String> {
        let document = Document::parse(TEXT).expect("it is well formed");
        let set = |names: &[&str]| {
            names
                .iter()
                .map(|&name| name.to_owned())
                .collect::<BTreeSet<_>>()
        };
        let imports = Imports {
            product: set(product),
            test: set(test),
        };
        arrows_of(&document.crates[row], &imports, &document)
    }

    #[test]
    fn downward_and_told_is_no_fault() {
        assert!(faults(1, &["low", "serde"], &["tool", "low"]).is_empty());
    }

    #[test]
    fn upward_sideways_untold_and_stale_are_faults() {
        assert_eq!(faults(0, &["high"], &[]).len(), 2);
        assert_eq!(faults(1, &["low", "tool"], &[]).len(), 2);
        assert_eq!(faults(1, &[], &[]).len(), 1);
        assert_eq!(faults(0, &[], &["high"]).len(), 1);
    }
}
