//! `rekindle binfmt`: RISC-V programs that start by their own name, by way of the kernel's
//! `binfmt_misc` (Documentation/admin-guide/binfmt-misc.rst).

use std::ffi::OsString;
use std::fs;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use anyhow::{Context, anyhow, bail, ensure};

use crate::arguments::{BinfmtArguments, BinfmtCommand};

/// What the kernel calls the entry.
const NAME: &str = "rekindle";
/// The first twenty bytes of a 64-bit little-endian RISC-V ELF program, and which of their bits count:
/// not the ABI's version, nor what tells executables from position-independent ones.
const MAGIC: [u8; 20] = [
    0x7f, b'E', b'L', b'F', 2, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0xf3, 0,
];
const MASK: [u8; 20] = [
    0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
    0xfe, 0xff, 0xff, 0xff,
];
/// The program is opened when it is registered, so that it is found from within containers too; and
/// it is told the name by which the guest was called.
const FLAGS: &str = "FP";

/// Carries out one of the binfmt commands. Returns what it says, and `false` where `status` finds that
/// programs don't start by name.
pub(crate) fn binfmt(arguments: &BinfmtArguments) -> anyhow::Result<(String, bool)> {
    let folder = &arguments.binfmt_dir;
    match &arguments.command {
        BinfmtCommand::Register { print } => {
            let interpreter = std::env::current_exe().context("where this program is")?;
            let line = registration(&interpreter)?;
            if *print {
                return Ok((line + "\n", true));
            }
            check_mounted(folder)?;
            if folder.join(NAME).exists() {
                // Maybe for an older program; the kernel refuses a second entry of one name.
                write(&folder.join(NAME), "-1")?;
            }
            write(&folder.join("register"), &line)?;
            let text = format!(
                "RISC-V programs start with {} until the machine restarts; for longer:\n  \
                 rekindle binfmt register --print > /etc/binfmt.d/rekindle.conf\n",
                interpreter.display()
            );
            Ok((text, true))
        }
        BinfmtCommand::Unregister => {
            check_mounted(folder)?;
            ensure!(folder.join(NAME).exists(), "{NAME} isn't registered");
            write(&folder.join(NAME), "-1")?;
            Ok((
                "RISC-V programs don't start with rekindle any more\n".to_owned(),
                true,
            ))
        }
        BinfmtCommand::Status => status(folder),
    }
}

fn status(folder: &Path) -> anyhow::Result<(String, bool)> {
    check_mounted(folder)?;
    let status = fs::read_to_string(folder.join("status"));
    let all_enabled = status.is_ok_and(|status| status.trim_end() == "enabled");
    let mut lines = Vec::new();
    if !all_enabled {
        lines.push(format!(
            "binfmt_misc is disabled: echo 1 > {}/status",
            folder.display()
        ));
    }
    let mut is_ours = false;
    for entry in entries(folder).with_context(|| folder.display().to_string())? {
        let state = match entry.is_enabled {
            true => "enabled",
            false => "disabled",
        };
        let interpreter = entry.interpreter.display();
        lines.push(format!("{}: {state}, {interpreter}", entry.name));
        is_ours |= entry.name == NAME && entry.is_enabled;
    }
    if !is_ours {
        let what = "RISC-V programs don't start with rekindle; see rekindle binfmt register";
        lines.push(what.to_owned());
    }
    Ok((lines.join("\n") + "\n", all_enabled && is_ours))
}

/// An entry of the kernel's for RISC-V programs, whoever registered it.
struct Entry {
    name: String,
    is_enabled: bool,
    interpreter: PathBuf,
}

fn entries(folder: &Path) -> io::Result<Vec<Entry>> {
    let magic: String = MAGIC.iter().map(|byte| format!("{byte:02x}")).collect();
    let mut entries = Vec::new();
    for file in fs::read_dir(folder)? {
        let file = file?;
        let name = file.file_name().to_string_lossy().into_owned();
        let Ok(text) = fs::read_to_string(file.path()) else {
            // `register` can't be read.
            continue;
        };
        let value = |key: &str| {
            let mut lines = text.lines();
            lines.find_map(|line| line.strip_prefix(key).map(str::trim).map(str::to_owned))
        };
        if name == NAME || value("magic ").is_some_and(|found| magic.starts_with(&found)) {
            entries.push(Entry {
                name,
                is_enabled: text.lines().next() == Some("enabled"),
                interpreter: value("interpreter ").unwrap_or_default().into(),
            });
        }
    }
    entries.sort_by(|one, other| one.name.cmp(&other.name));
    Ok(entries)
}

/// What is written to the kernel's `register`.
fn registration(interpreter: &Path) -> anyhow::Result<String> {
    let path = interpreter
        .to_str()
        .filter(|path| !path.contains([':', '\n']))
        .ok_or_else(|| {
            anyhow!(
                "{}: the kernel can't be told this path",
                interpreter.display()
            )
        })?;
    let escaped =
        |bytes: &[u8]| -> String { bytes.iter().map(|byte| format!("\\x{byte:02x}")).collect() };
    let (magic, mask) = (escaped(&MAGIC), escaped(&MASK));
    Ok(format!(":{NAME}:M::{magic}:{mask}:{path}:{FLAGS}"))
}

fn check_mounted(folder: &Path) -> anyhow::Result<()> {
    if folder.join("register").exists() {
        return Ok(());
    }
    bail!(
        "{0} isn't there: this machine's kernel has no binfmt_misc, or it isn't mounted \
         (mount -t binfmt_misc binfmt_misc {0})",
        folder.display()
    )
}

fn write(path: &Path, text: &str) -> anyhow::Result<()> {
    let written = fs::OpenOptions::new()
        .write(true)
        .open(path)
        .and_then(|mut file| io::Write::write_all(&mut file, text.as_bytes()));
    match written {
        Err(error) if error.kind() == ErrorKind::PermissionDenied => {
            bail!("{}: {error}; this takes root", path.display())
        }
        result => result.with_context(|| path.display().to_string()),
    }
}

/// The command line that stands for what the kernel started: `rekindle PATH NAME ARGS…`.
pub(crate) fn command_line(given: impl Iterator<Item = OsString>) -> Vec<OsString> {
    let mut given = given.skip(1);
    let (path, name) = (given.next(), given.next());
    let mut words: Vec<OsString> = vec!["rekindle".into(), "run".into()];
    if let Some(name) = name {
        words.extend(["--argv0".into(), name]);
    }
    words.push("--".into());
    words.extend(path);
    words.extend(given);
    words
}

#[cfg(test)]
mod tests {
    use std::ffi::OsString;
    use std::path::Path;

    use super::{MAGIC, MASK, command_line, registration};

    #[test]
    fn programs_match_and_other_files_do_not() {
        let matches = |file: &[u8]| {
            let mut bytes = file.iter().zip(MAGIC).zip(MASK);
            bytes.all(|((byte, magic), mask)| byte & mask == magic & mask)
        };
        let mut file = MAGIC;
        assert!(matches(&file));
        file[16] = 3;
        assert!(matches(&file), "position-independent");
        file[18] = 62;
        assert!(!matches(&file), "x86-64");
    }

    #[test]
    fn the_registration_is_one_line_of_eight_fields() {
        let line = registration(Path::new("/usr/bin/rekindle")).expect("a path that can be told");
        assert!(
            line.starts_with(":rekindle:M::\\x7f\\x45\\x4c\\x46\\x02"),
            "{line}"
        );
        assert!(line.ends_with(":/usr/bin/rekindle:FP"), "{line}");
        assert_eq!(line.matches(':').count(), 7);
        assert!(registration(Path::new("/tmp/a:b")).is_err());
    }

    #[test]
    fn what_the_kernel_gives_is_a_run() {
        let given = ["rekindle", "/bin/prog", "prog", "--stats", "x"].map(OsString::from);
        let line = command_line(given.into_iter());
        let expected = [
            "rekindle",
            "run",
            "--argv0",
            "prog",
            "--",
            "/bin/prog",
            "--stats",
            "x",
        ];
        assert_eq!(line, expected);
    }
}
