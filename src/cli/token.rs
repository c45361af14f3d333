//! `conclave token`: makes a token and the lines that admit its bearer.

use super::print;
use crate::config::new_token;
use crate::error::{Error, Result};
use clap::{Args, ValueEnum};
use std::io::Write;

const EXAMPLES: &str = "Examples:
  conclave token --name vision-ci --role tenant --tenant vision > vision.token 2>> tokens.toml
  conclave token --name on-call --role operator

The token goes to stdout, its entry for the file of tokens (tokens.file) to stderr. Only the entry
is kept by the service: a token that is lost is made anew.";

/// Makes a token for the HTTP API.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct TokenArguments {
    /// What logs and limits call its bearer
    #[arg(long)]
    name: String,
    /// What its bearer may do
    #[arg(long, value_enum)]
    role: RoleName,
    /// The bearer's tenant
    #[arg(long, required_if_eq("role", "tenant"))]
    tenant: Option<String>,
    /// The person or robot [default: the name]
    #[arg(long)]
    user: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum RoleName {
    /// Asks for its tenant, and sees its own
    Tenant,
    /// Changes pools, nodes and quotas, and sees everything
    Operator,
    /// Sees (its tenant's own, if it has a tenant) and changes nothing
    Reader,
    /// May do everything
    Administrator,
}

pub(super) fn run(arguments: &TokenArguments) -> Result<u8> {
    let TokenArguments { name, role, tenant, user } = arguments;
    let (token, digest) = new_token()?;
    let role = role.to_possible_value().map_or_else(String::new, |role| role.get_name().to_owned());
    let mut entry = toml::Table::new();
    let mut set = |key: &str, value: &str| entry.insert(key.into(), value.into());
    set("name", name);
    set("blake3", &digest);
    set("role", &role);
    if let Some(tenant) = tenant {
        set("tenant", tenant);
    }
    if let Some(user) = user {
        set("user", user);
    }
    let entry = toml::to_string(&entry)
        .map_err(|error| Error::bug("a token's entry is no TOML").caused_by(error))?;
    let told = writeln!(std::io::stderr(), "\n[[token]]\n{entry}");
    told.map_err(|error| Error::unavailable("stderr cannot be written").caused_by(error))?;
    print(&token)?;
    Ok(0)
}
