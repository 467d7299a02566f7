//! What a comparison reports: rows of ours against a peer's, as a table or as one JSON object.

use std::fmt::{self, Write};

use serde::Serialize;

use crate::machine::Machine;
use crate::paired::Samples;

/// All rows of one comparison, and where they come from.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// The machine.
    pub machine: Machine,
    /// The command that measures this again.
    pub command: String,
    /// The rows.
    pub rows: Vec<Row>,
}

/// One figure of ours beside a peer's.
#[derive(Clone, Debug, Serialize)]
pub struct Row {
    /// What is compared: the kind of comparison, a slash, the program.
    pub name: String,
    /// What `peer` is.
    pub against: &'static str,
    /// Our median.
    pub ours: f64,
    /// The peer's median.
    pub peer: f64,
    /// `peer ÷ ours`: above one, ours is the faster.
    pub ratio: f64,
    /// The unit of both.
    pub unit: &'static str,
    /// The least ratio that is asked for, where one is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bar: Option<f64>,
    /// Distance between the quartiles of our samples.
    pub ours_spread: f64,
    /// Distance between the quartiles of the peer's samples.
    pub peer_spread: f64,
    /// Pairs that were run.
    pub pairs: usize,
    /// What the cache did in a run of ours.
    pub cache: Side,
}

/// What the cache did in one run.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub struct Side {
    /// Regions that came from the cache.
    pub regions_loaded: u64,
    /// Regions that were compiled.
    pub regions_compiled: u64,
}

impl Row {
    /// A row of wall times.
    #[must_use]
    pub fn of_times(name: String, against: &'static str, ours: &Samples, peer: &Samples) -> Self {
        Row {
            name,
            against,
            ours: ours.median(),
            peer: peer.median(),
            ratio: peer.median() / ours.median(),
            unit: "ms",
            bar: None,
            ours_spread: ours.spread(),
            peer_spread: peer.spread(),
            pairs: ours.len(),
            cache: Side::default(),
        }
    }

    /// The same row, with the least ratio that is asked for.
    #[must_use]
    pub fn with_bar(mut self, bar: f64) -> Self {
        self.bar = Some(bar);
        self
    }

    /// Whether the ratio is what is asked for; true where nothing is.
    #[must_use]
    pub fn passes(&self) -> bool {
        self.bar.is_none_or(|bar| self.ratio >= bar)
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Machine { cpu, cores, kernel } = &self.machine;
        writeln!(f, "{cpu}, {cores} cores, {kernel}; {}", self.command)?;
        let width = self
            .rows
            .iter()
            .map(|row| row.name.len())
            .max()
            .unwrap_or(4);
        writeln!(
            f,
            "\n{:<width$} {:>17} {:>17} {:>8} {:>5} {:>6} {:>13}  against",
            "name", "ours, ms", "peer, ms", "ratio", "bar", "pairs", "loaded+new"
        )?;
        for row in &self.rows {
            let mut line = format!(
                "{:<width$} {:>9.3} ± {:>5.3} {:>9.3} ± {:>5.3} {:>7.2}×",
                row.name, row.ours, row.ours_spread, row.peer, row.peer_spread, row.ratio
            );
            let bar = row.bar.map_or_else(String::new, |bar| format!("{bar:.1}"));
            let cache = format!(
                "{}+{}",
                row.cache.regions_loaded, row.cache.regions_compiled
            );
            let missed = if row.passes() { "" } else { "  BELOW THE BAR" };
            write!(
                line,
                " {bar:>5} {:>6} {cache:>13}  {}{missed}",
                row.pairs, row.against
            )?;
            writeln!(f, "{line}")?;
        }
        Ok(())
    }
}
