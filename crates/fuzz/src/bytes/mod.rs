//! Changed bytes for every decoder of what is on disk: nothing panics, hangs or reaches outside, and
//! nothing is believed that wasn't written.
//!
//! Inputs start from what is right, and are changed at random, mostly where their numbers are. Where
//! digests come first, most inputs get right ones again, so that what lies behind is reached. An input
//! that goes another way than those before it is changed further. A failure names the file in which its
//! input is; `rekindle-fuzz bytes --target NAME --input FILE` decodes it again.

mod artifact;
mod cranelift;
mod exec;
mod folder;
mod guest;
mod image;
mod mutate;
mod open;
mod run;
mod sample;
mod subject;

pub use run::{Decoded, decode, decode_one};
pub use subject::Target;

/// Every decoder.
pub const TARGETS: &[Target] = &[
    Target {
        name: "image-damaged",
        is_mapped: false,
        subject: image::Damaged::subject,
    },
    Target {
        name: "image-sealed",
        is_mapped: false,
        subject: image::Sealed::subject,
    },
    Target {
        name: "image-parts",
        is_mapped: false,
        subject: image::Parts::subject,
    },
    Target {
        name: "image-opened",
        is_mapped: true,
        subject: open::Opened::subject,
    },
    Target {
        name: "cache-files",
        is_mapped: false,
        subject: folder::Files::subject,
    },
    Target {
        name: "artifact",
        is_mapped: false,
        subject: artifact::Artifacts::subject,
    },
    Target {
        name: "call-frames",
        is_mapped: false,
        subject: exec::Frames::subject,
    },
    Target {
        name: "build-id",
        is_mapped: false,
        subject: exec::Notes::subject,
    },
    Target {
        name: "function-tables",
        is_mapped: false,
        subject: cranelift::Tables::subject,
    },
    Target {
        name: "cranelift-program",
        is_mapped: true,
        subject: cranelift::Programs::subject,
    },
    Target {
        name: "guest-elf",
        is_mapped: false,
        subject: guest::Elf::subject,
    },
    Target {
        name: "region-metadata",
        is_mapped: false,
        subject: guest::Region::subject,
    },
];
