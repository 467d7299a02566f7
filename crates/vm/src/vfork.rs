//! The door to `vfork`: a process that shares this one's memory.
//!
//! Somebody may kill that at any time. So it has all that the engine keeps for itself, on a heap of its
//! own, and compiles nothing: it shares no lock with this process, and nothing that it may leave half
//! changed is looked at then. It prints its calls, where that is asked for, through what was made ready
//! before; it has no cache, no debugger, no log and no threads, whose locks and memory are its parent's.

#![expect(
    unsafe_code,
    reason = "that the child leaves nothing half changed is known here"
)]

use std::sync::Arc;
use std::sync::atomic::Ordering;

use rekindle_hart::Interpreter;
use rekindle_hart::guest_memory::store32;
use rekindle_linux::signal;
use rekindle_linux::{
    Attention, ChildHeap, CloneRequest, Errno, GuestExit, end_as, vfork as vfork_host,
};
use rekindle_tiers::{InterpretOnly, Translator};

use crate::machine::Machine;
use crate::spawn;

/// Makes a process that shares this one's memory, and waits until it has started another program
/// or ended; returns its number.
pub(crate) fn vfork<T: Translator>(
    machine: &mut Machine<T>,
    request: &CloneRequest,
) -> Result<u64, Errno> {
    machine.kernel.prepare_trace();
    let mask = signal::block_all();
    // SAFETY: what is allocated until `leave` belongs to the child's machine, and to variables of this
    // function, which are dropped before this is. What the child allocates does, too: of what it shares it
    // changes the guest's memory, atomic words, and thread-local variables that own nothing but its word
    // of attention, which `finish` replaces.
    let heap = unsafe { ChildHeap::enter() }.inspect_err(|_| signal::restore_mask(mask))?;
    let mut child = child_machine(machine, request);
    let word = Arc::clone(child.state.attention());
    let is_whole = Arc::clone(&child.kernel.is_whole);
    let mut run = || {
        signal::adopt_thread(&word);
        signal::restore_mask(mask);
        child.run();
        if !ChildHeap::is_entered() {
            // It has made a process by `fork`, and this is that.
            spawn::end_process(&mut child);
        }
        let exit = child.process().exit();
        let code = child.kernel.thread_exit.map(GuestExit::Code);
        is_whole.store(true, Ordering::Release);
        end_as(child.process(), exit.or(code).unwrap_or(GuestExit::Code(0)))
    };
    // SAFETY: the child's locks are its own, and so is what it changes, but for what is said above. Its
    // machine is looked at only where it has said that this is whole.
    let result = unsafe { vfork_host(&mut run) };
    heap.leave();
    let ended = result.is_err() || is_whole.load(Ordering::Acquire);
    finish(machine, child, ended);
    signal::restore_mask(mask);
    if let (Ok(number), Some(address)) = (result, request.parent_tid) {
        let _ = store32(address, number as u32);
    }
    result
}

/// The machine of the child that `machine` makes.
fn child_machine<T: Translator>(
    machine: &Machine<T>,
    request: &CloneRequest,
) -> Machine<InterpretOnly> {
    let state = spawn::child_state(&machine.state, request);
    let kernel = machine.kernel.sharing_memory();
    let attention = Attention::new(Arc::clone(state.attention()));
    let entry = kernel.process.threads.add(0, attention);
    Machine {
        state,
        kernel,
        interpreter: Interpreter::new(false),
        translator: InterpretOnly,
        entry,
        debugger: None,
        seen_changes: 0,
        left_compiled_code: false,
        is_leader: true,
        interpreted_by_others: Arc::default(),
    }
}

/// Takes over what the child changed; it was killed, wherever it was, unless it has `ended`.
fn finish<T: Translator>(machine: &mut Machine<T>, child: Machine<InterpretOnly>, ended: bool) {
    if ended {
        machine.kernel.adopt_memory(Some(&child.kernel));
        if child.process().threads.change_count() > 0 {
            // It may have written code, too.
            machine.fence_everywhere();
        }
    } else {
        std::mem::forget(child);
        machine.kernel.adopt_memory(None);
        machine.fence_everywhere();
    }
    // What arrived in the child and wasn't delivered is the child's.
    signal::take_arrived();
    signal::adopt_thread(machine.state.attention());
}
