//! `conclave nodes`: what the nodes of a pool hold, and what operators do with them.

use super::connection::ReadArguments;
use super::send::{IdArguments, Sending, send};
use super::values;
use crate::client::Question;
use crate::error::Result;
use crate::report::nodes::NodesReport;
use crate::report::viewer::Viewer;
use clap::{Args, Subcommand, ValueEnum};
use conclave_core::units::{NodeId, PoolId};
use serde_json::json;

const EXAMPLES: &str = "Examples:
  conclave nodes
  conclave nodes lab --output json | jq '.nodes[] | select(.is_draining)'
  conclave nodes lab register n9 --gpu-model A100 --gpus 8 --cpu-milli 128000 --memory-mib 1048576
  conclave nodes lab register n10 --cpu-milli 64000 --memory-mib 262144 --group rack-2
  conclave nodes lab drain n9 --reason 'new disks'
  conclave nodes lab health n9 --health unhealthy --reason 'ECC errors'
  conclave nodes lab remove n9 --reason 'sold'";

#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct NodesArguments {
    /// Whose nodes [default: the only pool's]
    #[arg(value_parser = values::pool)]
    pool: Option<PoolId>,
    #[command(subcommand)]
    act: Option<Act>,
    #[command(flatten)]
    read: ReadArguments,
}

#[derive(Debug, Subcommand)]
enum Act {
    /// Adds a node
    Register {
        #[command(flatten)]
        node: RegisterArguments,
        #[command(flatten)]
        id: IdArguments,
    },
    /// Stops placing on a node; leases on it live on
    Drain {
        #[command(flatten)]
        node: NodeArguments,
        #[command(flatten)]
        id: IdArguments,
    },
    /// Says whether a node works: while it does not, nothing new is placed on it
    Health {
        #[command(flatten)]
        node: HealthArguments,
        #[command(flatten)]
        id: IdArguments,
    },
    /// Takes an empty node out of the pool
    Remove {
        #[command(flatten)]
        node: NodeArguments,
        #[command(flatten)]
        id: IdArguments,
    },
}

#[derive(Debug, Args)]
struct HealthArguments {
    #[command(flatten)]
    node: NodeArguments,
    /// How it is
    #[arg(long, value_enum)]
    health: HealthName,
}

/// How a node is, as people type it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum HealthName {
    /// It takes new work, unless it drains
    Healthy,
    /// It takes no new work
    Unhealthy,
}

#[derive(Debug, Args)]
struct NodeArguments {
    /// Which node
    #[arg(value_parser = values::node)]
    node: NodeId,
    /// Why, for people
    #[arg(long, default_value = "")]
    reason: String,
}

#[derive(Debug, Args)]
struct RegisterArguments {
    /// Its name
    #[arg(value_parser = values::node)]
    node: NodeId,
    /// Model of its GPUs; leave it out for a node without
    #[arg(long, default_value = "", requires = "gpus")]
    gpu_model: String,
    /// How many GPUs it has
    #[arg(long, default_value_t = 0)]
    gpus: i64,
    /// Its CPU in thousandths of a core
    #[arg(long)]
    cpu_milli: i64,
    /// Its memory in MiB
    #[arg(long)]
    memory_mib: i64,
    /// Topology group: nodes near each other share its name
    #[arg(long, default_value = "")]
    group: String,
}

pub(super) fn run(arguments: &NodesArguments) -> Result<u8> {
    let NodesArguments { pool, act, read } = arguments;
    let Some(act) = act else { return show(pool.as_ref(), read) };
    let (kind, fields, id) = match act {
        Act::Register { node, id } => ("RegisterNode", node.fields(), id),
        Act::Drain { node, id } => ("DrainNode", node.fields(), id),
        Act::Health { node, id } => ("ReportNodeHealth", node.fields(), id),
        Act::Remove { node, id } => ("RemoveNode", node.fields(), id),
    };
    let sending = Sending { pool: pool.as_ref(), id, service: read.to_send()? };
    send(&sending, kind, |_, _| Ok(fields))
}

fn show(pool: Option<&PoolId>, read: &ReadArguments) -> Result<u8> {
    let source = read.open()?;
    let pool = source.pool(pool)?;
    let answer = source.ask(Question::of_pool(&pool.0, &["nodes"]), |stored| {
        NodesReport::of(&stored.folded.state, &pool, &Viewer::Everything)
    })?;
    answer.show(read.service.output, NodesReport::text)?;
    source.end()
}

impl HealthArguments {
    fn fields(&self) -> serde_json::Value {
        let health = match self.health {
            HealthName::Healthy => "healthy",
            HealthName::Unhealthy => "unhealthy",
        };
        json!({"node": self.node.node, "health": health, "reason": self.node.reason})
    }
}

impl NodeArguments {
    fn fields(&self) -> serde_json::Value {
        json!({"node": self.node, "reason": self.reason})
    }
}

impl RegisterArguments {
    fn fields(&self) -> serde_json::Value {
        let Self { node, gpu_model, gpus, cpu_milli, memory_mib, group } = self;
        let mut fields = json!({"node": node, "gpu_model": gpu_model, "gpu_count": gpus,
                                "cpu_milli": cpu_milli, "memory_mib": memory_mib});
        if !group.is_empty() {
            fields["topology_group"] = json!(group);
        }
        fields
    }
}
