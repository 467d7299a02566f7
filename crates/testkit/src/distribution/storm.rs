//! Guests started several at a time on one cache, some of them killed: whatever finishes must have
//! the right output.

use std::path::Path;
use std::sync::Mutex;
use std::thread;
use std::time::{Duration, Instant};

use super::{Distribution, Expectation, Guest, Way, start};

/// How many run at once.
const AT_ONCE: u64 = 4;

/// What a storm came to.
#[derive(Clone, Debug, Default)]
pub struct Storm {
    /// Guests that ran to their end and were right.
    pub right: u64,
    /// Guests that were killed on the way, as was meant.
    pub killed: u64,
    /// What was wrong with others, each with its guest's name.
    pub faults: Vec<String>,
}

impl Storm {
    /// Runs `guests`, whose output is known, on one empty cache until `time` is over; those under
    /// way then are waited for.
    ///
    /// # Panics
    /// If there are no guests.
    #[must_use]
    pub fn run(
        guests: &[&'static Guest],
        rekindle: &Path,
        cache: &Path,
        distribution: &Distribution,
        time: Duration,
    ) -> Storm {
        let storm = Mutex::new(Storm::default());
        let until = Instant::now() + time;
        thread::scope(|scope| {
            for worker in 1..=AT_ONCE {
                let storm = &storm;
                scope.spawn(move || {
                    let mut random = Random(worker);
                    while Instant::now() < until {
                        let guest = guests[random.below(guests.len() as u64) as usize];
                        let event = once(guest, &mut random, rekindle, cache, distribution);
                        storm.lock().expect("no holder panics").add(event);
                    }
                });
            }
        });
        storm.into_inner().expect("no holder panics")
    }

    fn add(&mut self, event: Event) {
        match event {
            Event::Right => self.right += 1,
            Event::Killed => self.killed += 1,
            Event::Fault(fault) => self.faults.push(fault),
        }
    }
}

enum Event {
    Right,
    Killed,
    Fault(String),
}

/// One guest, from its start to its end.
fn once(
    guest: &Guest,
    random: &mut Random,
    rekindle: &Path,
    cache: &Path,
    distribution: &Distribution,
) -> Event {
    let engine = Way::Cold.engine(rekindle, cache);
    let is_to_die = random.below(3) == 0;
    let limit = if is_to_die {
        Duration::from_millis(10 + random.below(4000))
    } else {
        guest.limit * 3
    };
    let outcome = start(guest, &engine, distribution).and_then(|started| started.finish(limit));
    match outcome {
        Ok(outcome) if outcome.is_ended_by_us && is_to_die => Event::Killed,
        Ok(outcome) => match Expectation::new(guest, None).fault(guest, &outcome) {
            Some(fault) => Event::Fault(format!("{}: {fault}", guest.name)),
            None => Event::Right,
        },
        Err(error) => Event::Fault(format!("{}: {error}", guest.name)),
    }
}

/// Numbers that look random, the same in each storm (Knuth's MMIX multiplier).
struct Random(u64);

impl Random {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % limit
    }
}
