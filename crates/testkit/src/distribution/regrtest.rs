//! Reads what Python's own test runner prints.

use std::collections::BTreeSet;

use crate::run::Observation;

const OTHER_OUTCOMES: &[&str] = &["FAIL", "ERROR", "skipped", "expected failure"];

/// The names of the tests that passed: of a line `test_x (module.Class.test_x) … ok`, what is in
/// parentheses. What a test prints itself may come between its name and its outcome.
pub(crate) fn passes(observation: &Observation) -> BTreeSet<String> {
    let mut passed = BTreeSet::new();
    for stream in [&observation.stdout, &observation.stderr] {
        let text = String::from_utf8_lossy(stream);
        let mut current: Option<String> = None;
        for line in text.lines() {
            if let Some(name) = test_name(line) {
                current = Some(name.to_owned());
            }
            let outcome = line
                .rsplit_once("... ")
                .map_or(line, |(_, outcome)| outcome);
            if outcome == "ok" {
                passed.extend(current.take());
            } else if OTHER_OUTCOMES
                .iter()
                .any(|other| outcome.starts_with(other))
            {
                current = None;
            }
        }
    }
    passed
}

fn test_name(line: &str) -> Option<&str> {
    let (name, rest) = line.split_once(" (test.")?;
    let is_word = !name.is_empty() && name.chars().all(|c| c.is_alphanumeric() || c == '_');
    is_word.then(|| rest.split_once(')'))?.map(|(path, _)| path)
}

#[cfg(test)]
mod tests {
    use super::passes;
    use crate::run::{Ending, Observation};

    #[test]
    fn outcomes_are_found_behind_what_tests_print() {
        let text = "test_a (test.test_x.T.test_a) ... ok\n\
                    test_b (test.test_x.T.test_b)\nWhat it does. ... ok\n\
                    test_c (test.test_x.T.test_c) ... FAIL\nok\n\
                    test_d (test.test_x.T.test_d) ... skipped 'why'\n\
                    test_e (test.test_x.T.test_e) ... noise\nok\n";
        let observation = Observation {
            stdout: text.as_bytes().to_vec(),
            stderr: Vec::new(),
            ending: Ending::Code(0),
        };
        let passed: Vec<String> = passes(&observation).into_iter().collect();
        assert_eq!(
            passed,
            ["test_x.T.test_a", "test_x.T.test_b", "test_x.T.test_e"]
        );
    }
}
