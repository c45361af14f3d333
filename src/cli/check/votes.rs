//! Who votes in a set-up: the council that its log names, and the machine that computes it.

use super::Finding;
use crate::config::Config;
use crate::council::engine::gpus;
use crate::council::{CouncilSeat, EngineChoice, Models};
use crate::error::{Error, Result};
use crate::fold::fold;
use crate::log::LogReader as _;
use crate::log::rocks::RocksReader;
use crate::report::awaiting::Awaiting;
use conclave_gpu::Software;

/// Which machine computes votes, as the configuration wants it.
pub(super) fn engine(config: &Config) -> Finding {
    let wanted = config.council.engine;
    let found = || gpus::named(Software::Refused);
    match wanted {
        EngineChoice::Cpu => {
            let told = "council.engine is cpu: this processor computes the votes of networks";
            Finding::of("engine", Ok(told.to_owned()))
        }
        EngineChoice::Gpu => {
            let told = |card| format!("council.engine is gpu: {card} computes votes");
            let found = found().map(told).map_err(|error| Error {
                message: format!("council.engine is gpu: {}", error.message),
                ..error
            });
            Finding::of("engine", found)
        }
        EngineChoice::Auto => match found() {
            Ok(card) => {
                let told = format!("council.engine is auto: {card} computes what it is faster at");
                Finding::of("engine", Ok(told))
            }
            Err(_) => {
                let told = "council.engine is auto and no GPU is here: this processor computes all \
                            votes, which are the same";
                Finding::warning("engine", told.to_owned())
            }
        },
    }
}

/// Whether who sits in the seat of the embedded log `log` can be asked here.
///
/// # Errors
/// `Unavailable` with what it waits for; otherwise as the log's.
fn council(config: &Config, log: &RocksReader) -> Result<String> {
    let (folded, _) = fold(log, log.partition(), None)?;
    let seat = CouncilSeat::new(Models::beside(&config.data));
    match (Awaiting::of_log(log, &folded, &seat)?, folded.state.council) {
        (Some(awaiting), _) => Err(Error::unavailable(awaiting.sentence())),
        (None, Some(model)) => Ok(format!("{} sits in the seat and can be asked here", model.0)),
        (None, None) => Ok("the rules sit in the seat".to_owned()),
    }
}

/// The same as a finding; none where there is no log yet.
pub(super) fn seat(config: &Config) -> Option<Finding> {
    let log = RocksReader::open(&config.data).ok().filter(|log| log.damage().is_none())?;
    Some(Finding::of("council", council(config, &log)))
}
