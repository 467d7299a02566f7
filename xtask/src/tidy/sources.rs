//! Holds the source files against the house's rules: their sizes, their headers, and where `unsafe`
//! may stand.

use std::fs;
use std::path::{Path, PathBuf};

use super::document::Document;

/// Lines of a file, its tests apart. A file that nears this is two files.
const MOST_LINES: usize = 1000;

pub(crate) fn check(document: &Document, root: &Path) -> anyhow::Result<Vec<String>> {
    let mut faults = Vec::new();
    for row in &document.crates {
        for file in rust_files(&root.join(&row.folder))? {
            let text = fs::read_to_string(&file)?;
            let name = file
                .strip_prefix(root)
                .unwrap_or(&file)
                .display()
                .to_string();
            faults.extend(faults_of(&name, &text, &document.doors));
        }
        // A door among a crate's tests doesn't open the crate itself.
        let (whole, source) = (format!("{}/", row.folder), format!("{}/src/", row.folder));
        let holds_door = document
            .doors
            .iter()
            .any(|door| *door == whole || door.starts_with(&source));
        if !holds_door {
            faults.extend(roots_that_do_not_forbid(&root.join(&row.folder)));
        }
    }
    for door in &document.doors {
        if !root.join(door).exists() {
            faults.push(format!(
                "{door} is a door in ARCHITECTURE.md, and is not there"
            ));
        }
    }
    Ok(faults)
}

fn faults_of(name: &str, text: &str, doors: &[String]) -> Vec<String> {
    let mut faults = Vec::new();
    if !text.starts_with("//!") {
        faults.push(format!("{name} doesn't open with //!"));
    }
    let lines = text
        .lines()
        .take_while(|line| *line != "#[cfg(test)]")
        .count();
    if lines > MOST_LINES {
        faults.push(format!(
            "{name} has {lines} lines; {MOST_LINES} are the most"
        ));
    }
    let is_door = doors
        .iter()
        .any(|door| name == door || (door.ends_with('/') && name.starts_with(door.as_str())));
    if let Some(line) = (!is_door).then(|| first_unsafe(text)).flatten() {
        faults.push(format!("{name}:{line} says unsafe, and is no door"));
    }
    faults
}

/// The first line whose code holds the keyword; comments, and texts that stand on one line, don't
/// count.
fn first_unsafe(text: &str) -> Option<usize> {
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    let holds = |line: &str| {
        let code: String = line.split('"').step_by(2).collect::<Vec<_>>().join("\"");
        let code = code.split("//").next().unwrap_or("");
        code.split(|c| !is_word(c)).any(|word| word == "unsafe")
    };
    text.lines().position(holds).map(|at| at + 1)
}

fn roots_that_do_not_forbid(folder: &Path) -> Vec<String> {
    let roots = ["src/lib.rs", "src/main.rs"].map(|name| folder.join(name));
    let there = roots.iter().filter(|path| path.exists());
    there
        .filter(|path| {
            let text = fs::read_to_string(path).unwrap_or_default();
            !text.contains("#![forbid(unsafe_code)]")
        })
        .map(|path| format!("{} doesn't forbid unsafe code", path.display()))
        .collect()
}

fn rust_files(folder: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    let mut pending = vec![folder.to_owned()];
    while let Some(folder) = pending.pop() {
        for entry in fs::read_dir(&folder)? {
            let path = entry?.path();
            let name = path.file_name().unwrap_or_default();
            if path.is_dir() && name != "target" {
                pending.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                found.push(path);
            }
        }
    }
    found.sort();
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::faults_of;

    fn faults(name: &str, text: &str) -> usize {
        faults_of(name, text, &["a/door.rs".to_owned(), "doors/".to_owned()]).len()
    }

    #[test]
    fn a_plain_file_has_no_faults() {
        assert_eq!(
            faults("a/b.rs", "//! A file.\nfn f() {} // unsafe only in words\n"),
            0
        );
        assert_eq!(
            faults("a/b.rs", "//! A file.\n#![forbid(unsafe_code)]\n"),
            0
        );
    }

    #[test]
    fn headers_sizes_and_doors() {
        assert_eq!(faults("a/b.rs", "fn f() {}\n"), 1);
        assert_eq!(
            faults("a/b.rs", &format!("//! A file.\n{}", "x\n".repeat(1000))),
            1
        );
        let opens = "//! A file.\nunsafe fn f() {}\n";
        assert_eq!(faults("a/b.rs", opens), 1);
        assert_eq!(faults("a/door.rs", opens), 0);
        assert_eq!(faults("doors/b.rs", opens), 0);
    }
}
