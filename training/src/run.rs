//! The whole of it: sources in, a file and its card out.

use crate::answer::{Answer, answers};
use crate::calibrate::{calibration, veto};
use crate::card;
use crate::dataset::{Lesson, Source};
use crate::error::{Error, Result};
use crate::export::{self, QUORUM};
use crate::job::Scenario;
use crate::member::{ROLES, Role};
use crate::network::exact::{alone, council};
use crate::network::train::{Plan, train};
use crate::report::{Report, report};
use crate::simulate::{self, Extent};
use crate::split::Part;
use crate::trace::{Rows, gentd, openb};
use crate::trial::trials;
use crate::world;
use conclave_core::council::Member;
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

/// All sources of a release: the traces in `folder`, and the simulator.
///
/// # Errors
/// As [`Rows::read`], and what is wrong with a row.
pub fn sources(folder: &Path, seed: u64) -> Result<Vec<Source>> {
    let rows = |file| Rows::read(&folder.join(file));
    let scenarios = [
        gentd::scenario(&rows(gentd::FILE)?)?,
        openb::scenario(&rows(openb::NODES_FILE)?, &rows(openb::TASKS_FILE)?)?,
        simulate::scenario(seed, EXTENT),
    ];
    Ok(scenarios.iter().map(|scenario| Source::new(world::run(scenario), seed)).collect())
}

/// Trains all members on `sources`. `tell` is told what was just done.
///
/// # Errors
/// [`Error::Invalid`] when a member has nothing to learn from, [`Error::Bug`] otherwise.
pub fn make(sources: &[Source], settings: &Settings, tell: &mut dyn FnMut(&str)) -> Result<Made> {
    let (mut members, mut reports) = (Vec::new(), Vec::new());
    for source in sources {
        let story = &source.story;
        let (tenants, requests) = (story.tenants, story.requests());
        tell(&format!("{}: {tenants} tenants, {requests} requests", story.name));
    }
    for role in &ROLES {
        let (member, report) = one(role, sources, settings, tell)?;
        members.push(Member { weight_bp: 2_000, ..member });
        reports.push(report);
    }
    let council = council(members, QUORUM, export::schema())?;
    let file = export::file(&council, settings.plan.seed)?;
    let trials = trials(&council, &tried(sources, settings));
    trials.iter().for_each(|trial| tell(&card::tried(trial)));
    let card = card::card(settings, sources, (&reports, &trials), &file);
    Ok(Made { file, card })
}

/// What the council is tried on: the end of the simulation that it learnt from, and another one.
fn tried(sources: &[Source], settings: &Settings) -> Vec<(&'static str, Scenario, i64)> {
    let simulated = sources.iter().find(|source| source.story.name == simulate::NAME);
    let Some(Source { split, .. }) = simulated else { return Vec::new() };
    let Settings { plan, extent, .. } = settings;
    vec![
        ("same fleet, later", simulate::scenario(plan.seed, *extent), split.fitted_until_ms),
        ("another fleet", simulate::scenario(plan.seed + 1, *extent), 0),
    ]
}

fn one(
    role: &Role,
    sources: &[Source],
    settings: &Settings,
    tell: &mut dyn FnMut(&str),
) -> Result<(Member, Report)> {
    let lesson = Lesson::new(role, sources);
    let sequences = lesson.sequences();
    if sequences.is_empty() {
        let why = format!("{} has nothing to learn from: give it its traces", role.label);
        return Err(Error::Invalid(why));
    }
    let trained = train(role, &sequences, &lesson.fitted(), settings.plan)?;
    tell(&card::losses(role, &trained.losses, trained.best_epoch));
    let alone = alone(role, &trained.last)?;
    let answers = answers(&alone, &trained.floats, &lesson);
    let fitted: Vec<&Answer> =
        answers.iter().filter(|answer| answer.target.part == Part::Calibrate).collect();
    let margins: Vec<_> =
        fitted.iter().map(|answer| (answer.logits.margin(), answer.is_right())).collect();
    let calibration = calibration(&margins);
    let verdicts: Vec<_> =
        fitted.iter().map(|answer| (answer.logits, answer.target.verdict)).collect();
    let veto = veto(&verdicts, &calibration);
    let fitted = (&calibration, veto);
    let measured =
        report(role, &lesson, &answers, fitted, (trained.best_epoch, settings.plan.seed));
    for line in &measured.lines {
        tell(&card::told(role, line));
    }
    let [member] = alone.parts().members.as_slice() else {
        return Err(Error::Bug("a member alone is not one member".to_owned()));
    };
    Ok((Member { calibration, veto, ..member.clone() }, measured))
}
