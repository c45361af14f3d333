//! What the service on Kafka says about itself, gathered when somebody asks. No broker is asked for
//! it: whoever looks at a service whose brokers are away is answered, too.

use super::group::Group;
use super::lag::{Committed, Lag, Look, Looks};
use super::life::Membership;
use crate::log::kafka::{TransactionCounts, TransactionFigures};
use crate::service::{Contact, Service};
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Where figures come from.
pub struct Gauges {
    pub(super) group: Arc<Group>,
    pub(super) partitions: Vec<(Arc<Service>, Arc<TransactionCounts>)>,
    pub(super) looks: Arc<Looks>,
    began: Instant,
}

impl fmt::Debug for Gauges {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Gauges").field("group", &self.group).finish_non_exhaustive()
    }
}

/// The figures of an instance, as of now.
#[derive(Clone, Debug, PartialEq)]
pub struct KafkaFigures {
    /// By number.
    pub partitions: Vec<PartitionFigures>,
    /// How it stands in the group.
    pub membership: Membership,
    /// How often partitions came or went.
    pub rebalances: u64,
    /// How long ago they did so last; none before the first time.
    pub rebalance_age: Option<Duration>,
    /// How long ago brokers answered last.
    pub contact_age: Duration,
}

/// The figures of one partition. What brokers have to be asked for is none before the first look.
#[derive(Clone, Debug, PartialEq)]
pub struct PartitionFigures {
    /// Its number.
    pub partition: i64,
    /// How far deciding is behind, whoever decides.
    pub lag: Option<Lag>,
    /// Offsets by which the group and the decisions disagree.
    pub coverage_gap: Option<i64>,
    /// Whether the group has no offset yet.
    pub is_uncommitted: Option<bool>,
    /// Records of open transactions at the end of the decisions.
    pub open_records: Option<i64>,
    /// Whether this instance decides it.
    pub is_owned: bool,
    /// Whether it is assigned to this instance and not taken over yet.
    pub is_pending: bool,
    /// What became of this instance's transactions.
    pub transactions: TransactionFigures,
}

impl Gauges {
    pub(super) fn new(
        group: Arc<Group>,
        partitions: Vec<(Arc<Service>, Arc<TransactionCounts>)>,
        looks: Arc<Looks>,
    ) -> Self {
        Self { group, partitions, looks, began: Instant::now() }
    }

    /// How long ago any partition's view was told that brokers answer; before the first answer, the
    /// age of this service.
    fn contact_age(&self) -> Duration {
        let heard = self.partitions.iter().filter_map(|(service, _)| match service.contact() {
            Contact::At(heard) => Some(heard),
            Contact::Own | Contact::Never => None,
        });
        heard.max().unwrap_or(self.began).elapsed()
    }

    /// The figures as of now.
    #[must_use]
    pub fn figures(&self) -> KafkaFigures {
        let assigned = self.group.partitions();
        let of_one = |(number, (service, counts)): (usize, &(Arc<Service>, Arc<_>))| {
            let seen = self.looks.of(number, service);
            let of_group = seen.map(|(look, _)| look).filter(Look::knows_group);
            let partition = service.partition();
            let runs = i32::try_from(partition).ok().and_then(|one| assigned.get(&one).copied());
            PartitionFigures {
                partition,
                lag: seen.map(|(_, lag)| lag),
                coverage_gap: of_group.map(|look| look.gap),
                is_uncommitted: of_group.map(|look| look.group == Committed::Nothing),
                open_records: seen.map(|(look, _)| look.open_records),
                is_owned: runs == Some(true),
                is_pending: runs == Some(false),
                transactions: TransactionCounts::figures(counts),
            }
        };
        let life = self.group.life();
        KafkaFigures {
            partitions: self.partitions.iter().enumerate().map(of_one).collect(),
            membership: life.membership(),
            rebalances: life.rebalances(),
            rebalance_age: life.rebalance_age(),
            contact_age: self.contact_age(),
        }
    }
}
