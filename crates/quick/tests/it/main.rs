//! The translator held against the interpreter, its bytes against another decoder, its tables against
//! what they are for, and its trait against a host that isn't one.

#![deny(unsafe_code)]

mod bench;
mod differential;
mod guest_elf;
mod listing;
mod programs;
mod run;
mod tables;
