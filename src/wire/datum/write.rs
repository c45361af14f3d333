//! Writes a value as a bare Avro datum.
//!
//! Bytes that a hash chain covers do not depend on the Avro crate's release. Tests compare the
//! schemas with the types, and these bytes with those of the crate's writer and of fastavro.

use serde::ser::{Impossible, Serialize, SerializeSeq, SerializeStruct, Serializer};
use std::fmt;

/// Appends `value` to `bytes`.
///
/// # Panics
/// When its type has a part that no schema of ours has: another number than `i64`, a tuple, a map.
pub(in crate::wire) fn write<T: Serialize>(value: &T, bytes: &mut Vec<u8>) {
    value.serialize(&mut Writer { bytes }).expect("a type outside of what schemas/ describe");
}

struct Writer<'b> {
    bytes: &'b mut Vec<u8>,
}

impl Writer<'_> {
    /// Zigzag, then seven bits a byte, lowest first; the high bit says that more follow.
    fn long(&mut self, number: i64) {
        let mut rest = ((number << 1) ^ (number >> 63)).cast_unsigned();
        while let Ok(low) = u8::try_from(rest & 0x7f)
            && rest > 0x7f
        {
            self.bytes.push(low | 0x80);
            rest >>= 7;
        }
        self.bytes.extend(u8::try_from(rest));
    }

    fn length(&mut self, length: usize) {
        self.long(i64::try_from(length).expect("memory holds fewer bytes than an i64 counts"));
    }
}

/// No type of ours has such a part.
type Never = Impossible<(), fmt::Error>;

macro_rules! foreign {
    ($($method:ident($($argument:ty),*) -> $ok:ty;)*) => {$(
        fn $method(self, $(_: $argument),*) -> Result<$ok, fmt::Error> {
            Err(fmt::Error)
        }
    )*};
}

impl<'w, 'b> Serializer for &'w mut Writer<'b> {
    type Ok = ();
    type Error = fmt::Error;
    type SerializeSeq = Items<'w, 'b>;
    type SerializeStruct = Self;
    type SerializeTuple = Never;
    type SerializeTupleStruct = Never;
    type SerializeTupleVariant = Never;
    type SerializeMap = Never;
    type SerializeStructVariant = Never;

    fn is_human_readable(&self) -> bool {
        false
    }
    fn serialize_bool(self, value: bool) -> fmt::Result {
        self.bytes.push(u8::from(value));
        Ok(())
    }
    fn serialize_i64(self, value: i64) -> fmt::Result {
        self.long(value);
        Ok(())
    }
    fn serialize_str(self, value: &str) -> fmt::Result {
        self.length(value.len());
        self.bytes.extend_from_slice(value.as_bytes());
        Ok(())
    }
    /// Digests are the only bytes, and of fixed length.
    fn serialize_bytes(self, value: &[u8]) -> fmt::Result {
        self.bytes.extend_from_slice(value);
        Ok(())
    }
    /// Null is the first branch of every optional field.
    fn serialize_none(self) -> fmt::Result {
        self.long(0);
        Ok(())
    }
    fn serialize_some<T: ?Sized + Serialize>(self, value: &T) -> fmt::Result {
        self.long(1);
        value.serialize(self)
    }
    /// The symbol of an enum or the record without fields of a union: both are their position.
    fn serialize_unit_variant(self, _: &'static str, index: u32, _: &'static str) -> fmt::Result {
        self.long(i64::from(index));
        Ok(())
    }
    fn serialize_newtype_variant<T: ?Sized + Serialize>(
        self,
        _: &'static str,
        index: u32,
        _: &'static str,
        value: &T,
    ) -> fmt::Result {
        self.long(i64::from(index));
        value.serialize(self)
    }
    /// One block with all items, none when there are none, and the empty block that ends an array.
    fn serialize_seq(self, length: Option<usize>) -> Result<Items<'w, 'b>, fmt::Error> {
        let length = length.ok_or(fmt::Error)?;
        if length > 0 {
            self.length(length);
        }
        Ok(Items { writer: self })
    }
    fn serialize_struct(self, _: &'static str, _: usize) -> Result<Self, fmt::Error> {
        Ok(self)
    }
    fn serialize_newtype_struct<T: ?Sized + Serialize>(
        self,
        _: &'static str,
        _: &T,
    ) -> fmt::Result {
        Err(fmt::Error)
    }

    foreign! {
        serialize_i8(i8) -> ();
        serialize_i16(i16) -> ();
        serialize_i32(i32) -> ();
        serialize_u8(u8) -> ();
        serialize_u16(u16) -> ();
        serialize_u32(u32) -> ();
        serialize_u64(u64) -> ();
        serialize_f32(f32) -> ();
        serialize_f64(f64) -> ();
        serialize_char(char) -> ();
        serialize_unit() -> ();
        serialize_unit_struct(&'static str) -> ();
        serialize_tuple(usize) -> Never;
        serialize_tuple_struct(&'static str, usize) -> Never;
        serialize_tuple_variant(&'static str, u32, &'static str, usize) -> Never;
        serialize_map(Option<usize>) -> Never;
        serialize_struct_variant(&'static str, u32, &'static str, usize) -> Never;
    }
}

impl SerializeStruct for &mut Writer<'_> {
    type Ok = ();
    type Error = fmt::Error;

    fn serialize_field<T: ?Sized + Serialize>(
        &mut self,
        _: &'static str,
        value: &T,
    ) -> fmt::Result {
        value.serialize(&mut **self)
    }
    fn end(self) -> fmt::Result {
        Ok(())
    }
}

struct Items<'w, 'b> {
    writer: &'w mut Writer<'b>,
}

impl SerializeSeq for Items<'_, '_> {
    type Ok = ();
    type Error = fmt::Error;

    fn serialize_element<T: ?Sized + Serialize>(&mut self, value: &T) -> fmt::Result {
        value.serialize(&mut *self.writer)
    }
    fn end(self) -> fmt::Result {
        self.writer.long(0);
        Ok(())
    }
}
