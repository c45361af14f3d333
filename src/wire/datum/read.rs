//! Reads a bare Avro datum that [`write`](super::write::write) could have written.
//!
//! Anything else (another writer's encoding, damage, a newer branch) is declined without a reason:
//! the Avro crate reads it then, by the schema, and its answer counts. So what a broken command is
//! answered does not depend on this file.

use serde::de::value::U32Deserializer;
use serde::de::{
    Deserialize, DeserializeSeed, Deserializer, EnumAccess, Error, IntoDeserializer, SeqAccess,
    VariantAccess, Visitor,
};
use std::fmt;

/// The value that `bytes` are, all of them; none when they are not what we would have written.
pub(in crate::wire) fn read<'b, T: Deserialize<'b>>(bytes: &'b [u8]) -> Option<T> {
    let mut reader = Reader { rest: bytes };
    let value = T::deserialize(&mut reader).ok()?;
    reader.rest.is_empty().then_some(value)
}

/// Not for us to say why.
#[derive(Debug)]
struct Declined;

impl fmt::Display for Declined {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("declined")
    }
}

impl std::error::Error for Declined {}

impl Error for Declined {
    fn custom<T: fmt::Display>(_: T) -> Self {
        Self
    }
}

type Answer<T> = Result<T, Declined>;

struct Reader<'b> {
    rest: &'b [u8],
}

impl<'b> Reader<'b> {
    fn take(&mut self, length: usize) -> Answer<&'b [u8]> {
        let (taken, rest) = self.rest.split_at_checked(length).ok_or(Declined)?;
        self.rest = rest;
        Ok(taken)
    }

    /// The number in its shortest form, as written: seven bits a byte, lowest first, then zigzag.
    fn long(&mut self) -> Answer<i64> {
        let mut zigzag = 0_u64;
        for (index, &byte) in self.rest.iter().enumerate().take(10) {
            let bits = u64::from(byte & 0x7f);
            let is_last = byte < 0x80;
            if (is_last && bits == 0 && index > 0) || (index == 9 && bits > 1) {
                return Err(Declined);
            }
            zigzag |= bits << (7 * index);
            if is_last {
                self.rest = &self.rest[index + 1..];
                return Ok((zigzag >> 1).cast_signed() ^ -(zigzag & 1).cast_signed());
            }
        }
        Err(Declined)
    }

    fn length(&mut self) -> Answer<usize> {
        usize::try_from(self.long()?).map_err(|_| Declined)
    }

    fn text(&mut self) -> Answer<&'b str> {
        let length = self.length()?;
        std::str::from_utf8(self.take(length)?).map_err(|_| Declined)
    }
}

macro_rules! foreign {
    ($($method:ident)*) => {$(
        fn $method<V: Visitor<'b>>(self, _: V) -> Answer<V::Value> {
            Err(Declined)
        }
    )*};
}

impl<'b> Deserializer<'b> for &mut Reader<'b> {
    type Error = Declined;

    fn is_human_readable(&self) -> bool {
        false
    }
    fn deserialize_bool<V: Visitor<'b>>(self, visitor: V) -> Answer<V::Value> {
        match self.take(1)? {
            [0] => visitor.visit_bool(false),
            [1] => visitor.visit_bool(true),
            _ => Err(Declined),
        }
    }
    fn deserialize_i64<V: Visitor<'b>>(self, visitor: V) -> Answer<V::Value> {
        visitor.visit_i64(self.long()?)
    }
    fn deserialize_str<V: Visitor<'b>>(self, visitor: V) -> Answer<V::Value> {
        visitor.visit_borrowed_str(self.text()?)
    }
    fn deserialize_string<V: Visitor<'b>>(self, visitor: V) -> Answer<V::Value> {
        self.deserialize_str(visitor)
    }
    /// Digests are the only bytes. Their length is not written: it is that of their type.
    fn deserialize_bytes<V: Visitor<'b>>(self, visitor: V) -> Answer<V::Value> {
        visitor.visit_borrowed_bytes(self.take(size_of::<V::Value>())?)
    }
    fn deserialize_option<V: Visitor<'b>>(self, visitor: V) -> Answer<V::Value> {
        match self.long()? {
            0 => visitor.visit_none(),
            1 => visitor.visit_some(self),
            _ => Err(Declined),
        }
    }
    fn deserialize_enum<V: Visitor<'b>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Answer<V::Value> {
        visitor.visit_enum(self)
    }
    /// One block with all items and an empty one, or the empty one alone.
    fn deserialize_seq<V: Visitor<'b>>(self, visitor: V) -> Answer<V::Value> {
        let left = self.length()?;
        if left == 0 {
            return visitor.visit_seq(Parts { reader: self, left });
        }
        let items = visitor.visit_seq(Parts { reader: self, left })?;
        if self.long()? == 0 { Ok(items) } else { Err(Declined) }
    }
    fn deserialize_struct<V: Visitor<'b>>(
        self,
        _: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Answer<V::Value> {
        visitor.visit_seq(Parts { reader: self, left: fields.len() })
    }
    fn deserialize_tuple<V: Visitor<'b>>(self, _: usize, _: V) -> Answer<V::Value> {
        Err(Declined)
    }
    fn deserialize_unit_struct<V: Visitor<'b>>(self, _: &'static str, _: V) -> Answer<V::Value> {
        Err(Declined)
    }
    fn deserialize_newtype_struct<V: Visitor<'b>>(self, _: &'static str, _: V) -> Answer<V::Value> {
        Err(Declined)
    }
    fn deserialize_tuple_struct<V: Visitor<'b>>(
        self,
        _: &'static str,
        _: usize,
        _: V,
    ) -> Answer<V::Value> {
        Err(Declined)
    }

    foreign! {
        deserialize_any deserialize_i8 deserialize_i16 deserialize_i32 deserialize_u8
        deserialize_u16 deserialize_u32 deserialize_u64 deserialize_f32 deserialize_f64
        deserialize_char deserialize_byte_buf deserialize_unit deserialize_map
        deserialize_identifier deserialize_ignored_any
    }
}

/// The fields of a record or the items of an array.
struct Parts<'r, 'b> {
    reader: &'r mut Reader<'b>,
    left: usize,
}

impl<'b> SeqAccess<'b> for Parts<'_, 'b> {
    type Error = Declined;

    fn next_element_seed<T: DeserializeSeed<'b>>(&mut self, seed: T) -> Answer<Option<T::Value>> {
        if self.left == 0 {
            return Ok(None);
        }
        self.left -= 1;
        seed.deserialize(&mut *self.reader).map(Some)
    }
    /// No part of ours has fewer than one byte but a record without fields, which no array holds.
    fn size_hint(&self) -> Option<usize> {
        Some(self.left.min(self.reader.rest.len()))
    }
}

/// The symbol of an enum, or the branch of a union: both begin with their position.
impl<'b> EnumAccess<'b> for &mut Reader<'b> {
    type Error = Declined;
    type Variant = Self;

    fn variant_seed<T: DeserializeSeed<'b>>(self, seed: T) -> Answer<(T::Value, Self)> {
        let index = u32::try_from(self.long()?).map_err(|_| Declined)?;
        let index: U32Deserializer<Declined> = index.into_deserializer();
        Ok((seed.deserialize(index)?, self))
    }
}

impl<'b> VariantAccess<'b> for &mut Reader<'b> {
    type Error = Declined;

    fn unit_variant(self) -> Answer<()> {
        Ok(())
    }
    fn newtype_variant_seed<T: DeserializeSeed<'b>>(self, seed: T) -> Answer<T::Value> {
        seed.deserialize(self)
    }
    fn tuple_variant<V: Visitor<'b>>(self, _: usize, _: V) -> Answer<V::Value> {
        Err(Declined)
    }
    fn struct_variant<V: Visitor<'b>>(self, _: &'static [&'static str], _: V) -> Answer<V::Value> {
        Err(Declined)
    }
}
