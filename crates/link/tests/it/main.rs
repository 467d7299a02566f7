//! Whole links, held against a judge that knows nothing of the linker's tables.

mod judge;
mod layout;
mod place;
mod support;
