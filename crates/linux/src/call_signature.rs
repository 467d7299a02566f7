//! What a system call is called, and of what kind its arguments are.

/// A call's name in the manual and, in parentheses, of what kind each argument is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct CallSignature(pub(crate) &'static str);

impl CallSignature {
    /// The name in the manual.
    pub(crate) fn name(self) -> &'static str {
        self.0.split('(').next().unwrap_or_default()
    }

    /// Of what kind each argument is.
    pub(crate) fn arguments(self) -> impl Iterator<Item = &'static str> {
        let list = self.0.split(['(', ')']).nth(1).unwrap_or_default();
        list.split(", ").filter(|kind| !kind.is_empty())
    }
}
