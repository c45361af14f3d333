//! The fields around what is asked.

use super::Defaults;
use super::object::Object;
use super::payload::PayloadForm;
use conclave_core::command::{Actor, Command, Role};
use conclave_core::units::{CommandId, PoolId, TenantId, TimeMs, UserId};
use serde::Deserialize;

/// A command as it may be written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct CommandForm {
    command_id: Option<CommandId>,
    pool: Option<PoolId>,
    actor: Option<Object<ActorForm>>,
    submitted_at_ms: Option<TimeMs>,
    payload: PayloadForm,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ActorForm {
    #[serde(default)]
    tenant: TenantId,
    user: UserId,
    role: Role,
}

impl CommandForm {
    /// The command, or what it still lacks.
    pub(super) fn command(self, defaults: &Defaults) -> Result<Command, String> {
        let command_id = self.command_id.or_else(|| defaults.command_id.clone());
        let command_id = command_id.ok_or(
            "missing field `command_id`: name one, so that sending the command again is harmless",
        )?;
        let actor =
            self.actor.map(|Object(actor)| actor.actor()).or_else(|| defaults.actor.clone());
        let actor = actor.ok_or("missing field `actor`: say for whom the command is sent")?;
        let submitted_at_ms = self.submitted_at_ms.unwrap_or(defaults.now);
        let payload = self.payload.payload(&actor)?;
        let pool = match self.pool {
            Some(pool) => pool,
            None if payload.is_log_command() => PoolId::default(),
            None => return Err(format!("missing field `pool`: {} needs one", payload.name())),
        };
        Ok(Command { command_id, pool, actor, submitted_at_ms, payload })
    }
}

impl ActorForm {
    fn actor(self) -> Actor {
        let Self { tenant, user, role } = self;
        Actor { tenant, user, role }
    }
}
