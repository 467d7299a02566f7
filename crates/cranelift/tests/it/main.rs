//! Modules as an embedder uses them: compiled, loaded by a later module, loaded in a new process.
//!
//! Keys and environments are tested with each version of Cranelift, the rest with the newest.

#![expect(unsafe_code, reason = "tests call the code that they compile")]

#[cfg(since_0_135)]
mod api;
#[cfg(since_0_135)]
mod baked;
#[cfg(since_0_135)]
mod basic;
#[cfg(since_0_135)]
mod callees;
#[cfg(since_0_135)]
mod calls;
#[cfg(since_0_135)]
mod compiled;
#[cfg(since_0_135)]
mod corners;
mod environment;
#[cfg(since_0_135)]
mod failing;
#[cfg(since_0_135)]
mod figures;
#[cfg(since_0_135)]
mod forks;
#[cfg(since_0_135)]
mod guards;
#[cfg(since_0_135)]
mod keepable;
mod keys;
#[cfg(since_0_135)]
mod locations;
#[cfg(since_0_135)]
mod many;
#[cfg(since_0_135)]
mod named;
#[cfg(not(since_0_135))]
mod older;
#[cfg(since_0_135)]
mod processes;
#[cfg(since_0_135)]
mod programs;
#[cfg(since_0_135)]
mod provided;
#[cfg(since_0_135)]
mod shared;
mod support;
#[cfg(since_0_135)]
mod tables;
#[cfg(since_0_135)]
mod told;
#[cfg(since_0_135)]
mod unwind;
#[cfg(since_0_135)]
mod verify;
#[cfg(since_0_135)]
mod waiting;
#[cfg(since_0_135)]
mod why;
