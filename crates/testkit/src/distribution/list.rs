//! The one list of programs from a distribution that the machine is held against.

use super::guest::{Guest, passes, script};

/// Python's test runner over one module, with a line for each test.
macro_rules! python {
    ($module:literal) => {
        &["/usr/bin/python3.13", "-m", "test", "-v", $module]
    };
}

/// Every program, in the order of the table.
pub const GUESTS: &[Guest] = &[
    script("bash", &["/usr/bin/bash", "in/bash.sh"])
        .needs(&["libc-bin", "bash", "coreutils", "diffutils", "grep", "sed"])
        .quick(),
    script("busybox", &["/usr/bin/busybox", "sh", "in/busybox.sh"])
        .needs(&["libc-bin", "busybox"])
        .quick(),
    script("coreutils", &["/usr/bin/bash", "in/coreutils.sh"])
        .needs(&["libc-bin", "bash", "coreutils", "diffutils"])
        .quick(),
    script("findutils", &["/usr/bin/bash", "in/findutils.sh"]).needs(&[
        "bash",
        "coreutils",
        "findutils",
    ]),
    script("grep", &["/usr/bin/bash", "in/grep.sh"]).needs(&[
        "libc-bin",
        "bash",
        "coreutils",
        "diffutils",
        "grep",
    ]),
    script("sed", &["/usr/bin/bash", "in/sed.sh"])
        .needs(&["libc-bin", "bash", "coreutils", "diffutils", "sed"])
        .quick(),
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
        .needs(&["libc-bin", "perl"])
        .quick(),
    script("lua", &["/usr/bin/lua5.4", "in/program.lua"])
        .needs(&["lua5.4"])
        .quick(),
    script("sqlite3", &["/usr/bin/bash", "in/sqlite3.sh"])
        .needs(&["libc-bin", "bash", "coreutils", "diffutils", "sqlite3"])
        .quick(),
    script("python3", &["/usr/bin/python3.13", "in/program.py"]).needs(&["python3.13"]),
    script("gcc", &["/usr/bin/bash", "in/gcc.sh"])
        .needs(&[
            "libc-bin",
            "bash",
            "coreutils",
            "diffutils",
            "gcc-14",
            "libc6-dev",
        ])
        .within(600),
    script("make", &["/usr/bin/bash", "in/make.sh"]).needs(&[
        "bash",
        "coreutils",
        "sed",
        "dash",
        "make",
    ]),
    script("archives", &["/usr/bin/bash", "in/archives.sh"]).needs(&[
        "bash",
        "coreutils",
        "tar",
        "gzip",
        "xz-utils",
        "bzip2",
        "zstd",
    ]),
    script("git", &["/usr/bin/bash", "in/git.sh"]).needs(&[
        "bash",
        "coreutils",
        "sed",
        "dash",
        "git",
    ]),
    script("threads", &["./threads"])
        .compiled("threads.cc")
        .needs(&["libstdc++6"])
        .quick(),
    script("ripgrep", &["/usr/bin/bash", "in/ripgrep.sh"]).needs(&[
        "bash",
        "coreutils",
        "ripgrep",
        "fd-find",
    ]),
    script("gron", &["/usr/bin/bash", "in/gron.sh"]).needs(&[
        "libc-bin",
        "bash",
        "coreutils",
        "diffutils",
        "gron",
    ]),
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
