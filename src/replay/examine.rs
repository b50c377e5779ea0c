//! What can be said of lines without knowing what comes before them: nearly everything.
//!
//! Each line carries the hash of the one before in its own bytes, so lines are hashed, linked and
//! decoded in any order, and on as many threads as the caller has. Only two things need the past:
//! whether the first line continues the chain, and what the rules say. [`Replay::take_examined`]
//! asks for these in order.
//!
//! The examination only ever says that lines are good. It stops at the first about which it does not
//! say so, and from there on the replay reads the bytes itself, line after line: whatever is wrong
//! is found, judged and named in one place.

use std::collections::BTreeMap;

use memchr::{Memchr, memchr_iter};

use super::foreseen::{Foreseen, Keys};
use super::{Progress, Replay, ReplayError, ReplayProblem};
use crate::chain::digests::digest_each;
use crate::chain::line::{BatchPosition, Line, check_data};
use crate::chain::merkle::MerklePart;
use crate::chain::verify::ChainVerifier;
use crate::governance::consequence::next_consequence;
use crate::governance::decide::prediction_verdict;
use crate::governance::digest::Digest;
use crate::governance::event::{Event, Recorded};
use crate::governance::id::Subject;
use crate::governance::key::SignatureVerifier;
use crate::governance::prediction::PredictionVerdict;
use crate::governance::prediction_sketch::PredictionSketch;
use crate::governance::scope::CheckContext;
use crate::governance::state::State;
use crate::governance::time::Timestamp;

const PREDICTION: &str = "prediction_recorded";

/// How many lines are hashed together: enough that it does not matter how a group ends, and few enough
/// that they stay where the processor reads fast.
const GROUP: usize = 64;

/// How lines are examined.
#[derive(Clone, Copy)]
pub(crate) struct Examiner<'a> {
    /// Who checks signatures.
    pub(crate) verifier: &'a dyn SignatureVerifier,
    /// The keys that are likely to be in force.
    pub(crate) keys: &'a Keys,
    /// Whether the Merkle tree is wanted.
    pub(crate) with_tree: bool,
}

/// Lines that are good as far as they themselves show.
#[derive(Default)]
pub(crate) struct Examined {
    /// The chain through them: what it presumes, the first line's time, and where it ends.
    chain: Option<(ChainVerifier, Timestamp, ChainVerifier)>,
    leaves: MerklePart,
    entries: Vec<Entry>,
    questions: Vec<Question>,
    /// How many bytes the lines have, their line feeds included.
    bytes: usize,
}

enum Entry {
    Prediction {
        at: Timestamp,
        /// What the rules are asked about it.
        question: usize,
    },
    Event(Box<FoundEvent>),
}

struct FoundEvent {
    recorded: Recorded,
    batch: BatchPosition,
    foreseen: Option<Foreseen>,
}

/// What the rules are asked about a prediction: whether they give this verdict. Few questions differ
/// within some thousand lines.
struct Question {
    model: Subject,
    context: CheckContext,
    verdict: PredictionVerdict,
    /// The last answer, as long as nothing has happened that could change it.
    answer: Option<(Timestamp, bool)>,
}

/// The questions by their texts.
#[derive(Default)]
struct Known<'a> {
    all: BTreeMap<Texts<'a>, usize>,
    /// The one before: most often the next one's, too.
    last: Option<(Texts<'a>, usize)>,
}

/// The text of a question: model, context and verdict.
type Texts<'a> = (&'a str, &'a str, &'a str);

/// The lines of a chunk, up to the first that has not the form of one.
struct Outlines<'a> {
    bytes: &'a [u8],
    ends: Memchr<'a>,
    start: usize,
    previous: Option<Line<'a>>,
}

impl<'a> Outlines<'a> {
    fn of(bytes: &'a [u8]) -> Self {
        Self {
            bytes,
            ends: memchr_iter(b'\n', bytes),
            start: 0,
            previous: None,
        }
    }
}

impl<'a> Iterator for Outlines<'a> {
    type Item = Line<'a>;

    fn next(&mut self) -> Option<Line<'a>> {
        let end = self.ends.next()?;
        let raw = self.bytes.get(self.start..end).unwrap_or_default();
        let line = Line::outline(raw, self.previous.as_ref()).ok()?;
        self.start = end + 1;
        self.previous = Some(line);
        Some(line)
    }
}

impl Examiner<'_> {
    /// Examines `bytes` up to the first line that is not good in itself. What stands behind the last
    /// line feed is no line.
    pub(crate) fn examine(&self, bytes: &[u8]) -> Examined {
        let mut examined = Examined::default();
        let mut questions = Known::default();
        let mut outlines = Outlines::of(bytes);
        let mut group = Vec::with_capacity(GROUP);
        let mut digests = [Digest::ZERO; GROUP];
        loop {
            group.clear();
            group.extend(outlines.by_ref().take(GROUP));
            digest_each(group.iter().map(Line::covered), &mut digests);
            for (line, digest) in group.iter().zip(&digests) {
                let is_good = line.entry_hash == *digest
                    && self.line(line, &mut examined, &mut questions).is_some();
                if !is_good {
                    return examined;
                }
                examined.bytes += line.raw().len() + 1;
            }
            if group.len() < GROUP {
                return examined;
            }
        }
    }

    fn line<'a>(
        &self,
        line: &Line<'a>,
        examined: &mut Examined,
        questions: &mut Known<'a>,
    ) -> Option<()> {
        let entry = if line.operation == PREDICTION
            && let Some(sketch) = PredictionSketch::read(line.data)
        {
            Entry::Prediction {
                at: line.timestamp,
                question: examined.question(&sketch, questions)?,
            }
        } else {
            Entry::Event(Box::new(self.event(line)?))
        };
        let (_, _, chain) = examined.chain.get_or_insert_with(|| {
            let start = ChainVerifier::presuming(line);
            examined.leaves = MerklePart::starting_at(line.seq.saturating_sub(1));
            (start.clone(), line.timestamp, start)
        });
        chain.push_intact(line).ok()?;
        if self.with_tree {
            examined.leaves.push(&line.entry_hash);
        }
        examined.entries.push(entry);
        Some(())
    }

    fn event(&self, line: &Line<'_>) -> Option<FoundEvent> {
        check_data(line).ok()?;
        let event = Event::decode_canonical(line.operation, line.data).ok()?;
        Some(FoundEvent {
            foreseen: Foreseen::of(&event, self.keys, self.verifier),
            recorded: Recorded {
                seq: line.seq,
                timestamp: line.timestamp,
                hash: line.entry_hash,
                event,
            },
            batch: line.batch,
        })
    }
}

impl Examined {
    fn question<'a>(
        &mut self,
        sketch: &PredictionSketch<'a>,
        known: &mut Known<'a>,
    ) -> Option<usize> {
        let texts = (sketch.model, sketch.context, sketch.verdict);
        if let Some((last, index)) = known.last
            && same(last.0, texts.0)
            && same(last.1, texts.1)
            && same(last.2, texts.2)
        {
            return Some(index);
        }
        if let Some(index) = known.all.get(&texts) {
            known.last = Some((texts, *index));
            return Some(*index);
        }
        let context = match sketch.context {
            "" => CheckContext::default(),
            text => serde_json::from_str(text).ok()?,
        };
        let index = self.questions.len();
        self.questions.push(Question {
            model: sketch.model.parse().ok()?,
            context,
            verdict: sketch.verdict.parse().ok()?,
            answer: None,
        });
        known.all.insert(texts, index);
        known.last = Some((texts, index));
        Some(index)
    }
}

/// Without a way out early, the compiler compares many bytes at a time, which takes less than a call.
fn same(one: &str, other: &str) -> bool {
    let pairs = one.bytes().zip(other.bytes());
    one.len() == other.len() && pairs.fold(true, |same, (one, other)| same & (one == other))
}

/// How far the rules took what was examined.
enum Stopped {
    /// Before an entry about which the replay has to ask in full.
    Before(usize),
    /// At an entry that the rules refuse.
    At(usize, ReplayProblem),
}

impl Replay<'_> {
    /// Takes all lines of `bytes`, which were examined and end with a line feed.
    ///
    /// # Errors
    /// Exactly those of [`line`](Self::line), asked of each line in turn.
    pub(crate) fn take_examined(
        &mut self,
        bytes: &[u8],
        examined: Examined,
    ) -> Result<(), ReplayError> {
        let Examined {
            chain,
            leaves,
            entries,
            mut questions,
            bytes: good_bytes,
        } = examined;
        let before = self.chain.clone();
        let first_seq = before.head().seq.saturating_add(1);
        let follows = chain
            .filter(|_| !entries.is_empty())
            .is_some_and(|(start, at, end)| self.chain.join(&start, at, end));
        let mut good_bytes = if follows { good_bytes } else { 0 };
        let mut refused = None;
        if follows {
            if let Err(stopped) = self.take_entries(first_seq, entries, &mut questions) {
                self.chain = before;
                let count = match stopped {
                    Stopped::Before(count) => count,
                    Stopped::At(count, problem) => {
                        refused = Some(problem);
                        count + 1
                    }
                };
                good_bytes = self.follow_again(bytes, count)?;
            } else if let Some(merkle) = &mut self.merkle {
                merkle.append(&leaves);
            }
        }
        if let Some(problem) = refused {
            let head = self.chain.head().seq;
            let last = bytes
                .get(..good_bytes.saturating_sub(1))
                .unwrap_or_default();
            let start = memchr::memrchr(b'\n', last).map_or(0, |at| at + 1);
            return Err(ReplayError::new(head, self.offset + start as u64, problem));
        }
        self.offset += good_bytes as u64;
        let rest = bytes.get(good_bytes..).unwrap_or_default();
        for line in rest.split_inclusive(|byte| *byte == b'\n') {
            self.line(line.strip_suffix(b"\n").unwrap_or(line))?;
        }
        Ok(())
    }

    /// Brings the chain behind `count` good lines; answers how many bytes those are.
    fn follow_again(&mut self, bytes: &[u8], count: usize) -> Result<usize, ReplayError> {
        let mut start = 0;
        for end in memchr_iter(b'\n', bytes).take(count) {
            let raw = bytes.get(start..end).unwrap_or_default();
            let line = self.chain.read(raw).map_err(|error| {
                let offset = self.offset + start as u64;
                ReplayError::new(error.seq(), offset, ReplayProblem::Chain(error))
            })?;
            if let Some(merkle) = &mut self.merkle {
                merkle.push(&line.entry_hash);
            }
            start = end + 1;
        }
        Ok(start)
    }

    fn take_entries(
        &mut self,
        first_seq: u64,
        entries: Vec<Entry>,
        questions: &mut [Question],
    ) -> Result<(), Stopped> {
        for ((index, entry), seq) in entries.into_iter().enumerate().zip(first_seq..) {
            match entry {
                Entry::Prediction { at, question } => {
                    let question = questions.get_mut(question);
                    let taken =
                        question.and_then(|question| self.progress.predict(seq, at, question));
                    taken.ok_or(Stopped::Before(index))?;
                }
                Entry::Event(found) => {
                    for question in &mut *questions {
                        question.answer = None;
                    }
                    let verifier = Foreseen::before(found.foreseen.as_ref(), self.verifier);
                    let entered = (self.progress)
                        .enter(&found.recorded, found.batch, &verifier)
                        .map_err(ReplayProblem::Illegal);
                    entered.map_err(|problem| Stopped::At(index, problem))?;
                }
            }
        }
        Ok(())
    }
}

impl Progress {
    /// Takes a prediction if the rules give the same verdict; `None`, and nothing is taken, where
    /// there is more to say.
    fn predict(&mut self, seq: u64, at: Timestamp, question: &mut Question) -> Option<()> {
        let Self::Governed { state, cause_at } = self else {
            return None;
        };
        let outstanding = cause_at.and_then(|cause_at| next_consequence(state, cause_at));
        if outstanding.is_some() || at < state.clock() || !question.ask(state, at) {
            return None;
        }
        state.apply_prediction(seq, at, &question.model, &question.verdict);
        *cause_at = None;
        Some(())
    }
}

impl Question {
    fn ask(&mut self, state: &State, at: Timestamp) -> bool {
        if let Some((_, gives_it)) = self.answer.filter(|answer| answer.0 == at) {
            return gives_it;
        }
        let verdict = prediction_verdict(state, &self.model, &self.context, at);
        let gives_it = verdict.is_ok_and(|verdict| verdict == self.verdict);
        self.answer = Some((at, gives_it));
        gives_it
    }
}
