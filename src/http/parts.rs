//! Which partition answers, and how questions about it are let in.

use super::app::App;
use super::problem::Problem;
use crate::error::Result as Answered;
use crate::estimate::Estimates;
use crate::fold::Folded;
use crate::service::Service;
use conclave_core::partition::home_partition;
use conclave_core::units::{Offset, PoolId};
use std::sync::Arc;
use tokio::sync::OwnedSemaphorePermit;

/// Seconds after which a log that is away may be there again.
const AWAY_PAUSE_S: u64 = 5;

/// One partition of the service.
#[derive(Clone, Debug)]
pub(super) struct Part {
    app: App,
    service: Arc<Service>,
}

impl App {
    /// All partitions, in order.
    pub(super) fn parts(&self) -> Vec<Part> {
        let part = |service: &Arc<Service>| Part { app: self.clone(), service: service.clone() };
        self.partitions().iter().map(part).collect()
    }

    /// The partition of this number; the first when none is named.
    ///
    /// # Errors
    /// `not_found` when there is none of this number.
    pub(super) fn part(&self, named: Option<i64>) -> Result<Part, Problem> {
        let named = named.unwrap_or(0);
        let index = usize::try_from(named).ok();
        let found = index.and_then(|index| self.partitions().get(index));
        let service = found.ok_or_else(|| {
            let last = self.partitions().len() - 1;
            Problem::not_found(match last {
                0 => format!("there is no partition {named}: there is one, partition 0"),
                last => format!("there is no partition {named}: they go from 0 to {last}"),
            })
        })?;
        Ok(Part { app: self.clone(), service: Arc::clone(service) })
    }

    /// The partition where a pool lives.
    pub(super) fn home(&self, pool: &PoolId) -> Part {
        let count = i64::try_from(self.partitions().len()).expect("partitions are few");
        self.part(Some(home_partition(pool, count))).expect("a home is one of the partitions")
    }

    /// The partition that is named; or else the one where the pool lives that is.
    ///
    /// # Errors
    /// As [`App::part`].
    pub(super) fn part_or_home(
        &self,
        named: Option<i64>,
        pool: Option<&PoolId>,
    ) -> Result<Part, Problem> {
        match (named, pool) {
            (None, Some(pool)) => Ok(self.home(pool)),
            (named, _) => self.part(named),
        }
    }

    /// Asks the state of the partition that is named, or of each.
    ///
    /// # Errors
    /// `bad_request` when `at` could be an offset of any partition; otherwise as
    /// [`Part::ask_state`].
    pub(super) async fn ask_states<T: Send + 'static>(
        &self,
        named: Option<i64>,
        at: Option<i64>,
        question: impl Fn(&Folded) -> T + Clone + Send + 'static,
    ) -> Result<Vec<T>, Problem> {
        let parts = match named {
            Some(_) => vec![self.part(named)?],
            None => self.parts(),
        };
        if let (Some(at), 2..) = (at, parts.len()) {
            return Err(Problem::bad_request(format!(
                "every partition has an offset {at}: name the one that is meant with ?partition="
            )));
        }
        let mut answers = Vec::with_capacity(parts.len());
        for part in parts {
            let question = question.clone();
            let answer = part.ask_state(at.map(Offset), move |folded| Ok(question(folded)));
            answers.push(answer.await?);
        }
        Ok(answers)
    }
}

impl Part {
    /// The service behind it.
    pub(super) fn service(&self) -> &Arc<Service> {
        &self.service
    }

    /// What it shares with the others.
    pub(super) fn app(&self) -> &App {
        &self.app
    }

    /// Offset of the last decision; -1 before the first.
    pub(super) fn last(&self) -> i64 {
        self.service.watch().borrow().decisions_next.0 - 1
    }

    /// An offset that the decisions reach.
    ///
    /// # Errors
    /// `not_found` when they do not.
    pub(super) fn existing(&self, at: i64) -> Result<Offset, Problem> {
        let last = self.last();
        if (0..=last).contains(&at) {
            return Ok(Offset(at));
        }
        let detail = format!("there is no decision {at} (yet): the last one is {last}");
        Err(Problem::not_found(detail))
    }

    /// # Errors
    /// `unavailable` when the log cannot be reached: whoever reads it would only wait.
    pub(super) fn check_is_reached(&self) -> Result<(), Problem> {
        let contact = self.service.contact();
        if !contact.is_away() {
            return Ok(());
        }
        Err(Problem::unavailable(format!(
            "this is read from the log, and {}: ask again later (questions about the state as it \
             is now are answered)",
            contact.in_words()
        ))
        .retry_after(AWAY_PAUSE_S))
    }

    /// Answers a question where blocking is allowed, with as many others as may run at once.
    ///
    /// # Errors
    /// The question's own.
    pub(super) async fn ask<T: Send + 'static>(
        &self,
        question: impl FnOnce(&Service) -> Answered<T> + Send + 'static,
    ) -> Result<T, Problem> {
        let place = self.app.question_place().await?;
        self.ask_in(place, question).await
    }

    /// The same for a question that folds the log: two of them run at once, and a third waits for a
    /// moment.
    ///
    /// # Errors
    /// `unavailable` when its turn does not come; otherwise the question's own.
    pub(super) async fn ask_log<T: Send + 'static>(
        &self,
        question: impl FnOnce(&Service) -> Answered<T> + Send + 'static,
    ) -> Result<T, Problem> {
        self.check_is_reached()?;
        let place = self.app.fold_place().await?;
        self.ask_in(place, question).await
    }

    async fn ask_in<T: Send + 'static>(
        &self,
        place: OwnedSemaphorePermit,
        question: impl FnOnce(&Service) -> Answered<T> + Send + 'static,
    ) -> Result<T, Problem> {
        let service = Arc::clone(&self.service);
        let asked = tokio::task::spawn_blocking(move || {
            let answer = question(&service);
            drop(place);
            answer
        });
        match asked.await {
            Ok(answer) => Ok(answer?),
            Err(_) => Err(Problem::internal(
                "answering broke an invariant: report it, with the question and the offset",
            )),
        }
    }

    /// Asks the state: as it is now, or right after the decision at an offset.
    ///
    /// # Errors
    /// `not_found` when there is no such decision; otherwise the question's own.
    pub(super) async fn ask_state<T: Send + 'static>(
        &self,
        at: Option<Offset>,
        question: impl FnOnce(&Folded) -> Answered<T> + Send + 'static,
    ) -> Result<T, Problem> {
        let Some(at) = at else {
            self.service.view().await?;
            return self.ask(move |service| service.view_now().read(question)).await;
        };
        let at = self.existing(at.0)?;
        self.ask_log(move |service| question(&*service.state_at(at)?)).await
    }

    /// The same with what was known of waits then.
    ///
    /// # Errors
    /// As [`Part::ask_state`].
    pub(super) async fn ask_with_estimates<T: Send + 'static>(
        &self,
        at: Option<Offset>,
        question: impl FnOnce(&Folded, &Estimates) -> Answered<T> + Send + 'static,
    ) -> Result<T, Problem> {
        let Some(at) = at else {
            self.service.view().await?;
            return self.ask(move |service| service.read_with_estimates(question)).await;
        };
        let at = self.existing(at.0)?;
        let answer = self.ask_log(move |service| {
            let folded = service.state_at(at)?;
            question(&folded, &Estimates::of_log(&service.log(), at)?)
        });
        answer.await
    }
}
