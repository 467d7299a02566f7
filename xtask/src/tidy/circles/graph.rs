//! Which file imports which, and the circles among them.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::resolve::{Target, resolve};
use super::tree::{FileIndex, MentionKind, Tree};

/// Each import of one file by another, with the first line that says it.
#[derive(Debug, Default)]
pub(super) struct Graph {
    imports: BTreeMap<FileIndex, BTreeMap<FileIndex, usize>>,
}

/// One circle: its files, each with the line that imports the next; the last imports the first.
pub(super) type Circle = Vec<(FileIndex, usize)>;

impl Graph {
    pub(super) fn of(tree: &Tree) -> Graph {
        let mut graph = Graph::default();
        for mention in &tree.mentions {
            let from = tree.modules[mention.module].file;
            for target in resolve(tree, mention.module, &mention.path) {
                let (to, inside) = match target {
                    Target::Item(file) => (file, tree.files[file].module),
                    Target::Module(_) if mention.kind == MentionKind::Code => continue,
                    Target::Module(module) => (tree.modules[module].file, module),
                };
                // Who only hands on what a child defines doesn't use it.
                let hands_on =
                    mention.kind == MentionKind::ReExport && tree.is_inside(inside, mention.module);
                if from != to && !hands_on {
                    graph.add(from, to, mention.line);
                }
            }
        }
        graph
    }

    fn add(&mut self, from: FileIndex, to: FileIndex, line: usize) {
        let lines = self.imports.entry(from).or_default();
        let first = lines.entry(to).or_insert(line);
        *first = line.min(*first);
    }

    /// The shortest circle through each import that is part of one. A parent may use its children, and
    /// a child what its parent holds: a circle through the module around all its other files is none.
    pub(super) fn circles(&self, tree: &Tree) -> Vec<Circle> {
        let mut circles = Vec::new();
        let mut pending = self.knots(&(0..tree.files.len()).collect());
        while let Some(knot) = pending.pop() {
            let is_around = |outer: FileIndex, inner: FileIndex| {
                tree.is_inside(tree.files[inner].module, tree.files[outer].module)
            };
            let top = |file: FileIndex| knot.iter().copied().find(|&other| is_around(other, file));
            let tops: Vec<FileIndex> = knot
                .iter()
                .copied()
                .filter(|&file| top(file).is_none())
                .collect();
            if let [parent] = tops[..] {
                let rest = knot.iter().copied().filter(|&file| file != parent);
                pending.extend(self.knots(&rest.collect()));
                continue;
            }
            // Several families in one knot: a way out of one of them and back is a circle.
            let family = |file: FileIndex| {
                tops.iter()
                    .copied()
                    .find(|&top| top == file || is_around(top, file))
            };
            let crossing = self
                .imports_within(&knot)
                .filter(|&(from, to)| family(from) != family(to));
            let ways = crossing.filter_map(|(from, to)| self.way(&knot, to, from));
            circles.extend(ways.map(|way| self.turned_to_first(&way, tree)));
        }
        circles.sort_by_key(|circle| {
            circle
                .iter()
                .map(|&(file, _)| &tree.files[file].path)
                .collect::<Vec<_>>()
        });
        circles.dedup();
        circles
    }

    fn imports_within(
        &self,
        files: &BTreeSet<FileIndex>,
    ) -> impl Iterator<Item = (FileIndex, FileIndex)> {
        let from = files
            .iter()
            .filter_map(|&from| Some((from, self.imports.get(&from)?)));
        from.flat_map(|(from, lines)| lines.keys().map(move |&to| (from, to)))
            .filter(|(_, to)| files.contains(to))
    }

    /// The sets of two or more files that all reach each other.
    fn knots(&self, files: &BTreeSet<FileIndex>) -> Vec<BTreeSet<FileIndex>> {
        let mut rest = files.clone();
        let mut knots = Vec::new();
        while let Some(&file) = rest.first() {
            let reached = self.reach(files, file);
            let knot: BTreeSet<FileIndex> = reached
                .into_iter()
                .filter(|&other| self.reach(files, other).contains(&file))
                .chain([file])
                .collect();
            rest.retain(|other| !knot.contains(other));
            if knot.len() > 1 {
                knots.push(knot);
            }
        }
        knots
    }

    fn reach(&self, files: &BTreeSet<FileIndex>, from: FileIndex) -> BTreeSet<FileIndex> {
        self.back(files, from).into_keys().collect()
    }

    /// Every file that can be reached, with the one before it on the shortest way.
    fn back(&self, files: &BTreeSet<FileIndex>, from: FileIndex) -> BTreeMap<FileIndex, FileIndex> {
        let mut back = BTreeMap::new();
        let mut pending = VecDeque::from([from]);
        while let Some(file) = pending.pop_front() {
            let next = self.imports.get(&file).into_iter().flat_map(BTreeMap::keys);
            for &next in next.filter(|next| files.contains(next)) {
                back.entry(next).or_insert_with(|| {
                    pending.push_back(next);
                    file
                });
            }
        }
        back
    }

    /// The shortest way between two files.
    fn way(
        &self,
        files: &BTreeSet<FileIndex>,
        from: FileIndex,
        to: FileIndex,
    ) -> Option<Vec<FileIndex>> {
        let back = self.back(files, from);
        let mut way = vec![to];
        let mut at = to;
        while at != from {
            at = *back.get(&at)?;
            way.push(at);
        }
        way.reverse();
        Some(way)
    }

    /// The circle, from the file whose path comes first.
    fn turned_to_first(&self, way: &[FileIndex], tree: &Tree) -> Circle {
        let path = |at: &usize| &tree.files[way[*at]].path;
        let start = (0..way.len()).min_by_key(path).unwrap_or(0);
        let turned: Vec<FileIndex> = [&way[start..], &way[..start]].concat();
        let next = turned.iter().cycle().skip(1);
        let step = |(&from, to): (&FileIndex, &FileIndex)| (from, self.imports[&from][to]);
        turned.iter().zip(next).map(step).collect()
    }
}
