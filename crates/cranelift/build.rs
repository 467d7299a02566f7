//! Digests the sources that decide what a key covers and what is kept for it, and says which Cranelift
//! they are built for.

fn main() -> std::io::Result<()> {
    rekindle_sources::emit_since();
    rekindle_sources::emit("REKINDLE_CRANELIFT_SOURCES", &["src", "../codegen/src"])
}
