//! When what waits is written.

use std::thread::Thread;
use std::time::{Duration, Instant};

/// Each image that is written makes a process wait longer for the next, up to so many doublings: who compiles
/// a little now and then shall not write as many images.
const MAX_DOUBLINGS: u32 = 4;

/// How much longer than after the last function code waits while more of it comes.
const PATIENCE: u32 = 4;

/// Nothing that is killed loses more than this, unless its user said so.
const MAX_WAIT: Duration = Duration::from_secs(10);

/// What somebody may ask for; clocks don't go on for ever.
const LONGEST: Duration = Duration::from_secs(1 << 30);

/// When what waits is to be written, of one cache in one process.
#[derive(Debug, Default)]
pub(crate) struct Schedule {
    /// When the first and the last came of what waits.
    pub(crate) waits_since: Option<(Instant, Instant)>,
    pub(crate) is_enough: bool,
    /// How often something was written.
    pub(crate) times: u32,
    pub(crate) thread: Option<Thread>,
    /// Whether the end of the process knows of the cache.
    pub(crate) is_registered: bool,
}

impl Schedule {
    /// How long until it is time; none if nothing waits.
    pub(crate) fn delay(&self, after: Duration, now: Instant) -> Option<Duration> {
        let (first, last) = self.waits_since?;
        let after = after.min(LONGEST);
        let most = MAX_WAIT.max(after);
        let doubled = after.saturating_mul(1 << self.times.min(MAX_DOUBLINGS));
        let (after, patience) = (
            doubled.min(most),
            doubled.saturating_mul(PATIENCE).min(most),
        );
        let due = (last + after).min(first + patience);
        match self.is_enough {
            true => Some(Duration::ZERO),
            false => Some(due.saturating_duration_since(now)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Schedule;
    use std::time::{Duration, Instant};

    #[test]
    fn code_is_written_soon_after_the_last_and_never_much_later_than_the_first() {
        let start = Instant::now();
        let at = |millis: u64| start + Duration::from_millis(millis);
        let after = Duration::from_millis(500);
        let mut schedule = Schedule::default();
        assert_eq!(schedule.delay(after, start), None);
        let delay = |schedule: &Schedule, now: u64| {
            schedule
                .delay(after, at(now))
                .map(|delay| delay.as_millis())
        };
        schedule.waits_since = Some((at(0), at(0)));
        assert_eq!(delay(&schedule, 100), Some(400));
        schedule.waits_since = Some((at(0), at(400)));
        assert_eq!(delay(&schedule, 400), Some(500));
        schedule.waits_since = Some((at(0), at(1_990)));
        assert_eq!(delay(&schedule, 1_990), Some(10));
        assert_eq!(delay(&schedule, 3_000), Some(0));
        // Later images take longer, up to some seconds.
        for (times, expected) in [(1, 1_000), (4, 8_000), (100, 8_000)] {
            schedule.times = times;
            schedule.waits_since = Some((at(0), at(0)));
            assert_eq!(delay(&schedule, 0), Some(expected));
        }
        // And never longer than seconds while more comes.
        schedule.waits_since = Some((at(0), at(9_000)));
        assert_eq!(delay(&schedule, 9_000), Some(1_000));
        assert!(schedule.delay(Duration::MAX, start).is_some());
        schedule.is_enough = true;
        assert_eq!(delay(&schedule, 0), Some(0));
    }
}
