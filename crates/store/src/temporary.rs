//! Files that are written under a name of their own before they get theirs, and what killed writers
//! left of them.

use std::fs::File;
use std::io;

use rustix::fs::{AtFlags, OFlags, RenameFlags};
use rustix::io::Errno;

use crate::digest::hex;
use crate::folder::{FILE_MODE, Folder};
use crate::names::{TEMPORARY_BYTES, TEMPORARY_SUFFIX, is_temporary};
use crate::secret::random;

/// How old a temporary file must be for its writer to have been killed.
const STALE_S: i64 = 3600;

/// A complete file that has no name yet. Dropped without one, it is removed.
#[derive(Debug)]
pub(crate) struct TemporaryFile<'a> {
    folder: &'a Folder,
    name: String,
}

impl Folder {
    /// Writes a new file under a name that nothing else has, for [`TemporaryFile::name`] or
    /// [`TemporaryFile::replace`] to name. `lasting` waits until the bytes are on the disk.
    pub(crate) fn write_temporary(
        &self,
        bytes: &[u8],
        lasting: bool,
    ) -> io::Result<TemporaryFile<'_>> {
        let name = format!(".{}{TEMPORARY_SUFFIX}", hex(&random::<TEMPORARY_BYTES>()?));
        let flags =
            OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let fd = rustix::fs::openat(self.fd(), &name, flags, FILE_MODE)?;
        let temporary = TemporaryFile { folder: self, name };
        // The process may run with a mask of modes that leaves nothing.
        rustix::fs::fchmod(&fd, FILE_MODE)?;
        let file = File::from(fd);
        self.storage().write(&file, bytes)?;
        if lasting {
            self.storage().sync_data(&file)?;
        }
        Ok(temporary)
    }

    /// Removes, of the files of this folder that `names` lists, temporary ones that a process left when
    /// it was killed: those an hour old. Returns how many files of all are left.
    pub(crate) fn remove_stale_of(&self, names: &[String]) -> usize {
        let now = self.storage().now_s();
        let is_stale = |name: &String| {
            is_temporary(name)
                && self
                    .stat(name)
                    .is_ok_and(|stat| now - stat.st_mtime > STALE_S)
        };
        let mut left = names.len();
        for name in names.iter().filter(|name| is_stale(name)) {
            match self.remove_file(name) {
                Ok(()) => left -= 1,
                Err(error) => tracing::debug!(name, %error, "can't remove a temporary file"),
            }
        }
        left
    }
}

impl TemporaryFile<'_> {
    /// Gives the file its name, unless something has that name. Returns whether it got it.
    pub(crate) fn name(&self, name: &str) -> io::Result<bool> {
        let fd = self.folder.fd();
        match rustix::fs::renameat_with(fd, &self.name, fd, name, RenameFlags::NOREPLACE) {
            Ok(()) => Ok(true),
            Err(Errno::EXIST) => Ok(false),
            // Some file systems can't; a second link and the loss of the first do the same.
            Err(Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP) => {
                match rustix::fs::linkat(fd, &self.name, fd, name, AtFlags::empty()) {
                    Ok(()) => Ok(true),
                    Err(Errno::EXIST) => Ok(false),
                    Err(error) => Err(error.into()),
                }
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Gives the file its name in place of what has it.
    pub(crate) fn replace(&self, name: &str) -> io::Result<()> {
        let fd = self.folder.fd();
        Ok(rustix::fs::renameat(fd, &self.name, fd, name)?)
    }
}

impl Drop for TemporaryFile<'_> {
    fn drop(&mut self) {
        // After a rename nothing has the name any more, which is fine.
        if let Err(error) = self.folder.remove_file(&self.name) {
            tracing::debug!(%error, "can't remove a temporary file");
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::folder::tests::folder;
    use std::fs;

    #[test]
    fn old_temporary_files_are_removed_and_no_one_elses() {
        let (directory, folder) = folder();
        let ours = |digit: &str| format!(".{}.tmp", digit.repeat(24));
        let files = [
            (ours("1"), 4000),
            (ours("2"), 10),
            ("old.img".to_owned(), 4000),
            ("draft.tmp".to_owned(), 4000),
        ];
        for (name, age_s) in &files {
            let file = fs::File::create(directory.path().join(name)).expect("space");
            let time = std::time::SystemTime::now() - std::time::Duration::from_secs(*age_s);
            file.set_modified(time).expect("it is ours");
        }
        let names = folder.names().expect("readable");
        assert_eq!(folder.remove_stale_of(&names), 3);
        let mut names = folder.names().expect("readable");
        names.sort();
        assert_eq!(names, [ours("2").as_str(), "draft.tmp", "old.img"]);
    }

    #[test]
    fn a_temporary_file_gets_its_name_once() {
        let (directory, folder) = folder();
        let first = folder.write_temporary(b"first", false).expect("space");
        assert!(first.name("1").expect("it can be named"));
        let second = folder.write_temporary(b"second", true).expect("space");
        assert!(!second.name("1").expect("the name is taken"));
        drop((first, second));
        assert_eq!(folder.names().expect("readable"), ["1"]);
        assert_eq!(
            fs::read(directory.path().join("1")).expect("readable"),
            b"first"
        );
    }
}
