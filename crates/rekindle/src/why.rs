//! Why code was compiled again: what its key has that the nearest other entry's key hasn't.

use rekindle_store::{EntryInfo, EnvironmentInfo};
use serde::Serialize;

use crate::cache::Cache;

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
    /// The fields in which the environments differ.
    pub environment: Vec<FieldDifference>,
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
    Some(Why {
        parts: differing(&last, &nearest),
        environment: field_differences(environments, &last.environment, &nearest.environment),
        last,
        nearest: Some(nearest),
    })
}

/// The parts that one entry's key has and another's hasn't, or has otherwise.
fn differing(last: &EntryInfo, other: &EntryInfo) -> Vec<String> {
    let has = |entry: &EntryInfo, part: &(String, u64)| entry.key_parts.contains(part);
    let ours = last.key_parts.iter().filter(|part| !has(other, part));
    let theirs = other.key_parts.iter().filter(|part| !has(last, part));
    let mut names: Vec<String> = Vec::new();
    for (name, _) in ours.chain(theirs) {
        if !names.contains(name) {
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
    use rekindle_store::{EntryInfo, EnvironmentDescription, EnvironmentInfo};

    use super::why;

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
