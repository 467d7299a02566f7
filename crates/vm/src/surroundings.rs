//! What Linux and compiled code know of each other: nothing but this.

use std::io;
use std::ops::Range;
use std::sync::Arc;
use std::thread::{Builder, JoinHandle};

use rekindle::Digest;
use rekindle_linux::signal::without_signals;
use rekindle_linux::{GuestModule, Process, Threads, use_own_descriptors, write_to_standard_error};
use rekindle_tiers::{CodeModule, ReadText, Surroundings};
use tracing::level_filters::LevelFilter;

/// The process around compiled code.
#[derive(Debug)]
pub(crate) struct ProcessAround(pub(crate) Arc<Threads>);

impl Surroundings for ProcessAround {
    fn notify(&self) {
        self.0.raise_all();
    }

    fn spawn(&self, name: &str, work: Box<dyn FnOnce() + Send>) -> io::Result<JoinHandle<()>> {
        let work = move || {
            // It reads files, while the guest counts on its own numbers. Who has asked for a log finds
            // there what this thread says, too.
            use_own_descriptors(LevelFilter::current() != LevelFilter::OFF);
            work();
        };
        without_signals(|| Builder::new().name(name.to_owned()).spawn(work))
    }

    fn show(&self, text: &str) {
        write_to_standard_error(text);
    }
}

/// A guest's file, whose code may be compiled.
#[derive(Debug)]
struct MappedFile(Arc<GuestModule>);

impl CodeModule for MappedFile {
    fn base(&self) -> u64 {
        self.0.base()
    }

    fn name(&self) -> String {
        self.0.name()
    }

    fn digest(&self) -> Digest {
        self.0.digest()
    }

    fn text_ranges(&self) -> &[Range<u64>] {
        self.0.text_ranges()
    }

    fn original_text(&self) -> ReadText {
        self.0.original_text()
    }

    fn region_name(&self, head: u64) -> String {
        self.0.region_name(head)
    }

    fn function(&self, name: &str) -> Option<u64> {
        self.0.function(name)
    }
}

/// The module of `process` that holds `pc` in its text.
pub(crate) fn module_at(process: &Process, pc: u64) -> Option<Arc<dyn CodeModule>> {
    let module = process.module_at(pc)?;
    Some(Arc::new(MappedFile(module)))
}
