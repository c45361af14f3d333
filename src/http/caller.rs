//! Who asks: from the token, or, on the loopback address without tokens, whoever is on this
//! machine.

use crate::config::{Identity, Tokens};
use crate::http::problem::Problem;
use crate::report::viewer::Viewer;
use axum::http::{HeaderMap, header};
use conclave_core::command::{Actor, Appeal, Command, OverrideDecision, Payload, Role};
use conclave_core::units::{TenantId, UserId};
use std::net::IpAddr;

/// Whoever sent a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Caller {
    /// What limits and logs call it.
    pub(super) name: String,
    /// On whose behalf it sends; any actor is believed when there are no tokens.
    pub(super) identity: Option<Identity>,
}

impl Caller {
    /// The caller of a request, by its token where tokens are asked for.
    ///
    /// # Errors
    /// `unauthorized` when the token is missing or unknown.
    pub(super) fn of(
        tokens: Option<&Tokens>,
        headers: &HeaderMap,
        address: IpAddr,
    ) -> Result<Self, Problem> {
        let Some(tokens) = tokens else {
            return Ok(Self { name: address.to_string(), identity: None });
        };
        let identity = bearer(headers).and_then(|token| tokens.find(token));
        let identity = identity.ok_or_else(|| {
            Problem::unauthorized("send a known token: `Authorization: Bearer TOKEN`")
        })?;
        Ok(Self { name: identity.name.clone(), identity: Some(identity.clone()) })
    }

    /// What it may see.
    pub(super) fn viewer(&self) -> Viewer {
        match self.identity.as_ref().map(|identity| &identity.actor) {
            Some(actor) if !actor.tenant.0.is_empty() => Viewer::Tenant(actor.tenant.clone()),
            Some(_) | None => Viewer::Everything,
        }
    }

    /// Whose name a command bears that names nobody.
    pub(super) fn actor(&self) -> Actor {
        match &self.identity {
            Some(identity) => identity.actor.clone(),
            None => Actor {
                tenant: TenantId::default(),
                user: UserId::from("local"),
                role: Role::Administrator,
            },
        }
    }

    /// That it may send anything at all.
    ///
    /// # Errors
    /// `forbidden` for readers.
    pub(super) fn check_is_sender(&self) -> Result<(), Problem> {
        match &self.identity {
            Some(Identity { actor, .. }) if actor.role == Role::Reader => {
                Err(Problem::forbidden("this token reads only: send it with another one"))
            }
            Some(_) | None => Ok(()),
        }
    }

    /// That it may send `command`: in its own name only. Whether that name may do what the command
    /// asks is a rule of the core, and its answer is recorded.
    ///
    /// # Errors
    /// `forbidden` when the command bears another name than the token.
    pub(super) fn check_sends(&self, command: &Command) -> Result<(), Problem> {
        let Some(Identity { actor, .. }) = &self.identity else { return Ok(()) };
        if command.actor == *actor {
            return self.check_asks_for_own(command);
        }
        let Actor { tenant, user, role: _ } = &command.actor;
        Err(Problem::forbidden(format!(
            "the command is sent in the name of user '{user}' of tenant '{tenant}', which is not \
             who the token belongs to: leave `actor` out, and it is set from the token"
        )))
    }

    /// That a tenant's token asks for its own tenant: what is asked for another one would stand in
    /// that one's history.
    fn check_asks_for_own(&self, command: &Command) -> Result<(), Problem> {
        let Viewer::Tenant(own) = self.viewer() else { return Ok(()) };
        let ask = match &command.payload {
            Payload::RequestAllocation(ask) => Some(ask),
            Payload::Appeal(Appeal { ask, .. })
            | Payload::OverrideDecision(OverrideDecision { ask, .. }) => ask.as_deref(),
            _ => None,
        };
        match ask.filter(|ask| ask.tenant != own) {
            None => Ok(()),
            Some(ask) => Err(Problem::forbidden(format!(
                "the command asks for tenant '{}', and the token belongs to '{own}': leave \
                 `tenant` out, and it is set from the token",
                ask.tenant
            ))),
        }
    }

    /// That it may read what belongs to nobody in particular.
    ///
    /// # Errors
    /// `forbidden` for tenants.
    pub(super) fn check_sees_all(&self) -> Result<(), Problem> {
        match self.viewer() {
            Viewer::Everything => Ok(()),
            Viewer::Tenant(_) => Err(Problem::forbidden(
                "a tenant's token sees its own requests only: ask with an operator's or reader's",
            )),
        }
    }
}

fn bearer(headers: &HeaderMap) -> Option<&str> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}
