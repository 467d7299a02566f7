//! What comes along with `rekindle-cranelift`, and so with whoever swaps cranelift-jit for it.

use anyhow::{Context, ensure};

use crate::shell::cargo;

/// Compiles C. One dependency may use it: it does without, where there is no C compiler.
const C_COMPILER: &str = "cc";
const DOES_WITHOUT: &str = "blake3";

/// Its implementations for types of the standard library change what an embedder's code means.
const CHANGES_INFERENCE: &str = "serde_json";

pub(crate) fn check() -> anyhow::Result<Vec<String>> {
    let mut command = cargo();
    command.args(["tree", "--package", "rekindle-cranelift"]);
    command.args([
        "--edges",
        "normal,build",
        "--prefix",
        "depth",
        "--no-dedupe",
    ]);
    let output = command.output().with_context(|| format!("{command:?}"))?;
    ensure!(output.status.success(), "{command:?}: {}", output.status);
    Ok(faults(&String::from_utf8(output.stdout)?))
}

/// The faults of a tree whose lines are a depth, and a package behind it.
fn faults(tree: &str) -> Vec<String> {
    let mut path: Vec<&str> = Vec::new();
    let mut faults = Vec::new();
    for line in tree.lines() {
        let start = line.find(|c: char| !c.is_ascii_digit());
        let (depth, package) = line.split_at(start.unwrap_or(line.len()));
        let (Ok(depth), Some(name)) = (depth.parse(), package.split(' ').next()) else {
            continue;
        };
        path.truncate(depth);
        let parent = path.last().copied().unwrap_or_default();
        path.push(name);
        let is_fault = match name {
            C_COMPILER => parent != DOES_WITHOUT,
            CHANGES_INFERENCE => true,
            _ => false,
        };
        let fault = format!("rekindle-cranelift brings {name} along, through {parent}");
        if is_fault && !faults.contains(&fault) {
            faults.push(fault);
        }
    }
    faults
}

#[cfg(test)]
mod tests {
    use super::faults;

    #[test]
    fn what_compiles_c_and_what_changes_inference_are_faults() {
        let sound = "0rekindle-cranelift v0.1.0 (/x)\n1blake3 v1.0.0\n2cc v1.0.0\n3shlex v1.0.0\n1serde v1.0.0";
        assert_eq!(faults(sound), [""; 0]);
        let unsound = format!(
            "{sound}\n1aegis v0.9.0\n2cc v1.0.0\n1a v1.0.0\n2serde_json v1.0.0\n1cc v1.0.0"
        );
        let expected = [
            ("cc", "aegis"),
            ("serde_json", "a"),
            ("cc", "rekindle-cranelift"),
        ];
        let text = |(name, by)| format!("rekindle-cranelift brings {name} along, through {by}");
        assert_eq!(faults(&unsound), expected.map(text));
    }
}
