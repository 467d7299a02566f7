//! Why code was compiled again: what its key has that the nearest other entry's key hasn't.

use rekindle_artifact::KeyItems;
use rekindle_store::{EntryInfo, EnvironmentInfo};
use serde::Serialize;

use crate::cache::Cache;
use crate::reordered::ORDER_ASIDE;

/// Why the code of a name was compiled when it was compiled last.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Why {
    /// The entry that was compiled last: what was there before it was a miss for its key.
    pub last: EntryInfo,
    /// The entry of the same name that is most like it, if there is another.
    pub nearest: Option<EntryInfo>,
    /// The parts of the key that differ from the nearest entry's. Empty if their maker didn't say
    /// what their keys were made of, or if the environments alone differ.
    pub parts: Vec<String>,
    /// What of those parts differs first, where their maker said what they consist of.
    pub items: Vec<ItemDifference>,
    /// Whether the two were made from the same, as far as their maker says: in another order, or under
    /// other numbers.
    pub is_reordered: bool,
    /// The fields in which the environments differ.
    pub environment: Vec<FieldDifference>,
}

/// The first thing in which a part of one key differs from that of another.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct ItemDifference {
    /// The part: `body`.
    pub part: String,
    /// Its number among the things that the part consists of, from one; the first of `stride` things one of
    /// which differs.
    pub number: u64,
    /// See `number`; one, unless the part is large.
    pub stride: u64,
    /// What the last compiled entry has there, in short. `None` if its part ends before.
    pub last: Option<String>,
    /// What the nearest entry has there.
    pub nearest: Option<String>,
    /// How many things the last compiled entry's part consists of.
    pub last_len: u64,
    /// How many the nearest entry's does.
    pub nearest_len: u64,
    /// How many differ, if there are as many in both.
    pub differing: Option<u64>,
}

/// A field of two environments.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct FieldDifference {
    /// The field: `cranelift`, `shared`.
    pub field: String,
    /// What the last compiled entry's environment has there.
    pub last: Option<String>,
    /// What the nearest entry's has.
    pub nearest: Option<String>,
}

impl Cache {
    /// Says why the code of this name was compiled when it was compiled last, from what is on disk:
    /// reads every image whole. `None` if there is no code of this name.
    pub fn why(&self, name: &str) -> Option<Why> {
        let mut entries = self.entries();
        // A program keeps copies under keys that say nothing.
        entries.retain(|entry| entry.is_sound && entry.name == name && !entry.is_program);
        why(entries, &self.environments())
    }
}

fn why(mut entries: Vec<EntryInfo>, environments: &[EnvironmentInfo]) -> Option<Why> {
    // Images are written in the order of their numbers, and entries stand in the order in which
    // they were compiled. Sorting keeps that order.
    entries.sort_by_key(|entry| (entry.created_s, entry.image));
    let last = entries.pop()?;
    let nearest = entries.into_iter().rev().min_by_key(|other| {
        let is_elsewhere = other.environment != last.environment;
        let is_in_other_scope = other.scope != last.scope;
        (
            differing(&last, other).len(),
            item_count(&last, other),
            is_elsewhere,
            is_in_other_scope,
        )
    });
    let Some(nearest) = nearest else {
        return Some(Why {
            last,
            ..Why::default()
        });
    };
    let parts = differing(&last, &nearest);
    Some(Why {
        items: parts
            .iter()
            .filter_map(|part| item_difference(part, &last, &nearest))
            .collect(),
        is_reordered: !parts.is_empty() && is_reordered(&last, &nearest),
        parts,
        environment: field_differences(environments, &last.environment, &nearest.environment),
        last,
        nearest: Some(nearest),
    })
}

/// Whether two entries' keys have the same but for the order.
fn is_reordered(last: &EntryInfo, other: &EntryInfo) -> bool {
    let of = |entry: &EntryInfo| {
        let mut parts = entry.key_parts.iter();
        parts
            .find(|(name, _)| name == ORDER_ASIDE)
            .map(|part| part.1)
    };
    of(last).is_some() && of(last) == of(other)
}

/// What of a part differs first.
fn item_difference(part: &str, last: &EntryInfo, nearest: &EntryInfo) -> Option<ItemDifference> {
    let of = |entry: &'_ EntryInfo| {
        let mut parts = entry.key_details.iter();
        parts.position(|known| known.name == part)
    };
    let last = &last.key_details[of(last)?].items;
    let nearest = &nearest.key_details[of(nearest)?].items;
    let item = |items: &KeyItems, index: usize| {
        let hash = items.items.get(index)?.hash;
        Some((items.text(index).to_owned(), hash))
    };
    let count = last.items.len().max(nearest.items.len());
    let mut differing = (0..count).filter(|index| item(last, *index) != item(nearest, *index));
    let first = differing.next().filter(|_| last.stride == nearest.stride)?;
    let others = differing.count() as u64;
    let text = |items| item(items, first).map(|(text, _)| text);
    let stride = u64::from(last.stride);
    Some(ItemDifference {
        part: part.to_owned(),
        number: first as u64 * stride + 1,
        stride,
        last: text(last),
        nearest: text(nearest),
        last_len: last.items.len() as u64 * stride,
        nearest_len: nearest.items.len() as u64 * stride,
        differing: (last.items.len() == nearest.items.len()).then_some(others + 1),
    })
}

/// How many things differ in all parts, as far as is known.
fn item_count(last: &EntryInfo, other: &EntryInfo) -> u64 {
    let differing = differing(last, other);
    let items = differing
        .iter()
        .filter_map(|part| item_difference(part, last, other));
    items
        .map(|items| {
            items
                .differing
                .unwrap_or(items.last_len.max(items.nearest_len))
        })
        .sum()
}

/// The parts that one entry's key has and another's hasn't, or has otherwise.
fn differing(last: &EntryInfo, other: &EntryInfo) -> Vec<String> {
    let has = |entry: &EntryInfo, part: &(String, u64)| entry.key_parts.contains(part);
    let ours = last.key_parts.iter().filter(|part| !has(other, part));
    let theirs = other.key_parts.iter().filter(|part| !has(last, part));
    let mut names: Vec<String> = Vec::new();
    for (name, _) in ours.chain(theirs) {
        if name != ORDER_ASIDE && !names.contains(name) {
            names.push(name.clone());
        }
    }
    names
}

fn field_differences(
    environments: &[EnvironmentInfo],
    last: &str,
    nearest: &str,
) -> Vec<FieldDifference> {
    if last == nearest {
        return Vec::new();
    }
    let fields = |folder: &str| {
        let found = environments.iter().find(|info| info.folder == folder);
        found.map_or(&[][..], |info| &info.description.fields)
    };
    let (last, nearest) = (fields(last), fields(nearest));
    let value = |fields: &[(String, String)], name: &str| {
        let found = fields.iter().find(|(field, _)| field == name);
        found.map(|(_, value)| value.clone())
    };
    let mut differences: Vec<FieldDifference> = Vec::new();
    for (field, _) in last.iter().chain(nearest) {
        let (ours, theirs) = (value(last, field), value(nearest, field));
        let is_known = differences.iter().any(|other| other.field == *field);
        if ours != theirs && !is_known {
            differences.push(FieldDifference {
                field: field.clone(),
                last: ours,
                nearest: theirs,
            });
        }
    }
    differences
}

#[cfg(test)]
mod tests {
    use rekindle_artifact::{KeyItem, KeyItems, KeyPart};
    use rekindle_store::{EntryInfo, EnvironmentDescription, EnvironmentInfo};

    use super::{ORDER_ASIDE, why};

    fn entry(image: u32, environment: &str, parts: &[(&str, u64)]) -> EntryInfo {
        EntryInfo {
            image,
            environment: environment.to_owned(),
            key_parts: parts
                .iter()
                .map(|(name, hash)| ((*name).to_owned(), *hash))
                .collect(),
            ..EntryInfo::default()
        }
    }

    #[test]
    fn the_nearest_entry_and_what_differs_are_found() {
        let far = entry(1, "e", &[("name", 1), ("body", 1), ("signature", 1)]);
        let near = entry(2, "e", &[("name", 1), ("body", 2), ("signature", 2)]);
        let last = entry(3, "e", &[("name", 1), ("body", 3), ("signature", 2)]);
        let found = why(vec![last.clone(), far, near.clone()], &[]).expect("there are some");
        assert_eq!((found.last, found.nearest), (last, Some(near)));
        assert_eq!(found.parts, ["body"]);
        assert!(found.environment.is_empty());
    }

    #[test]
    fn the_first_thing_that_differs_is_found() {
        let body = |texts: &[&'static str]| {
            let index = |text: &_| texts.iter().position(|other| other == text).unwrap_or(0) as u32;
            let items = texts.iter().map(|text| KeyItem {
                text: index(text),
                hash: text.len() as u8,
            });
            KeyPart {
                name: "body".into(),
                hash: 0,
                items: KeyItems {
                    items: items.collect(),
                    texts: texts.iter().map(|text| (*text).into()).collect(),
                    stride: 1,
                },
            }
        };
        let entry = |image, texts: &[&'static str]| EntryInfo {
            key_details: vec![body(texts)],
            ..entry(
                image,
                "e",
                &[("body", image.into()), (ORDER_ASIDE, texts.len() as u64)],
            )
        };
        let far = entry(2, &["isub", "iconst 5", "iadd"]);
        let near = entry(1, &["block0", "iconst 5", "iadd"]);
        let last = entry(3, &["block0", "iconst 7", "iadd"]);
        let found = why(vec![last.clone(), far, near.clone()], &[]).expect("there are some");
        assert_eq!(found.nearest, Some(near.clone()));
        assert_eq!(found.parts, ["body"]);
        assert!(found.is_reordered);
        let [difference] = &found.items[..] else {
            panic!("{found:?}")
        };
        assert_eq!((difference.number, difference.differing), (2, Some(1)));
        assert_eq!(difference.last.as_deref(), Some("iconst 7"));
        assert_eq!(difference.nearest.as_deref(), Some("iconst 5"));

        let short = entry(4, &["block0"]);
        let found = why(vec![near, short], &[]).expect("there are some");
        assert!(!found.is_reordered);
        let difference = &found.items[0];
        assert_eq!((difference.number, difference.differing), (2, None));
        assert_eq!((difference.last_len, difference.nearest_len), (1, 3));
        assert_eq!(difference.last, None);
    }

    #[test]
    fn environments_are_compared_by_field() {
        let environment = |folder: &str, version: &str| EnvironmentInfo {
            folder: folder.to_owned(),
            description: EnvironmentDescription {
                producer: "p".to_owned(),
                fields: vec![
                    ("version".to_owned(), version.to_owned()),
                    ("target".to_owned(), "t".to_owned()),
                ],
                ..EnvironmentDescription::default()
            },
        };
        let environments = [environment("a", "1"), environment("b", "2")];
        let entries = vec![entry(1, "a", &[("body", 1)]), entry(2, "b", &[("body", 1)])];
        let found = why(entries, &environments).expect("there are some");
        assert!(found.parts.is_empty());
        let [difference] = &found.environment[..] else {
            panic!("{found:?}")
        };
        assert_eq!(difference.field, "version");
        assert_eq!(difference.last.as_deref(), Some("2"));
        assert_eq!(difference.nearest.as_deref(), Some("1"));
    }

    #[test]
    fn one_entry_has_no_nearest_and_none_no_answer() {
        assert_eq!(why(Vec::new(), &[]), None);
        let found = why(vec![entry(1, "e", &[])], &[]).expect("there is one");
        assert_eq!(found.nearest, None);
    }
}
