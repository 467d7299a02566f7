//! Typed entry points: compiled code as a function pointer whose type was compared, not cast.
//!
//! The front records a signature number beside the code it compiled; [`signature_of`] gives the
//! number of a Rust function pointer type. Equal numbers, and only they, make an [`Entry`].

use core::any::Any;
use core::fmt;
use core::marker::PhantomData;
use core::num::NonZeroU64;
use std::sync::Arc;

use crate::address::HostAddr;

/// A function pointer type that compiled code may have: `unsafe extern "C" fn` of up to six plain
/// parameters. `unsafe`, because no type can say that the code does what its front meant.
pub trait EntrySignature: Copy + sealed::FromAddress {
    /// The type's number.
    const SIGNATURE: u64;
}

/// The number of the function pointer type `F`, for the front to record beside its code.
pub const fn signature_of<F: EntrySignature>() -> u64 {
    F::SIGNATURE
}

/// The code has another type than the caller asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SignatureMismatch {
    /// The number recorded beside the code.
    pub recorded: u64,
    /// The number of the type asked for.
    pub requested: u64,
}

impl fmt::Display for SignatureMismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            recorded,
            requested,
        } = self;
        write!(
            f,
            "the code's signature is {recorded:#x}, not {requested:#x}"
        )
    }
}

impl core::error::Error for SignatureMismatch {}

/// An address within code, which it keeps mapped. Only the memory that holds the code makes one, so
/// that it is never null.
#[derive(Clone)]
pub struct CodeAddress {
    address: NonZeroU64,
    _memory: Arc<dyn Any + Send + Sync>,
}

impl CodeAddress {
    /// An address in memory that `memory` keeps mapped. `None` if it is null.
    pub(crate) fn new(address: HostAddr, memory: Arc<dyn Any + Send + Sync>) -> Option<Self> {
        Some(Self {
            address: NonZeroU64::new(address.0)?,
            _memory: memory,
        })
    }
}

impl fmt::Debug for CodeAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CodeAddress({:#x})", self.address)
    }
}

/// The entry point of published code, which it keeps mapped.
#[derive(Clone)]
pub struct Entry<F> {
    code: CodeAddress,
    signature: PhantomData<F>,
}

impl<F: EntrySignature> Entry<F> {
    /// The entry point at an address within code.
    ///
    /// # Errors
    /// If `recorded`, the signature recorded beside the code, isn't that of `F`.
    pub fn new(code: CodeAddress, recorded: u64) -> Result<Self, SignatureMismatch> {
        if recorded != F::SIGNATURE {
            return Err(SignatureMismatch {
                recorded,
                requested: F::SIGNATURE,
            });
        }
        Ok(Self {
            code,
            signature: PhantomData,
        })
    }

    /// The function pointer. It dangles once the last handle on the code is gone, so whoever calls
    /// it keeps this entry, its scope or its [`Arc`] alive; that is part of what the caller
    /// promises in its own `unsafe` block.
    pub fn function(&self) -> F {
        F::from_address(self.code.address, sealed::Token(()))
    }

    /// The entry point's address.
    pub fn address(&self) -> HostAddr {
        HostAddr(self.code.address.get())
    }
}

impl<F> fmt::Debug for Entry<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Entry({:#x})", self.code.address)
    }
}

mod sealed {
    use core::num::NonZeroU64;

    /// Only this file can make one, so only [`super::Entry`] turns addresses into functions.
    #[derive(Debug)]
    pub struct Token(pub(super) ());

    pub trait FromAddress {
        fn from_address(address: NonZeroU64, token: Token) -> Self;
    }

    /// Only this file says which types there are: two of one number would take each other's code.
    pub trait Plain {}
}

/// A parameter or result type that is passed as the C calling convention says.
pub trait Plain: sealed::Plain {
    /// Distinguishes the type within a signature.
    const CODE: u64;
}

macro_rules! plain {
    ($($type:ty => $code:literal),* $(,)?) => {
        $(
            impl sealed::Plain for $type {}
            impl Plain for $type { const CODE: u64 = $code; }
        )*
    };
}

plain! {
    () => 1, i8 => 2, i16 => 3, i32 => 4, i64 => 5, u8 => 6, u16 => 7, u32 => 8, u64 => 9,
    isize => 10, usize => 11, f32 => 12, f64 => 13,
}

impl<T> sealed::Plain for *const T {}

impl<T> Plain for *const T {
    const CODE: u64 = 14;
}

impl<T> sealed::Plain for *mut T {}

impl<T> Plain for *mut T {
    const CODE: u64 = 15;
}

/// A signature with one more type. Types have four bits each and none is zero, so no two lists of up to
/// sixteen are one number.
const fn with_type(signature: u64, code: u64) -> u64 {
    assert!(0 < code && code < 16 && signature >> 60 == 0);
    signature << 4 | code
}

macro_rules! signatures {
    ($(($($parameter:ident),*))*) => {$(
        impl<R: Plain, $($parameter: Plain),*> EntrySignature
            for unsafe extern "C" fn($($parameter),*) -> R
        {
            const SIGNATURE: u64 = {
                let signature = with_type(0, R::CODE);
                $(let signature = with_type(signature, $parameter::CODE);)*
                signature
            };
        }

        impl<R, $($parameter),*> sealed::FromAddress
            for unsafe extern "C" fn($($parameter),*) -> R
        {
            #[expect(unsafe_code, reason = "an address becomes a function pointer here and nowhere else")]
            fn from_address(address: NonZeroU64, _: sealed::Token) -> Self {
                let pointer = core::ptr::with_exposed_provenance::<()>(address.get() as usize);
                // SAFETY: the address isn't null, and `Entry` compared the recorded signature with
                // this type. Calling it is the caller's
                // promise: the type is an `unsafe fn`.
                unsafe { core::mem::transmute::<*const (), Self>(pointer) }
            }
        }
    )*};
}

signatures! { () (A) (A, B) (A, B, C) (A, B, C, D) (A, B, C, D, E) (A, B, C, D, E, G) }

#[cfg(test)]
mod tests {
    use super::{CodeAddress, Entry, HostAddr, signature_of};
    use std::sync::Arc;

    type Unary = unsafe extern "C" fn(u64) -> u64;
    type Binary = unsafe extern "C" fn(u64, u64) -> u64;
    type Pointer = unsafe extern "C" fn(*mut u64) -> u64;

    #[test]
    fn signatures_differ() {
        // A `u64` is 9, a pointer to be written through 15.
        assert_eq!(signature_of::<Unary>(), 0x99);
        assert_eq!(signature_of::<Binary>(), 0x999);
        assert_eq!(signature_of::<Pointer>(), 0x9f);
    }

    #[test]
    fn a_mismatch_is_refused() {
        let recorded = signature_of::<Unary>();
        let code = || CodeAddress::new(HostAddr(8), Arc::new(())).expect("it isn't null");
        assert!(Entry::<Unary>::new(code(), recorded).is_ok());
        let error = Entry::<Binary>::new(code(), recorded).unwrap_err();
        assert_eq!(error.recorded, recorded);
    }

    #[test]
    fn no_entry_is_null() {
        assert!(CodeAddress::new(HostAddr(0), Arc::new(())).is_none());
    }
}
