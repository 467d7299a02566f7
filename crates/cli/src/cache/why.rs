//! `rekindle cache why`: what differs.

use rekindle::{CacheMode, ItemDifference, Why};

use super::{open, place};
use crate::arguments::CacheOptions;

/// Says why the code of a name was compiled; and whether there is any.
pub(super) fn why(name: &str, options: &CacheOptions) -> anyhow::Result<(String, bool)> {
    let found = open(options, CacheMode::ReadOnly).why(name);
    let is_known = found.is_some();
    if !is_known {
        eprintln!("rekindle: the cache holds nothing of the name {name}");
    }
    let text = match found {
        found if options.json => serde_json::to_string(&found)? + "\n",
        Some(found) => explanation(name, &found),
        None => String::new(),
    };
    Ok((text, is_known))
}

fn explanation(name: &str, why: &Why) -> String {
    let mut text = format!("{name}\n  compiled last in {}\n", place(&why.last));
    let Some(nearest) = &why.nearest else {
        text.push_str("  nothing else of this name was kept\n");
        return text;
    };
    text.push_str(&format!("  nearest entry in {}\n", place(nearest)));
    for part in &why.parts {
        text.push_str(&format!("  another {part}\n"));
        for item in why.items.iter().filter(|item| item.part == *part) {
            text.push_str(&item_difference(item));
        }
    }
    if why.is_reordered {
        text.push_str(
            "  the same but for the order in which it was built: build in an order that stays, not in \
             that of a HashMap\n",
        );
    }
    let shown = |value: &Option<String>| value.clone().unwrap_or_else(|| "nothing".to_owned());
    for difference in &why.environment {
        let (last, nearest) = (shown(&difference.last), shown(&difference.nearest));
        let field = &difference.field;
        text.push_str(&format!(
            "  another environment: {field} is {last}\n    instead of {nearest}\n"
        ));
    }
    if why.parts.is_empty() && why.environment.is_empty() {
        let reason = if why.last.key_parts.is_empty() {
            "its maker doesn't say what its keys are made of"
        } else if why.last.scope != nearest.scope {
            "another scope"
        } else {
            "nothing differs: the nearest entry was damaged, or not written yet"
        };
        text.push_str(&format!("  {reason}\n"));
    }
    text
}

/// Which of the things that a part consists of differs first.
fn item_difference(item: &ItemDifference) -> String {
    let shown = |text: &Option<String>| text.clone().unwrap_or_else(|| "nothing".to_owned());
    let ItemDifference {
        number,
        stride,
        last_len,
        nearest_len,
        ..
    } = *item;
    let place = match stride {
        1 => format!("{number} of {last_len}"),
        _ => format!("{number} to {} of {last_len}", number + stride - 1),
    };
    let (last, nearest) = (shown(&item.last), shown(&item.nearest));
    let difference = match last == nearest {
        true => format!("{last}, with other operands"),
        false => format!("{last} instead of {nearest}"),
    };
    let rest = match item.differing {
        Some(1) => String::new(),
        Some(count) => format!("; {count} differ"),
        None => format!("; there were {nearest_len}"),
    };
    format!("    {place}: {difference}{rest}\n")
}
