//! What an environment is, for people: `environment.json`. Written and read here, since no JSON library may
//! be in the graph of a program that embeds the cache: `serde_json`'s impls change what type inference
//! finds in the whole program.

use serde::Serialize;

use crate::environment::{Environment, OUR_VERSIONS};

/// What an environment is, as `environment.json` keeps it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct EnvironmentDescription {
    /// The name of the compiler.
    pub producer: String,
    /// The fields, in order.
    pub fields: Vec<(String, String)>,
    /// The names of those in which versions of one thing differ.
    pub version_fields: Vec<String>,
}

/// What versions of one thing have in common.
#[derive(PartialEq, Eq, Hash)]
pub(crate) struct Line<'a> {
    producer: &'a str,
    version_fields: &'a [String],
    fields: Vec<&'a (String, String)>,
}

impl EnvironmentDescription {
    pub(crate) fn of(environment: &Environment) -> Self {
        Self {
            producer: environment.producer().to_owned(),
            fields: environment.fields().to_vec(),
            version_fields: environment.version_fields().to_vec(),
        }
    }

    /// What environments have in common that are versions of one thing: their producer, and all fields
    /// but those that say a version. `None` where no field does.
    pub(crate) fn line(&self) -> Option<Line<'_>> {
        let Self {
            producer,
            fields,
            version_fields,
        } = self;
        let is_version =
            |name: &String| version_fields.contains(name) || OUR_VERSIONS.contains(&name.as_str());
        let fields = fields.iter().filter(|(name, _)| !is_version(name));
        (!version_fields.is_empty()).then(|| Line {
            producer,
            version_fields,
            fields: fields.collect(),
        })
    }

    /// The description as JSON.
    pub(crate) fn to_json(&self) -> String {
        let Self {
            producer,
            fields,
            version_fields,
        } = self;
        let pairs = fields
            .iter()
            .map(|(name, value)| format!("\n    [{}, {}]", quoted(name), quoted(value)));
        let names = version_fields.iter().map(|name| quoted(name));
        format!(
            "{{\n  \"producer\": {},\n  \"fields\": [{}\n  ],\n  \"version_fields\": [{}]\n}}\n",
            quoted(producer),
            pairs.collect::<Vec<_>>().join(","),
            names.collect::<Vec<_>>().join(", "),
        )
    }

    /// Reads what [`Self::to_json`] gives, however it is laid out. `None` for anything else.
    pub(crate) fn from_json(text: &[u8]) -> Option<Self> {
        let mut reader = Reader {
            rest: std::str::from_utf8(text).ok()?,
        };
        let mut description = Self::default();
        reader.take('{')?;
        let mut is_first = true;
        while reader.goes_on('}', &mut is_first)? {
            let name = reader.string()?;
            reader.take(':')?;
            match name.as_str() {
                "producer" => description.producer = reader.string()?,
                "fields" => description.fields = reader.list(Reader::pair)?,
                "version_fields" => description.version_fields = reader.list(Reader::string)?,
                _ => return None,
            }
        }
        reader.rest.trim().is_empty().then_some(description)
    }
}

/// A text as JSON writes it.
fn quoted(text: &str) -> String {
    let mut quoted = String::from('"');
    for character in text.chars() {
        match character {
            '"' | '\\' => quoted.extend(['\\', character]),
            control if control < ' ' => quoted.push_str(&format!("\\u{:04x}", u32::from(control))),
            other => quoted.push(other),
        }
    }
    quoted.push('"');
    quoted
}

/// JSON that is yet to be read.
struct Reader<'a> {
    rest: &'a str,
}

impl Reader<'_> {
    fn skip_space(&mut self) {
        self.rest = self.rest.trim_start_matches([' ', '\n', '\r', '\t']);
    }

    fn take(&mut self, character: char) -> Option<()> {
        self.skip_space();
        self.rest = self.rest.strip_prefix(character)?;
        Some(())
    }

    /// Whether a list goes on, which `end` ends; takes what stands between two of it.
    fn goes_on(&mut self, end: char, is_first: &mut bool) -> Option<bool> {
        self.skip_space();
        if let Some(rest) = self.rest.strip_prefix(end) {
            self.rest = rest;
            return Some(false);
        }
        if !std::mem::take(is_first) {
            self.take(',')?;
        }
        Some(true)
    }

    fn list<T>(&mut self, item: impl Fn(&mut Self) -> Option<T>) -> Option<Vec<T>> {
        let mut items = Vec::new();
        self.take('[')?;
        let mut is_first = true;
        while self.goes_on(']', &mut is_first)? {
            items.push(item(self)?);
        }
        Some(items)
    }

    fn pair(&mut self) -> Option<(String, String)> {
        self.take('[')?;
        let first = self.string()?;
        self.take(',')?;
        let second = self.string()?;
        self.take(']')?;
        Some((first, second))
    }

    fn string(&mut self) -> Option<String> {
        self.take('"')?;
        let mut text = String::new();
        loop {
            let mut characters = self.rest.chars();
            let character = characters.next()?;
            self.rest = characters.as_str();
            match character {
                '"' => return Some(text),
                '\\' => text.push(self.escaped()?),
                control if control < ' ' => return None,
                other => text.push(other),
            }
        }
    }

    /// What stands behind a backslash.
    fn escaped(&mut self) -> Option<char> {
        let mut characters = self.rest.chars();
        let character = characters.next()?;
        self.rest = characters.as_str();
        Some(match character {
            '"' | '\\' | '/' => character,
            'b' => '\u{8}',
            'f' => '\u{c}',
            'n' => '\n',
            'r' => '\r',
            't' => '\t',
            'u' => {
                let first = self.unit()?;
                match first {
                    0xd800..0xdc00 => {
                        self.rest = self.rest.strip_prefix("\\u")?;
                        let second = self.unit()?;
                        char::decode_utf16([first, second]).next()?.ok()?
                    }
                    _ => char::from_u32(first.into())?,
                }
            }
            _ => return None,
        })
    }

    /// Four hexadecimal digits.
    fn unit(&mut self) -> Option<u16> {
        let (digits, rest) = self.rest.split_at_checked(4)?;
        self.rest = rest;
        let is_number = digits.bytes().all(|digit| digit.is_ascii_hexdigit());
        let number = u16::from_str_radix(digits, 16).ok();
        number.filter(|_| is_number)
    }
}

#[cfg(test)]
mod tests {
    use super::EnvironmentDescription;

    fn description(fields: &[(&str, &str)]) -> EnvironmentDescription {
        let owned = fields
            .iter()
            .map(|(name, value)| ((*name).into(), (*value).into()));
        EnvironmentDescription {
            producer: "a \"compiler\"\\\n\u{0}\u{1f}\u{2028}𝄞".into(),
            fields: owned.collect(),
            version_fields: fields.iter().map(|(name, _)| (*name).into()).collect(),
        }
    }

    #[test]
    fn a_json_library_reads_what_we_write_and_we_what_it_writes() {
        for description in [
            EnvironmentDescription::default(),
            description(&[]),
            description(&[("format", "1"), ("", "\t\u{8}\u{c}/ü")]),
        ] {
            let text = description.to_json();
            let read: serde_json::Value = serde_json::from_str(&text).expect("JSON");
            assert_eq!(read, serde_json::to_value(&description).expect("JSON"));
            assert_eq!(
                EnvironmentDescription::from_json(text.as_bytes()).as_ref(),
                Some(&description)
            );
            for text in [
                serde_json::to_vec(&description).expect("JSON"),
                serde_json::to_vec_pretty(&description).expect("JSON"),
            ] {
                let read = EnvironmentDescription::from_json(&text);
                assert_eq!(read.as_ref(), Some(&description));
            }
        }
        let escaped = br#"{"fields":[["\ud834\udd1e","\u00e4\/"]],"producer":"p"}"#;
        let read = EnvironmentDescription::from_json(escaped).expect("JSON");
        assert_eq!(read.fields, [("𝄞".to_owned(), "ä/".to_owned())]);
    }

    #[test]
    fn what_is_cut_or_changed_is_refused_or_read_but_never_a_panic() {
        let text = description(&[("format", "1"), ("a\u{1}", "b")]).to_json();
        for end in 0..text.trim_end().len() {
            assert_eq!(
                EnvironmentDescription::from_json(&text.as_bytes()[..end]),
                None
            );
        }
        for place in 0..text.len() {
            for bit in 0..8 {
                let mut bytes = text.clone().into_bytes();
                bytes[place] ^= 1 << bit;
                let _ = EnvironmentDescription::from_json(&bytes);
            }
        }
        for text in [
            "",
            "{}x",
            "{\"producer\":1}",
            "{\"other\":\"\"}",
            "{\"fields\":[[\"a\"]]}",
            "{\"producer\":\"\\ud834\"}",
            "{\"producer\":\"\\u+123\"}",
            "{\"producer\":\"\\x\"}",
            "{\"producer\":\"a\",}",
            "{,\"producer\":\"a\"}",
        ] {
            assert_eq!(
                EnvironmentDescription::from_json(text.as_bytes()),
                None,
                "{text}"
            );
        }
    }
}
