//! Ids, quantities and positions: one type per meaning, so that a bare integer never crosses a
//! function boundary. Quantities wrap `i64` because Avro knows no unsigned integer and a negative
//! number from a client must arrive here to be answered with a rejection.

use crate::text::Text;
use serde::{Deserialize, Serialize};
use std::fmt;

macro_rules! quantity {
    ($($(#[$doc:meta])* $name:ident;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
        #[derive(Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub i64);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    )*};
}

quantity! {
    /// A record's own position in its partition, from 0. A decision is named by the offset of the
    /// command that it answers.
    Offset;
    /// Log time in milliseconds since 1970, or since the start of an imported trace.
    TimeMs;
    /// A span of log time in milliseconds.
    DurationMs;
    /// Thousandths of one GPU; 1000 is a whole one.
    GpuMilli;
    /// Thousandths of one virtual CPU.
    CpuMilli;
    /// Memory in mebibytes.
    MemoryMib;
    /// Money in millionths of a US dollar.
    MicroUsd;
    /// GPU time: a thousandth of one GPU, held for one second.
    GpuMilliSeconds;
}

impl TimeMs {
    /// This time moved by `span`. Both are bounded by [`crate::limits::TIME_MS_MAX`], so the sum
    /// fits.
    #[must_use]
    pub fn plus(self, span: DurationMs) -> Self {
        Self(self.0 + span.0)
    }

    /// How long ago `earlier` was at this time; zero when it is yet to come.
    #[must_use]
    pub fn since(self, earlier: Self) -> DurationMs {
        DurationMs(self.0.saturating_sub(earlier.0).max(0))
    }
}

impl GpuMilliSeconds {
    /// The most that is told apart: its 64-fold still fits, so that shares can be taken of it.
    pub const MAX: Self = Self(i64::MAX / 64);

    /// `gpus` held for `span`, in whole thousandths of a GPU-second; at most [`Self::MAX`].
    #[must_use]
    pub fn of(gpus: GpuMilli, span: DurationMs) -> Self {
        let seconds = gpus.0.saturating_mul(span.0 / 1_000);
        let rest = gpus.0.saturating_mul(span.0 % 1_000) / 1_000;
        Self(seconds.saturating_add(rest).min(Self::MAX.0))
    }

    /// Both together; at most [`Self::MAX`].
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0).min(Self::MAX.0))
    }
}

macro_rules! text_id {
    ($($(#[$doc:meta])* $name:ident;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub Text);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(&self.0, f)
            }
        }

        impl From<&str> for $name {
            fn from(text: &str) -> Self {
                Self(text.into())
            }
        }

        impl std::borrow::Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }

        impl From<String> for $name {
            fn from(text: String) -> Self {
                Self(text.into())
            }
        }
    )*};
}

text_id! {
    /// The idempotency key that the sender chose for a command.
    CommandId;
    /// One fleet, decided together: the key of every command about it.
    PoolId;
    /// A tenant (project); its share is counted per pool.
    TenantId;
    /// A person or robot of a tenant.
    UserId;
    /// A request for GPUs, and the lease that it becomes.
    RequestId;
    /// A machine of a pool.
    NodeId;
    /// Room that is kept free for a tenant from some time on.
    ReservationId;
    /// A GPU model such as `A100`, matched exactly.
    GpuModel;
    /// The identity of one log; two logs never share it.
    LogId;
}

macro_rules! digest {
    ($($(#[$doc:meta])* $name:ident, $bytes:literal;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
        pub struct $name(pub [u8; $bytes]);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }

        impl Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
                if to.is_human_readable() {
                    return to.collect_str(self);
                }
                to.serialize_bytes(&self.0)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
                struct Bytes;
                impl serde::de::Visitor<'_> for Bytes {
                    type Value = $name;
                    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                        write!(f, "{} bytes", $bytes)
                    }
                    fn visit_bytes<E: serde::de::Error>(self, bytes: &[u8]) -> Result<$name, E> {
                        let wrong = |_| E::invalid_length(bytes.len(), &self);
                        bytes.try_into().map($name).map_err(wrong)
                    }
                    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<$name, E> {
                        let wrong = || E::invalid_value(serde::de::Unexpected::Str(text), &self);
                        from_hex(text).map($name).ok_or_else(wrong)
                    }
                }
                if from.is_human_readable() {
                    return from.deserialize_str(Bytes);
                }
                from.deserialize_bytes(Bytes)
            }
        }
    )*};
}

digest! {
    /// A 32-byte BLAKE3 digest.
    Hash32, 32;
    /// The first 16 bytes of a BLAKE3 digest: what the duplicate window keeps of ids and payloads.
    Hash16, 16;
    /// The first 8 bytes of a BLAKE3 digest: which hidden state a vote was taken on.
    Hash8, 8;
}

impl Hash32 {
    /// The digest that `text` writes in 64 hexadecimal digits; none when it does not.
    #[must_use]
    pub fn from_hex(text: &str) -> Option<Self> {
        from_hex(text).map(Self)
    }
}

fn from_hex<const BYTES: usize>(text: &str) -> Option<[u8; BYTES]> {
    let (digits, []) = text.as_bytes().as_chunks::<2>() else { return None };
    let mut bytes = [0; BYTES];
    if digits.len() != bytes.len() {
        return None;
    }
    for (byte, digits) in bytes.iter_mut().zip(digits) {
        let value = |digit: u8| char::from(digit).to_digit(16);
        let (high, low) = (value(digits[0])?, value(digits[1])?);
        *byte = u8::try_from(high << 4 | low).ok()?;
    }
    Some(bytes)
}
