//! Text as it was before linking.

use rekindle_artifact::Artifact;
use rekindle_link::Arch;

/// An artifact's text with nothing in it that linking put there.
pub(crate) fn blank_text(artifact: &Artifact) -> Vec<u8> {
    let mut text = artifact.text.bytes.clone();
    if let Some(arch) = Arch::host() {
        for relocation in &artifact.relocations {
            arch.blank(relocation, &mut text);
        }
    }
    text
}
