//! Addresses in the program and in shared libraries as names that hold in every process: the build id of
//! the object, and how far from its base.

use std::fmt::Write;

use rekindle_exec::{LoadedObject, loaded_objects};

/// The objects that are loaded at some moment.
pub(crate) struct Objects(Vec<LoadedObject>);

impl Objects {
    pub(crate) fn now() -> Self {
        Self(loaded_objects())
    }

    /// Whether an address lies in an object.
    pub(crate) fn hold(&self, address: u64) -> bool {
        self.0.iter().any(|object| object.holds(address))
    }

    /// The name of an address: its object's build id in hexadecimal, and its offset. `None` if it lies in no
    /// object, or in one that can't be told from others.
    pub(crate) fn name_of(&self, address: u64) -> Option<(String, u64)> {
        let object = self.0.iter().find(|object| object.holds(address))?;
        let id = hex(object.build_id.as_deref()?);
        let offset = address.wrapping_sub(object.bias);
        (self.address_of(&id, offset) == Some(address)).then_some((id, offset))
    }

    /// The address that has this name. `None` if no object of the build is loaded, or several are.
    pub(crate) fn address_of(&self, build_id: &str, offset: u64) -> Option<u64> {
        let is_it = |object: &&LoadedObject| {
            let id = object.build_id.as_deref();
            id.is_some_and(|id| hex(id) == build_id)
        };
        let mut found = self.0.iter().filter(is_it);
        let (object, others) = (found.next()?, found.next());
        let address = object.bias.wrapping_add(offset);
        (others.is_none() && object.holds(address)).then_some(address)
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use rekindle_exec::LoadedObject;

    use super::Objects;

    fn object(bias: u64, id: Option<&[u8]>) -> LoadedObject {
        LoadedObject {
            bias,
            segments: vec![bias..bias + 0x1000, bias + 0x2000..bias + 0x3000],
            build_id: id.map(<[u8]>::to_vec),
        }
    }

    #[test]
    fn an_address_has_the_same_name_wherever_its_object_is() {
        let here = Objects(vec![
            object(0x10000, Some(&[1, 0xab])),
            object(0x20000, Some(&[2])),
        ]);
        let there = Objects(vec![
            object(0x70000, Some(&[2])),
            object(0x50000, Some(&[1, 0xab])),
        ]);
        let (id, offset) = here.name_of(0x12345).expect("it lies in one");
        assert_eq!((&*id, offset), ("01ab", 0x2345));
        assert_eq!(there.address_of(&id, offset), Some(0x52345));
        assert_eq!(here.name_of(0x11000), None, "between segments");
        assert_eq!(there.address_of("03", 0), None);
        assert_eq!(there.address_of(&id, 0x1000), None);
    }

    #[test]
    fn objects_that_cannot_be_told_apart_have_no_names() {
        let twice = Objects(vec![
            object(0x10000, Some(&[1])),
            object(0x20000, Some(&[1])),
        ]);
        assert!(twice.hold(0x10000));
        assert_eq!(twice.name_of(0x10000), None);
        assert_eq!(twice.address_of("01", 0), None);
        let none = Objects(vec![object(0x10000, None)]);
        assert_eq!(none.name_of(0x10000), None);
    }

    #[test]
    fn this_program_has_names_unless_its_linker_left_none() {
        static HERE: u64 = 7;
        let here = (&raw const HERE).addr() as u64;
        let objects = Objects::now();
        if let Some((id, offset)) = objects.name_of(here) {
            assert_eq!(objects.address_of(&id, offset), Some(here));
        }
        let heap = Box::new(7);
        assert_eq!(objects.name_of((&raw const *heap).addr() as u64), None);
    }
}
