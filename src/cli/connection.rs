//! Where answers come from: a running service, or a log that is only read.

use super::{Output, values};
use crate::cli::page::Page;
use crate::client::{ADDRESS_DEFAULT, Client, Question};
use crate::error::{Error, Result};
use crate::fold::{FOLD_BYTES_MAX, Folded, fold, with_advice};
use crate::log::rocks::RocksReader;
use crate::log::{DecisionRecord, LogReader};
use crate::report::decision::DecisionJson;
use crate::report::pools::PoolsReport;
use crate::report::viewer::Viewer;
use crate::wire::decode_decision;
use clap::Args;
use conclave_core::units::{Offset, PoolId, TimeMs};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::path::{Path, PathBuf};

/// Where the service is, and who asks.
#[derive(Clone, Debug, Args)]
pub(super) struct ServiceArguments {
    /// Address of the service
    #[arg(long, value_name = "URL", global = true)]
    #[arg(help = "Address of the service [default: CONCLAVE_SERVER, or http://127.0.0.1:7070]")]
    server: Option<String>,
    /// File that holds the token
    #[arg(long, value_name = "FILE", global = true)]
    #[arg(help = "File that holds the token, instead of CONCLAVE_TOKEN")]
    token_file: Option<PathBuf>,
    /// Lines for people, or JSON as the service sends it (docs/cli.md)
    #[arg(long, value_enum, default_value_t, hide_possible_values = true)]
    #[arg(value_name = "text|json", global = true)]
    pub(super) output: Output,
}

/// The same for what can be read from a log as well.
#[derive(Clone, Debug, Args)]
pub(super) struct ReadArguments {
    /// Read the log in this directory instead of asking a service; also beside a running one
    #[arg(long, value_name = "DIR", global = true, conflicts_with_all = ["server", "token_file"])]
    data: Option<PathBuf>,
    /// As it stood right after this decision [default: the last one]
    #[arg(long, value_name = "OFFSET", global = true, value_parser = values::offset)]
    at: Option<Offset>,
    #[command(flatten)]
    pub(super) service: ServiceArguments,
}

/// Where answers come from.
pub(super) enum Source {
    /// A service, and the decision after which its answers hold.
    Service(Client, Option<Offset>),
    /// A log that is only read.
    Log(Box<Stored>),
}

/// A log, folded.
pub(super) struct Stored {
    pub(super) log: RocksReader,
    pub(super) folded: Folded,
    /// Where it lies.
    pub(super) data: PathBuf,
    /// The decision that it was folded up to on request.
    at: Option<Offset>,
}

/// A report, and the JSON that it was sent or would be sent as.
pub(super) struct Answer<T> {
    pub(super) json: String,
    pub(super) report: T,
}

impl ServiceArguments {
    pub(super) fn client(&self) -> Result<Client> {
        let from_environment = || std::env::var("CONCLAVE_SERVER").ok().filter(|it| !it.is_empty());
        let address = self.server.clone().or_else(from_environment);
        Client::new(address.as_deref().unwrap_or(ADDRESS_DEFAULT), self.token()?)
    }

    fn token(&self) -> Result<Option<String>> {
        let Some(file) = &self.token_file else {
            return Ok(std::env::var("CONCLAVE_TOKEN").ok().filter(|token| !token.is_empty()));
        };
        let text = std::fs::read_to_string(file).map_err(|error| {
            let file = file.display();
            Error::invalid(format!("the token cannot be read from {file}")).caused_by(error)
        })?;
        Ok(Some(text.trim().to_owned()))
    }
}

impl ReadArguments {
    /// Opens what is to be asked.
    pub(super) fn open(&self) -> Result<Source> {
        match &self.data {
            None => Ok(Source::Service(self.service.client()?, self.at)),
            Some(directory) => Ok(Source::Log(Box::new(Stored::open(directory, self.at)?))),
        }
    }

    /// Where a command is sent: never to a log that somebody else may be writing.
    pub(super) fn to_send(&self) -> Result<&ServiceArguments> {
        if self.data.is_none() && self.at.is_none() {
            return Ok(&self.service);
        }
        Err(Error::invalid(
            "commands go to a service, now: leave out --data and --at, and name the service with \
             --server URL",
        ))
    }
}

impl Stored {
    fn open(directory: &Path, at: Option<Offset>) -> Result<Self> {
        let log = RocksReader::open(directory)?;
        let next = log.ends()?.decisions_next;
        if let Some(at) = at.filter(|at| *at >= next) {
            return Err(Error::unavailable(match next.0 {
                0 => "the log has no decisions yet".to_owned(),
                next => format!("there is no decision {at} yet: the last one is {}", next - 1),
            }));
        }
        let until = at.map(|at| Offset(at.0 + 1));
        let (folded, _) = fold(&log, log.partition(), until).map_err(with_advice)?;
        Ok(Self { log, folded, data: directory.to_owned(), at })
    }

    /// Folds what was decided since, unless a past moment was asked for.
    fn catch_up(&mut self) -> Result<()> {
        if self.at.is_some() {
            return Ok(());
        }
        self.log.refresh()?;
        while self.has_more(self.folded.next())? {
            let records = self.log.decisions(self.folded.next(), FOLD_BYTES_MAX)?;
            self.folded.add(&records).map_err(with_advice)?;
        }
        Ok(())
    }

    /// Decisions from `from` on as the service would send them: some of them, if there are any.
    pub(super) fn decisions(&self, from: Offset) -> Result<Vec<Value>> {
        if !self.has_more(from)? {
            return Ok(vec![]);
        }
        let began_at = match self.log.decisions(Offset(0), 0)?.first() {
            Some(first) => decode_decision(&first.body)?.time_ms,
            None => TimeMs(0),
        };
        let records = self.log.decisions(from, FOLD_BYTES_MAX)?;
        let json = |record: &DecisionRecord| {
            let decision = decode_decision(&record.body)?;
            let json = serde_json::to_value(DecisionJson::of(record.hash, &decision, began_at));
            json.map_err(|error| Error::bug("a decision is no JSON").caused_by(error))
        };
        records.iter().map(json).collect()
    }

    /// Whether it was folded as far as the log goes, and not up to a past moment.
    pub(super) fn is_at_its_end(&self) -> bool {
        self.at.is_none()
    }

    /// Whether the log has a decision at `from`, as far as it was looked at.
    pub(super) fn has_more(&self, from: Offset) -> Result<bool> {
        Ok(from < self.log.ends()?.decisions_next)
    }
}

impl Source {
    /// A report of the service, or what `of` makes of the log.
    pub(super) fn ask<T: Serialize + DeserializeOwned>(
        &self,
        question: Question,
        of: impl FnOnce(&Stored) -> Result<T>,
    ) -> Result<Answer<T>> {
        match self {
            Self::Log(stored) => {
                let report = of(stored)?;
                let json = serde_json::to_string(&report);
                let wrong = |error| Error::bug("a report is no JSON").caused_by(error);
                Ok(Answer { json: json.map_err(wrong)?, report })
            }
            Self::Service(client, at) => {
                let json = client.get(&question.with("at", *at))?;
                let report = serde_json::from_str(&json).map_err(|error| {
                    let address = client.address();
                    Error::invalid(format!(
                        "{address} does not answer as this release does: use its own release of \
                         conclave, or --output json"
                    ))
                    .caused_by(error)
                });
                report.map(|report| Answer { json, report })
            }
        }
    }

    /// Moves on to what is known now; a service does so by itself.
    pub(super) fn catch_up(&mut self) -> Result<()> {
        match self {
            Self::Service(..) => Ok(()),
            Self::Log(stored) => stored.catch_up(),
        }
    }

    /// The pool that was named, or the only one that there is.
    pub(super) fn pool(&self, named: Option<&PoolId>) -> Result<PoolId> {
        if let Some(pool) = named {
            return Ok(pool.clone());
        }
        let pools = self.ask(Question::of(&["v1", "pools"]), |stored| {
            Ok(PoolsReport::of(&stored.folded.state, &Viewer::Everything))
        })?;
        let names: Vec<&str> = pools.report.pools.iter().map(|pool| pool.pool.as_str()).collect();
        match names.as_slice() {
            [only] => Ok(PoolId::from(*only)),
            [] => Err(Error::invalid("there are no pools yet: a SetPoolPolicy creates one")),
            names => Err(Error::invalid(format!("name the pool: one of {}", some_of(names)))),
        }
    }

    /// That there can be a partition of this number: a log that is read here is one partition.
    /// What a service has it says itself.
    pub(super) fn check_partition(&self, named: Option<i64>) -> Result<()> {
        let Self::Log(stored) = self else { return Ok(()) };
        let own = stored.log.partition();
        match named.filter(|named| *named != own) {
            None => Ok(()),
            Some(named) => Err(Error::invalid(format!(
                "there is no partition {named} in this directory: it holds partition {own} alone"
            ))),
        }
    }

    /// The exit code of an answer, unless the log is damaged: then everything before the damage was
    /// answered, and the damage is the last word.
    pub(super) fn end(&self) -> Result<u8> {
        let damage = match self {
            Self::Service(..) => None,
            Self::Log(stored) => stored.log.damage(),
        };
        damage.map_or(Ok(0), |damage| Err(with_advice(Error::corrupt(damage.to_string()))))
    }
}

impl<T> Answer<T> {
    /// Prints the report.
    pub(super) fn show(&self, output: Output, text: impl FnOnce(&T) -> String) -> Result<()> {
        match output {
            Output::Json => show(&self.json),
            Output::Text => show(&text(&self.report)),
        }
    }
}

/// Names that a message has room for; of more of them, how many are left out.
fn some_of(names: &[&str]) -> String {
    const NAMED_MAX: usize = 10;
    let more = names.len().saturating_sub(NAMED_MAX);
    let named = names[..names.len() - more].join(", ");
    if more == 0 { named } else { format!("{named} and {more} more") }
}

/// Prints lines on stdout, with control characters shown as escapes.
pub(super) fn show(text: &str) -> Result<()> {
    let mut page = Page::open();
    text.trim_end().lines().try_for_each(|line| page.line(line))?;
    page.flush()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_names_are_cut_and_counted() {
        let names: Vec<String> = (1..=12).map(|number| format!("p{number}")).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let ten = "p1, p2, p3, p4, p5, p6, p7, p8, p9, p10";
        assert_eq!(some_of(&names[..2]), "p1, p2");
        assert_eq!(some_of(&names[..10]), ten);
        assert_eq!(some_of(&names), format!("{ten} and 2 more"));
    }
}
