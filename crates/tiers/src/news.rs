//! What threads have to hear of installed regions: the latest of it, by number.

use std::collections::VecDeque;

/// How many entries are remembered. Who has missed more asks for all that is installed.
const NEWS_MAX: usize = 1 << 14;

/// The heads of regions in the order in which they were installed, and removed or given up.
#[derive(Debug, Default)]
pub(crate) struct News {
    first: usize,
    latest: VecDeque<(u64, bool)>,
}

impl News {
    /// Notes that the region at `head` was installed, or that it is gone.
    pub(crate) fn push(&mut self, head: u64, is_installed: bool) {
        self.latest.push_back((head, is_installed));
        if self.latest.len() > NEWS_MAX {
            self.latest.pop_front();
            self.first += 1;
        }
    }

    /// How many there were in all.
    pub(crate) fn count(&self) -> usize {
        self.first + self.latest.len()
    }

    /// Those from number `seen` on; `None` where not all of them are known any more.
    pub(crate) fn since(&self, seen: usize) -> Option<impl Iterator<Item = (u64, bool)>> {
        let known = seen.checked_sub(self.first)?;
        Some(self.latest.iter().skip(known).copied())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn news_don_t_grow_and_who_missed_some_is_told() {
        let mut news = News::default();
        for head in 0..100_000 {
            news.push(head, true);
        }
        assert!(news.latest.len() <= NEWS_MAX);
        assert_eq!(news.count(), 100_000);
        let latest: Vec<_> = news.since(99_998).expect("these are known").collect();
        assert_eq!(latest, [(99_998, true), (99_999, true)]);
        assert_eq!(news.since(100_000).map(Iterator::count), Some(0));
        assert!(news.since(0).is_none());
    }
}
