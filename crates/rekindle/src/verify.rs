//! Holding hits against what their front compiles now: a sample of them, for who makes keys and wants
//! to know whether equal keys mean equal code.

use rekindle_artifact::Artifact;

use crate::blank::blank_text;
use crate::program::{Program, ProgramDraft};

/// The parts in which two artifacts differ that matters to who runs them.
pub(crate) fn differing_parts(kept: &Artifact, fresh: &Artifact) -> Vec<&'static str> {
    let Artifact {
        name: _,
        symbol,
        signature,
        text,
        rodata,
        data,
        bss,
        relocations,
        unwind,
        traps,
        source_locations,
        metadata,
        compile_time_ns: _,
        key_parts: _,
    } = fresh;
    let is_same = [
        ("signature", kept.signature == *signature),
        ("symbol", kept.symbol == *symbol),
        ("relocations", kept.relocations == *relocations),
        (
            "code",
            kept.text.align == text.align && blank_text(kept) == blank_text(fresh),
        ),
        ("constants", kept.rodata == *rodata),
        ("data", kept.data == *data && kept.bss == *bss),
        ("unwind information", kept.unwind == *unwind),
        ("traps", kept.traps == *traps),
        (
            "source locations",
            kept.source_locations == *source_locations,
        ),
        ("metadata", kept.metadata == *metadata),
    ];
    let differing = is_same.into_iter().filter(|(_, is_same)| !is_same);
    differing.map(|(part, _)| part).collect()
}

/// The parts of a program that aren't what a front makes of its key now, by name; empty if none.
pub(crate) fn differing_in_program(kept: &Program, fresh: &ProgramDraft) -> Vec<String> {
    let symbols = || (0..kept.symbol_count()).map(|number| kept.name(number));
    let same_symbols = fresh
        .symbols
        .iter()
        .map(|symbol| symbol.name.as_deref())
        .eq(symbols());
    let kept_parts = kept.artifacts();
    if !same_symbols || kept.front() != fresh.front || kept_parts.len() != fresh.parts.len() {
        return vec!["what it declares".to_owned()];
    }
    let pairs = kept_parts.into_iter().zip(&fresh.parts);
    let differing = pairs.filter_map(|(kept, part)| {
        let fresh = part.artifact()?;
        // Without its damaged parts, nothing can be said.
        let parts = differing_parts(&kept?, &fresh);
        (!parts.is_empty()).then(|| format!("{} ({})", fresh.name, parts.join(", ")))
    });
    differing.collect()
}

#[cfg(test)]
mod tests {
    use super::differing_parts;
    use rekindle_artifact::{Artifact, Section};

    #[test]
    fn each_part_is_compared() {
        let base = Artifact {
            text: Section {
                bytes: vec![0x90; 8],
                align: 16,
            },
            ..Artifact::default()
        };
        let change = |change: fn(&mut Artifact)| {
            let mut other = base.clone();
            change(&mut other);
            differing_parts(&base, &other)
        };
        assert!(change(|artifact| artifact.compile_time_ns = 9).is_empty());
        assert_eq!(change(|artifact| artifact.text.bytes[3] = 1), ["code"]);
        assert_eq!(
            change(|artifact| artifact.rodata.bytes.push(1)),
            ["constants"]
        );
        assert_eq!(change(|artifact| artifact.bss.size = 8), ["data"]);
        assert_eq!(change(|artifact| artifact.metadata.push(1)), ["metadata"]);
    }
}
