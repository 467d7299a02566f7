//! A cache's other files: the secret, descriptions of environments, remembered digests, notes. Whatever
//! they hold, a cache opens or says why not, and a digest is the file's.

use std::fs::{self, File};
use std::path::PathBuf;

use rekindle::Digest;
use rekindle_store::{Opening, Store};

use super::sample::{Sample, files_below};
use super::subject::{Subject, mixed};

/// A cache folder with one file changed.
pub(super) struct Files {
    sample: Sample,
    /// Each with what it holds.
    files: Vec<(PathBuf, Vec<u8>)>,
    /// A file whose digest is remembered.
    hashed: PathBuf,
}

impl Files {
    pub(super) fn subject() -> Box<dyn Subject> {
        let sample = Sample::full();
        // The system's, so that it wasn't changed just now.
        let hashed = std::env::current_exe().expect("this program");
        let store = Store::open(&sample.path(), Opening::Writing).expect("it opens");
        let file = File::open(&hashed).expect("readable");
        store.file_digest("fuzzed", &file, || Digest([1; 32]));
        let mut files = Vec::new();
        files_below(&sample.path(), &mut files);
        files.retain(|file| file.extension().is_none_or(|extension| extension != "img"));
        let with_bytes = files.into_iter().map(|file| {
            let bytes = fs::read(&file).expect("readable");
            (file, bytes)
        });
        Box::new(Self {
            files: with_bytes.collect(),
            sample,
            hashed,
        })
    }
}

impl Subject for Files {
    fn seeds(&self) -> Vec<Vec<u8>> {
        // The first byte says which file it is.
        let numbered = (0_u8..).zip(&self.files);
        numbered
            .map(|(number, (_, bytes))| [&[number], &bytes[..]].concat())
            .collect()
    }

    fn check(&mut self, input: &[u8]) -> u64 {
        let Some((which, bytes)) = input.split_first() else {
            return 0;
        };
        let which = usize::from(*which) % self.files.len();
        let (path, before) = &self.files[which];
        fs::write(path, bytes).expect("space");
        let mut way = vec![which as u64];
        match Store::open(&self.sample.path(), Opening::Reading) {
            Ok(store) => {
                let environments = store.environments();
                way.push(environments.len() as u64);
                way.extend(
                    environments
                        .iter()
                        .map(|found| found.description.fields.len() as u64),
                );
                let mut images = store.list_images();
                images.iter_mut().for_each(|image| store.read_header(image));
                way.push(images.iter().filter(|image| image.header.is_some()).count() as u64);
                let file = File::open(&self.hashed).expect("readable");
                let digest = store.file_digest("fuzzed", &file, || Digest([2; 32]));
                assert!(digest == Digest([1; 32]) || digest == Digest([2; 32]));
                way.push(digest.0[0].into());
            }
            Err(_) => way.push(99),
        }
        fs::write(path, before).expect("space");
        mixed(way)
    }
}
