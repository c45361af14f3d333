//! A council of five that nobody trained, in the seat.
#![allow(dead_code, reason = "each test file uses its own part")]

use conclave_core::council::hearing::Sitting;
use conclave_core::council::{Council, CouncilFile, HiddenState, ModelId};
use conclave_core::round::{Ballot, Votes};
use conclave_core::seat::{Absent, Seat};
use conclave_core::units::{Hash8, Hash32};
use std::sync::LazyLock;

/// What a log calls it, and another one.
pub(crate) const MODEL: &str = "0707070707070707070707070707070707070707070707070707070707070707";
pub(crate) const OTHER: &str = "0808080808080808080808080808080808080808080808080808080808080808";

static COUNCIL: LazyLock<Council> = LazyLock::new(|| {
    let bytes = include_bytes!("../../../tests/golden/council/five.council");
    let file = CouncilFile::read(bytes, |_| ModelId(Hash32::default()));
    file.expect("its own tests read it").council().clone()
});

pub(crate) fn council() -> &'static Council {
    &COUNCIL
}

/// The core brings no digests; any function of all words will do here.
pub(crate) fn digest(state: &HiddenState) -> Hash8 {
    let add =
        |sum: u64, word: &i16| sum.wrapping_mul(0x0100_0000_01b3) ^ u64::from(word.cast_unsigned());
    Hash8(state.words().iter().fold(7, add).to_be_bytes())
}

/// The reference in the seat, whatever the model is called; the rules while no log asks networks.
#[derive(Debug)]
pub(crate) struct Networks;

impl Seat for Networks {
    fn vote(&mut self, ballot: &Ballot) -> Result<Votes, Absent> {
        Ok(Sitting { runner: council(), council: council(), digest }.answer(ballot))
    }
}
