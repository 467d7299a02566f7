//! What a look-up wants of code, beside its key.

use core::fmt;

use rekindle_artifact::Signature;

/// What a look-up wants of code, beside its key: a front may leave out of keys what it would rather
/// compare with what was found.
pub struct Wanted<'a> {
    signature: Option<Signature>,
    knows: Option<&'a dyn Fn(&str) -> bool>,
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
    pub fn new(knows: &'a dyn Fn(&str) -> bool) -> Self {
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

    pub(crate) fn knows(&self, name: &str) -> bool {
        self.knows.is_none_or(|knows| knows(name))
    }
}

impl fmt::Debug for Wanted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Wanted")
            .field("signature", &self.signature)
            .finish_non_exhaustive()
    }
}
