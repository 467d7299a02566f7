//! Code that was compiled again though nothing but an order differs: its front goes through a `HashMap`,
//! whose order is another one in each process, and nothing that it makes is ever found.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rekindle_artifact::{Artifact, KeyPart};
use rekindle_store::Key;

use crate::loaded::LoadedImage;

/// The name of the part of a key that is a hash of what the code is made of with no regard to orders and
/// numbers. It decides nothing; it tells who wonders why a key is another.
pub const ORDER_ASIDE: &str = "order aside";

/// How long images are searched; nobody waits for it gladly.
const MAX_TIME: Duration = Duration::from_millis(20);

/// The name of code among what was compiled that an image has, too, but for the order, and that this
/// process didn't use there.
pub(crate) fn find<'a>(
    compiled: &'a [(Key, Arc<Artifact>)],
    images: &[Arc<LoadedImage>],
) -> Option<&'a str> {
    let mut wanted: HashMap<u64, Vec<&str>> = HashMap::new();
    for (_, artifact) in compiled {
        if let Some(hash) = order_aside(&artifact.key_parts) {
            wanted.entry(hash).or_default().push(&artifact.name);
        }
    }
    if wanted.is_empty() {
        return None;
    }
    let replaced: HashSet<&Key> = compiled.iter().map(|(key, _)| key).collect();
    let start = Instant::now();
    for image in images {
        let view = image.view();
        for entry in view.entries() {
            if start.elapsed() > MAX_TIME {
                return None;
            }
            if image.is_used(entry.index()) || replaced.contains(&entry.key()) {
                continue;
            }
            let Ok(record) = entry.verify() else { continue };
            let parts = view.key_parts(&record).unwrap_or_default();
            let Some(names) = order_aside(&parts).and_then(|hash| wanted.get(&hash)) else {
                continue;
            };
            let kept = view.name(&record).unwrap_or_default();
            let twin = names.iter().find(|name| are_alike(name, &kept));
            if let Some(name) = twin {
                return Some(name);
            }
        }
    }
    None
}

fn order_aside(parts: &[KeyPart]) -> Option<u64> {
    let part = parts.iter().find(|part| part.name == ORDER_ASIDE);
    part.map(|part| part.hash)
}

/// Whether two names are the same but for numbers in them, which fronts give in some order.
fn are_alike(name: &str, other: &str) -> bool {
    let letters = |text: &'_ str| -> String {
        let letters = text.chars().filter(|letter| !letter.is_ascii_digit());
        letters.collect()
    };
    name == other || letters(name) == letters(other)
}

#[cfg(test)]
mod tests {
    use super::are_alike;

    #[test]
    fn numbers_in_names_are_no_difference() {
        for (name, other, is_alike) in [
            ("f", "f", true),
            ("f12", "f7", true),
            ("f_1_g2", "f_3_g", true),
            ("f1", "g1", false),
            ("", "f", false),
        ] {
            assert_eq!(are_alike(name, other), is_alike, "{name} {other}");
        }
    }
}
