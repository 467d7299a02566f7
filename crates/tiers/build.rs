//! Digests the sources that decide what a region is translated to: this crate's, the conversion of
//! what Cranelift compiled, what an instruction does, and the decoder's. The facade's own, and the versions of everything else, are in each
//! environment already.

fn main() -> std::io::Result<()> {
    rekindle_sources::emit(
        "REKINDLE_TIERS_SOURCES",
        &["src", "../codegen/src", "../hart/src", "../rv-isa/src"],
    )
}
