//! Commands as JSON, as people and their programs send them: `docs/json.md`.
//!
//! The shape is that of the Avro record, field by field. What has an obvious value may be left out,
//! durations and GPUs may be said as people say them, and what is not known is refused where it
//! stands: a misspelt field must never be a default. Values are not judged here: whoever asks for
//! -3 replicas gets a rejection from the core, which stands in the log.
//!
//! Reading order: `payload` (which command it is), `inventory`, `policy`, `work` and `appeal` (its
//! fields), `quantity` and `labels` (what may be said in two ways), `object` (no list in its
//! place), [`error`] (where and why it was refused), [`lines`].

mod appeal;
mod command;
pub mod error;
mod inventory;
mod labels;
pub mod lines;
mod object;
mod payload;
mod policy;
mod quantity;
mod reservation;
#[cfg(test)]
mod tests;
mod work;

pub use error::JsonError;
pub use lines::read_lines;
pub use quantity::{Gpus, NoGpus, NoSpan, Span};

use conclave_core::command::{Actor, Command};
use conclave_core::units::{CommandId, TimeMs};

/// Bytes of one command as JSON.
pub const JSON_BYTES_MAX: usize = 256 * 1024;

/// What fills a command's gaps. It never replaces what the command says.
#[derive(Clone, Debug, Default)]
pub struct Defaults {
    /// The id of a command that names none, such as the `Idempotency-Key` of its submission.
    pub command_id: Option<CommandId>,
    /// On whose behalf a command was sent that does not say.
    pub actor: Option<Actor>,
    /// When a command was submitted that does not say.
    pub now: TimeMs,
}

/// The command in `bytes`, its gaps filled from `defaults`.
///
/// # Errors
/// When `bytes` are too many, are no JSON, or are not one command; the error says where.
pub fn read_command(bytes: &[u8], defaults: &Defaults) -> Result<Command, JsonError> {
    if bytes.len() > JSON_BYTES_MAX {
        return Err(JsonError::too_large(bytes.len()));
    }
    let object::Object(form): object::Object<command::CommandForm> =
        serde_json::from_slice(bytes).map_err(|error| JsonError::explain(&error, bytes))?;
    form.command(defaults).map_err(|message| JsonError::at_the_end(bytes, message))
}

/// `command` as JSON that [`read_command`] reads as the same command.
///
/// # Panics
/// Never: a command is made of texts, whole numbers and lists of them.
#[must_use]
pub fn write_command(command: &Command) -> String {
    serde_json::to_string(command).expect("texts, whole numbers and lists are JSON")
}
