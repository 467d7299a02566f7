//! What becomes of threads that run an image's code when its file is truncated: the pages are gone, and
//! what the guest's registers held is in the host's.
//!
//! A region comes out the same whenever it is compiled. So it is compiled again, into memory, and the
//! thread goes on in the copy, at the same distance from its start. It costs the image and what is kept
//! of the module in this run, and not the guest.

use std::sync::{Arc, Mutex, PoisonError, Weak};

use iced_x86::{Decoder, DecoderOptions};
use rekindle::{Cache, Code, Lookup};
use rekindle_hart::faults::OwnFiles;

use super::{Shared, State};
use crate::abi;
use crate::backend::Request;
use crate::compiler::Job;
use crate::metadata;
use crate::region;
use crate::scopes::ModuleScope;
use crate::source::{Snapshot, Source};

/// What the process runs now.
static CURRENT: Mutex<Weak<Shared>> = Mutex::new(Weak::new());

/// A region that took the place of one that was lost.
#[derive(Debug)]
pub(super) struct Rescued {
    /// Where the lost one starts.
    lost: u64,
    /// Where this one does.
    start: u64,
    /// How far from there each of its instructions starts.
    instructions: Vec<u64>,
    /// Keeps it mapped.
    _scope: ModuleScope,
}

/// From now on, [`rescue`] is about this tier's code.
pub(super) fn watch(shared: &Arc<Shared>) {
    *CURRENT.lock().unwrap_or_else(PoisonError::into_inner) = Arc::downgrade(shared);
}

/// What to do about faults in the cache's images, for whoever installs the handlers of signals.
#[must_use]
pub fn own_files() -> OwnFiles {
    abi::own_files(rescue)
}

/// The address of the instruction that stood at `pc`, in code of an image that has lost its pages.
fn rescue(pc: u64) -> Option<u64> {
    let current = CURRENT.lock().unwrap_or_else(PoisonError::into_inner);
    let shared = current.upgrade()?;
    drop(current);
    let found = shared.change(|state| state.rescue(pc));
    tracing::warn!(pc, ?found, "an image was truncated while its code ran");
    found
}

impl Rescued {
    /// Where the instruction is that stood `distance` from the start of the lost region. `None` where none
    /// started there: nobody knows what the thread has done.
    fn instruction(&self, distance: u64) -> Option<u64> {
        let found = self.instructions.binary_search(&distance);
        found.is_ok().then_some(self.start + distance)
    }
}

/// Where the instructions of `text` start.
fn instruction_starts(text: &[u8]) -> Vec<u64> {
    let decoder = Decoder::with_ip(64, text, 0, DecoderOptions::NONE);
    decoder
        .into_iter()
        .filter(|inst| !inst.is_invalid())
        .map(|inst| inst.ip())
        .collect()
}

impl State {
    fn rescue(&mut self, pc: u64) -> Option<u64> {
        let lost = self.installed.lost(pc)?;
        if rekindle::may_have_run_zeroes(pc) {
            return None;
        }
        let distance = pc - lost.text.start;
        let before = |it: &&Rescued| it.lost == lost.text.start;
        if let Some(rescued) = self.rescued.iter().find(before) {
            return rescued.instruction(distance);
        }
        let base = lost.head.wrapping_sub(lost.source.head);
        let of_it = |scope: &ModuleScope| {
            scope.module.base() == base && scope.text().iter().any(|it| it.contains(&lost.head))
        };
        let index = self.scopes.iter().position(of_it)?;
        let module = Arc::clone(&self.scopes[index].module);
        let installed = self.installed.entry(lost.head);
        if installed.is_some_and(|entry| entry.is_at(lost.text.start))
            && let Some(index) = self.scopes.iter().position(|it| it.holds(lost.head))
        {
            // Nothing of the image is used any more; what is hot is looked up and compiled again.
            self.give_up(index);
        }
        self.scopes_opened += 1;
        let (number, nowhere) = (self.scopes_opened, Cache::in_memory());
        let scope = ModuleScope::open(number, module, &nowhere, &self.environment, None);
        let (code, text) = self.compile_again(&scope, lost.head, &lost.source)?;
        let metadata = metadata::decode(lost.head, code.metadata())?;
        // The same code has the same length, and leaves and faults at the same places in the same order.
        let is_same = u64::from(code.text_len_bytes()) == lost.text.end - lost.text.start
            && metadata.tables == lost.tables;
        if !is_same {
            return None;
        }
        let start = code.address().0;
        if self.installed.add(lost.head, &code, metadata, &scope.scope) {
            self.news.push(lost.head, true);
        }
        let rescued = Rescued {
            lost: lost.text.start,
            start,
            instructions: instruction_starts(&text),
            _scope: scope,
        };
        let found = rescued.instruction(distance);
        self.rescued.push(rescued);
        found
    }

    /// Compiles the region of `head`, which was made from `source`, and waits for it. Returns its text, too.
    fn compile_again(
        &mut self,
        scope: &ModuleScope,
        head: u64,
        source: &Source,
    ) -> Option<(Code, Vec<u8>)> {
        let snapshot = Snapshot::default();
        let region = region::discover(head, &|at| scope.fetch(head, at, &snapshot))?;
        let found = Source::of(&region, &snapshot, scope.module.base())?;
        if found != *source {
            return None;
        }
        let Lookup::Miss(ticket) = scope.scope.lookup(&scope.key(head)) else {
            return None;
        };
        let job = Job {
            region,
            request: Request {
                floating_base: scope.floating_base(),
                exact_faults: self.exact_faults,
                is_dumped: false,
                source: found,
            },
            scope_number: scope.number,
            module: Arc::clone(&scope.module),
            scope: scope.scope.clone(),
            ticket,
            wants_text: true,
        };
        if !self.compiler.submit(job) {
            return None;
        }
        loop {
            let finished = self.compiler.wait()?;
            if finished.scope_number == scope.number {
                return finished.code.zip(finished.text);
            }
            self.take(finished);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_goes_on_in_the_middle_of_an_instruction() {
        // push rbp; mov rbp, rsp; mov eax, 9; vaddsd xmm0, xmm1, xmm2; ret
        let text = [
            0x55, 0x48, 0x89, 0xe5, 0xb8, 9, 0, 0, 0, 0xc5, 0xf3, 0x58, 0xc2, 0xc3,
        ];
        let starts = instruction_starts(&text);
        assert_eq!(starts, [0, 1, 4, 9, 13]);
        assert_eq!(instruction_starts(&[]), [0_u64; 0]);
    }
}
