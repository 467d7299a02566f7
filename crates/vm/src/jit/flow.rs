//! What is known about the registers at each point of a region, by data flow over its blocks.
//!
//! Four questions are answered before translation. *Dirty*: which registers may differ from the
//! guest state when control reaches a block, and so must be written back where it leaves. *Needed*:
//! which registers must be loaded when the region is entered, because some path reads them (or
//! writes them back) before writing them. *Single*: which floating-point registers hold a boxed
//! single on every path, so that neither boxing nor its check is needed between blocks. *Loose*:
//! which may hold a NaN that isn't canonical yet; arithmetic may leave one, and whoever shows the
//! bits to somebody makes it canonical first.

use super::operands::{Operands, is_arithmetic, operands};
use super::reg_set::RegSet;
use super::region::{Block, Region};
use rv_isa::Inst;

/// Integer registers that travel between regions in host registers instead of through the state.
pub(crate) const CARRIED: [usize; 5] = [1, 2, 10, 11, 15];
/// The same as a set.
pub(crate) const CARRIED_SET: RegSet = RegSet::of(&CARRIED);

/// What is known about a region's registers.
#[derive(Debug)]
pub(crate) struct Flow {
    /// Per block.
    pub blocks: Vec<BlockFlow>,
    /// Integer registers to load at entry; the carried ones are at hand anyway.
    pub x_needed: RegSet,
    /// Floating-point registers to load at entry.
    pub f_needed: RegSet,
    /// Those of `f_needed` that entry checks to be boxed singles and unboxes.
    pub f_needed_single: RegSet,
    /// Whether anything in the region rounds or raises exceptions.
    pub has_arithmetic: bool,
    /// Whether anything rounds in the dynamic mode.
    pub dynamic_rounding: bool,
}

/// What is known where a block starts.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct BlockFlow {
    /// Integer registers that may differ from the state.
    pub x_dirty: RegSet,
    /// Floating-point registers that may differ from the state.
    pub f_dirty: RegSet,
    /// Integer registers that some path from here needs.
    pub x_live: RegSet,
    /// Floating-point registers that some path from here needs.
    pub f_live: RegSet,
    /// Floating-point registers held as singles.
    pub f_single: RegSet,
    /// Floating-point registers that may hold a NaN that isn't canonical.
    pub f_loose: RegSet,
    /// Blocks of the region from which control comes, the region's entry not counted.
    pub predecessors: usize,
    /// Whether control can come from this block or a later one.
    pub is_loop_header: bool,
}

/// Whether `inst` can leave a NaN that isn't canonical in its destination.
pub(crate) fn leaves_loose(inst: &Inst) -> bool {
    matches!(
        inst,
        Inst::FpBinary { .. } | Inst::FpSqrt { .. } | Inst::FpFused { .. } | Inst::FpConvert { .. }
    )
}

/// One block's own effect, summed up.
#[derive(Clone, Copy, Default)]
struct Summary {
    x_defined: RegSet,
    f_defined: RegSet,
    f_single_after: RegSet,
    f_loose_after: RegSet,
    first_single: RegSet,
    first_raw: RegSet,
}

/// Analyses a region.
pub(crate) fn analyse(region: &Region) -> Flow {
    let summaries: Vec<Summary> = region.blocks.iter().map(summarise).collect();
    let mut blocks = vec![BlockFlow::default(); region.blocks.len()];
    for (index, block) in region.blocks.iter().enumerate() {
        for successor in block.end.successors() {
            blocks[successor].predecessors += 1;
            blocks[successor].is_loop_header |= successor <= index;
        }
    }
    flow_dirty(region, &summaries, &mut blocks);
    let (x_live, f_live) = flow_live(region, &mut blocks);
    let single = first_singles(region, &summaries);
    let f_needed_single = single.intersection(f_live);
    flow_types(region, &summaries, f_needed_single, &mut blocks);
    Flow {
        blocks,
        x_needed: x_live.minus(CARRIED_SET),
        f_needed: f_live,
        f_needed_single,
        has_arithmetic: region.instructions().any(|i| is_arithmetic(&i.inst)),
        dynamic_rounding: region
            .instructions()
            .any(|i| operands(&i.inst).dynamic_rounding),
    }
}

fn summarise(block: &Block) -> Summary {
    let mut summary = Summary::default();
    let mut touched = RegSet::EMPTY;
    for instruction in &block.instructions {
        let o = operands(&instruction.inst);
        summary.x_defined = summary.x_defined.union(o.x_writes);
        summary.first_single = summary.first_single.union(o.f_single_reads.minus(touched));
        summary.first_raw = summary.first_raw.union(o.f_raw_reads.minus(touched));
        touched = touched
            .union(o.f_single_reads)
            .union(o.f_raw_reads)
            .union(o.f_writes());
        summary.f_defined = summary.f_defined.union(o.f_writes());
        summary.f_single_after = summary
            .f_single_after
            .union(o.f_single_writes)
            .minus(o.f_raw_writes);
        let loose = if leaves_loose(&instruction.inst) {
            o.f_writes()
        } else {
            RegSet::EMPTY
        };
        summary.f_loose_after = summary.f_loose_after.minus(o.f_writes()).union(loose);
    }
    summary
}

/// What is live after each instruction of a block, integer and floating-point. Whatever control
/// may take out of the region counts as live.
pub(crate) fn live_after(flow: &Flow, block: &Block) -> Vec<(RegSet, RegSet)> {
    let mut live = (RegSet::EMPTY, RegSet::EMPTY);
    for successor in block.end.successors() {
        let successor = &flow.blocks[successor];
        live = (
            live.0.union(successor.x_live),
            live.1.union(successor.f_live),
        );
    }
    if block.end.leaves() {
        live = (RegSet::ALL, RegSet::ALL);
    }
    let mut all = vec![live; block.instructions.len()];
    for (index, instruction) in block.instructions.iter().enumerate().rev() {
        all[index] = live;
        let o = operands(&instruction.inst);
        live.0 = live.0.minus(o.x_writes).union(o.x_reads);
        live.1 = live.1.minus(o.f_writes()).union(o.f_reads());
        if o.may_leave {
            live = (RegSet::ALL, RegSet::ALL);
        }
    }
    all
}

/// Forward, union over predecessors.
fn flow_dirty(region: &Region, summaries: &[Summary], blocks: &mut [BlockFlow]) {
    let mut changed = true;
    while changed {
        changed = false;
        for (index, block) in region.blocks.iter().enumerate() {
            let x = blocks[index].x_dirty.union(summaries[index].x_defined);
            let f = blocks[index].f_dirty.union(summaries[index].f_defined);
            let loose = blocks[index]
                .f_loose
                .minus(summaries[index].f_defined)
                .union(summaries[index].f_loose_after);
            for successor in block.end.successors() {
                let target = &mut blocks[successor];
                let before = (target.x_dirty, target.f_dirty, target.f_loose);
                target.x_dirty = target.x_dirty.union(x);
                target.f_dirty = target.f_dirty.union(f);
                target.f_loose = target.f_loose.union(loose);
                changed |= before != (target.x_dirty, target.f_dirty, target.f_loose);
            }
        }
    }
}

/// Backward, union over successors; returns what is live where the region is entered.
fn flow_live(region: &Region, blocks: &mut [BlockFlow]) -> (RegSet, RegSet) {
    let mut changed = true;
    while changed {
        changed = false;
        for (index, block) in region.blocks.iter().enumerate().rev() {
            let mut x = RegSet::EMPTY;
            let mut f = RegSet::EMPTY;
            for successor in block.end.successors() {
                x = x.union(blocks[successor].x_live);
                f = f.union(blocks[successor].f_live);
            }
            let all: Vec<Operands> = block
                .instructions
                .iter()
                .map(|i| operands(&i.inst))
                .collect();
            // Whatever may be dirty when control leaves is written back, and so is read.
            if block.end.leaves() {
                x = x.union(blocks[index].x_dirty);
                f = f.union(blocks[index].f_dirty);
            }
            for o in all.iter().rev() {
                x = x.minus(o.x_writes).union(o.x_reads);
                f = f.minus(o.f_writes()).union(o.f_reads());
                if o.may_leave {
                    x = x.union(blocks[index].x_dirty);
                    f = f.union(blocks[index].f_dirty);
                }
            }
            changed |= x != blocks[index].x_live || f != blocks[index].f_live;
            blocks[index].x_live = x;
            blocks[index].f_live = f;
        }
    }
    (blocks[0].x_live, blocks[0].f_live)
}

/// The registers that some path from the entry first reads as a single, and none as raw bits.
fn first_singles(region: &Region, summaries: &[Summary]) -> RegSet {
    let mut first = vec![(RegSet::EMPTY, RegSet::EMPTY); summaries.len()];
    let mut changed = true;
    while changed {
        changed = false;
        for (index, block) in region.blocks.iter().enumerate().rev() {
            let summary = &summaries[index];
            let killed = summary
                .f_defined
                .union(summary.first_single)
                .union(summary.first_raw);
            let (mut single, mut raw) = (RegSet::EMPTY, RegSet::EMPTY);
            for successor in block.end.successors() {
                single = single.union(first[successor].0);
                raw = raw.union(first[successor].1);
            }
            let now = (
                single.minus(killed).union(summary.first_single),
                raw.minus(killed).union(summary.first_raw),
            );
            changed |= now != first[index];
            first[index] = now;
        }
    }
    first[0].0.minus(first[0].1)
}

/// Forward, intersection over predecessors, the entry among the head's.
fn flow_types(region: &Region, summaries: &[Summary], entry: RegSet, blocks: &mut [BlockFlow]) {
    for block in blocks.iter_mut() {
        block.f_single = RegSet::ALL;
    }
    blocks[0].f_single = entry;
    let mut changed = true;
    while changed {
        changed = false;
        for (index, block) in region.blocks.iter().enumerate() {
            let summary = &summaries[index];
            let after = blocks[index]
                .f_single
                .minus(summary.f_defined)
                .union(summary.f_single_after);
            for successor in block.end.successors() {
                let target = &mut blocks[successor].f_single;
                let met = target.intersection(after);
                changed |= met != *target;
                *target = met;
            }
        }
    }
}
