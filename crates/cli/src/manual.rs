//! What shells and `man` want to know of the command line.

use std::fs;
use std::path::Path;

use anyhow::Context;
use clap::CommandFactory;
use clap_complete::Shell;

use crate::arguments::Arguments;

/// A shell's completions.
pub(crate) fn completions(shell: Shell) -> String {
    let mut text = Vec::new();
    clap_complete::generate(shell, &mut Arguments::command(), "rekindle", &mut text);
    String::from_utf8_lossy(&text).into_owned()
}

/// The first page of the manual; or all of them into a folder, and nothing to print.
pub(crate) fn man(folder: Option<&Path>) -> anyhow::Result<String> {
    let Some(folder) = folder else {
        let mut text = Vec::new();
        clap_mangen::Man::new(Arguments::command()).render(&mut text)?;
        return Ok(String::from_utf8_lossy(&text).into_owned());
    };
    let name = || folder.display().to_string();
    fs::create_dir_all(folder).with_context(name)?;
    clap_mangen::generate_to(Arguments::command(), folder).with_context(name)?;
    Ok(String::new())
}

#[cfg(test)]
mod tests {
    use clap::ValueEnum;
    use clap_complete::Shell;

    use super::{completions, man};

    #[test]
    fn each_shell_completes_each_command() {
        for shell in Shell::value_variants() {
            let text = completions(*shell);
            for word in ["doctor", "verify", "dry-run", "strace"] {
                assert!(text.contains(word), "{shell}: {word}");
            }
        }
    }

    #[test]
    fn each_command_has_a_page() {
        assert!(
            man(None)
                .expect("there is a page")
                .contains(".TH rekindle 1")
        );
        let folder = tempfile::tempdir().expect("a temporary folder");
        man(Some(folder.path())).expect("there is space");
        for page in ["rekindle.1", "rekindle-run.1", "rekindle-cache-gc.1"] {
            assert!(folder.path().join(page).exists(), "{page}");
        }
    }
}
