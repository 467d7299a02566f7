//! The budget: which images go when there is too much.
//!
//! Images go whole. First those of superseded environments: other versions and settings of the
//! producer that is writing now. Then those that are worth least: nanoseconds of compiling saved
//! per byte, aged by last use. (Dropping single entries is for merging.)

use crate::environment::Environment;
use crate::folder::seconds_since_epoch;
use crate::root::Store;
use crate::survey::{EnvironmentInfo, ImageInfo};

const DAY_S: i64 = 24 * 60 * 60;

impl Store {
    /// The images that would have to go for all to fit `budget_bytes`, in the order in which they
    /// would. Reads headers only if any must.
    pub fn over_budget(&self, budget_bytes: u64, environment: &Environment) -> Vec<ImageInfo> {
        let mut images = self.list_images();
        let total: u64 = images.iter().map(|image| image.file_len_bytes).sum();
        if total <= budget_bytes {
            return Vec::new();
        }
        for image in &mut images {
            self.read_header(image);
        }
        let superseded = superseded(&self.environments(), environment);
        choose(
            images,
            total - budget_bytes,
            &superseded,
            seconds_since_epoch(),
        )
    }
}

/// The folders of the producer's other environments.
fn superseded(environments: &[EnvironmentInfo], current: &Environment) -> Vec<String> {
    let current_folder = current.digest().short_hex();
    environments
        .iter()
        .filter(|environment| {
            environment.description.producer == current.producer()
                && environment.folder != current_folder
        })
        .map(|environment| environment.folder.clone())
        .collect()
}

/// The images that go, worst first, until `excess_bytes` are free.
fn choose(
    mut images: Vec<ImageInfo>,
    excess_bytes: u64,
    superseded: &[String],
    now_s: i64,
) -> Vec<ImageInfo> {
    let rank = |image: &ImageInfo| {
        let is_live = !superseded.contains(&image.environment);
        (is_live, worth(image, now_s))
    };
    images.sort_by(|left, right| {
        let ((left_live, left_worth), (right_live, right_worth)) = (rank(left), rank(right));
        left_live
            .cmp(&right_live)
            .then(left_worth.total_cmp(&right_worth))
    });
    let mut freed = 0;
    images
        .into_iter()
        .take_while(|image| {
            let needed = freed < excess_bytes;
            freed += image.file_len_bytes;
            needed
        })
        .collect()
}

/// Nanoseconds of compiling saved per byte, divided by the days since the last use. An image whose
/// header can't be believed is worth nothing.
fn worth(image: &ImageInfo, now_s: i64) -> f64 {
    let saved_ns = image
        .header
        .as_ref()
        .map_or(0, |header| header.compile_time_ns);
    let age_days = (now_s - image.last_used_s).max(0) as f64 / DAY_S as f64;
    saved_ns as f64 / image.file_len_bytes.max(1) as f64 / (1.0 + age_days)
}

#[cfg(test)]
mod tests {
    use super::{DAY_S, choose, superseded};
    use crate::environment::Environment;
    use crate::root::EnvironmentDescription;
    use crate::survey::{EnvironmentInfo, HeaderInfo, ImageInfo};

    const NOW: i64 = 1000 * DAY_S;

    fn image(number: u32, environment: &str, bytes: u64, ns: u64, age_days: i64) -> ImageInfo {
        ImageInfo {
            environment: environment.to_owned(),
            number,
            file_len_bytes: bytes,
            last_used_s: NOW - age_days * DAY_S,
            header: Some(HeaderInfo {
                compile_time_ns: ns,
                ..HeaderInfo::default()
            }),
            ..ImageInfo::default()
        }
    }

    fn gone(images: Vec<ImageInfo>, excess: u64) -> Vec<u32> {
        choose(images, excess, &["old".to_owned()], NOW)
            .iter()
            .map(|image| image.number)
            .collect()
    }

    #[test]
    fn superseded_environments_go_first() {
        let images = || {
            vec![
                image(1, "live", 10, 1, 90),
                image(2, "old", 10, 1_000_000, 0),
            ]
        };
        assert_eq!(gone(images(), 1), [2]);
        assert_eq!(gone(images(), 10), [2]);
        assert_eq!(gone(images(), 11), [2, 1]);
    }

    #[test]
    fn then_what_saves_least_per_byte_aged_by_use() {
        let images = vec![
            image(1, "live", 10, 1000, 0),
            image(2, "live", 1000, 1000, 0),
            image(3, "live", 10, 1000, 9),
            image(4, "live", 10, 1000, 999),
        ];
        assert_eq!(gone(images, 100_000), [4, 2, 3, 1]);
        let mut damaged = image(5, "live", 10, 0, 0);
        damaged.header = None;
        assert_eq!(gone(vec![image(1, "live", 10, 1, 999), damaged], 1), [5]);
    }

    #[test]
    fn only_the_same_producer_supersedes() {
        let current = Environment::builder("vm").build();
        let environment = |folder: &str, producer: &str| EnvironmentInfo {
            folder: folder.to_owned(),
            description: EnvironmentDescription {
                producer: producer.to_owned(),
                ..EnvironmentDescription::default()
            },
        };
        let all = [
            environment(&current.digest().short_hex(), "vm"),
            environment("1", "vm"),
            environment("2", "lisp"),
        ];
        assert_eq!(superseded(&all, &current), ["1"]);
    }
}
