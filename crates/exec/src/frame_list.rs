//! Lists of call frame records that lie anywhere: their code's addresses are absolute.

/// The encoding of code addresses: as they are.
const ABSOLUTE: u8 = 0;

/// Where in a CIE's body its encoding of addresses is, and how long such a body is at least.
const ENCODING: usize = 12;

/// Bytes of a record's length, and of an FDE's pointer to its CIE.
const WORD: usize = 4;

/// A function in a list.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Function<'a> {
    pub(crate) start: u64,
    len: u64,
    /// The body of the record that it shares with others.
    cie: &'a [u8],
    /// What follows its addresses: where the caller's registers are.
    rows: &'a [u8],
}

impl Function<'_> {
    pub(crate) fn end(&self) -> u64 {
        self.start + self.len
    }
}

/// Makes a list of records that were checked where they lie, at `address`.
pub(crate) fn absolute(records: &[u8], address: u64) -> Vec<u8> {
    let mut cie: &[u8] = &[];
    let mut all = Vec::new();
    for (at, body) in bodies(records) {
        if number(body) == 0 {
            cie = body;
            continue;
        }
        let field = address + (at + 2 * WORD) as u64;
        let distance = (number(&body[WORD..]) as u32).cast_signed();
        all.push(Function {
            start: field.wrapping_add_signed(distance.into()),
            len: number(&body[2 * WORD..]),
            cie,
            rows: &body[3 * WORD..],
        });
    }
    write(&all, Some(ABSOLUTE))
}

/// The functions of a list that [`absolute`] or [`write_list`] wrote.
pub(crate) fn functions(list: &[u8]) -> impl Iterator<Item = Function<'_>> {
    let mut cie: &[u8] = &[];
    bodies(list).filter_map(move |(_, body)| {
        if number(body) == 0 {
            cie = body;
            return None;
        }
        let double = |at: usize| number(&body[at..]) | number(&body[at + WORD..]) << 32;
        Some(Function {
            start: double(WORD),
            len: double(WORD + 8),
            cie,
            rows: &body[WORD + 16..],
        })
    })
}

/// Writes functions as one list.
pub(crate) fn write_list(functions: &[Function<'_>]) -> Vec<u8> {
    write(functions, None)
}

fn write(functions: &[Function<'_>], encoding: Option<u8>) -> Vec<u8> {
    let mut out = Vec::with_capacity(functions.len() * 48 + 32);
    let mut cie: Option<(&[u8], usize)> = None;
    for function in functions {
        let cie_at = match cie {
            Some((body, at)) if body == function.cie => at,
            _ => {
                let at = out.len();
                push(&mut out, function.cie.len());
                out.extend_from_slice(function.cie);
                if let Some(encoding) = encoding {
                    out[at + WORD + ENCODING] = encoding;
                }
                cie = Some((function.cie, at));
                at
            }
        };
        push(&mut out, WORD + 16 + function.rows.len());
        let distance = out.len() - cie_at;
        push(&mut out, distance);
        out.extend(function.start.to_le_bytes());
        out.extend(function.len.to_le_bytes());
        out.extend_from_slice(function.rows);
    }
    push(&mut out, 0);
    out
}

/// A word; lists are far shorter than 4 GiB.
fn push(out: &mut Vec<u8>, word: usize) {
    out.extend((word as u32).to_le_bytes());
}

/// The records of a sound list: where each starts, and its bytes behind its length.
fn bodies(list: &[u8]) -> impl Iterator<Item = (usize, &[u8])> {
    let mut at = 0;
    std::iter::from_fn(move || {
        let len = number(&list[at..]) as usize;
        let start = at + WORD;
        let record = (at, &list[start..start + len]);
        at = start + len;
        (len > 0).then_some(record)
    })
}

/// The word at the start of some bytes.
fn number(bytes: &[u8]) -> u64 {
    let word = bytes.first_chunk().map(|word| u32::from_le_bytes(*word));
    word.unwrap_or_default().into()
}

#[cfg(test)]
mod tests {
    use super::{absolute, functions, write_list};
    use crate::frames::tests::{CODE_LEN, records_at};

    #[test]
    fn lists_say_what_records_said() {
        let first = records_at(0x9000, 0x5000);
        let list = [&first[..first.len() - 4], &records_at(0x9000, 0x5000)].concat();
        let list = absolute(&list, 0x9000);
        let all: Vec<_> = functions(&list).collect();
        // The second lies as far from its record as the first, which is one shorter list on.
        let second = 0x5000 + first.len() as u64 - 4;
        let ranges: Vec<_> = all.iter().map(|one| (one.start, one.end())).collect();
        assert_eq!(
            ranges,
            [(0x5000, 0x5000 + CODE_LEN), (second, second + CODE_LEN)]
        );
        assert_eq!(all[0].cie[12], 0);
        // What they share is there once, and writing a list again changes nothing.
        assert_eq!(write_list(&all), list);
        assert_eq!(list.windows(2).filter(|two| two == b"zR").count(), 1);
        assert_eq!(&first[4..16], &all[0].cie[..12]);
        assert_eq!(all[0].rows, &first[40..first.len() - 4]);
    }

    #[test]
    fn an_empty_list_has_no_functions() {
        assert_eq!(functions(&absolute(&[0; 4], 0x9000)).count(), 0);
    }
}
