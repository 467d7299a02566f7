//! Placeholder title page.

#![forbid(unsafe_code)]
