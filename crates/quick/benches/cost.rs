//! What translating costs: `cargo bench -p rekindle-quick [-- ELF…]` prints, for guest programs, the
//! nanoseconds of processor time and the bytes of host code that an instruction takes. Nothing depends on the figures.

#![expect(clippy::print_stdout, reason = "printing is what it is for")]

#[path = "../tests/it/guest_elf.rs"]
mod guest_elf;

use std::path::{Path, PathBuf};

use rekindle_quick::x86_64::Emitter;
use rekindle_quick::{Host, Request, Translator};
use rekindle_testkit::{build, program};

/// Passes over each program; the fastest counts.
const PASSES: usize = 7;

/// What one pass found.
#[derive(Clone, Copy, Default)]
struct Pass {
    instructions: u64,
    pieces: u64,
    body_len: u64,
    len: u64,
    time_ns: u64,
}

fn pass(translator: &mut Translator<Emitter>, segments: &[guest_elf::Segment]) -> Pass {
    let mut all = Pass::default();
    let start = processor_ns();
    for segment in segments {
        let mut offset = 0;
        while offset + 1 < segment.bytes.len() {
            let request = Request {
                pc: segment.address + offset as u64,
                bytes: &segment.bytes[offset..],
                host_address: segment.address + (1 << 24) + all.len,
                floats: true,
                looks_up: false,
            };
            let piece = translator.translate(&request, &|_| false);
            let guest_len = (piece.end - piece.start) as usize;
            all.instructions += u64::from(piece.instructions);
            all.pieces += 1;
            all.body_len += u64::from(piece.body_len);
            all.len += u64::from(translator.host().position());
            offset += guest_len.max(2);
        }
    }
    all.time_ns = processor_ns() - start;
    all
}

/// What this thread has taken of a processor, however many want one.
fn processor_ns() -> u64 {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    let first = text.split_whitespace().next();
    first.and_then(|number| number.parse().ok()).unwrap_or(0)
}

fn main() {
    let given = std::env::args_os().skip(1).map(PathBuf::from);
    let mut paths: Vec<PathBuf> = given.filter(|path| path.is_file()).collect();
    if paths.is_empty() {
        let ours = ["printf", "libm", "streams", "bits"];
        let built = ours.map(|name| build(program(name)).expect("it builds"));
        paths.extend(built);
    }
    let mut translator = Translator::new(Emitter::new());
    for path in &paths {
        let segments = guest_elf::code(path);
        let passes = (0..PASSES).map(|_| pass(&mut translator, &segments));
        let best = passes.min_by_key(|pass| pass.time_ns).unwrap_or_default();
        let each = |total: u64| total as f64 / best.instructions as f64;
        println!(
            "{}: {} instructions in {} pieces; each {:.1} ns, {:.1} bytes and {:.1} behind the piece",
            path.file_name().map(Path::new).unwrap_or(path).display(),
            best.instructions,
            best.pieces,
            each(best.time_ns),
            each(best.body_len),
            each(best.len - best.body_len),
        );
    }
}
