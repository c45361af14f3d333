//! One walk along commands, decisions and dead letters as they come, in pieces of any size.

mod kept;

use super::acknowledged::{Acknowledged, Owed};
use super::books::Books;
use super::cause;
use super::findings::{Finding, Findings};
use super::letters::{LETTERS_DUE_MAX, Letters};
use super::line::{Line, Misplaced};
use super::once::Once;
use super::report::Report;
use super::rounds::Rounds;
use super::rule::Rule;
use crate::error::{Error, ErrorKind};
use crate::log::block::Record;
use crate::log::{DeadLetterRecord, DecisionRecord, StoredCommand};
use crate::telemetry::Correlation;
use crate::telemetry::correlation::cause_of;
use crate::wire::{DecisionHead, RecordedReader, body_hash, decode_decision};
use conclave_core::decision::Decision;
use conclave_core::input::Input;
use conclave_core::limits::knows_version;
use conclave_core::units::Offset;
use std::collections::{BTreeMap, VecDeque};

/// Bytes of records that wait for their other side, per stream.
const LOOK_AHEAD_BYTES_MAX: usize = 8 * 1024 * 1024;
/// Commands that were passed over and may still be decided late.
const PASSED_OVER_MAX: usize = 100;

/// Asks every rule about one partition. Records come in the order in which they are stored.
#[derive(Debug)]
pub struct Validator {
    partition: i64,
    reader: RecordedReader,
    commands: Ahead<StoredCommand>,
    /// Every command before this one has come.
    commands_known_before: Offset,
    last_command: Offset,
    decisions: Ahead<DecisionRecord>,
    line: Line,
    /// The decision that was read last, whether or not it is in its place.
    last_read: Line,
    rounds: Rounds,
    books: Books,
    once: Once,
    letters: Letters,
    owed: Owed,
    /// Commands that a later one was decided before.
    passed_over: BTreeMap<Offset, StoredCommand>,
    is_blind: bool,
    findings: Findings,
    report: Report,
}

/// Records that wait for their other side, with their offsets.
#[derive(Debug)]
struct Ahead<R> {
    records: VecDeque<(Offset, R)>,
    bytes: usize,
}

impl<R> Default for Ahead<R> {
    fn default() -> Self {
        Self { records: VecDeque::new(), bytes: 0 }
    }
}

impl<R: Record> Ahead<R> {
    fn push(&mut self, offset: Offset, record: R) {
        self.bytes += record.weight();
        self.records.push_back((offset, record));
    }

    fn next(&self) -> Option<Offset> {
        self.records.front().map(|(offset, _)| *offset)
    }

    fn pop_if(&mut self, may_go: impl FnOnce(Offset) -> bool) -> Option<(Offset, R)> {
        let popped = self.records.pop_front_if(|(offset, _)| may_go(*offset))?;
        self.bytes -= popped.1.weight();
        Some(popped)
    }
}

/// Which streams the validator can take more of: one that is far ahead of another has to wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wants {
    /// More commands.
    pub commands: bool,
    /// More decisions.
    pub decisions: bool,
    /// More dead letters.
    pub dead_letters: bool,
}

impl Validator {
    /// Looks at `partition` from its first record on, reading commands as `reader` does.
    #[must_use]
    pub fn new(partition: i64, reader: RecordedReader, acknowledged: &[Acknowledged]) -> Self {
        let findings = Findings::new(partition);
        Self {
            partition,
            reader,
            commands: Ahead::default(),
            commands_known_before: Offset(0),
            last_command: Offset(-1),
            decisions: Ahead::default(),
            line: Line::default(),
            last_read: Line::default(),
            rounds: Rounds::default(),
            books: Books::default(),
            once: Once::default(),
            letters: Letters::default(),
            owed: Owed::of(acknowledged, partition),
            passed_over: BTreeMap::new(),
            is_blind: false,
            report: Report::nothing(partition),
            findings,
        }
    }

    /// What it can take more of.
    #[must_use]
    pub fn wants(&self) -> Wants {
        Wants {
            commands: self.commands.bytes <= LOOK_AHEAD_BYTES_MAX,
            decisions: self.decisions.bytes <= LOOK_AHEAD_BYTES_MAX
                && self.letters.due_count() <= LETTERS_DUE_MAX,
            dead_letters: self.letters.early_bytes() <= LOOK_AHEAD_BYTES_MAX,
        }
    }

    /// Takes the next commands.
    pub fn take_commands(&mut self, commands: Vec<StoredCommand>) {
        for stored in commands {
            self.report.commands += 1;
            if stored.offset <= self.last_command {
                let last = self.last_command;
                let sentence = format!("the command stands behind command {last}");
                self.findings.add_at(stored.offset, Rule::Order, sentence);
                continue;
            }
            self.last_command = stored.offset;
            self.commands.push(stored.offset, stored);
        }
        self.know_commands_before(after(self.last_command));
    }

    /// Every command before `next` has come: offsets may have holes, so only the log can say it.
    pub fn know_commands_before(&mut self, next: Offset) {
        self.commands_known_before = self.commands_known_before.max(next);
        self.settle();
    }

    /// Takes the next decisions.
    pub fn take_decisions(&mut self, decisions: Vec<DecisionRecord>) {
        self.report.decisions += decisions.len() as u64;
        if let Some(record) = decisions.last() {
            self.last_read = Line { covered: own_offset(record), head: body_hash(&record.body) };
        }
        for record in decisions {
            self.decisions.push(own_offset(&record), record);
        }
        self.settle();
    }

    /// Takes the next dead letters.
    pub fn take_dead_letters(&mut self, letters: Vec<DeadLetterRecord>) {
        self.report.dead_letters += letters.len() as u64;
        self.letters.take(letters);
        self.settle();
    }

    /// Takes note of a record that is none of ours, behind the decision looked at last.
    pub fn take_foreign(&mut self, what: &Error) {
        self.findings.add_at(self.line.covered, Rule::Schema, what.to_string());
    }

    /// Every dead letter of the decisions before `next` has come.
    pub fn know_dead_letters_before(&mut self, next: Offset) {
        self.letters.know_before(next);
        self.settle();
    }

    /// Offset of the last decision that was looked at; -1 before the first.
    #[must_use]
    pub fn covered(&self) -> Offset {
        self.line.covered
    }

    /// The partition that it looks at.
    #[must_use]
    pub fn partition(&self) -> i64 {
        self.partition
    }

    /// Whether this is the last decision that was looked at.
    pub(super) fn is_last(&self, record: &DecisionRecord) -> bool {
        self.last_read == Line { covered: own_offset(record), head: body_hash(&record.body) }
    }

    /// The first findings of each rule so far, in the order of finding.
    #[must_use]
    pub fn findings(&self) -> &[Finding] {
        self.findings.listed()
    }

    /// How often `rule` is broken so far.
    #[must_use]
    pub fn count(&self, rule: Rule) -> u64 {
        self.findings.count(rule)
    }

    /// Decisions that wait for their commands.
    #[must_use]
    pub fn waiting_count(&self) -> u64 {
        self.decisions.records.len() as u64
    }

    /// How many decisions were read so far.
    #[must_use]
    pub fn decision_count(&self) -> u64 {
        self.report.decisions
    }

    /// The report. `is_at_rest` when everything that the log holds has come; otherwise what may
    /// still come is not missed.
    #[must_use]
    pub fn finish(mut self, is_at_rest: bool) -> Report {
        if is_at_rest && !self.is_blind {
            self.know_commands_before(Offset(i64::MAX));
            self.letters.close(&mut self.findings);
            self.rounds.finish(&mut self.findings);
        }
        self.report.unchecked += self.decisions.records.len() as u64;
        self.report.undecided = self.commands.records.len() as u64;
        let is_whole = is_at_rest && !self.is_blind;
        self.report.unanswered = self.owed.finish(is_whole, &mut self.findings);
        self.report.found(&self.findings)
    }

    /// Looks at every decision whose command has come, if it exists at all.
    fn settle(&mut self) {
        while let Some(next) = self.decisions.next() {
            if next > self.line.covered {
                self.pass_over_before(next);
            }
            let is_known = next < self.commands_known_before;
            let Some((offset, record)) = self.decisions.pop_if(|_| is_known) else { break };
            self.look_at(offset, &record);
        }
        self.letters.settle(&mut self.findings);
    }

    /// Commands before the next decision that have none.
    fn pass_over_before(&mut self, next: Offset) {
        while let Some((offset, stored)) = self.commands.pop_if(|offset| offset < next) {
            if !self.is_blind {
                let sentence = format!("the command has no decision, and a later one ({next}) has");
                self.findings.add_at(offset, Rule::Completeness, sentence);
            }
            self.passed_over.insert(offset, stored);
            if self.passed_over.len() > PASSED_OVER_MAX {
                self.passed_over.pop_first();
            }
        }
    }

    fn look_at(&mut self, offset: Offset, record: &DecisionRecord) {
        self.findings.at = offset;
        let covered = self.line.covered;
        let is_late = offset <= covered;
        let stored = if is_late {
            self.passed_over.remove(&offset)
        } else {
            self.commands.pop_if(|next| next == offset).map(|(_, stored)| stored)
        };
        if self.is_blind {
            self.report.unchecked += 1;
            return;
        }
        if is_late && stored.is_none() {
            self.findings.add(Rule::Completeness, "its command has a decision already");
            return;
        }
        let decision = match decode_decision(&record.body) {
            Ok(decision) => Some(decision),
            Err(error) if error.kind == ErrorKind::Corrupt => {
                self.findings.add(Rule::Schema, error.to_string());
                None
            }
            Err(error) => return self.be_blind(&error.to_string()),
        };
        self.check_envelope(record, decision.as_ref());
        let input = self.input(stored.as_ref(), decision.as_ref());
        if is_late {
            self.findings.add(Rule::Order, format!("it stands behind decision {covered}"));
        } else {
            if stored.is_none() {
                self.findings.add(Rule::Completeness, "it answers a command that is not there");
            }
            self.go_on(offset, record, decision.as_ref(), input.as_ref());
        }
        if let Some(decision) = decision.filter(|_| !self.is_blind) {
            self.ask_the_rest(&decision, input.as_ref(), stored.as_ref());
        }
    }

    /// The command as it was read when it was decided; none when its schema is not kept.
    fn input(
        &mut self,
        stored: Option<&StoredCommand>,
        decision: Option<&Decision>,
    ) -> Option<Input> {
        let (recorded, version) = decision.map(|one| (one.input_hash, one.decide_version))?;
        match self.reader.read(self.partition, stored?, recorded, version) {
            Ok(input) => Some(input),
            Err(missing) => {
                self.report.unchecked += 1;
                self.report.unchecked_because.get_or_insert_with(|| {
                    let id = missing.id;
                    format!("the text of schema {id} is not kept here: name it with --schemas")
                });
                None
            }
        }
    }

    /// The next decision of the line.
    fn go_on(
        &mut self,
        offset: Offset,
        record: &DecisionRecord,
        decision: Option<&Decision>,
        input: Option<&Input>,
    ) {
        if let Some(decision) = decision {
            if self.line == Line::default() && self.is_cut_before(decision) {
                let first = decision.covered_before;
                return self.be_blind(&format!("the log is cut: it begins after decision {first}"));
            }
            let is_after_gap = self.check_line(offset, record, decision);
            self.rounds.check(decision, input, is_after_gap, &mut self.findings);
        }
        self.line.go_on(offset, record.hash);
    }

    /// Whether the first decision that there is follows others, whose commands are gone as well.
    fn is_cut_before(&self, decision: &Decision) -> bool {
        decision.covered_before.0 >= 0 && self.passed_over.is_empty()
    }

    fn ask_the_rest(
        &mut self,
        decision: &Decision,
        input: Option<&Input>,
        stored: Option<&StoredCommand>,
    ) {
        if decision.partition != self.partition {
            let sentence = format!("it says that it belongs to partition {}", decision.partition);
            self.findings.add(Rule::Order, sentence);
        }
        if let Some(input) = input {
            cause::check(decision, input, &self.books, &mut self.findings);
        }
        self.once.check(decision, input, &mut self.findings);
        self.books.enter(decision, &mut self.findings);
        self.letters.expect(decision, stored);
        self.owed.check(decision, &mut self.findings);
    }

    /// Headers prove nothing, but they are read by people and programs.
    fn check_envelope(&mut self, record: &DecisionRecord, decision: Option<&Decision>) {
        let (envelope, malformed) = Correlation::parse(&record.headers);
        if malformed > 0 {
            let sentence = format!("{malformed} of its headers make no sense");
            self.findings.add(Rule::Schema, sentence);
        }
        if let Some(decision) = decision.filter(|decision| decision.offset != record.offset) {
            let own = decision.offset;
            let sentence =
                format!("its record says that it answers {}, its body {own}", record.offset);
            self.findings.add(Rule::Schema, sentence);
        }
        let cause = envelope.causation_id;
        if let (Some(decision), Some(cause)) = (decision, cause)
            && cause != cause_of(decision)
        {
            let sentence =
                format!("its headers name '{cause}' as its cause, which it does not answer");
            self.findings.add(Rule::Causality, sentence);
        }
    }

    /// Whether a decision before this one is missing.
    fn check_line(&mut self, offset: Offset, record: &DecisionRecord, decision: &Decision) -> bool {
        match self.line.check_place(offset, &DecisionHead::of(decision)) {
            Ok(()) => {}
            Err(misplaced @ Misplaced::Gap { names, .. }) => {
                // One whose command was passed over just now is said already.
                if !self.passed_over.contains_key(&names) {
                    self.findings.add(Rule::Completeness, misplaced.to_string());
                }
                return true;
            }
            Err(misplaced) => self.findings.add(Rule::Completeness, misplaced.to_string()),
        }
        if let Err(broken) = self.line.check_link(record, decision.prev_hash) {
            self.findings.add(Rule::Chain, broken.to_string());
        }
        false
    }

    fn be_blind(&mut self, why: &str) {
        self.is_blind = true;
        self.report.unchecked += 1;
        self.report.unchecked_because.get_or_insert_with(|| why.to_owned());
    }
}

/// Where a decision says that it stands: its body counts, not what was written around it.
fn own_offset(record: &DecisionRecord) -> Offset {
    let head = DecisionHead::read(&record.body);
    let ours = head.filter(|head| knows_version(head.decide_version));
    ours.map_or(record.offset, |head| head.offset)
}

fn after(offset: Offset) -> Offset {
    Offset(offset.0.saturating_add(1))
}
