//! Artifacts as bytes, and linking whatever was decoded: a merge links what an image held.

use rekindle::Artifact;
use rekindle_link::{Arch, Layout, Plan};

use super::sample;
use super::subject::{Subject, mixed};

/// Encoded artifacts.
pub(super) struct Artifacts;

impl Artifacts {
    pub(super) fn subject() -> Box<dyn Subject> {
        Box::new(Self)
    }
}

impl Subject for Artifacts {
    fn seeds(&self) -> Vec<Vec<u8>> {
        (0..3)
            .map(|number| sample::artifact(number).encode())
            .collect()
    }

    fn check(&mut self, input: &[u8]) -> u64 {
        let artifact = match Artifact::decode(input) {
            Ok(artifact) => artifact,
            Err(error) => return mixed(format!("{error:?}").bytes().map(u64::from).take(8)),
        };
        let again = Artifact::decode(&artifact.encode());
        assert_eq!(again.as_ref(), Ok(&artifact), "another after encoding");
        let mut way = vec![u64::from(artifact.validate().is_ok())];
        for arch in [Arch::X86_64, Arch::Aarch64] {
            let Ok(plan) = Plan::new(&artifact, arch) else {
                way.push(0);
                continue;
            };
            let layout = Layout::new(&[plan.clone(), plan], arch);
            way.push(1 + u64::from(layout.is_ok()));
            if let Ok(layout) = layout {
                way.push(layout.cells.len().min(8) as u64);
            }
        }
        mixed(way)
    }
}
