//! The one list of programs from a distribution that the machine is held against.

use std::collections::BTreeSet;

use super::guest::{Guest, passes, script};

/// What every guest has beside it: a shell, and what a shell's scripts take for granted.
const BASE: &[&str] = &["libc-bin", "bash", "coreutils", "diffutils"];

/// Python's test runner over one module, with a line for each test.
macro_rules! python {
    ($module:literal) => {
        &["/usr/bin/python3.13", "-m", "test", "-v", $module]
    };
}

/// Every program, in the order of the table.
pub const GUESTS: &[Guest] = &[
    script("bash", &["/usr/bin/bash", "in/bash.sh"])
        .needs(&["grep", "sed"])
        .quick(),
    script("busybox", &["/usr/bin/busybox", "sh", "in/busybox.sh"])
        .needs(&["busybox"])
        .quick(),
    script("coreutils", &["/usr/bin/bash", "in/coreutils.sh"]),
    script("findutils", &["/usr/bin/bash", "in/findutils.sh"]).needs(&["findutils"]),
    script("grep", &["/usr/bin/bash", "in/grep.sh"]).needs(&["grep"]),
    script("sed", &["/usr/bin/bash", "in/sed.sh"]).needs(&["sed"]),
    script(
        "mawk",
        &["/usr/bin/mawk", "-f", "in/report.awk", "in/data.txt"],
    )
    .needs(&["mawk"]),
    script(
        "gawk",
        &["/usr/bin/gawk", "-f", "in/report.awk", "in/data.txt"],
    )
    .needs(&["gawk"]),
    script("perl", &["/usr/bin/perl", "in/program.pl"])
        .needs(&["perl"])
        .quick(),
    script("lua", &["/usr/bin/lua5.4", "in/program.lua"])
        .needs(&["lua5.4"])
        .quick(),
    script("sqlite3", &["/usr/bin/bash", "in/sqlite3.sh"])
        .needs(&["sqlite3"])
        .quick(),
    script("python3", &["/usr/bin/python3.13", "in/program.py"]).needs(&["python3.13"]),
    script("gcc", &["/usr/bin/bash", "in/gcc.sh"])
        .needs(&["gcc-14", "libc6-dev"])
        .within(600),
    script("make", &["/usr/bin/bash", "in/make.sh"]).needs(&["sed", "dash", "make"]),
    script("archives", &["/usr/bin/bash", "in/archives.sh"])
        .needs(&["tar", "gzip", "xz-utils", "bzip2", "zstd"]),
    script("git", &["/usr/bin/bash", "in/git.sh"]).needs(&["sed", "dash", "git"]),
    script("threads", &["./threads"])
        .compiled("threads.cc")
        .needs(&["libatomic1", "libstdc++6"])
        .quick(),
    script("ripgrep", &["/usr/bin/bash", "in/ripgrep.sh"]).needs(&["ripgrep", "fd-find"]),
    // Interpreted, its collector takes minutes of a loaded machine.
    script("gron", &["/usr/bin/bash", "in/gron.sh"])
        .needs(&["gron"])
        .within(360),
    passes("test_json", python!("test_json")),
    passes("test_re", python!("test_re")),
    passes("test_threading", python!("test_threading")),
    passes("test_signal", python!("test_signal")),
    passes("test_subprocess", python!("test_subprocess")),
    passes("test_socket", python!("test_socket")),
    passes("test_mmap", python!("test_mmap")),
    passes("test_math", python!("test_math")),
    passes("test_float", python!("test_float")),
    passes("test_ctypes", python!("test_ctypes")),
];

/// The packages that these guests need.
pub fn packages<'a>(guests: impl IntoIterator<Item = &'a Guest>) -> BTreeSet<&'static str> {
    let own = guests.into_iter().flat_map(|guest| guest.packages);
    own.chain(BASE).copied().collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::GUESTS;

    #[test]
    fn names_are_unique() {
        let names: BTreeSet<&str> = GUESTS.iter().map(|guest| guest.name).collect();
        assert_eq!(names.len(), GUESTS.len());
    }
}
