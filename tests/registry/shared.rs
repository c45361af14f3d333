//! What instances tell each other of a registry.

use crate::registry_common::StandIn;
use crate::source::{known, settings};
use conclave::error::{Error, Result};
use conclave::registry::{Registry, Shared, shared_texts};
use conclave::wire::SchemaAnswer;
use conclave::wire::schemas::{COMMAND_SCHEMA, COMMAND_SCHEMA_1};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// A place in memory.
#[derive(Debug, Default)]
struct Board {
    entries: Mutex<BTreeMap<String, String>>,
    is_away: AtomicBool,
}

impl Board {
    fn check(&self) -> Result<()> {
        let is_away = self.is_away.load(Ordering::SeqCst);
        if is_away { Err(Error::unavailable("away")) } else { Ok(()) }
    }

    fn count(&self) -> usize {
        self.entries.lock().unwrap().len()
    }

    #[track_caller]
    fn await_count(&self, count: usize) {
        let began = Instant::now();
        while self.count() != count {
            assert!(began.elapsed() < Duration::from_secs(10), "{} entries", self.count());
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

impl Shared for Board {
    fn read(&self) -> Result<BTreeMap<String, String>> {
        self.check()?;
        Ok(self.entries.lock().unwrap().clone())
    }

    fn write(&self, entries: &[(String, String)]) -> Result<()> {
        self.check()?;
        self.entries.lock().unwrap().extend(entries.iter().cloned());
        Ok(())
    }
}

fn sharing(stand_in: &StandIn, directory: &Path, board: &Arc<Board>) -> Arc<Registry> {
    let place: Arc<dyn Shared> = Arc::<Board>::clone(board);
    Registry::sharing(&settings(stand_in), directory, place).unwrap()
}

#[track_caller]
fn check_known(registry: &Arc<Registry>, id: u32, text: &str) {
    assert_eq!(registry.source().schema(id), SchemaAnswer::Known(text.to_owned()));
}

#[test]
fn what_one_has_learnt_the_next_one_knows_without_the_registry() {
    let ((mut stand_in, first), board) = (known(), Arc::<Board>::default());
    let one = sharing(&stand_in, first.path(), &board);
    check_known(&one, 700, COMMAND_SCHEMA_1);
    // The text, and that the id means it.
    board.await_count(2);
    let second = tempfile::tempdir().unwrap();
    let other = sharing(&stand_in, second.path(), &board);
    check_known(&one, 701, COMMAND_SCHEMA);
    board.await_count(4);
    stand_in.stop();
    check_known(&other, 700, COMMAND_SCHEMA_1);
    // It was learnt after this one began: looked up when the registry does not answer.
    assert!(matches!(other.source().schema(999), SchemaAnswer::Unavailable(_)));
    std::thread::sleep(Duration::from_millis(5_100));
    check_known(&other, 701, COMMAND_SCHEMA);
    assert_eq!(shared_texts(&*board).unwrap().len(), 2);
}

#[test]
fn a_place_that_is_away_stops_nobody_and_is_told_at_the_next_start() {
    let ((stand_in, directory), board) = (known(), Arc::<Board>::default());
    board.is_away.store(true, Ordering::SeqCst);
    let registry = sharing(&stand_in, directory.path(), &board);
    check_known(&registry, 700, COMMAND_SCHEMA_1);
    std::thread::sleep(Duration::from_millis(100));
    board.is_away.store(false, Ordering::SeqCst);
    assert_eq!(board.count(), 0);
    drop(sharing(&stand_in, directory.path(), &board));
    board.await_count(2);
}

#[test]
fn what_is_not_what_its_name_says_is_not_believed() {
    let ((mut stand_in, first), board) = (known(), Arc::<Board>::default());
    check_known(&sharing(&stand_in, first.path(), &board), 700, COMMAND_SCHEMA_1);
    board.await_count(2);
    for text in board.entries.lock().unwrap().values_mut().filter(|text| text.len() > 64) {
        *text = COMMAND_SCHEMA.to_owned();
    }
    stand_in.stop();
    let second = tempfile::tempdir().unwrap();
    let registry = sharing(&stand_in, second.path(), &board);
    assert!(matches!(registry.source().schema(700), SchemaAnswer::Unavailable(_)));
    assert!(shared_texts(&*board).unwrap().is_empty());
}
