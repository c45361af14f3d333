//! The text of an id. Ids are short, are copied all the time (into events, timers, decisions) and
//! are the keys of most maps, so that short ones live where they are used: copying one asks no
//! allocator, and comparing two follows no pointer.

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::borrow::Borrow;
use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::ops::Deref;

/// Bytes of a text that is kept in place: a UUID and a prefix of two fit.
const SHORT_BYTES_MAX: usize = 38;

/// An immutable text, cheap to copy.
#[derive(Clone)]
pub struct Text(Repr);

#[derive(Clone)]
enum Repr {
    /// The first `length` bytes; the others are zero.
    Short {
        length: u8,
        bytes: [u8; SHORT_BYTES_MAX],
    },
    Long(Box<str>),
}

impl Text {
    /// The text.
    ///
    /// # Panics
    /// Never: the bytes were taken from a text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match &self.0 {
            Repr::Short { .. } => {
                std::str::from_utf8(self.as_bytes()).expect("the bytes were taken from a text")
            }
            Repr::Long(text) => text,
        }
    }

    /// Its bytes, which compare as the text does.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        match &self.0 {
            Repr::Short { length, bytes } => &bytes[..usize::from(*length)],
            Repr::Long(text) => text.as_bytes(),
        }
    }

    /// Its length in bytes.
    #[must_use]
    pub fn len(&self) -> usize {
        self.as_bytes().len()
    }

    /// Whether it has no bytes.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.as_bytes().is_empty()
    }
}

impl From<&str> for Text {
    fn from(text: &str) -> Self {
        let mut bytes = [0; SHORT_BYTES_MAX];
        match (u8::try_from(text.len()), bytes.get_mut(..text.len())) {
            (Ok(length), Some(place)) => {
                place.copy_from_slice(text.as_bytes());
                Self(Repr::Short { length, bytes })
            }
            _ => Self(Repr::Long(text.into())),
        }
    }
}

impl From<String> for Text {
    fn from(text: String) -> Self {
        text.as_str().into()
    }
}

impl Default for Text {
    fn default() -> Self {
        Self(Repr::Short { length: 0, bytes: [0; SHORT_BYTES_MAX] })
    }
}

impl Deref for Text {
    type Target = str;

    fn deref(&self) -> &str {
        self.as_str()
    }
}

impl AsRef<str> for Text {
    fn as_ref(&self) -> &str {
        self.as_str()
    }
}

impl Borrow<str> for Text {
    fn borrow(&self) -> &str {
        self.as_str()
    }
}

impl PartialEq for Text {
    fn eq(&self, other: &Self) -> bool {
        self.as_bytes() == other.as_bytes()
    }
}

impl Eq for Text {}

impl PartialEq<str> for Text {
    fn eq(&self, other: &str) -> bool {
        self.as_bytes() == other.as_bytes()
    }
}

impl PartialEq<&str> for Text {
    fn eq(&self, other: &&str) -> bool {
        self.as_bytes() == other.as_bytes()
    }
}

impl PartialOrd for Text {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Text {
    fn cmp(&self, other: &Self) -> Ordering {
        self.as_bytes().cmp(other.as_bytes())
    }
}

impl Hash for Text {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.as_str().hash(state);
    }
}

impl fmt::Display for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self.as_str(), f)
    }
}

impl fmt::Debug for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}

impl Serialize for Text {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for Text {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct AnyText;
        impl serde::de::Visitor<'_> for AnyText {
            type Value = Text;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string")
            }
            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Text, E> {
                Ok(text.into())
            }
        }
        from.deserialize_string(AnyText)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_what_it_was_made_of_however_long_it_is() {
        for length in [0, 1, SHORT_BYTES_MAX - 1, SHORT_BYTES_MAX, SHORT_BYTES_MAX + 1, 300] {
            let made_of = "é".repeat(length / 2) + &"x".repeat(length % 2);
            let text = Text::from(made_of.as_str());
            assert_eq!((text.as_str(), text.len()), (made_of.as_str(), length));
            assert_eq!(text.is_empty(), made_of.is_empty());
            assert_eq!(format!("{text} {text:?}"), format!("{made_of} {made_of:?}"));
            let stored = postcard::to_stdvec(&text).unwrap();
            assert_eq!(stored, postcard::to_stdvec(&made_of).unwrap());
            assert_eq!(postcard::from_bytes::<Text>(&stored).unwrap(), text);
        }
    }

    #[test]
    fn texts_are_ordered_as_strings_are() {
        let long = "b".repeat(SHORT_BYTES_MAX + 1);
        let words = ["", "a", "a\0", "ab", "b", &long, "bé", "z", "é"];
        let mut sorted = words.to_vec();
        sorted.sort_unstable();
        let mut texts = words.map(Text::from);
        texts.sort_unstable();
        assert_eq!(texts.each_ref().map(Text::as_str).to_vec(), sorted);
    }

    #[test]
    fn a_text_is_no_larger_than_five_words() {
        assert_eq!(size_of::<Text>(), 40);
    }
}
