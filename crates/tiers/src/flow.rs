//! What is known about the registers at each point of a region, by data flow over its blocks.
//!
//! Four questions are answered before translation. *Dirty*: which registers may differ from the
//! guest state when control reaches a block, and so must be written back where it leaves. *Needed*:
//! which registers must be loaded when the region is entered, because some path reads them (or
//! writes them back) before writing them. *Single*: which floating-point registers hold a boxed
//! single on every path, so that neither boxing nor its check is needed between blocks. *Loose*:
//! which may hold a NaN that isn't canonical yet; arithmetic may leave one, and whoever shows the
//! bits to somebody makes it canonical first. That would spoil a NaN which came from memory or from
//! the state with bits of its own, so where such a register and a loose one would meet in one
//! variable, the loose one is made canonical before they do.

use rv_isa::Inst;

use crate::abi::CARRIED;
use crate::operands::{has_no_effect, is_access, is_arithmetic, operands};
use crate::reg_set::RegSet;
use crate::region::{Block, Instruction, Region};

/// The registers that travel between regions in host registers.
pub(crate) const CARRIED_SET: RegSet = RegSet::of(&CARRIED);

/// What is known about a region's registers.
#[derive(Debug)]
pub(crate) struct Flow {
    /// Per block.
    pub blocks: Vec<BlockFlow>,
    /// The blocks in an order in which each comes after all its predecessors, loops apart.
    pub order: Vec<usize>,
    /// Per block, the registers whose values matter at its start, if there is arithmetic.
    mattering: Vec<(RegSet, RegSet)>,
    /// Integer registers to load at entry; the carried ones are at hand anyway.
    pub x_needed: RegSet,
    /// Floating-point registers to load at entry.
    pub f_needed: RegSet,
    /// Those of `f_needed` that entry checks to be boxed singles and unboxes.
    pub f_needed_single: RegSet,
    /// Whether anything in the region rounds or raises exceptions.
    pub has_arithmetic: bool,
    /// Whether the state must be exact at every access that may fault.
    pub exact_faults: bool,
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
    /// Whether a loop begins here: control can come back from what comes after.
    pub is_loop_header: bool,
}

/// Whether `inst` can leave a NaN that isn't canonical in its destination.
fn leaves_loose(inst: &Inst) -> bool {
    matches!(
        inst,
        Inst::FpBinary { .. } | Inst::FpSqrt { .. } | Inst::FpConvert { .. }
    )
}

/// Whether `inst` can leave a NaN in its destination that must keep its bits.
fn leaves_marked(inst: &Inst) -> bool {
    match inst {
        Inst::FpMoveFromInt { rs1, .. } => !rs1.is_zero(),
        Inst::FpLoad { .. } | Inst::FpSignInject { .. } => true,
        _ => false,
    }
}

/// One block's own effect, summed up.
#[derive(Clone, Copy, Default)]
struct Summary {
    x_defined: RegSet,
    f_defined: RegSet,
    f_single_after: RegSet,
    f_loose_after: RegSet,
    f_marked_after: RegSet,
    first_single: RegSet,
    first_raw: RegSet,
}

/// Analyses a region. `exact_faults` says whether the state must be exact at every access that may
/// fault: all registers can be looked at there.
pub(crate) fn analyse(region: &Region, exact_faults: bool) -> Flow {
    let summaries: Vec<Summary> = region.blocks.iter().map(summarise).collect();
    let mut blocks = vec![BlockFlow::default(); region.blocks.len()];
    for block in &region.blocks {
        for successor in block.end.successors() {
            blocks[successor].predecessors += 1;
        }
    }
    let order = reverse_postorder(region, &mut blocks);
    flow_dirty(region, &summaries, &mut blocks);
    let live = flow_live(region, &blocks, exact_faults, false);
    for (block, (x, f)) in blocks.iter_mut().zip(live) {
        (block.x_live, block.f_live) = (x, f);
    }
    let (x_live, f_live) = (blocks[0].x_live, blocks[0].f_live);
    let single = first_singles(region, &summaries);
    let f_needed_single = single.intersection(f_live);
    flow_types(region, &summaries, f_needed_single, &mut blocks);
    flow_loose(region, &summaries, &mut blocks);
    let has_arithmetic = region.instructions().any(|i| is_arithmetic(&i.inst));
    let mattering = if has_arithmetic {
        flow_live(region, &blocks, exact_faults, true)
    } else {
        Vec::new()
    };
    Flow {
        blocks,
        order,
        mattering,
        x_needed: x_live.minus(CARRIED_SET),
        f_needed: f_live,
        f_needed_single,
        has_arithmetic,
        exact_faults,
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
        let marked = if leaves_marked(&instruction.inst) {
            o.f_writes()
        } else {
            RegSet::EMPTY
        };
        summary.f_marked_after = summary.f_marked_after.minus(o.f_writes()).union(marked);
    }
    summary
}

/// Orders the blocks, and marks those to which depth-first search finds a way back.
fn reverse_postorder(region: &Region, blocks: &mut [BlockFlow]) -> Vec<usize> {
    #[derive(Clone, Copy, PartialEq)]
    enum Mark {
        New,
        Open,
        Done,
    }
    let mut marks = vec![Mark::New; blocks.len()];
    let mut order = Vec::with_capacity(blocks.len());
    let successors =
        |block: usize| -> Vec<usize> { region.blocks[block].end.successors().collect() };
    let mut stack = vec![(0, successors(0))];
    marks[0] = Mark::Open;
    while let Some((block, left)) = stack.last_mut() {
        let Some(next) = left.pop() else {
            marks[*block] = Mark::Done;
            order.push(*block);
            stack.pop();
            continue;
        };
        match marks[next] {
            Mark::New => {
                marks[next] = Mark::Open;
                stack.push((next, successors(next)));
            }
            Mark::Open => blocks[next].is_loop_header = true,
            Mark::Done => {}
        }
    }
    order.reverse();
    order
}

/// The registers whose values matter after each instruction of a block, integer and floating-point:
/// somebody reads them who has an effect, or who computes what matters in turn. Whatever control may
/// take out of the region matters.
pub(crate) fn mattering_after(flow: &Flow, block: &Block) -> Vec<(RegSet, RegSet)> {
    let mut live = (RegSet::EMPTY, RegSet::EMPTY);
    for successor in block.end.successors() {
        let (x, f) = flow.mattering[successor];
        live = (live.0.union(x), live.1.union(f));
    }
    if block.end.leaves() {
        live = (RegSet::ALL, RegSet::ALL);
    }
    let mut all = vec![live; block.instructions.len()];
    for (index, instruction) in block.instructions.iter().enumerate().rev() {
        all[index] = live;
        live = before(instruction, live, true);
        if shows_state(&instruction.inst, flow.exact_faults) {
            live = (RegSet::ALL, RegSet::ALL);
        }
    }
    all
}

/// Whether the state can be seen before `inst` takes effect: it can leave the region, or fault where
/// a fault shows it.
fn shows_state(inst: &Inst, exact_faults: bool) -> bool {
    operands(inst).may_leave || exact_faults && is_access(inst)
}

/// The registers that matter before an instruction, given those that do after it. With `strictly`,
/// what an instruction without effects reads matters only if what it writes does.
fn before(instruction: &Instruction, (x, f): (RegSet, RegSet), strictly: bool) -> (RegSet, RegSet) {
    let o = operands(&instruction.inst);
    let unread = o.x_writes.intersection(x).is_empty() && o.f_writes().intersection(f).is_empty();
    let (x, f) = (x.minus(o.x_writes), f.minus(o.f_writes()));
    if strictly && unread && has_no_effect(&instruction.inst) {
        return (x, f);
    }
    (x.union(o.x_reads), f.union(o.f_reads()))
}

/// Forward, union over predecessors.
fn flow_dirty(region: &Region, summaries: &[Summary], blocks: &mut [BlockFlow]) {
    let mut changed = true;
    while changed {
        changed = false;
        for (index, block) in region.blocks.iter().enumerate() {
            let x = blocks[index].x_dirty.union(summaries[index].x_defined);
            let f = blocks[index].f_dirty.union(summaries[index].f_defined);
            for successor in block.end.successors() {
                let target = &mut blocks[successor];
                let before = (target.x_dirty, target.f_dirty);
                target.x_dirty = target.x_dirty.union(x);
                target.f_dirty = target.f_dirty.union(f);
                changed |= before != (target.x_dirty, target.f_dirty);
            }
        }
    }
}

/// Forward, union over predecessors: first the registers that may hold a NaN with bits of its own,
/// which at the entry is all of them, and after it every boxed single that is held raw; then the
/// loose ones, without the former.
fn flow_loose(region: &Region, summaries: &[Summary], blocks: &mut [BlockFlow]) {
    let mut marked = vec![RegSet::EMPTY; blocks.len()];
    marked[0] = RegSet::ALL;
    let mut changed = true;
    while changed {
        changed = false;
        for (index, block) in region.blocks.iter().enumerate() {
            let summary = &summaries[index];
            let out = marked[index]
                .minus(summary.f_defined)
                .union(summary.f_marked_after);
            let single = blocks[index]
                .f_single
                .minus(summary.f_defined)
                .union(summary.f_single_after);
            let loose = blocks[index]
                .f_loose
                .minus(summary.f_defined)
                .union(summary.f_loose_after);
            for successor in block.end.successors() {
                let boxed = single.minus(blocks[successor].f_single);
                let met = marked[successor].union(out).union(boxed);
                changed |= met != marked[successor];
                marked[successor] = met;
                let target = &mut blocks[successor].f_loose;
                let met = target.union(loose).minus(marked[successor]);
                changed |= met != *target;
                *target = met;
            }
        }
    }
}

/// Backward, union over successors: the registers that matter where each block starts.
fn flow_live(
    region: &Region,
    blocks: &[BlockFlow],
    exact_faults: bool,
    strictly: bool,
) -> Vec<(RegSet, RegSet)> {
    let mut all = vec![(RegSet::EMPTY, RegSet::EMPTY); blocks.len()];
    let mut changed = true;
    while changed {
        changed = false;
        for (index, block) in region.blocks.iter().enumerate().rev() {
            // Whatever may be dirty when control leaves is written back, and so is read.
            let leave = |(x, f): (RegSet, RegSet)| {
                (
                    x.union(blocks[index].x_dirty),
                    f.union(blocks[index].f_dirty),
                )
            };
            let mut live = (RegSet::EMPTY, RegSet::EMPTY);
            for successor in block.end.successors() {
                let (x, f) = all[successor];
                live = (live.0.union(x), live.1.union(f));
            }
            if block.end.leaves() {
                // What this block writes is written back too.
                let written = block.instructions.iter().map(|i| operands(&i.inst));
                let (x, f) = written.fold(live, |(x, f), o| {
                    (x.union(o.x_writes), f.union(o.f_writes()))
                });
                live = leave((x, f));
            }
            for instruction in block.instructions.iter().rev() {
                live = before(instruction, live, strictly);
                if shows_state(&instruction.inst, exact_faults) {
                    live = if strictly {
                        (RegSet::ALL, RegSet::ALL)
                    } else {
                        leave(live)
                    };
                }
            }
            changed |= live != all[index];
            all[index] = live;
        }
    }
    all
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
