//! Which decisions are shown.

use crate::report::event::{NAMES, Subject, name};
use conclave_core::decide::COMMANDS;
use conclave_core::decision::Decision;
use conclave_core::units::{PoolId, RequestId, TenantId};

/// A kind of command, or the name of an event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A command's name.
    Command(&'static str),
    /// An event's name.
    Event(&'static str),
    /// Commands that nobody could read.
    Unreadable,
}

/// Reads a kind as people type it.
///
/// # Errors
/// A sentence with all kinds that there are.
pub fn kind(text: &str) -> Result<Kind, String> {
    let is_meant = |name: &&'static str| name.eq_ignore_ascii_case(text);
    let commands = || COMMANDS.iter().map(|row| row.name);
    if let Some(name) = commands().find(is_meant) {
        return Ok(Kind::Command(name));
    }
    if let Some(name) = NAMES.iter().copied().find(is_meant) {
        return Ok(Kind::Event(name));
    }
    if text.eq_ignore_ascii_case("unreadable") {
        return Ok(Kind::Unreadable);
    }
    let commands: Vec<_> = commands().collect();
    Err(format!(
        "no command or event has this name. Commands: {}. Events: {}. Or: unreadable",
        commands.join(", "),
        NAMES.join(", ")
    ))
}

/// What a decision has to match; whatever is none matches everything.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// Its pool, or that of an event.
    pub pool: Option<PoolId>,
    /// Its tenant, or that of an event.
    pub tenant: Option<TenantId>,
    /// Its request, or that of an event.
    pub request: Option<RequestId>,
    /// What was asked, or what happened.
    pub kind: Option<Kind>,
}

impl Filter {
    /// Whether `decision` is shown.
    #[must_use]
    pub fn matches(&self, decision: &Decision) -> bool {
        let subjects = || decision.events.iter().map(Subject::of);
        let has_pool =
            |pool: &PoolId| decision.pool == *pool || subjects().any(|of| of.pool == Some(pool));
        let has_tenant = |tenant: &TenantId| {
            decision.tenant == *tenant || subjects().any(|of| of.tenant == Some(tenant))
        };
        let has_request = |request: &RequestId| {
            decision.request == *request || subjects().any(|of| of.request == Some(request))
        };
        let has_kind = |kind: &Kind| match kind {
            Kind::Command(command) => decision.kind == *command,
            Kind::Event(event) => decision.events.iter().any(|happened| name(happened) == *event),
            Kind::Unreadable => decision.kind.is_empty(),
        };
        self.pool.as_ref().is_none_or(has_pool)
            && self.tenant.as_ref().is_none_or(has_tenant)
            && self.request.as_ref().is_none_or(has_request)
            && self.kind.as_ref().is_none_or(has_kind)
    }
}
