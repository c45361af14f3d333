//! Watching a log: named rules over commands, decisions and dead letters as they can be read.
//!
//! Verify computes every decision again; the rules here know nothing of how anything is decided.
//! They keep books of their own from the events, so that a fault in the core does not hide itself,
//! and say which rule is not kept at which offset. `docs/validate.md` has all of them.
//!
//! Reading order: [`Rule`], [`Validator`] (one walk), `books` (who holds what), [`Watch`] (where
//! records come from).

mod acknowledged;
mod books;
mod cause;
mod digits;
mod feed;
mod figures;
mod findings;
mod letters;
pub(crate) mod line;
mod once;
mod report;
mod rounds;
mod rule;
mod validator;
mod watch;

pub use acknowledged::Acknowledged;
pub use feed::{Feed, KafkaFeed, LogFeed, Places, RocksFeed};
pub use figures::Figures;
pub use findings::{FINDINGS_LISTED_MAX, Finding};
pub use report::{Report, Verdict, settle_unanswered};
pub use rule::Rule;
pub use validator::{Validator, Wants};
pub use watch::{Watch, validate};
