//! Writing what was inserted.

use std::sync::Arc;

use rekindle_artifact::{Artifact, SectionKind};
use rekindle_link::Arch;
use rekindle_store::{
    Environment, ImageError, ImageFile, Key, KeyBuilder, ScopeFolder, ScopeId, Store,
};
use rustc_hash::FxHashSet;

use crate::program::ProgramDraft;
use crate::publish::{PublishError, build_image, build_program, identity, split};
use crate::shared::Shared;

/// What a flush did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct FlushReport {
    /// Entries written.
    pub entries_written: u64,
    /// Bytes of image files written.
    pub bytes_written: u64,
}

/// What a flush is for.
#[derive(Clone, Copy)]
pub(crate) struct Target<'a> {
    pub(crate) cache: &'a Shared,
    pub(crate) environment: &'a Environment,
    pub(crate) scope: &'a ScopeId,
    /// Whether the scope's folder has images that can't be used.
    pub(crate) some_refused: bool,
}

/// A scope's folder that may be written.
pub(crate) struct Writing<'a> {
    pub(crate) target: &'a Target<'a>,
    pub(crate) store: &'a Store,
    pub(crate) folder: ScopeFolder,
    pub(crate) arch: Arch,
}

impl Target<'_> {
    /// Takes back what is kept under keys whose code was found wrong, writes a queue as one image, or as
    /// several if it is huge, and then keeps house.
    pub(crate) fn flush(
        &self,
        queue: &[(Key, Arc<Artifact>)],
        wrong: &FxHashSet<Key>,
    ) -> FlushReport {
        let mut report = FlushReport::default();
        if queue.is_empty() && wrong.is_empty() {
            return report;
        }
        let Some(writing) = self.start() else {
            return report;
        };
        let lock = writing.take_back(wrong);
        let entries: Vec<(Key, &Artifact)> = queue
            .iter()
            .map(|(key, artifact)| (*key, &**artifact))
            .collect();
        for part in split(&entries) {
            match writing.write_image(part, &[]) {
                Ok(len) => {
                    report.entries_written += part.len() as u64;
                    report.bytes_written += len;
                }
                Err(error) => self
                    .cache
                    .notice(format!("an image can't be written: {error}")),
            }
        }
        drop(lock);
        writing.tidy();
        self.cache.keep_budget(writing.store, self.environment);
        report
    }

    /// Writes a program as the one image of its scope.
    pub(crate) fn write_program(&self, program: &ProgramDraft) -> FlushReport {
        let mut report = FlushReport::default();
        let Some(writing) = self.start() else {
            return report;
        };
        match writing.write_program(program) {
            Ok(len) => {
                report.entries_written = program.parts.len() as u64;
                report.bytes_written = len;
                self.cache.counters.programs_recorded.add(1);
                self.cache.keep_budget(writing.store, self.environment);
            }
            Err(error) => self
                .cache
                .notice(format!("a program can't be kept: {error}")),
        }
        report
    }

    fn start(&self) -> Option<Writing<'_>> {
        let store = self.cache.writable_store()?;
        let arch = Arch::host()?;
        if !self.cache.is_still_the_same(store) {
            return None;
        }
        match store.create_scope_folder(self.environment, self.scope) {
            Ok(folder) => Some(Writing {
                target: self,
                store,
                folder,
                arch,
            }),
            Err(error) => {
                let path = store.path().display();
                self.cache
                    .notice(format!("nothing can be kept in {path}: {error}"));
                None
            }
        }
    }
}

impl Writing<'_> {
    /// Publishes one image, as the newest or, if it is made of others, in the place of the first of them.
    /// Returns its length in bytes.
    pub(crate) fn write_image(
        &self,
        entries: &[(Key, &Artifact)],
        in_place_of: &[ImageFile],
    ) -> Result<u64, WriteError> {
        let Target {
            cache,
            environment,
            scope,
            ..
        } = self.target;
        check_memory(entries)?;
        let identity = identity(environment, scope, self.arch);
        let image = build_image(entries, identity, scope, self.arch, self.store.secret())?;
        let number = self.publish(&image, in_place_of, cache)?;
        let len = image.len() as u64;
        tracing::debug!(
            number,
            bytes = len,
            entries = entries.len(),
            "wrote an image"
        );
        Ok(len)
    }

    /// Opens an image of the scope, whoever made it.
    pub(crate) fn open(&self, number: u32) -> Result<ImageFile, ImageError> {
        self.folder.open_image(number, self.store.secret(), None)
    }

    fn publish(
        &self,
        image: &[u8],
        in_place_of: &[ImageFile],
        cache: &Shared,
    ) -> Result<u32, WriteError> {
        let published = match in_place_of {
            [] => self.folder.publish(image),
            images => self.folder.publish_in_place_of(images, image),
        };
        let number = match published {
            // Another process removed the folder while there was no image in it.
            Err(error)
                if in_place_of.is_empty() && error.kind() == std::io::ErrorKind::NotFound =>
            {
                let Target {
                    environment, scope, ..
                } = self.target;
                let folder = self.store.create_scope_folder(environment, scope);
                folder.map_err(|_| error)?.publish(image)?
            }
            result => result?,
        };
        cache.counters.images_written.add(1);
        cache.counters.bytes_written.add(image.len() as u64);
        Ok(number)
    }

    fn write_program(&self, program: &ProgramDraft) -> Result<u64, WriteError> {
        let Target {
            cache,
            environment,
            scope,
            ..
        } = self.target;
        let artifacts = program
            .parts
            .iter()
            .map(|part| part.artifact().ok_or(WriteError::Damaged))
            .collect::<Result<Vec<_>, _>>()?;
        // Nobody looks a part up by its key, but every entry has one of its own.
        let key = |index| KeyBuilder::new("rekindle/program part").u64(index).finish();
        let entries: Vec<(Key, &Artifact)> = (0..)
            .zip(&artifacts)
            .map(|(index, artifact)| (key(index), &**artifact))
            .collect();
        check_memory(&entries)?;
        let identity = identity(environment, scope, self.arch);
        let ProgramDraft { symbols, front, .. } = program;
        let secret = self.store.secret();
        let image = build_program(&entries, symbols, front, identity, scope, self.arch, secret)?;
        // What this takes the place of wasn't found, or was found wrong: it must not come back when this
        // is damaged. Nobody merges programs, so there is nothing to lock.
        for older in self.folder.images()? {
            self.folder.remove(older)?;
        }
        self.publish(&image, &[], cache)?;
        Ok(image.len() as u64)
    }
}

/// Asks whether there is memory for an image of these entries. Running out of it in the middle would
/// end the process, which isn't worth a cache.
fn check_memory(entries: &[(Key, &Artifact)]) -> Result<(), WriteError> {
    let len = |artifact: &Artifact| -> usize {
        SectionKind::ALL
            .map(|section| artifact.section_len(section))
            .into_iter()
            .sum()
    };
    let total: usize = entries.iter().map(|(_, artifact)| len(artifact)).sum();
    // The image, what it is made of, and tables.
    let mut probe: Vec<u8> = Vec::new();
    let needed = total.saturating_mul(2).saturating_add(1 << 20);
    probe
        .try_reserve_exact(needed)
        .map_err(|_| WriteError::Memory)?;
    // Not to be seen through: whoever knew that nobody uses it could leave it out.
    std::hint::black_box(&mut probe);
    Ok(())
}

/// An image can't be written.
#[derive(Debug, thiserror::Error)]
pub(crate) enum WriteError {
    #[error(transparent)]
    Build(#[from] PublishError),
    #[error(transparent)]
    Publish(#[from] std::io::Error),
    #[error("there isn't enough memory to make it")]
    Memory,
    #[error("a function that came from the cache lacks what only keeping it again needs")]
    Damaged,
}
