//! The nodes of a pool: what is left of each, and whose leases sit there.

use crate::error::Result;
use crate::report::pools::{find, number};
use crate::report::show::{gpus, or_dash};
use crate::report::status::AsOf;
use crate::report::table::Table;
use crate::report::viewer::Viewer;
use conclave_core::placement::{Fleet, Node};
use conclave_core::state::{Pool, State};
use conclave_core::units::{GpuMilli, NodeId, PoolId};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use utoipa::ToSchema;

/// What is said of each node, for people.
const TITLES: [&str; 7] =
    ["NODE", "MODEL", ">FREE", ">CPU FREE", ">MEMORY FREE", "STATE", "LEASES"];

/// All nodes of a pool.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct NodesReport {
    /// The moment of all of it.
    pub as_of: AsOf,
    /// Whose nodes.
    pub pool: String,
    /// In the order in which they were registered.
    pub nodes: Vec<NodeReport>,
}

/// One node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct NodeReport {
    /// Its name.
    pub node: String,
    /// Model of its GPUs; empty when it has none.
    pub gpu_model: String,
    /// Nodes near each other share this name; empty when it has none.
    #[serde(default)]
    pub topology_group: String,
    /// What nobody holds, of each GPU.
    pub gpu_milli_left: Vec<i64>,
    /// CPU that it owns.
    pub cpu_milli_total: i64,
    /// CPU that nobody holds.
    pub cpu_milli_left: i64,
    /// Memory that it owns.
    pub memory_mib_total: i64,
    /// Memory that nobody holds.
    pub memory_mib_left: i64,
    /// Whether it takes no new work, by order.
    pub is_draining: bool,
    /// False when it was reported unhealthy: it takes no new work either.
    pub is_healthy: bool,
    /// Leases with a replica here that the viewer may see, by request.
    pub leases: Vec<LeaseHere>,
    /// Leases of others with a replica here.
    pub leases_of_others: i64,
}

/// A lease's part of a node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct LeaseHere {
    /// Whose it is.
    pub request: String,
    /// Who pays.
    pub tenant: String,
    /// Replicas on this node.
    pub replicas: i64,
    /// Indices of the GPUs that they sit on.
    pub gpus: Vec<i64>,
    /// When the lease ends by itself.
    pub ends_at_ms: i64,
}

/// What leases hold of one node.
#[derive(Default)]
struct Here {
    leases: Vec<LeaseHere>,
    of_others: i64,
}

impl NodesReport {
    /// The nodes as `state` stands.
    ///
    /// # Errors
    /// `Invalid` when there is no such pool.
    pub fn of(state: &State, id: &PoolId, viewer: &Viewer) -> Result<Self> {
        let pool = find(state, id)?;
        let mut here = by_node(pool, viewer);
        let report = |node: &Node| {
            NodeReport::of(node, &pool.fleet, here.remove(node.id()).unwrap_or_default())
        };
        let nodes = pool.fleet.nodes().iter().map(report).collect();
        Ok(Self { as_of: AsOf::of(state), pool: id.to_string(), nodes })
    }

    /// For people.
    #[must_use]
    pub fn text(&self) -> String {
        let Self { as_of, pool, nodes } = self;
        // Where nobody uses groups, nobody has to read about them.
        let has_groups = nodes.iter().any(|node| !node.topology_group.is_empty());
        let mut titles = TITLES.to_vec();
        if has_groups {
            titles.insert(1, "GROUP");
        }
        let mut table = Table::new(&titles);
        for node in nodes {
            if has_groups {
                table.row(node.cells_with_group());
            } else {
                table.row(node.cells());
            }
        }
        format!("{} nodes of pool {pool}, {as_of}\n\n{}", nodes.len(), table.text())
    }
}

/// What leases hold, by node: requests come in the order of their names.
fn by_node<'a>(pool: &'a Pool, viewer: &Viewer) -> BTreeMap<&'a NodeId, Here> {
    let mut by_node: BTreeMap<&NodeId, Here> = BTreeMap::new();
    for request in pool.requests.values() {
        let Some(lease) = request.lease() else { continue };
        let mut parts: BTreeMap<&NodeId, LeaseHere> = BTreeMap::new();
        for at in &lease.replicas {
            let part = parts.entry(&at.node).or_insert_with(|| LeaseHere {
                request: request.ask.request.to_string(),
                tenant: request.ask.tenant.to_string(),
                replicas: 0,
                gpus: vec![],
                ends_at_ms: lease.ends_at_ms.0,
            });
            part.replicas += 1;
            part.gpus.extend(&at.gpus);
        }
        for (node, part) in parts {
            let here = by_node.entry(node).or_default();
            if viewer.sees(&request.ask.tenant) {
                here.leases.push(part);
            } else {
                here.of_others += 1;
            }
        }
    }
    by_node
}

impl NodeReport {
    fn of(node: &Node, fleet: &Fleet, here: Here) -> Self {
        Self {
            node: node.id().to_string(),
            gpu_model: fleet.model_of(node).to_string(),
            topology_group: node.topology_group().to_owned(),
            gpu_milli_left: node.gpu_left().iter().map(|left| i64::from(*left)).collect(),
            cpu_milli_total: node.class().cpu_milli.0,
            cpu_milli_left: node.cpu_left().0,
            memory_mib_total: node.class().memory_mib.0,
            memory_mib_left: node.memory_left().0,
            is_draining: node.is_draining(),
            is_healthy: node.is_healthy(),
            leases: here.leases,
            leases_of_others: here.of_others,
        }
    }

    fn cells_with_group(&self) -> [String; 8] {
        let [node, model, free, cpu, memory, state, leases] = self.cells();
        let group = or_dash(&self.topology_group).to_owned();
        [node, group, model, free, cpu, memory, state, leases]
    }

    /// In the order of [`TITLES`].
    fn cells(&self) -> [String; 7] {
        let left = gpus(GpuMilli(self.gpu_milli_left.iter().sum()));
        let count = self.gpu_milli_left.len();
        let cores = |milli: i64| gpus(GpuMilli(milli));
        let (cpu_left, cpu_total) = (cores(self.cpu_milli_left), cores(self.cpu_milli_total));
        let gib = |mib: i64| format!("{}.{}", mib / 1_024, mib % 1_024 * 10 / 1_024);
        let (memory_left, memory_total) = (gib(self.memory_mib_left), gib(self.memory_mib_total));
        [
            self.node.clone(),
            or_dash(&self.gpu_model).to_owned(),
            if count == 0 { "-".to_owned() } else { format!("{left} of {count} GPUs") },
            format!("{cpu_left} of {cpu_total}"),
            format!("{memory_left} of {memory_total} GiB"),
            self.condition().to_owned(),
            self.lease_names(),
        ]
    }

    fn condition(&self) -> &'static str {
        match (self.is_draining, self.is_healthy) {
            (false, true) => "accepts work",
            (false, false) => "unhealthy",
            (true, true) => "draining",
            (true, false) => "draining, unhealthy",
        }
    }

    fn lease_names(&self) -> String {
        /// Leases that are named in a line.
        const NAMED_MAX: usize = 4;
        let names = self.leases.iter().take(NAMED_MAX).map(|lease| lease.request.clone());
        let more = number(self.leases.len().saturating_sub(NAMED_MAX)) + self.leases_of_others;
        let more = (more > 0).then(|| format!("{more} more"));
        or_dash(&names.chain(more).collect::<Vec<_>>().join(", ")).to_owned()
    }
}
