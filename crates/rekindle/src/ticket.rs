//! What looking a key up gives.

use rekindle_store::Key;

use crate::code::Code;
use crate::miss::MissReason;

/// What a look-up found.
#[derive(Debug)]
pub enum Lookup {
    /// Code that is callable now.
    Hit(Code),
    /// Nothing usable; compile, and hand the result to [`Scope::insert`](crate::Scope::insert).
    Miss(Ticket),
}

/// Says that a key was looked up and missed. The only thing that [`Scope::insert`](crate::Scope::insert) accepts.
#[derive(Debug)]
pub struct Ticket {
    pub(crate) key: Key,
    pub(crate) reason: MissReason,
    /// The number of the scope that missed.
    pub(crate) scope: u64,
}

/// Says that a hit is one of those that are to be verified: compile, and hand the result to
/// [`Scope::verify`](crate::Scope::verify).
#[derive(Debug)]
pub struct Verification {
    pub(crate) ticket: Ticket,
    pub(crate) code: Code,
}

impl Ticket {
    /// Why the look-up found nothing usable.
    pub fn reason(&self) -> MissReason {
        self.reason
    }

    /// The key that was looked up.
    pub fn key(&self) -> &Key {
        &self.key
    }
}
