//! How many instructions sequences execute.

use rv_isa::{Inst, XReg};

use super::batch::Batch;
use super::sequence::{Item, Sequence};
use super::ways::{Machines, Made, Outcome, Way};

/// What the harness executes by itself, so that it can be left out of what is counted.
#[derive(Clone, Copy, Debug)]
pub struct Overhead {
    start: i64,
    run: i64,
    fault: i64,
    /// What a run that is given up takes more, or less, than others.
    abandoned: i64,
}

const ROUNDS: i64 = 8;
const COPIES: i64 = 64;

impl Overhead {
    /// Measures it, by sequences that do nothing and by sequences that only fault.
    ///
    /// # Errors
    /// If a run fails.
    pub fn measure(machines: &Machines) -> Result<Overhead, String> {
        let model = Batch::random(1, 1, ROUNDS as u64);
        let count = |insts: &[Inst], copies: i64| {
            let sequence = Sequence {
                items: vec![Item::Together(insts.to_vec())],
                ..Sequence::default()
            };
            let batch = model.with(vec![(sequence, 0); copies as usize]);
            let outcome = machines.run(&batch, &[Way::Interpreter], false);
            match &outcome.made[0].1 {
                Made::Hashes(..) => Ok(outcome.interpreted as i64),
                other => Err(format!("{other:?}")),
            }
        };
        let nowhere = Inst::Jalr {
            rd: XReg::ZERO,
            rs1: XReg::ZERO,
            offset: 0,
        };
        let runs = COPIES * ROUNDS;
        let (one, nothing) = (count(&[], 1)?, count(&[], 1 + COPIES)?);
        let (one_fault, faults) = (
            count(&[Inst::Ebreak], 1)?,
            count(&[Inst::Ebreak], 1 + COPIES)?,
        );
        let (one_jump, jumps) = (count(&[nowhere], 1)?, count(&[nowhere], 1 + COPIES)?);
        let run = (nothing - one) / runs;
        let fault = (faults - one_fault) / runs - run;
        Ok(Overhead {
            start: one - run * ROUNDS,
            run,
            fault,
            // The jump itself is the sequence's.
            abandoned: (jumps - one_jump) / runs - run - fault - 1,
        })
    }

    /// How many instructions the sequences of a batch executed, each run of each counted.
    #[must_use]
    pub fn without(self, batch: &Batch, outcome: &Outcome) -> u64 {
        let counts = outcome.made.iter().find_map(|(_, made)| match made {
            Made::Hashes(_, counts) => Some(counts.map(|count| count as i64)),
            _ => None,
        });
        let [faults, abandoned] = counts.unwrap_or_default();
        let runs = batch.sequences.len() as i64 * batch.rounds as i64;
        let own = self.start + self.run * runs + self.fault * faults + self.abandoned * abandoned;
        u64::try_from(outcome.interpreted as i64 - own).unwrap_or(0)
    }
}
