//! `conclave schemas`: our schemas in a registry.

use super::{Output, print};
use crate::error::{Error, Result};
use crate::log::kafka::settings::TopicNames;
use crate::registry::{Credentials, Finding, RegistrySettings, Subjects, check, register};
use clap::{Args, Subcommand};
use serde::Serialize;
use std::path::PathBuf;

const EXAMPLES: &str = "Examples:
  conclave schemas register --registry http://localhost:8081
  conclave schemas check --registry https://registry.example --user key --password-file key.secret
  CONCLAVE_REGISTRY_TOKEN=... conclave schemas check --registry https://registry.example

Exit codes: 0 all is as it should be, 1 something differs or was refused, 2 wrong usage or not let
in, 3 the registry does not answer";

/// Registers our schemas in a schema registry, or compares them with what is there.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct SchemasArguments {
    #[command(subcommand)]
    what: What,
    #[command(flatten)]
    registry: RegistryArguments,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Registers the schemas of commands and decisions; what is there already stays
    Register,
    /// Says what differs, and changes nothing
    Check,
}

#[derive(Debug, Args)]
struct RegistryArguments {
    /// Address of the registry
    #[arg(long, value_name = "URL", global = true)]
    registry: Option<String>,
    /// What the names of the topics begin with
    #[arg(long, default_value = "conclave", global = true)]
    prefix: String,
    /// User, or API key
    #[arg(long, global = true)]
    #[arg(help = "User, or API key, instead of CONCLAVE_REGISTRY_USER")]
    user: Option<String>,
    /// File with the user's password
    #[arg(long, value_name = "FILE", global = true)]
    #[arg(help = "File with the user's password, instead of CONCLAVE_REGISTRY_PASSWORD")]
    password_file: Option<PathBuf>,
    /// File with a token
    #[arg(long, value_name = "FILE", global = true)]
    #[arg(help = "File with a token, instead of CONCLAVE_REGISTRY_TOKEN")]
    token_file: Option<PathBuf>,
    /// Certificates of authorities (PEM) to believe besides the system's
    #[arg(long, value_name = "FILE", global = true)]
    ca_file: Option<PathBuf>,
    /// How the findings are printed
    #[arg(long, value_enum, default_value_t, global = true)]
    output: Output,
}

#[derive(Serialize)]
struct Findings {
    ok: bool,
    findings: Vec<Finding>,
}

pub(super) fn run(arguments: &SchemasArguments) -> Result<u8> {
    let SchemasArguments { what, registry } = arguments;
    let settings = settings(registry)?;
    let subjects = Subjects::of(&TopicNames::prefixed(&registry.prefix));
    let findings = match what {
        What::Register => register(&settings, &subjects)?,
        What::Check => check(&settings, &subjects)?,
    };
    let ok = findings.iter().all(|finding| finding.ok);
    let findings = Findings { ok, findings };
    match registry.output {
        Output::Json => print(
            &serde_json::to_string(&findings)
                .map_err(|error| Error::bug("findings are no JSON").caused_by(error))?,
        )?,
        Output::Text => {
            for Finding { subject, part, ok, detail, .. } in &findings.findings {
                let mark = if *ok { "ok   " } else { "WRONG" };
                print(&format!("{mark}  {subject:<24} {part:<14} {detail}"))?;
            }
        }
    }
    Ok(u8::from(!ok))
}

fn settings(arguments: &RegistryArguments) -> Result<RegistrySettings> {
    let Some(url) = &arguments.registry else {
        return Err(Error::invalid("which registry? --registry http://HOST:PORT"));
    };
    let mut settings = RegistrySettings::new(url)?;
    settings.credentials = Credentials::gather(
        arguments.user.as_deref(),
        arguments.password_file.as_deref(),
        arguments.token_file.as_deref(),
        |name| std::env::var(name).ok().filter(|value| !value.is_empty()),
    )?;
    settings.ca_file.clone_from(&arguments.ca_file);
    Ok(settings)
}
