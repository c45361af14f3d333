//! Machines that are no devices: the reference, which errs on demand.

use crate::golden_file;
use crate::words::reference;
use conclave_core::council::{
    Council, CouncilFile, CouncilLogits, HiddenState, Logits, Ran, Run, Step,
};
use conclave_gpu::{AdapterCard, AdapterKind, GpuCouncil, GpuFault, Machine};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// What a shim does after a number of honest batches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Misdeed {
    /// The lowest bit of every state is turned.
    State,
    /// The state after the first step is that after the second.
    MiddleState,
    /// One of each step's logits is one larger.
    Logit,
    /// It answers for one run less.
    Short,
    /// It never answers.
    Hang,
    /// It panics.
    Panic,
}

/// The reference, for so many batches.
pub(crate) struct Shim {
    pub(crate) council: Council,
    pub(crate) honest: usize,
    pub(crate) then: Misdeed,
}

impl Shim {
    fn err(&self, computed: &mut Vec<Ran>) {
        match self.then {
            Misdeed::State => {
                computed.iter_mut().flat_map(|ran| &mut ran.states).for_each(|state| {
                    let mut words = state.words().to_vec();
                    words[0] ^= 1;
                    *state = HiddenState::from_words(&self.council, words).unwrap();
                })
            }
            // The file's golden words are those of the last state alone.
            Misdeed::MiddleState => {
                for ran in computed.iter_mut().filter(|ran| 1 < ran.states.len()) {
                    ran.states[0] = ran.states[1].clone();
                }
            }
            Misdeed::Logit => {
                computed.iter_mut().flat_map(|found| &mut found.logits).for_each(one_more);
            }
            Misdeed::Short => drop(computed.pop()),
            Misdeed::Hang => std::thread::sleep(Duration::from_secs(20)),
            Misdeed::Panic => panic!("as drivers do"),
        }
    }
}

fn one_more(logits: &mut CouncilLogits) {
    let mut members: Vec<Logits> = logits.members().to_vec();
    members[0].0[1] ^= 1;
    *logits = CouncilLogits::from_members(&members).unwrap();
}

impl Machine for Shim {
    fn compute(&mut self, batch: &[Run], _: Instant) -> Result<Vec<Ran>, GpuFault> {
        let mut computed: Vec<_> = batch.iter().map(|run| reference(&self.council, run)).collect();
        match self.honest.checked_sub(1) {
            Some(left) => self.honest = left,
            None => self.err(&mut computed),
        }
        Ok(computed)
    }

    fn way(&self) -> &'static str {
        "shim"
    }
}

/// A council on a shim that errs after so many batches; the first is the self-test.
pub(crate) fn shimmed(honest: usize, then: Misdeed) -> Result<GpuCouncil, GpuFault> {
    let file = golden_file("narrow");
    let council = file.council().clone();
    let card = AdapterCard {
        name: "shim".to_owned(),
        backend: String::new(),
        driver: String::new(),
        kind: AdapterKind::Discrete,
    };
    let open = move || Ok(Box::new(Shim { council, honest, then }) as Box<dyn Machine>);
    GpuCouncil::with_machine(file, card, open)
}

/// The golden sequences of `file` as a batch, so many times.
pub(crate) fn golden_batch(file: &Arc<CouncilFile>, times: usize) -> Vec<Run> {
    let council = file.council();
    let one = file.golden().iter().map(|sequence| {
        let code = |elapsed| council.parts().time.code(elapsed);
        let steps = sequence.steps.iter();
        let step = steps.map(|step| Step { features: step.features, time: code(step.elapsed) });
        Run { state: HiddenState::new(council), steps: step.collect() }
    });
    let one: Vec<_> = one.collect();
    one.iter().cycle().take(one.len() * times).cloned().collect()
}
