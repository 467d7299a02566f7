//! Workloads that comparisons and benchmarks run; nothing here measures.

#![forbid(unsafe_code)]

pub mod population;
