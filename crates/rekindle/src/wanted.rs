//! What a look-up wants of code, beside its key.

use core::fmt;

use rekindle_artifact::Signature;

/// What a look-up wants of code, beside its key: a front may leave out of keys what it would rather
/// compare with what was found.
pub struct Wanted<'a> {
    signature: Option<Signature>,
    knows: Option<&'a Knows<'a>>,
}

/// What a front knows of a name that code refers to; nothing, if such code can't be used.
pub type Knows<'a> = dyn Fn(&str) -> Option<Known> + 'a;

/// A name that a front knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Known {
    /// It is asked for the value by this number, which stands for the same as long as the scope lives.
    As(u32),
    /// It is asked for the value by the name.
    ByName,
}

/// What a front is asked for the value of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asked<'a> {
    /// A name that it knew by this number when code was looked up that refers to it.
    Number(u32),
    /// A name.
    Name(&'a str),
}

impl<'a> Wanted<'a> {
    /// Any code that the key has.
    pub(crate) fn any() -> Self {
        Self {
            signature: None,
            knows: None,
        }
    }

    /// Code that refers to nothing but what `knows` knows by the name that it has in the code. In a scope
    /// with late names, `knows` is asked once for each name of each image, and names are bound later.
    pub fn new(knows: &'a Knows<'a>) -> Self {
        Self {
            signature: None,
            knows: Some(knows),
        }
    }

    /// The same, and with this signature.
    #[must_use]
    pub fn with_signature(self, signature: Signature) -> Self {
        Self {
            signature: Some(signature),
            ..self
        }
    }

    pub(crate) fn accepts(&self, signature: Signature) -> bool {
        self.signature.is_none_or(|wanted| wanted == signature)
    }

    pub(crate) fn knows(&self, name: &str) -> Option<Known> {
        match self.knows {
            Some(knows) => knows(name),
            None => Some(Known::ByName),
        }
    }
}

impl fmt::Debug for Wanted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Wanted")
            .field("signature", &self.signature)
            .finish_non_exhaustive()
    }
}
