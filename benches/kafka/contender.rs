//! Who is compared, each in a process of its own: its memory and its time on the cores are then its
//! own, too.

use crate::bare::{self, Copy, Way};
use crate::broker::Broker;
use crate::{conclave_itself, streams};
use serde::{Deserialize, Serialize};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::thread;

/// One of those that are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Contender {
    Streams,
    Bare,
    Conclave,
}

/// What a contender has to do: answer every record of `input` up to `end` in each partition.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Task {
    pub(crate) contender: Contender,
    pub(crate) brokers: String,
    pub(crate) input: String,
    pub(crate) output: String,
    /// Its group, and the start of its transactional ids.
    pub(crate) id: String,
    pub(crate) partitions: i32,
    /// Which of how many processes this one is: they share the partitions.
    pub(crate) share: (i32, i32),
    pub(crate) end: i64,
    pub(crate) batch: usize,
    pub(crate) value_bytes: usize,
    pub(crate) header_bytes: usize,
    /// Threads of Kafka Streams.
    pub(crate) threads: usize,
    /// How the bare copy goes about a transaction.
    pub(crate) way: Way,
    /// A directory of its own.
    pub(crate) scratch: PathBuf,
}

impl Contender {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Streams => "Kafka Streams",
            Self::Bare => "bare copy",
            Self::Conclave => "Conclave",
        }
    }
}

impl Task {
    /// The partitions that this process answers.
    pub(crate) fn own_partitions(&self) -> impl Iterator<Item = i32> + use<> {
        let (index, of) = self.share;
        (0..self.partitions).filter(move |partition| partition % of == index)
    }

    /// Topic of the originals of commands that cannot be read.
    pub(crate) fn dead_letters(&self) -> String {
        format!("{}-dead-letters", self.output)
    }

    /// Starts the contender's process.
    pub(crate) fn start(&self) -> Child {
        let mut command = match self.contender {
            Contender::Streams => streams::command(self),
            Contender::Bare | Contender::Conclave => {
                let mut command = Command::new(std::env::current_exe().expect("it has a file"));
                let task = serde_json::to_string(self).expect("a task is plain data");
                command.arg("--compete").arg(task);
                command
            }
        };
        command.stdin(Stdio::null()).stdout(Stdio::null()).spawn().expect("it can be started")
    }

    /// The work itself, in the process that [`Task::start`] started.
    pub(crate) fn compete(&self) {
        match self.contender {
            Contender::Bare => self.copy(),
            Contender::Conclave => conclave_itself::compete(self),
            Contender::Streams => unreachable!("Kafka Streams is another program"),
        }
    }

    fn copy(&self) {
        let broker = Broker { address: self.brokers.clone() };
        let copy = Copy::of(self);
        thread::scope(|scope| {
            for partition in self.own_partitions() {
                let (broker, copy) = (&broker, &copy);
                scope.spawn(move || bare::run(broker, copy, partition, self.end));
            }
        });
    }
}
