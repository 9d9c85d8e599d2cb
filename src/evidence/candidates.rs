//! Keeps the lines that a failure may be known by, and chooses those its hash is taken over.
use crate::domain::failure::EvidenceLine;
use crate::evidence::normalize::MAX_HASHED_LINES;
use crate::evidence::normalize::normalize;
use crate::evidence::weigh;
use std::collections::BTreeSet;
use std::collections::HashSet;
use std::hash::BuildHasher as _;
use std::hash::BuildHasherDefault;
use std::hash::DefaultHasher;

/// Different lines that are remembered.
const MAX_KEPT: usize = 200;
/// How much lighter than the heaviest a line may be and still count.
const MAX_LIGHTER: u16 = 25;

#[derive(Debug, Clone)]
struct Candidate {
    number: u64,
    text: String,
    weight: u16,
}

/// The heaviest different lines so far.
#[derive(Debug, Default)]
pub(crate) struct Candidates {
    kept: Vec<Candidate>,
    seen: HashSet<u64>,
    /// The least weight among the kept, once they are as many as may be.
    bar: u16,
}

impl Candidates {
    /// Takes a line of weight; the text may still hold secrets.
    pub(crate) fn see(&mut self, number: u64, text: &str, weight: u16) {
        if weight < weigh::TELLING || (self.kept.len() >= MAX_KEPT && weight <= self.bar) {
            return;
        }
        let key = BuildHasherDefault::<DefaultHasher>::default().hash_one(text);
        if !self.seen.insert(key) {
            return;
        }
        if self.kept.len() >= MAX_KEPT {
            let lightest = self.kept.iter().enumerate().min_by_key(|(idx, it)| (it.weight, std::cmp::Reverse(*idx)));
            if let Some((idx, _)) = lightest {
                self.kept.remove(idx);
            }
        }
        self.kept.push(Candidate { number, text: text.to_owned(), weight });
        self.bar = self.kept.iter().map(|it| it.weight).min().unwrap_or(0);
    }

    /// Whether a failing test or an error with a message was seen.
    pub(crate) fn has_failure(&self) -> bool {
        self.kept.iter().any(|it| it.weight >= weigh::NAME && !it.text.contains("KeyboardInterrupt"))
    }

    /// Returns up to five lines, in their order, each made safe by `clean`. Which ones does not depend on the order they came in.
    pub(crate) fn choose(self, clean: impl Fn(&str) -> String) -> Vec<EvidenceLine> {
        let mut seen = BTreeSet::new();
        let mut ranked = Vec::new();
        for line in self.kept {
            let text = clean(&line.text);
            let normal = normalize(&text);
            if !normal.is_empty() && seen.insert(normal.clone()) {
                ranked.push((std::cmp::Reverse(line.weight), normal, EvidenceLine { number: line.number, text }));
            }
        }
        ranked.sort_by(|a, b| (a.0, &a.1).cmp(&(b.0, &b.1)));
        let heaviest = ranked.first().map_or(0, |it| it.0.0);
        let near = |weight: u16| weight.saturating_add(MAX_LIGHTER) >= heaviest;
        let mut lines: Vec<_> =
            ranked.into_iter().filter(|it| near(it.0.0)).take(MAX_HASHED_LINES).map(|(_, _, line)| line).collect();
        lines.sort_by_key(|line| line.number);
        lines
    }
}
