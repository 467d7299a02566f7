//! The budget: which images go when there is too much.
//!
//! Images go whole. First those of superseded environments: what nobody used for a week, and what its
//! producer says is an older version of what is used. Then those that are worth least: nanoseconds of
//! compiling saved per byte, aged by last use. (Dropping single entries is for merging.)
//!
//! That an environment is another than the one that is writing now says nothing: another application
//! may be using it.

use std::collections::{HashMap, HashSet};

use crate::environment::Environment;
use crate::root::Store;
use crate::survey::{EnvironmentInfo, ImageInfo};

const DAY_S: i64 = 24 * 60 * 60;

/// An environment that nobody used for so long is superseded.
const UNUSED_S: i64 = 7 * DAY_S;

impl Store {
    /// The images that would have to go for all to fit `budget_bytes`, in the order in which they
    /// would. Reads headers only if any must. What is in the way of the next walk is removed.
    pub fn over_budget(&self, budget_bytes: u64, environment: &Environment) -> Vec<ImageInfo> {
        let images = self.list_and_tidy();
        self.choose_over_budget(images, budget_bytes, Some(environment))
    }

    /// Those of some images that would have to go for all of them to fit. `environment` is in use,
    /// whatever its files say.
    pub(crate) fn choose_over_budget(
        &self,
        mut images: Vec<ImageInfo>,
        budget_bytes: u64,
        environment: Option<&Environment>,
    ) -> Vec<ImageInfo> {
        let total: u64 = images.iter().map(|image| image.file_len_bytes).sum();
        if total <= budget_bytes {
            return Vec::new();
        }
        for image in images.iter_mut().filter(|image| image.header.is_none()) {
            self.read_header(image);
        }
        let now_s = self.storage().now_s();
        let superseded = superseded(&self.environments(), &images, environment, now_s);
        choose(images, total - budget_bytes, &superseded, now_s)
    }
}

/// The folders of superseded environments.
fn superseded(
    environments: &[EnvironmentInfo],
    images: &[ImageInfo],
    current: Option<&Environment>,
    now_s: i64,
) -> HashSet<String> {
    let current = current.map(|current| current.digest().short_hex());
    let mut used_s: HashMap<&str, i64> = HashMap::new();
    for image in images {
        let used = used_s.entry(&image.environment).or_insert(i64::MIN);
        *used = (*used).max(image.last_used_s);
    }
    // What is writing now is in use, whatever its files say.
    if let Some(current) = &current {
        used_s.insert(current, i64::MAX);
    }
    let used = |folder: &str| used_s.get(folder).copied().unwrap_or(i64::MIN);
    let mut newest: HashMap<_, &EnvironmentInfo> = HashMap::new();
    for environment in environments {
        let Some(line) = environment.description.line() else {
            continue;
        };
        let newest = newest.entry(line).or_insert(environment);
        if used(&newest.folder) < used(&environment.folder) {
            *newest = environment;
        }
    }
    let is_older = |environment: &&EnvironmentInfo| {
        let line = environment.description.line();
        line.is_some_and(|line| newest[&line].folder != environment.folder)
    };
    let older = environments.iter().filter(is_older);
    let older = older.map(|environment| environment.folder.clone());
    let unused = used_s
        .iter()
        .filter(|(_, used)| now_s.saturating_sub(**used) > UNUSED_S);
    older
        .chain(unused.map(|(folder, _)| (*folder).to_owned()))
        .collect()
}

/// The images that go, worst first, until `excess_bytes` are free.
fn choose(
    mut images: Vec<ImageInfo>,
    excess_bytes: u64,
    superseded: &HashSet<String>,
    now_s: i64,
) -> Vec<ImageInfo> {
    // An image is worth no less than the older ones of its scope, and goes after them: it may hold what
    // corrects them.
    images.sort_by(|left, right| scope_of(left).cmp(&scope_of(right)));
    let mut worths: Vec<f64> = images.iter().map(|image| worth(image, now_s)).collect();
    for newer in 1..images.len() {
        let (older, newest) = (&images[newer - 1], &images[newer]);
        if (&older.environment, &older.scope) == (&newest.environment, &newest.scope) {
            worths[newer] = worths[newer].max(worths[newer - 1]);
        }
    }
    let mut ranked: Vec<(bool, f64, ImageInfo)> = worths
        .into_iter()
        .zip(images)
        .map(|(worth, image)| (!superseded.contains(&image.environment), worth, image))
        .collect();
    ranked.sort_by(
        |(left_live, left_worth, left), (right_live, right_worth, right)| {
            left_live
                .cmp(right_live)
                .then(left_worth.total_cmp(right_worth))
                .then_with(|| scope_of(left).cmp(&scope_of(right)))
        },
    );
    let mut freed = 0;
    ranked
        .into_iter()
        .map(|(_, _, image)| image)
        .take_while(|image| {
            let needed = freed < excess_bytes;
            freed += image.file_len_bytes;
            needed
        })
        .collect()
}

/// Where an image is: its scope, and its place among the images of that, older ones first.
fn scope_of(image: &ImageInfo) -> (&str, &str, u32) {
    (&image.environment, &image.scope, image.number)
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
    use crate::description::EnvironmentDescription;
    use crate::environment::Environment;
    use crate::survey::{EnvironmentInfo, HeaderInfo, ImageInfo};

    const NOW: i64 = 1000 * DAY_S;

    fn image(number: u32, environment: &str, bytes: u64, ns: u64, age_days: i64) -> ImageInfo {
        ImageInfo {
            environment: environment.to_owned(),
            scope: number.to_string(),
            number,
            file_len_bytes: bytes,
            last_used_s: NOW - age_days * DAY_S,
            header: Some(HeaderInfo {
                compile_time_ns: ns,
                ..HeaderInfo::default()
            }),
        }
    }

    fn gone(images: Vec<ImageInfo>, excess: u64) -> Vec<u32> {
        choose(images, excess, &["old".to_owned()].into(), NOW)
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
    fn what_corrects_an_image_goes_after_it() {
        let in_one_scope = |image: ImageInfo| ImageInfo {
            scope: "s".to_owned(),
            ..image
        };
        let images = vec![
            in_one_scope(image(3, "live", 10, 1, 0)),
            in_one_scope(image(2, "live", 10, 9000, 0)),
            in_one_scope(image(1, "live", 10, 1000, 0)),
            image(4, "live", 10, 5000, 0),
        ];
        assert_eq!(gone(images, 1000), [1, 4, 2, 3]);
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

    /// Which of some environments, each last used so many days ago, are superseded.
    fn superseded_of(environments: &[(&Environment, i64)], current: &Environment) -> Vec<String> {
        let info = |environment: &Environment| EnvironmentInfo {
            folder: environment.digest().short_hex(),
            description: EnvironmentDescription::of(environment),
        };
        let infos: Vec<_> = environments.iter().map(|(one, _)| info(one)).collect();
        let images: Vec<_> = environments
            .iter()
            .map(|(one, age_days)| image(1, &one.digest().short_hex(), 10, 1, *age_days))
            .collect();
        let mut found: Vec<_> = superseded(&infos, &images, Some(current), NOW)
            .into_iter()
            .collect();
        found.sort_unstable();
        found
    }

    #[test]
    fn another_application_in_use_is_not_superseded() {
        let build = |name: &str| Environment::builder("jit").field("program", name).build();
        let (one, two, three) = (build("one"), build("two"), build("three"));
        let all = [(&one, 0), (&two, 6), (&three, 8)];
        for current in [&one, &two] {
            assert_eq!(superseded_of(&all, current), [three.digest().short_hex()]);
        }
        assert!(superseded_of(&all, &three).is_empty(), "it is in use again");
    }

    #[test]
    fn what_its_producer_calls_an_older_version_is_superseded_at_once() {
        let build = |producer: &str, name: &str, version: u32| {
            let builder = Environment::builder(producer).field("program", name);
            builder.version_field("version", version).build()
        };
        let current = build("jit", "one", 2);
        let older = build("jit", "one", 1);
        let others = [build("jit", "two", 1), build("lisp", "one", 1)];
        let all = [(&current, 1), (&older, 0), (&others[0], 0), (&others[1], 0)];
        assert_eq!(superseded_of(&all, &current), [older.digest().short_hex()]);
        let unnamed = Environment::builder("jit").field("program", "one");
        let unnamed = unnamed.field("version", 2).build();
        assert_eq!(unnamed.digest(), current.digest(), "a name for people");
        assert!(superseded_of(&[(&unnamed, 0), (&older, 0)], &unnamed).is_empty());
    }
}
