//! Interleaved measuring of two commands.
//!
//! A machine's speed drifts by a third within minutes. Two sides that are measured one after the
//! other differ by that drift; two that take turns share it.

use std::time::{Duration, Instant};

/// How long one comparison may take.
#[derive(Clone, Copy, Debug)]
pub struct Budget {
    /// Pairs that are run whatever they take.
    pub least_pairs: usize,
    /// Pairs beyond which more say nothing new.
    pub most_pairs: usize,
    /// No further pair is started after this long.
    pub time: Duration,
}

/// One side of a comparison: something that runs and says how long it took.
pub type Timed<'a> = Box<dyn FnMut() -> anyhow::Result<Duration> + 'a>;

/// Times of one side, in milliseconds.
#[derive(Clone, Debug, Default)]
pub struct Samples(Vec<f64>);

impl Samples {
    pub(crate) fn push(&mut self, duration: Duration) {
        self.0.push(duration.as_secs_f64() * 1e3);
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The middle value; of an even number of samples, the mean of the two in the middle.
    #[must_use]
    pub fn median(&self) -> f64 {
        let sorted = self.sorted();
        match sorted.len() {
            0 => f64::NAN,
            len if len % 2 == 1 => sorted[len / 2],
            len => f64::midpoint(sorted[len / 2 - 1], sorted[len / 2]),
        }
    }

    /// The distance between the quartiles: half of all samples lie within it.
    #[must_use]
    pub fn spread(&self) -> f64 {
        let sorted = self.sorted();
        match sorted.len() {
            0 => f64::NAN,
            len => sorted[len * 3 / 4] - sorted[len / 4],
        }
    }

    fn sorted(&self) -> Vec<f64> {
        let mut sorted = self.0.clone();
        sorted.sort_by(f64::total_cmp);
        sorted
    }
}

/// Runs the two in turns, each pair in the opposite order of the last, until the budget is spent.
///
/// # Errors
/// The first error of either side.
pub fn in_pairs(
    budget: Budget,
    mut ours: Timed<'_>,
    mut peer: Timed<'_>,
) -> anyhow::Result<(Samples, Samples)> {
    let (mut our_times, mut peer_times) = (Samples::default(), Samples::default());
    let started = Instant::now();
    for pair in 0..budget.most_pairs {
        if pair >= budget.least_pairs && started.elapsed() > budget.time {
            break;
        }
        if pair % 2 == 0 {
            our_times.push(ours()?);
            peer_times.push(peer()?);
        } else {
            peer_times.push(peer()?);
            our_times.push(ours()?);
        }
    }
    Ok((our_times, peer_times))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{Budget, Samples, in_pairs};

    fn samples(milliseconds: &[u64]) -> Samples {
        let mut samples = Samples::default();
        milliseconds
            .iter()
            .for_each(|&ms| samples.push(Duration::from_millis(ms)));
        samples
    }

    #[test]
    fn medians_and_spreads() {
        assert!((samples(&[5, 1, 9]).median() - 5.0).abs() < 1e-9);
        assert!((samples(&[4, 1, 2, 9]).median() - 3.0).abs() < 1e-9);
        assert!((samples(&[1, 2, 3, 4, 5, 6, 7, 8]).spread() - 4.0).abs() < 1e-9);
        assert!(samples(&[]).median().is_nan());
    }

    #[test]
    fn the_budget_bounds_the_pairs() {
        let budget = Budget {
            least_pairs: 2,
            most_pairs: 5,
            time: Duration::ZERO,
        };
        let run = || Box::new(|| Ok(Duration::from_millis(1)));
        let (ours, peer) = in_pairs(budget, run(), run()).expect("nothing fails");
        assert_eq!((ours.len(), peer.len()), (2, 2));
    }
}
