//! Who sits in the council seat on this machine: the rules, and the councils whose files are here.

use super::depot::Depot;
use super::engine::Asked;
use super::keep::store;
use super::{CouncilEngine, CpuCouncil, Engines, model_id, read_as, read_to_vote};
use conclave_core::council::hearing::Sitting;
use conclave_core::council::quorum::SEATED_MEMBERS;
use conclave_core::council::{Council, CouncilFile, HiddenState, ModelId};
use conclave_core::round::{Ballot, Votes};
use conclave_core::seat::{Absent, Seat};
use conclave_core::units::{Hash8, Hash32};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime};

/// How long it is believed that a council cannot sit: reading and proving takes milliseconds.
const LOOK_AGAIN_AFTER: Duration = Duration::from_millis(500);
/// The same where somebody else has to be asked.
const ASK_AGAIN_AFTER: Duration = Duration::from_secs(5);
/// Bytes of a council's file, as docs/council-spec.md says.
const FILE_BYTES_MAX: u64 = 8 * 1024 * 1024;

/// Councils by their files. Copies share what was read.
#[derive(Clone, Debug)]
pub struct Models(Arc<Shelf>);

/// Where councils are looked for, and what computes them.
#[derive(Clone, Debug)]
struct Places {
    dirs: Vec<PathBuf>,
    /// Directories whose files are looked through when none bears a council's name.
    searched: Vec<PathBuf>,
    /// Who is asked for what is in none of them.
    depot: Option<Arc<dyn Depot>>,
    /// Where what it has is kept, so that it need not be asked twice.
    kept_in: Option<PathBuf>,
    engines: Engines,
}

#[derive(Debug)]
struct Shelf {
    places: Places,
    /// One for each council that was ever looked for.
    looks: Mutex<BTreeMap<ModelId, Arc<Mutex<()>>>>,
    read: Mutex<BTreeMap<ModelId, Found>>,
}

/// What came of looking for a council.
type Found = Result<Arc<Seated>, Unfit>;

/// A council that could not sit: it is looked for again after a while, and when its file changes.
#[derive(Clone, Debug)]
struct Unfit {
    at: Instant,
    file: Option<Stamp>,
    why: String,
}

/// What changes when a file does: its time and its size.
type Stamp = (SystemTime, u64);

/// A council that was proved, tested on this processor and found fit for the seat.
#[derive(Debug)]
pub struct Seated {
    file: Arc<CouncilFile>,
    engine: CouncilEngine,
}

/// The seat: a ballot for networks is answered by the council that it names, another by the rules.
#[derive(Clone, Debug)]
pub struct CouncilSeat {
    models: Models,
}

impl Models {
    /// Those in `dirs`, each called after its model id, computed on the processor.
    #[must_use]
    pub fn in_dirs(dirs: impl IntoIterator<Item = PathBuf>) -> Self {
        let dirs = dirs.into_iter().collect();
        let (searched, engines) = (vec![], Engines::cpu());
        Self::of(Places { dirs, searched, depot: None, kept_in: None, engines })
    }

    /// Those that are kept beside the log in the directory `data`.
    #[must_use]
    pub fn beside(data: &Path) -> Self {
        Self::in_dirs([dir_beside(data)])
    }

    /// The same, and those that lie in `dir` under whatever name.
    #[must_use]
    pub fn or_through(&self, dir: &Path) -> Self {
        let mut places = self.0.places.clone();
        places.searched.push(dir.to_owned());
        Self::of(places)
    }

    /// The same, and those that are in `depot`; none of them is read yet.
    #[must_use]
    pub fn or_from(&self, depot: Arc<dyn Depot>) -> Self {
        Self::of(Places { depot: Some(depot), ..self.0.places.clone() })
    }

    /// The same, and what a depot has is kept in the first directory.
    #[must_use]
    pub fn keeping(&self) -> Self {
        let places = self.0.places.clone();
        Self::of(Places { kept_in: places.dirs.first().cloned(), ..places })
    }

    /// The same councils, none of them read yet, computed on `engines`.
    #[must_use]
    pub fn computed_by(&self, engines: &Engines) -> Self {
        Self::of(Places { engines: engines.clone(), ..self.0.places.clone() })
    }

    fn of(places: Places) -> Self {
        Self(Arc::new(Shelf { places, looks: Mutex::default(), read: Mutex::default() }))
    }

    /// What they are computed by.
    #[must_use]
    pub fn engines(&self) -> &Engines {
        &self.0.places.engines
    }

    /// The council that the log calls `id`.
    ///
    /// # Errors
    /// A sentence that says why it cannot sit here, and what to do.
    pub fn get(&self, id: ModelId) -> Result<Arc<Seated>, String> {
        // Every round asks: the disk is not, once the council is here.
        match self.0.known(id) {
            Known::Sits(seated) => return Ok(seated),
            Known::Unfit(why) => return Err(why),
            Known::Unknown(_) => {}
        }
        // Whoever wants the same one waits for this look. Others go on: a partition whose council
        // is here waits for none that is not.
        let look = self.0.look(id);
        let _looking = look.lock().unwrap_or_else(PoisonError::into_inner);
        let stamp = match self.0.known(id) {
            Known::Sits(seated) => return Ok(seated),
            Known::Unfit(why) => return Err(why),
            Known::Unknown(stamp) => stamp,
        };
        let found = self.0.seat(id).map(Arc::new);
        let unfit = |why| Unfit { at: Instant::now(), file: stamp, why };
        self.0.read().insert(id, found.clone().map_err(unfit));
        found
    }

    /// The council `id` if somebody has looked for it before and it sits: nothing is asked.
    #[must_use]
    pub fn seated(&self, id: ModelId) -> Option<Arc<Seated>> {
        self.0.read().get(&id)?.as_ref().ok().map(Arc::clone)
    }

    /// The bytes of the file of the council that the log calls `id`.
    ///
    /// # Errors
    /// A sentence that says why it could not sit here.
    pub fn bytes(&self, id: ModelId) -> Result<Vec<u8>, String> {
        self.get(id)?;
        self.0.bytes(id).map(|(bytes, _)| bytes)
    }
}

/// What is known of a council without reading its file.
enum Known {
    Sits(Arc<Seated>),
    Unfit(String),
    /// With what its file looks like.
    Unknown(Option<Stamp>),
}

impl Shelf {
    fn read(&self) -> MutexGuard<'_, BTreeMap<ModelId, Found>> {
        self.read.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What is held by whoever looks for a council.
    fn look(&self, id: ModelId) -> Arc<Mutex<()>> {
        let mut looks = self.looks.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(looks.entry(id).or_default())
    }

    fn known(&self, id: ModelId) -> Known {
        let read = self.read();
        if let Some(Ok(seated)) = read.get(&id) {
            return Known::Sits(Arc::clone(seated));
        }
        let stamp = self.stamp(id);
        let believed = if self.places.depot.is_some() { ASK_AGAIN_AFTER } else { LOOK_AGAIN_AFTER };
        match read.get(&id) {
            Some(Err(unfit)) if unfit.file == stamp && unfit.at.elapsed() < believed => {
                Known::Unfit(unfit.why.clone())
            }
            _ => Known::Unknown(stamp),
        }
    }

    fn stamp(&self, id: ModelId) -> Option<Stamp> {
        let name = file_name(id);
        let about =
            self.places.dirs.iter().find_map(|dir| std::fs::metadata(dir.join(&name)).ok())?;
        Some((about.modified().ok()?, about.len()))
    }

    fn seat(&self, id: ModelId) -> Result<Seated, String> {
        Seated::new(self.file(id)?, &self.places.engines)
    }

    fn file(&self, id: ModelId) -> Result<CouncilFile, String> {
        let (bytes, place) = self.bytes(id)?;
        read_to_vote(&bytes, id).map_err(|error| format!("{place}: {error}"))
    }

    /// The bytes of a council's file, and where they were. What lies somewhere under its name and
    /// is another file hides no good one.
    fn bytes(&self, id: ModelId) -> Result<(Vec<u8>, String), String> {
        let name = file_name(id);
        let mut wrong = None;
        for path in self.places.dirs.iter().map(|dir| dir.join(&name)) {
            match bytes_at(&path, id) {
                Ok(Some(bytes)) => return Ok((bytes, path.display().to_string())),
                Ok(None) => {}
                Err(why) => drop(wrong.get_or_insert(why)),
            }
        }
        if let Some(found) = self.places.searched.iter().find_map(|dir| by_digest(dir, id)) {
            return Ok(found);
        }
        match self.ask_for(id) {
            Ok(Some(found)) => Ok(found),
            Ok(None) => Err(wrong.unwrap_or_else(|| self.nowhere(&name))),
            Err(why) => Err(wrong.unwrap_or(why)),
        }
    }

    fn nowhere(&self, name: &str) -> String {
        let dirs = self.places.dirs.iter().map(|dir| dir.display().to_string());
        let places: Vec<_> =
            dirs.chain(self.places.depot.iter().map(|depot| depot.name())).collect();
        let places = if places.is_empty() { "nowhere".to_owned() } else { places.join(" or ") };
        format!("its file {name} is not in {places}: put it there; nothing is lost meanwhile")
    }

    fn ask_for(&self, id: ModelId) -> Result<Option<(Vec<u8>, String)>, String> {
        let Some(depot) = &self.places.depot else { return Ok(None) };
        let Some(bytes) = depot.file(id).map_err(|error| error.to_string())? else {
            return Ok(None);
        };
        if let Some(dir) = &self.places.kept_in
            && let Err(error) = store(&bytes, id, dir)
        {
            tracing::warn!(%error, "a council is not kept: the next start asks for it again");
        }
        Ok(Some((bytes, depot.name())))
    }
}

/// The council `id` in `dir`, whatever its file is called, and where it was.
fn by_digest(dir: &Path, id: ModelId) -> Option<(Vec<u8>, String)> {
    let mut paths: Vec<PathBuf> =
        std::fs::read_dir(dir).ok()?.filter_map(|entry| Some(entry.ok()?.path())).collect();
    // Of two copies the same one each time.
    paths.sort();
    paths.into_iter().filter(|path| path.is_file()).find_map(|path| {
        let bytes = bytes_at(&path, id).ok()??;
        Some((bytes, path.display().to_string()))
    })
}

/// The council `id` in the file at `path`, when there is one.
fn bytes_at(path: &Path, id: ModelId) -> Result<Option<Vec<u8>>, String> {
    let shown = path.display();
    let Ok(about) = std::fs::metadata(path) else { return Ok(None) };
    if about.len() > FILE_BYTES_MAX {
        return Err(format!("{shown} has {} bytes, too many", about.len()));
    }
    let bytes = std::fs::read(path).map_err(|error| format!("{shown} cannot be read: {error}"))?;
    if model_id(&bytes) != id {
        let why = read_as(&bytes, id).err().map_or_else(String::new, |error| error.to_string());
        return Err(format!("{shown}: {why}"));
    }
    Ok(Some(bytes))
}

impl Seated {
    /// Finds out whether the council of `file` can sit here.
    ///
    /// # Errors
    /// A sentence that says why it cannot.
    pub fn new(file: CouncilFile, engines: &Engines) -> Result<Self, String> {
        let members = file.council().parts().members.len();
        if members != SEATED_MEMBERS {
            return Err(format!("it has {members} members, and a quorum needs {SEATED_MEMBERS}"));
        }
        let file = Arc::new(file);
        let engine = engines.engine(&file).map_err(|error| error.to_string())?;
        Ok(Self { file, engine })
    }

    /// The council.
    #[must_use]
    pub fn file(&self) -> &CouncilFile {
        &self.file
    }

    /// What computes it.
    #[must_use]
    pub fn engine(&self) -> &CouncilEngine {
        &self.engine
    }

    /// What it is.
    #[must_use]
    pub fn council(&self) -> &Council {
        self.file.council()
    }

    /// The way in which this processor computes it, for whoever asks beside the votes.
    #[must_use]
    pub fn evaluator(&self) -> &CpuCouncil {
        self.engine.cpu()
    }

    /// The votes on a ballot that was answered before: by this processor, and counted nowhere.
    #[must_use]
    pub fn answer_again(&self, ballot: &Ballot) -> Votes {
        Sitting { runner: self.evaluator(), council: self.council(), digest }.answer(ballot)
    }

    /// What its file calls its members.
    #[must_use]
    pub fn labels(&self) -> Vec<String> {
        self.council().parts().members.iter().map(|member| member.label.clone()).collect()
    }

    /// The votes on a ballot.
    #[must_use]
    pub fn answer(&self, ballot: &Ballot) -> Votes {
        let tenants = ballot.hearing.iter().flat_map(|hearing| &hearing.tenants);
        let votes = tenants.map(|heard| heard.cases.len() as u64).sum();
        let runner = Asked { engine: &self.engine, votes };
        Sitting { runner: &runner, council: self.file.council(), digest }.answer(ballot)
    }
}

impl CouncilSeat {
    /// The rules, and whatever council of `models` the log puts beside them.
    #[must_use]
    pub fn new(models: Models) -> Self {
        Self { models }
    }

    /// The councils that it finds.
    #[must_use]
    pub fn models(&self) -> &Models {
        &self.models
    }

    /// Whether the council that a log would call `model` could sit here.
    ///
    /// # Errors
    /// A sentence that says why it cannot, and what to do.
    pub fn has(&self, model: ModelId) -> Result<(), String> {
        self.models.get(model).map(drop)
    }
}

impl CouncilSeat {
    /// What the file of the council with the digest `model` calls its members, where it is here.
    #[must_use]
    pub fn labels(&self, model: &str) -> Option<Vec<String>> {
        let seated = self.models.get(ModelId(Hash32::from_hex(model)?)).ok()?;
        Some(seated.labels())
    }

    /// The same where it sits already: nobody waits for a disk or brokers.
    #[must_use]
    pub fn labels_at_once(&self, model: &str) -> Option<Vec<String>> {
        let seated = self.models.seated(ModelId(Hash32::from_hex(model)?))?;
        Some(seated.labels())
    }

    /// The council that is to answer `ballot`; none when that is for the rules.
    ///
    /// # Errors
    /// As [`Seat::vote`].
    pub fn asked(&self, ballot: &Ballot) -> Result<Option<Arc<Seated>>, Absent> {
        let get = |model| self.models.get(model).map_err(|why| Absent { model, why });
        if let Some(model) = ballot.activates {
            get(model)?;
        }
        ballot.asked().map(get).transpose()
    }
}

impl Seat for CouncilSeat {
    fn vote(&mut self, ballot: &Ballot) -> Result<Votes, Absent> {
        let asked = self.asked(ballot)?;
        Ok(asked.map_or_else(|| Votes::by_rules(ballot), |seated| seated.answer(ballot)))
    }
}

/// Where councils are kept beside the log in the directory `data`.
#[must_use]
pub fn dir_beside(data: &Path) -> PathBuf {
    data.join("models")
}

/// What a council's file is called.
#[must_use]
pub fn file_name(id: ModelId) -> String {
    format!("{}.council", id.0)
}

/// First 8 bytes of the BLAKE3 digest of a hidden state's bytes.
#[must_use]
pub fn digest(state: &HiddenState) -> Hash8 {
    let hash = blake3::hash(&state.to_bytes());
    let mut first = Hash8::default();
    let length = first.0.len();
    first.0.copy_from_slice(&hash.as_bytes()[..length]);
    first
}
