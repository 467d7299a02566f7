//! Reads the tables of ARCHITECTURE.md: crates, absences, doors; and the paths that it names.

use std::path::Path;

use anyhow::{Context, bail, ensure};

/// What ARCHITECTURE.md says that can be checked.
#[derive(Debug, Default)]
pub(crate) struct Document {
    /// The rows of the table of crates.
    pub(crate) crates: Vec<CrateRow>,
    /// Who never imports whom.
    pub(crate) absences: Vec<Absence>,
    /// Where `unsafe` may stand: files, or folders with a slash at their end.
    pub(crate) doors: Vec<String>,
    /// Every path that the text names.
    paths: Vec<String>,
}

/// One row of the table of crates.
#[derive(Debug)]
pub(crate) struct CrateRow {
    /// The package's name.
    pub(crate) name: String,
    /// Its floor; side crates have none.
    pub(crate) floor: Option<u32>,
    /// Its folder.
    pub(crate) folder: String,
    /// The workspace's packages that it imports.
    pub(crate) imports: Vec<String>,
}

/// One deliberate absence.
#[derive(Debug)]
pub(crate) struct Absence {
    /// The package that doesn't import.
    pub(crate) importer: String,
    /// What it doesn't import: a package of the workspace or of the registry.
    pub(crate) never: String,
}

impl Document {
    pub(crate) fn parse(text: &str) -> anyhow::Result<Document> {
        let mut document = Document::default();
        let mut heading = "";
        for line in text.lines() {
            if let Some(title) = line.strip_prefix("## ") {
                heading = title.trim();
            } else if let Some(cells) = row(line) {
                document
                    .take_row(heading, &cells)
                    .with_context(|| line.to_owned())?;
            }
            document
                .paths
                .extend(quoted(line).filter(|text| is_path(text)).map(str::to_owned));
        }
        ensure!(
            !document.crates.is_empty(),
            "ARCHITECTURE.md has no rows under ## Crates"
        );
        ensure!(
            !document.absences.is_empty(),
            "ARCHITECTURE.md has no rows under ## Absences"
        );
        ensure!(
            !document.doors.is_empty(),
            "ARCHITECTURE.md has no rows under ## Doors"
        );
        Ok(document)
    }

    fn take_row(&mut self, heading: &str, cells: &[&str]) -> anyhow::Result<()> {
        let name = |cell: &str| {
            quoted(cell)
                .next()
                .map(str::to_owned)
                .context("a name is missing")
        };
        match (heading, cells) {
            ("Crates", [floor, package, folder, imports, _]) => self.crates.push(CrateRow {
                name: name(package)?,
                floor: match *floor {
                    "side" => None,
                    number => Some(number.parse().context("a floor is a number or `side`")?),
                },
                folder: name(folder)?,
                imports: quoted(imports).map(str::to_owned).collect(),
            }),
            ("Absences", [importer, never, _]) => {
                for never in quoted(never) {
                    self.absences.push(Absence {
                        importer: name(importer)?,
                        never: never.to_owned(),
                    });
                }
            }
            ("Doors", [door, _]) => self.doors.push(name(door)?),
            ("Crates" | "Absences" | "Doors", _) => bail!("a row has the wrong number of cells"),
            _ => {}
        }
        Ok(())
    }

    /// One fault for each path that the document names and that isn't there.
    pub(crate) fn missing_paths(&self, root: &Path) -> Vec<String> {
        let missing = self.paths.iter().filter(|path| !root.join(path).exists());
        missing
            .map(|path| format!("ARCHITECTURE.md names {path}, which is not there"))
            .collect()
    }
}

/// The cells of a table's row, without its head and the line below that.
fn row(line: &str) -> Option<Vec<&str>> {
    let inner = line.trim().strip_prefix('|')?.strip_suffix('|')?;
    let cells: Vec<&str> = inner.split('|').map(str::trim).collect();
    let is_rule = cells
        .iter()
        .all(|cell| cell.chars().all(|c| matches!(c, '-' | ':')));
    (!is_rule && line.contains('`')).then_some(cells)
}

/// The texts between backticks.
fn quoted(line: &str) -> impl Iterator<Item = &str> {
    line.split('`').skip(1).step_by(2)
}

fn is_path(text: &str) -> bool {
    let plain = text
        .chars()
        .all(|c| c.is_ascii_alphanumeric() || "/._-".contains(c));
    let ending = [".rs", ".md", ".toml", ".sh"]
        .iter()
        .any(|ending| text.ends_with(ending));
    plain && !text.starts_with('/') && (text.contains('/') || ending)
}

#[cfg(test)]
mod tests {
    use super::Document;

    const TEXT: &str = "\
        ## Crates\n\
        | floor | crate | folder | imports | job |\n|---|---|---|---|---|\n\
        | 1 | `low` | `crates/low` | – | is below |\n\
        | side | `tool` | `tool` | `low` | is beside |\n\
        ## Absences\n| `low` | `tool`, `high` | it is so |\n\
        ## Doors\n| `crates/low/src/door.rs` | it must |\n\
        Text that names `nowhere/file.rs` and `a word`.\n";

    #[test]
    fn reads_its_tables() {
        let document = Document::parse(TEXT).expect("it is well formed");
        assert_eq!(document.crates.len(), 2);
        assert_eq!(document.crates[0].floor, Some(1));
        assert_eq!(document.crates[1].imports, ["low"]);
        assert_eq!(document.absences.len(), 2);
        assert_eq!(document.doors, ["crates/low/src/door.rs"]);
    }

    #[test]
    fn paths_that_are_not_there_are_faults() {
        let document = Document::parse(TEXT).expect("it is well formed");
        let faults = document.missing_paths(std::path::Path::new("/"));
        assert!(
            faults.iter().any(|fault| fault.contains("nowhere/file.rs")),
            "{faults:?}"
        );
        assert!(!faults.iter().any(|fault| fault.contains("a word")));
    }

    #[test]
    fn a_malformed_row_is_an_error() {
        assert!(Document::parse("## Crates\n| `one` | `two` |\n").is_err());
        assert!(Document::parse("## Crates\n").is_err());
    }
}
