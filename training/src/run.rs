//! The whole of it: sources in, a file and its card out.

use crate::answer::{Answer, answers};
use crate::card;
use crate::choice::{Choice, choose, seated};
use crate::dataset::{Lesson, Source};
use crate::error::{Error, Result};
use crate::export;
use crate::judge::judge;
use crate::lean::Candidate;
use crate::member::{ROLES, Role};
use crate::network::exact::alone;
use crate::network::train::{Plan, Trained, train};
use crate::report::{Fitted, Report, report};
use crate::simulate::{self, Extent};
use crate::split::Part;
use crate::trace::{Rows, gentd, openb};
use crate::windows::{JUDGED, chosen_by, judged_by};
use conclave_core::council::Council;
use std::path::Path;

/// What a council is trained with.
#[derive(Clone, Debug)]
pub struct Settings {
    /// What the council is called.
    pub name: String,
    /// How it is trained.
    pub plan: Plan,
    /// How much the simulator makes up for it.
    pub extent: Extent,
}

/// What training gives.
#[derive(Clone, Debug)]
pub struct Made {
    /// The council's file.
    pub file: Vec<u8>,
    /// The model card.
    pub card: String,
}

/// The simulator's extent for a release.
pub const EXTENT: Extent = Extent { tenants: 96, days: 42, requests: 18_000 };
/// Seeds of more fleets that are learnt from, after the seed of the first.
const LEARNT: [u64; 2] = [201, 202];
/// Seeds of the fleets that confidence, leans and the quorum's numbers are fitted to.
const FITTED: [u64; 2] = [101, 102];

/// The traces in `folder`, cut.
///
/// # Errors
/// As [`Rows::read`], and what is wrong with a row.
pub fn traces(folder: &Path, seed: u64) -> Result<Vec<Source>> {
    let rows = |file| Rows::read(&folder.join(file));
    let gentd = gentd::scenario(&rows(gentd::FILE)?)?;
    let openb = openb::scenario(&rows(openb::NODES_FILE)?, &rows(openb::TASKS_FILE)?)?;
    Ok([gentd, openb].into_iter().map(|scenario| Source::new(scenario, seed)).collect())
}

/// Fleets of the simulator: one that is cut, some that are learnt from, some that are fitted to,
/// and the first of those that are measured on.
#[must_use]
pub fn fleets(seed: u64, extent: Extent) -> Vec<Source> {
    let half = |number| simulate::scenario(seed + number, extent.half());
    let mut all = vec![Source::new(simulate::scenario(seed, extent), seed)];
    all.extend(LEARNT.map(|number| Source::whole(half(number), Part::Train)));
    all.extend(FITTED.map(|number| Source::whole(half(number), Part::Calibrate)));
    all.push(Source::whole(half(JUDGED[0]), Part::Unseen));
    all
}

/// A member that has learnt all that it will.
#[derive(Clone, Debug)]
pub struct Learnt<'a> {
    /// Which member.
    pub role: &'a Role,
    /// What it learnt from.
    pub lesson: Lesson<'a>,
    /// Each time that it was trained, and what it then says.
    pub draws: Vec<(Trained, Vec<Answer>)>,
    /// Which time is released: the one that does best on what confidence is fitted to.
    pub best: usize,
}

/// Trains all members on `sources`. `tell` is told what was just done.
///
/// # Errors
/// [`Error::Invalid`] when a member has nothing to learn from, [`Error::Bug`] otherwise.
pub fn make(sources: &[Source], settings: &Settings, tell: &mut dyn FnMut(&str)) -> Result<Made> {
    for source in sources {
        let story = &source.story;
        let (tenants, requests) = (story.tenants, story.requests());
        tell(&format!("{}: {tenants} tenants, {requests} requests", story.name));
    }
    let mut learnt = Vec::with_capacity(ROLES.len());
    for role in &ROLES {
        learnt.push(learn(role, sources, settings.plan, tell)?);
    }
    let candidates: Vec<_> = learnt.iter().map(Learnt::candidate).collect();
    let choice = choose(&candidates, &chosen_by(sources), tell)?;
    let council = seated(&candidates, &choice)?;
    let mut reports = Vec::with_capacity(ROLES.len());
    for (index, learnt) in learnt.into_iter().enumerate() {
        let report = measured(learnt, (index, &choice, &council), settings.plan.seed)?;
        report.lines.iter().for_each(|line| tell(&card::told(&report.role, line)));
        reports.push(report);
    }
    let file = export::file(&council, settings.plan.seed)?;
    let judged = judge(&council, &judged_by(sources, (settings.plan.seed, settings.extent)));
    judged.iter().for_each(|judged| tell(&card::tried(judged)));
    let card = card::card(settings, sources, (&reports, &choice, &judged), &file);
    Ok(Made { file, card })
}

/// Trains one member, as often as `plan` says.
///
/// # Errors
/// As [`make`].
pub fn learn<'a>(
    role: &'a Role,
    sources: &'a [Source],
    plan: Plan,
    tell: &mut dyn FnMut(&str),
) -> Result<Learnt<'a>> {
    let lesson = Lesson::new(role, sources);
    let (sequences, fitted) = (lesson.sequences(), lesson.fitted());
    if sequences.is_empty() {
        let why = format!("{} has nothing to learn from: give it its traces", role.label);
        return Err(Error::Invalid(why));
    }
    let mut draws: Vec<(Trained, Vec<Answer>)> = Vec::with_capacity(plan.draws);
    let mut best = 0;
    for number in 0..plan.draws.max(1) {
        let trained = train(role, &sequences, &fitted, (plan, number))?;
        tell(&card::losses(role, &trained));
        let answers = answers(&alone(role, &trained.last)?, &trained.floats, &lesson);
        draws.push((trained, answers));
        if draws[number].0.fitted_loss < draws[best].0.fitted_loss {
            best = number;
        }
    }
    Ok(Learnt { role, lesson, draws, best })
}

impl Learnt<'_> {
    fn candidate(&self) -> Candidate {
        let (trained, answers) = &self.draws[self.best];
        Candidate::new(&self.lesson, self.role, &trained.last, answers)
    }
}

/// What `learnt` says as the member at `index` of `council`.
fn measured(
    learnt: Learnt<'_>,
    (index, choice, council): (usize, &Choice, &Council),
    seed: u64,
) -> Result<Report> {
    let Learnt { role, lesson, draws, best } = learnt;
    let lean = choice.leans[index];
    let (trained, answers_plain) = &draws[best];
    let leaning = Candidate::new(&lesson, role, &trained.last, answers_plain).leaning(lean);
    let (best_epoch, floats) = (trained.best_epoch, trained.floats.clone());
    let said = answers(&alone(role, &leaning)?, &floats, &lesson);
    let mut draws: Vec<_> = draws.into_iter().map(|(_, answers)| answers).collect();
    for (answer, leaning) in draws[best].iter_mut().zip(said) {
        answer.said = leaning.logits;
    }
    let member = &council.parts().members[index];
    let fitted = Fitted { role, best: (best, best_epoch), lean, member };
    Ok(report(&fitted, &lesson, &draws, seed))
}
