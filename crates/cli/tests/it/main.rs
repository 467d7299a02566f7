//! The `rekindle` program as its users meet it: real guests, held against QEMU.
//!
//! These tests need Debian's cross compilers and QEMU, and say which package line installs them
//! where they are missing.

#![forbid(unsafe_code)]

mod cache_commands;
mod changed;
mod damage;
mod debugger;
mod elevated;
mod endings;
mod fences;
mod hostile;
mod sequences;
mod session;
mod streams;
mod tools;
mod warm;
mod ways;
