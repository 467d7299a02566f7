//! Modules as an embedder uses them: compiled, loaded by a later module, loaded in a new process.
#![expect(unsafe_code, reason = "tests call the code that they compile")]

mod api;
mod baked;
mod basic;
mod callees;
mod calls;
mod corners;
mod environment;
mod forks;
mod guards;
mod keys;
mod many;
mod named;
mod processes;
mod programs;
mod support;
mod tables;
mod unwind;
mod verify;
