//! Threads, processes and programs that a guest starts: `clone`, `fork`, `execve`. `vfork.rs` has `vfork`.
//!
//! A guest thread is a host thread, and a guest process a host process. A program that a guest
//! starts is this executable again, told to run it.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::sync_channel;

use rekindle_hart::guest_memory::store32;
use rekindle_hart::{GuestState, Interpreter};
use rekindle_linux::signal;
use rekindle_linux::{
    Attention, ChildHeap, CloneRequest, Errno, ExecRequest, GuestExit, Kernel, ThreadEntry, end_as,
    fork as fork_host,
};
use rekindle_tiers::Translator;

use crate::machine::Machine;

/// The stack of a host thread that runs a guest thread.
const HOST_STACK_LEN: usize = 1 << 20;

/// Adds the calling thread, whose state this is, to its process's.
pub(crate) fn register(kernel: &Kernel, state: &GuestState) -> Arc<ThreadEntry> {
    signal::adopt_thread(state.attention());
    let attention = Attention::new(Arc::clone(state.attention()));
    kernel.process.threads.add(signal::thread_id(), attention)
}

/// The state with which a new thread or process starts, that of the caller but for what the request
/// says.
pub(crate) fn child_state(parent: &GuestState, request: &CloneRequest) -> Box<GuestState> {
    let mut state = parent.copy();
    state.x[10] = 0;
    if request.stack != 0 {
        state.x[2] = request.stack;
    }
    if let Some(tls) = request.tls {
        state.x[4] = tls;
    }
    state
}

/// Starts a thread; returns its number.
pub(crate) fn thread<T: Translator>(
    parent: &Machine<T>,
    request: &CloneRequest,
) -> Result<u64, Errno> {
    if ChildHeap::is_entered() {
        // The C library would allocate for it, and have it in its list of threads: both are the parent's.
        return Err(Errno::EAGAIN);
    }
    let state = child_state(&parent.state, request);
    let kernel = parent.kernel.for_thread(request.clear_tid);
    let translator = parent.translator.for_thread();
    let interpreter = Interpreter::new(translator.is_active());
    let request = *request;
    let debugger = parent.debugger.clone();
    let interpreted_by_others = Arc::clone(&parent.interpreted_by_others);
    let (started, number) = sync_channel(1);
    let work = move || {
        let entry = register(&kernel, &state);
        let number = signal::thread_id();
        for address in [request.parent_tid, request.child_tid]
            .into_iter()
            .flatten()
        {
            // As Linux does, a pointer to nowhere is the guest's to notice.
            let _ = store32(address, number as u32);
        }
        let seen_changes = 0;
        let mut machine = Machine {
            state,
            kernel,
            interpreter,
            translator,
            entry,
            debugger,
            seen_changes,
            left_compiled_code: false,
            is_leader: false,
            interpreted_by_others,
        };
        // The parent waits for this.
        let _ = started.send(number);
        drop(started);
        machine.kernel.apply_mask();
        machine.run();
        end_thread(machine);
    };
    let mask = signal::block_all();
    let spawned = std::thread::Builder::new()
        .name("guest".to_owned())
        .stack_size(HOST_STACK_LEN)
        .spawn(work);
    signal::restore_mask(mask);
    spawned.map_err(|_| Errno::EAGAIN)?;
    let number = number.recv().map_err(|_| Errno::EAGAIN)?;
    Ok(u64::from(number.cast_unsigned()))
}

/// Ends a guest thread that isn't its process's first.
fn end_thread<T: Translator>(mut machine: Machine<T>) {
    if machine.is_leader {
        // `fork` was called by this thread, and made a process of it.
        end_process(&mut machine);
    }
    if !machine.process().is_ending() {
        machine.kernel.release_thread();
    }
    signal::leave_thread();
    let interpreted = machine.interpreter.instructions();
    machine
        .interpreted_by_others
        .fetch_add(interpreted, Ordering::Relaxed);
    machine.process().threads.remove(&machine.entry);
    // The last thread's end is the process's, if its first has ended: that one is waiting for it.
}

/// Waits for the other threads when the first has ended: its process lives as long as they do.
pub(crate) fn wait_for_threads<T: Translator>(machine: &mut Machine<T>) {
    if let Some(code) = machine.kernel.thread_exit {
        if !machine.process().is_ending() {
            machine.kernel.release_thread();
            let process = Arc::clone(&machine.kernel.process);
            process
                .threads
                .wait_for_others(&machine.entry, &|| process.is_ending());
        }
        machine.process().end(GuestExit::Code(code));
    }
    let threads = Arc::clone(&machine.kernel.process.threads);
    threads.end_others(&machine.entry);
}

/// Ends a process that `fork` made.
pub(crate) fn end_process<T: Translator>(machine: &mut Machine<T>) -> ! {
    wait_for_threads(machine);
    machine.translator.flush();
    let exit = machine.process().exit();
    end_as(machine.process(), exit.unwrap_or(GuestExit::Code(0)))
}

/// Makes this process two; returns the child's number, or 0 in the child.
pub(crate) fn fork<T: Translator>(
    machine: &mut Machine<T>,
    request: &CloneRequest,
) -> Result<u64, Errno> {
    let process = Arc::clone(&machine.kernel.process);
    let mask = signal::block_all();
    let mut result = Err(Errno::EAGAIN);
    machine.translator.fork(&mut || {
        let held = process.hold();
        result = fork_host();
        drop(held);
        result == Ok(0)
    });
    let is_child = result == Ok(0);
    if is_child {
        process.become_child(&machine.entry);
        machine.is_leader = true;
        machine.kernel.clear_tid = request.clear_tid;
        if request.stack != 0 {
            machine.state.x[2] = request.stack;
        }
        if let Some(tls) = request.tls {
            machine.state.x[4] = tls;
        }
        if let Some(address) = request.child_tid {
            let _ = store32(address, std::process::id());
        }
    } else if let (Ok(number), Some(address)) = (result, request.parent_tid) {
        let _ = store32(address, number as u32);
    }
    signal::restore_mask(mask);
    result
}

/// Runs another program in this process. Returns only where that fails.
pub(crate) fn execute<T: Translator>(
    machine: &mut Machine<T>,
    request: ExecRequest,
) -> Result<u64, Errno> {
    if !machine.process().shares_memory() {
        machine.translator.flush();
    }
    machine.kernel.trace_execution(&machine.state);
    machine.kernel.execute(request)
}
