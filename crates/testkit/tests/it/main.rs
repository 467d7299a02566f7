//! The list of guest programs, held against the judge alone.

#![forbid(unsafe_code)]

use rekindle_testkit::{Class, Ending, PROGRAMS, expected};

#[test]
fn every_program_builds_and_ends_as_its_class_says() {
    for program in PROGRAMS {
        let seen = expected(program);
        let dies = matches!(seen.ending, Ending::Signal(_));
        // QEMU's own answer to a file that it cannot run.
        assert_ne!(seen.ending, Ending::Code(255), "{}: {seen:?}", program.name);
        assert_eq!(
            dies,
            program.class == Class::Dies,
            "{}: {:?}",
            program.name,
            seen.ending
        );
    }
}
