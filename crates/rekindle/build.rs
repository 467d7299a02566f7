//! Digests the sources that decide what kept code is and how it is linked, placed and believed.

/// Artifacts, memory, linking, storing, and this crate's use of them.
const INPUTS: [&str; 5] = [
    "../artifact/src",
    "../exec/src",
    "../link/src",
    "../store/src",
    "src",
];

fn main() -> std::io::Result<()> {
    rekindle_sources::emit("REKINDLE_SOURCES", &INPUTS)
}
