//! The rules by name. `docs/validate.md` says the same at more length, and what to do.

use serde::{Deserialize, Serialize};

macro_rules! rules {
    ($($(#[doc = $doc:literal])* $variant:ident, $text:literal;)*) => {
        /// One rule that every log keeps.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(rename_all = "snake_case")]
        pub enum Rule {
            $($(#[doc = $doc])* $variant,)*
        }

        impl Rule {
            /// Every rule, in reading order.
            pub const ALL: &'static [Self] = &[$(Self::$variant),*];

            /// The rule as reports, metrics and documents spell it.
            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text),* }
            }
        }
    };
}

rules! {
    /// Every decision reads under its own schema, without trailing bytes, and so does its envelope;
    /// a command is refused as unreadable exactly when it cannot be read.
    Schema, "schema";
    /// Offsets ascend, time never goes back and is the command's, rounds are contiguous.
    Order, "order";
    /// Every command has exactly one decision, and every decision a command.
    Completeness, "completeness";
    /// Each decision holds the digest of the one before it.
    Chain, "chain";
    /// Whatever happens has a cause: the command as it was read, or what happened before.
    Causality, "causality";
    /// A command's id is acted upon once, as long as it is remembered.
    Once, "once";
    /// Nobody holds what is not there: nodes, GPUs and limits, at every prefix of the log.
    Capacity, "capacity";
    /// What its sender has to mend lies among the dead letters byte for byte, and nothing else.
    DeadLetters, "dead_letters";
    /// What was acknowledged is decided, once.
    Acknowledged, "acknowledged";
}
