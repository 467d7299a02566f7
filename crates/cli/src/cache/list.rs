//! `rekindle cache ls`: the pieces of code, under the images that hold them.

use rekindle::{CacheMode, EntryInfo};

use super::{open, place};
use crate::arguments::{CacheOptions, LsArguments};
use crate::units;

/// Lists what is wanted.
pub(super) fn ls(wanted: &LsArguments, options: &CacheOptions) -> anyhow::Result<String> {
    let mut entries = open(options, CacheMode::ReadOnly).entries();
    entries.retain(|entry| is_wanted(entry, wanted));
    match options.json {
        true => Ok(serde_json::to_string(&entries)? + "\n"),
        false => Ok(table(&entries)),
    }
}

fn is_wanted(entry: &EntryInfo, wanted: &LsArguments) -> bool {
    let LsArguments {
        name,
        scope,
        environment,
        damaged,
    } = wanted;
    let contains = |texts: &[&str], part: &Option<String>| {
        let part = part.as_deref().unwrap_or_default();
        texts.iter().any(|text| text.contains(part))
    };
    contains(&[&entry.name], name)
        && contains(&[&entry.label, &entry.scope], scope)
        && contains(&[&entry.environment], environment)
        && !(*damaged && entry.is_sound)
}

fn table(entries: &[EntryInfo]) -> String {
    let mut text = String::new();
    if !entries.is_empty() {
        text.push_str(&row("SIZE", "COMPILED IN", "KEY", "NAME"));
    }
    let (mut images, mut code_bytes, mut compile_time_ns) = (0, 0, 0);
    let mut last_image = None;
    for entry in entries {
        let image = (&entry.environment, &entry.scope, entry.image);
        if last_image != Some(image) {
            last_image = Some(image);
            images += 1;
            text.push_str(&format!("{}\n", place(entry).trim_end()));
        }
        code_bytes += u64::from(entry.text_len_bytes);
        compile_time_ns += entry.compile_time_ns;
        text.push_str(&row(
            &units::bytes(entry.text_len_bytes.into()),
            &units::duration(entry.compile_time_ns),
            entry.key.get(..12).unwrap_or(&entry.key),
            match entry.is_sound {
                true => &entry.name,
                false => "(damaged)",
            },
        ));
    }
    text + &format!(
        "{} in {}: {} of code, compiled in {}\n",
        units::count(entries.len() as u64, "entry"),
        units::count(images, "image"),
        units::bytes(code_bytes),
        units::duration(compile_time_ns),
    )
}

fn row(size: &str, time: &str, key: &str, name: &str) -> String {
    format!("  {size:>9} {time:>12}  {key:<12}  {name}\n")
}

#[cfg(test)]
mod tests {
    use rekindle::EntryInfo;

    use super::{is_wanted, table};
    use crate::arguments::LsArguments;

    fn entry(image: u32, name: &str, is_sound: bool) -> EntryInfo {
        EntryInfo {
            environment: "e".to_owned(),
            scope: "s".to_owned(),
            label: "lisp".to_owned(),
            image,
            name: name.to_owned(),
            key: "0123456789abcdef".to_owned(),
            text_len_bytes: 1536,
            compile_time_ns: 2_000_000,
            is_sound,
            ..EntryInfo::default()
        }
    }

    #[test]
    fn entries_stand_under_their_images() {
        let text = table(&[
            entry(1, "a", true),
            entry(1, "", false),
            entry(2, "b", true),
        ]);
        let expected = [
            "       SIZE  COMPILED IN  KEY           NAME",
            "e/s/1.img lisp",
            "    1.5 KiB       2.0 ms  0123456789ab  a",
            "    1.5 KiB       2.0 ms  0123456789ab  (damaged)",
            "e/s/2.img lisp",
            "    1.5 KiB       2.0 ms  0123456789ab  b",
            "3 entries in 2 images: 4.5 KiB of code, compiled in 6.0 ms",
            "",
        ];
        assert_eq!(text, expected.join("\n"));
        assert_eq!(
            table(&[]),
            "0 entries in 0 images: 0 B of code, compiled in 0 µs\n"
        );
    }

    #[test]
    fn what_is_wanted_has_all_that_is_asked_for() {
        let all = LsArguments {
            name: None,
            scope: None,
            environment: None,
            damaged: false,
        };
        let some = |text: &str| Some(text.to_owned());
        let sound = entry(1, "reader", true);
        for (wanted, is_listed) in [
            (
                LsArguments {
                    name: some("ead"),
                    ..all.clone()
                },
                true,
            ),
            (
                LsArguments {
                    name: some("writer"),
                    ..all.clone()
                },
                false,
            ),
            (
                LsArguments {
                    scope: some("lisp"),
                    ..all.clone()
                },
                true,
            ),
            (
                LsArguments {
                    scope: some("s"),
                    ..all.clone()
                },
                true,
            ),
            (
                LsArguments {
                    scope: some("java"),
                    ..all.clone()
                },
                false,
            ),
            (
                LsArguments {
                    environment: some("f"),
                    ..all.clone()
                },
                false,
            ),
            (
                LsArguments {
                    damaged: true,
                    ..all.clone()
                },
                false,
            ),
            (all, true),
        ] {
            assert_eq!(is_wanted(&sound, &wanted), is_listed, "{wanted:?}");
        }
    }
}
