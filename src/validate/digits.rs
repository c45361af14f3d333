//! Digests as hexadecimal digits, in what a validator keeps.

use conclave_core::units::{Hash16, Hash32};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;
use std::str::FromStr;

/// A digest that is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Digits<H>(pub(super) H);

impl<H: fmt::Display> Serialize for Digits<H> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(&self.0)
    }
}

impl<'de, H> Deserialize<'de> for Digits<H>
where
    Self: FromStr<Err = fmt::Error>,
{
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = String::deserialize(from)?;
        text.parse().map_err(|_| serde::de::Error::custom("that is no digest"))
    }
}

impl FromStr for Digits<Hash16> {
    type Err = fmt::Error;

    fn from_str(text: &str) -> Result<Self, fmt::Error> {
        let number = u128::from_str_radix(text, 16).map_err(|_| fmt::Error)?;
        Ok(Self(Hash16(number.to_be_bytes())))
    }
}

impl FromStr for Digits<Hash32> {
    type Err = fmt::Error;

    fn from_str(text: &str) -> Result<Self, fmt::Error> {
        let hash = blake3::Hash::from_hex(text).map_err(|_| fmt::Error)?;
        Ok(Self(Hash32(*hash.as_bytes())))
    }
}
