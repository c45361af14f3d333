//! Any value of any type that serde can read, made from bytes; and the shape of every type on the
//! way, to hold the schemas against.

use serde::de::value::U32Deserializer;
use serde::de::{
    DeserializeOwned, DeserializeSeed, Deserializer, EnumAccess, IntoDeserializer, SeqAccess,
    VariantAccess, Visitor,
};
use std::collections::BTreeMap;

type Error = serde::de::value::Error;

/// What serde told about the types that were read.
#[derive(Debug, Default)]
pub(crate) struct Shapes {
    /// Field names by struct.
    pub structs: BTreeMap<&'static str, &'static [&'static str]>,
    /// Variant names by enum.
    pub enums: BTreeMap<&'static str, &'static [&'static str]>,
}

/// Some `T`: every `bytes` gives one, and no bytes give the smallest.
pub(crate) fn any<T: DeserializeOwned>(bytes: &[u8]) -> T {
    any_with_shapes(bytes, &mut Shapes::default())
}

pub(crate) fn any_with_shapes<T: DeserializeOwned>(bytes: &[u8], shapes: &mut Shapes) -> T {
    T::deserialize(&mut Source { bytes, shapes }).unwrap()
}

struct Source<'b> {
    bytes: &'b [u8],
    shapes: &'b mut Shapes,
}

impl Source<'_> {
    fn draw(&mut self) -> u8 {
        let (first, rest) = self.bytes.split_first().unwrap_or((&0, &[]));
        self.bytes = rest;
        *first
    }

    fn number(&mut self) -> i64 {
        match self.draw() % 8 {
            0 => i64::from(self.draw()),
            1 => -1 - i64::from(self.draw()),
            2 => i64::MIN,
            3 => i64::MAX,
            bytes => (0..bytes).fold(-1, |number, _| (number << 8) | i64::from(self.draw())),
        }
    }

    fn text(&mut self) -> String {
        const LETTERS: [char; 8] = ['a', 'Z', '0', '-', '\0', 'ß', '語', '🦀'];
        let letters = self.draw() % 20;
        (0..letters).map(|_| LETTERS[usize::from(self.draw() % 8)]).collect()
    }
}

impl<'de> Deserializer<'de> for &mut Source<'_> {
    type Error = Error;

    /// Like the readers of Avro.
    fn is_human_readable(&self) -> bool {
        false
    }
    fn deserialize_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value, Error> {
        Err(serde::de::Error::custom("a type that no schema of ours has"))
    }
    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_bool(self.draw() % 2 == 1)
    }
    fn deserialize_i64<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_i64(self.number())
    }
    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_string(self.text())
    }
    fn deserialize_bytes<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        // Only digests are bytes, and they are as large as their type.
        let bytes: Vec<u8> = (0..size_of::<V::Value>()).map(|_| self.draw()).collect();
        visitor.visit_bytes(&bytes)
    }
    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        if self.draw() % 2 == 1 { visitor.visit_some(self) } else { visitor.visit_none() }
    }
    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        let left = usize::from(self.draw() % 4);
        visitor.visit_seq(Items { source: self, left })
    }
    fn deserialize_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        self.shapes.structs.insert(name, fields);
        visitor.visit_seq(Items { source: self, left: fields.len() })
    }
    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        _: V,
    ) -> Result<V::Value, Error> {
        panic!("{name} is no transparent newtype: the Avro crate would take it for a record");
    }
    fn deserialize_enum<V: Visitor<'de>>(
        self,
        name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        self.shapes.enums.insert(name, variants);
        let variant = usize::from(self.draw()) % variants.len();
        visitor.visit_enum(Variant { source: self, variant: u32::try_from(variant).unwrap() })
    }

    serde::forward_to_deserialize_any! {
        i8 i16 i32 i128 u8 u16 u32 u64 u128 f32 f64 char str byte_buf unit unit_struct tuple
        tuple_struct map identifier ignored_any
    }
}

struct Items<'s, 'b> {
    source: &'s mut Source<'b>,
    left: usize,
}

impl<'de> SeqAccess<'de> for Items<'_, '_> {
    type Error = Error;

    fn next_element_seed<T: DeserializeSeed<'de>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, Error> {
        if self.left == 0 {
            return Ok(None);
        }
        self.left -= 1;
        seed.deserialize(&mut *self.source).map(Some)
    }
}

struct Variant<'s, 'b> {
    source: &'s mut Source<'b>,
    variant: u32,
}

impl<'de> EnumAccess<'de> for Variant<'_, '_> {
    type Error = Error;
    type Variant = Self;

    fn variant_seed<V: DeserializeSeed<'de>>(self, seed: V) -> Result<(V::Value, Self), Error> {
        let index: U32Deserializer<Error> = self.variant.into_deserializer();
        Ok((seed.deserialize(index)?, self))
    }
}

impl<'de> VariantAccess<'de> for Variant<'_, '_> {
    type Error = Error;

    fn unit_variant(self) -> Result<(), Error> {
        Ok(())
    }
    fn newtype_variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Result<T::Value, Error> {
        seed.deserialize(self.source)
    }
    fn tuple_variant<V: Visitor<'de>>(self, _: usize, _: V) -> Result<V::Value, Error> {
        Err(serde::de::Error::custom("no branch of ours is a tuple"))
    }
    fn struct_variant<V: Visitor<'de>>(
        self,
        _: &'static [&'static str],
        _: V,
    ) -> Result<V::Value, Error> {
        Err(serde::de::Error::custom("no branch of ours is a struct without a name"))
    }
}
