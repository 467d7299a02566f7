//! Holds the manifests for other versions of Cranelift against those of the newest, whose sources they
//! build: what one depends on, all do.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

/// The front's and the conversion's manifests, of the newest version, and what they are called in the others.
const MEMBERS: [(&str, &str); 2] = [
    ("crates/codegen", "rekindle-codegen"),
    ("crates/cranelift", "rekindle-cranelift"),
];

/// What is a link to the newest version's.
const LINKS: [&str; 5] = [
    "cranelift-jit/src",
    "rekindle-codegen/src",
    "rekindle-cranelift/build.rs",
    "rekindle-cranelift/src",
    "rekindle-cranelift/tests",
];

pub(crate) fn check(root: &Path) -> anyhow::Result<Vec<String>> {
    let mut faults = Vec::new();
    for entry in fs::read_dir(root.join("shim"))? {
        let folder = entry?.path();
        if !folder.join("rekindle-cranelift").is_dir() {
            continue;
        }
        let name = folder.display();
        let links = LINKS.iter().map(|link| folder.join(link));
        let broken = links.filter(|link| !link.is_symlink() || !link.exists());
        faults.extend(broken.map(|link| format!("{} is no link to sources", link.display())));
        for (newest, member) in MEMBERS {
            let read = |path: &Path| fs::read_to_string(path.join("Cargo.toml"));
            let (newest_text, text) = (read(&root.join(newest))?, read(&folder.join(member))?);
            for section in ["dependencies", "build-dependencies", "features"] {
                let (expected, found) = (keys(&newest_text, section), keys(&text, section));
                if expected != found {
                    faults.push(format!(
                        "{name}/{member}: its {section} are {found:?}, and those of {newest} {expected:?}"
                    ));
                }
            }
        }
    }
    Ok(faults)
}

/// The names before `=` or `.workspace` in a section of a manifest.
fn keys(manifest: &str, section: &str) -> BTreeSet<String> {
    let header = format!("[{section}]");
    let lines = manifest.lines().skip_while(|line| *line != header).skip(1);
    let lines = lines.take_while(|line| !line.starts_with('['));
    let key = |line: &str| {
        let line = line.trim();
        let end = line.find([' ', '.', '='])?;
        (!line.starts_with('#')).then(|| line[..end].to_owned())
    };
    lines.filter_map(key).collect()
}

#[cfg(test)]
mod tests {
    use super::keys;

    #[test]
    fn the_names_of_a_section_are_read() {
        let manifest = "[package]\nname = \"a\"\n\n[dependencies]\n# Why.\none.workspace = true\n\
                        two = { workspace = true }\n\n[features]\nthree = []\n";
        assert_eq!(
            keys(manifest, "dependencies"),
            ["one", "two"].map(str::to_owned).into()
        );
        assert_eq!(
            keys(manifest, "features"),
            ["three"].map(str::to_owned).into()
        );
        assert!(keys(manifest, "build-dependencies").is_empty());
    }
}
