//! What compilation needs of the process around it. Whoever runs the guest implements it.

use std::fmt::Debug;
use std::io;
use std::thread::JoinHandle;

/// What compilation needs of the process around it.
pub trait Surroundings: Debug + Send + Sync {
    /// There is news for the guest's threads: they are asked to come by their dispatch loops. Called on
    /// the compile thread.
    fn notify(&self);

    /// Starts a thread on which no signal for the guest arrives.
    ///
    /// # Errors
    /// If the host gives none.
    fn spawn(&self, name: &str, work: Box<dyn FnOnce() + Send>) -> io::Result<JoinHandle<()>>;

    /// Shows `text` to a person, as far as there is one. Called on a guest's thread: others have no
    /// standard error.
    fn show(&self, text: &str);
}
