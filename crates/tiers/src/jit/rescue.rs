//! What becomes of threads that run an image's code when its file is truncated: the pages are gone, and
//! what the guest's registers held is in the host's.
//!
//! A region comes out the same whenever it is compiled. So it is compiled again, into memory, and the
//! thread goes on in the copy, at the same distance from its start. It costs the image and what is kept
//! of the module in this run, and not the guest.

use std::sync::{Arc, Mutex, PoisonError, Weak};

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

impl State {
    fn rescue(&mut self, pc: u64) -> Option<u64> {
        let lost = self.installed.lost(pc)?;
        let distance = pc - lost.text.start;
        let before = |it: &&Rescued| it.lost == lost.text.start;
        if let Some(rescued) = self.rescued.iter().find(before) {
            return Some(rescued.start + distance);
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
        let code = self.compile_again(&scope, lost.head, &lost.source)?;
        if u64::from(code.text_len_bytes()) != lost.text.end - lost.text.start {
            return None;
        }
        let metadata = metadata::decode(lost.head, code.metadata())?;
        let start = code.address().0;
        if self.installed.add(lost.head, &code, metadata, &scope.scope) {
            self.news.push(lost.head, true);
        }
        self.rescued.push(Rescued {
            lost: lost.text.start,
            start,
            _scope: scope,
        });
        Some(start + distance)
    }

    /// Compiles the region of `head`, which was made from `source`, and waits for it.
    fn compile_again(&mut self, scope: &ModuleScope, head: u64, source: &Source) -> Option<Code> {
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
        };
        if !self.compiler.submit(job) {
            return None;
        }
        loop {
            let finished = self.compiler.wait()?;
            if finished.scope_number == scope.number {
                return finished.code;
            }
            self.take(finished);
        }
    }
}
