//! Tokens: who sends, and what that one may do. The file holds digests, so that reading it gives
//! nobody a token.

use super::keys;
use crate::error::{Error, Result};
use crate::log::kafka::security::check_mode;
use conclave_core::command::{Actor, Role};
use conclave_core::limits::ID_BYTES_MAX;
use conclave_core::units::{TenantId, UserId};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::Read;
use std::path::Path;

/// Bytes of a token that we make.
const TOKEN_BYTES: usize = 32;
/// Bytes of a token that anybody may send.
pub(super) const TOKEN_TEXT_BYTES_MAX: usize = 512;

/// One entry of the file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Token {
    /// What logs and limits call it.
    pub name: String,
    /// BLAKE3 of the token, in hexadecimal.
    pub blake3: String,
    /// What its bearer may do: tenant, operator, reader or administrator.
    pub role: Role,
    /// The bearer's tenant: for tenants only.
    #[serde(default)]
    pub tenant: String,
    /// The person or robot.
    #[serde(default)]
    pub user: String,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
struct File {
    token: Vec<Token>,
}

/// Whoever sent a request, as far as it was proved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// What logs and limits call it.
    pub name: String,
    /// On whose behalf it sends.
    pub actor: Actor,
}

/// All tokens, by digest.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tokens(BTreeMap<[u8; 32], Identity>);

impl Tokens {
    /// Reads the file of tokens.
    ///
    /// # Errors
    /// `Invalid`, naming what is wrong; also when others than its owner may read it.
    pub fn read(path: &Path) -> Result<Self> {
        let shown = path.display();
        let refused = |error: std::io::Error| {
            Error::invalid(format!("the tokens {shown} cannot be read")).caused_by(error)
        };
        check_mode(path)?;
        let text = std::fs::read_to_string(path).map_err(refused)?;
        Self::parse(&text).map_err(|error| Error::invalid(format!("{shown}: {}", error.message)))
    }

    /// Reads the text of such a file.
    ///
    /// # Errors
    /// As [`Tokens::read`].
    pub fn parse(text: &str) -> Result<Self> {
        let File { token } = keys::parse(text)?;
        let mut tokens = BTreeMap::new();
        for (token, number) in token.into_iter().zip(1..) {
            let wrong = |what: &str| Error::invalid(format!("token {number}: {what}"));
            let digest = blake3::Hash::from_hex(&token.blake3)
                .map_err(|_| wrong("blake3 has to be 64 hexadecimal digits (`conclave token`)"))?;
            let identity = token.identity().map_err(|what| wrong(&what))?;
            if tokens.values().any(|other: &Identity| other.name == identity.name) {
                return Err(wrong(&format!("another token bears the name '{}'", identity.name)));
            }
            if tokens.insert(*digest.as_bytes(), identity).is_some() {
                return Err(wrong("the same digest stands there twice"));
            }
        }
        if tokens.is_empty() {
            return Err(Error::invalid("there is no [[token]] in it: nobody could do anything"));
        }
        Ok(Self(tokens))
    }

    /// Whose token it is. Compared by digest, so that its time tells nothing about other tokens.
    #[must_use]
    pub fn find(&self, token: &str) -> Option<&Identity> {
        if token.len() > TOKEN_TEXT_BYTES_MAX {
            return None;
        }
        self.0.get(blake3::hash(token.as_bytes()).as_bytes())
    }
}

impl Token {
    fn identity(self) -> std::result::Result<Identity, String> {
        let Self { name, role, tenant, user, blake3: _ } = self;
        for (field, text) in [("name", &name), ("tenant", &tenant), ("user", &user)] {
            if text.len() > ID_BYTES_MAX {
                return Err(format!("{field} has more than {ID_BYTES_MAX} bytes"));
            }
        }
        if name.is_empty() {
            return Err("name is empty: logs and limits need one".to_owned());
        }
        match (role, tenant.is_empty()) {
            (Role::Tenant, true) => return Err("a tenant's token needs its tenant".to_owned()),
            (Role::Operator | Role::Administrator, false) => {
                return Err("an operator belongs to no tenant: leave tenant out".to_owned());
            }
            (Role::Tenant, false) | (Role::Reader, _) => {}
            (Role::Operator | Role::Administrator, true) => {}
        }
        let user = if user.is_empty() { name.clone() } else { user };
        let actor = Actor { tenant: TenantId::from(tenant), user: UserId::from(user), role };
        Ok(Identity { name, actor })
    }
}

/// A new token and its digest, both in hexadecimal.
///
/// # Errors
/// `Unavailable` when the system has no randomness to give.
pub fn new_token() -> Result<(String, String)> {
    let mut bytes = [0; TOKEN_BYTES];
    let mut random = std::fs::File::open("/dev/urandom")
        .map_err(|error| Error::unavailable("no randomness here").caused_by(error))?;
    let drawn = random.read_exact(&mut bytes);
    drawn.map_err(|error| Error::unavailable("no randomness here").caused_by(error))?;
    let token = bytes.iter().fold(String::from("ccl_"), |mut text, byte| {
        write!(text, "{byte:02x}").expect("text grows");
        text
    });
    let digest = blake3::hash(token.as_bytes()).to_hex().to_string();
    Ok((token, digest))
}

#[cfg(test)]
mod tests {
    use super::*;

    const DIGEST: &str = "0000000000000000000000000000000000000000000000000000000000000000";

    #[track_caller]
    fn check_refused(fields: &str, wanted: &str) {
        let error = Tokens::parse(&format!("[[token]]\n{fields}")).expect_err(fields);
        assert!(error.message.contains(wanted), "{fields}: {}", error.message);
    }

    #[test]
    fn a_token_is_found_by_what_its_digest_is_of() {
        let (token, digest) = new_token().expect("there is randomness");
        let text = format!(
            "[[token]]\nname = 'ci'\nblake3 = '{digest}'\nrole = 'tenant'\ntenant = 'vision'"
        );
        let tokens = Tokens::parse(&text).expect("is sound");
        let found = tokens.find(&token).expect("is there");
        assert_eq!((found.actor.tenant.0.as_str(), found.actor.user.0.as_str()), ("vision", "ci"));
        assert_eq!(tokens.find(&digest), None);
        assert_eq!(tokens.find(""), None);
        assert_eq!(tokens.find(&"x".repeat(TOKEN_TEXT_BYTES_MAX + 1)), None);
    }

    #[test]
    fn a_token_that_makes_no_sense_is_refused() {
        let of = |rest: &str| format!("name = 'a'\nblake3 = '{DIGEST}'\n{rest}");
        check_refused(&of("role = 'tenant'"), "needs its tenant");
        check_refused(&of("role = 'operator'\ntenant = 't'"), "belongs to no tenant");
        check_refused(&of("role = 'king'"), "king");
        check_refused("name = 'a'\nblake3 = 'ff'\nrole = 'reader'", "64 hexadecimal");
        check_refused(&format!("name = ''\nblake3 = '{DIGEST}'\nrole = 'reader'"), "name is empty");
        check_refused(&of("role = 'reader'\ntoken = 'secret'"), "token");
        assert!(Tokens::parse("").is_err());
    }
}
