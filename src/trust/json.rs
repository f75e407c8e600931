//! JSON read strictly: of two members with one name, other readers take the first or the last, so none is taken.

use std::fmt;

use serde::de::{DeserializeSeed, Error, MapAccess, SeqAccess, Visitor};

/// Levels of arrays and objects. A bundle has nine, a policy seven.
const MAX_DEPTH: usize = 32;
/// Values of one document, so that 4 MiB of `[0,0,…` do not become 100. A bundle has about a hundred; one scope of a
/// policy has ten.
const MAX_VALUES: usize = 100_000;

/// A value; numbers and truths are told apart only from the rest, as nothing that is read here has a meaningful one.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Json {
    Null,
    /// `true`, `false`, or a number.
    Scalar,
    Text(String),
    List(Vec<Json>),
    Object(Vec<(String, Json)>),
}

/// The value that is the whole of `bytes`. The error says where it is wrong, or which name stands there twice.
pub(super) fn parse(bytes: &[u8]) -> Result<Json, String> {
    let mut reader = serde_json::Deserializer::from_slice(bytes);
    let mut n_values = 0;
    let value = Level {
        depth: 0,
        n_values: &mut n_values,
    };
    let value = value.deserialize(&mut reader);
    let value = value.and_then(|value| reader.end().map(|()| value));
    value.map_err(|error| error.to_string())
}

impl Json {
    /// The members of an object.
    pub(super) fn members(&self) -> Option<&[(String, Json)]> {
        match self {
            Json::Object(members) => Some(members),
            _ => None,
        }
    }

    /// The value of an object's member.
    pub(super) fn get(&self, name: &str) -> Option<&Json> {
        let mut members = self.members()?.iter();
        members.find(|(known, _)| known == name).map(|(_, it)| it)
    }

    /// A text.
    pub(super) fn text(&self) -> Option<&str> {
        match self {
            Json::Text(text) => Some(text),
            _ => None,
        }
    }

    /// The text of an object's member.
    pub(super) fn text_of(&self, name: &str) -> Option<&str> {
        self.get(name)?.text()
    }

    /// The values of a list.
    pub(super) fn list(&self) -> Option<&[Json]> {
        match self {
            Json::List(values) => Some(values),
            _ => None,
        }
    }

    /// The first member of an object that is not one of `known`.
    pub(super) fn stranger(&self, known: &[&str]) -> Option<&str> {
        let mut names = self.members()?.iter().map(|(name, _)| name.as_str());
        names.find(|name| !known.contains(name))
    }
}

/// Reads one value, so many levels down.
struct Level<'a> {
    depth: usize,
    n_values: &'a mut usize,
}

impl Level<'_> {
    fn deeper<E: Error>(&mut self) -> Result<Level<'_>, E> {
        if self.depth == MAX_DEPTH {
            return Err(E::custom(format!("more than {MAX_DEPTH} levels")));
        }
        Ok(Level {
            depth: self.depth + 1,
            n_values: self.n_values,
        })
    }
}

impl<'de> DeserializeSeed<'de> for Level<'_> {
    type Value = Json;

    fn deserialize<D: serde::Deserializer<'de>>(self, reader: D) -> Result<Json, D::Error> {
        *self.n_values += 1;
        if *self.n_values > MAX_VALUES {
            return Err(D::Error::custom(format!("more than {MAX_VALUES} values")));
        }
        reader.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Level<'_> {
    type Value = Json;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<Json, E> {
        Ok(Json::Null)
    }

    fn visit_bool<E>(self, _: bool) -> Result<Json, E> {
        Ok(Json::Scalar)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Json, E> {
        Ok(Json::Scalar)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Json, E> {
        Ok(Json::Scalar)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Json, E> {
        Ok(Json::Scalar)
    }

    fn visit_str<E>(self, text: &str) -> Result<Json, E> {
        Ok(Json::Text(text.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut list: A) -> Result<Json, A::Error> {
        let mut values = Vec::new();
        while let Some(value) = list.next_element_seed(self.deeper()?)? {
            values.push(value);
        }
        Ok(Json::List(values))
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut map: A) -> Result<Json, A::Error> {
        let mut members: Vec<(String, Json)> = Vec::new();
        let mut names = std::collections::HashSet::new();
        while let Some(name) = map.next_key::<String>()? {
            if !names.insert(name.clone()) {
                let shown: String = name.escape_debug().take(80).collect();
                return Err(A::Error::custom(format!("`{shown}` stands there twice")));
            }
            members.push((name, map.next_value_seed(self.deeper()?)?));
        }
        Ok(Json::Object(members))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_readers_would_understand_differently_is_refused() {
        let fine = parse(br#"{"a":[null,1,-2,1.5,true,"t"],"b":{}}"#).expect("JSON");
        assert_eq!(fine.get("a").and_then(Json::list).map(<[_]>::len), Some(6));
        assert_eq!(fine.stranger(&["a"]), Some("b"));
        for (bad, why) in [
            (r#"{"a":1,"a":1}"#, "`a` stands there twice"),
            (r#"{"a":1,"\u0061":2}"#, "`a` stands there twice"),
            (r#"[{"x":{"b":1,"c":2,"b":3}}]"#, "`b` stands there twice"),
            (r#"{"a":1} {"#, "trailing"),
            (r#"{"a":1"#, "EOF"),
            (r#"{a:1}"#, "key must be a string"),
            (r#"["\ud800"]"#, "hex escape"),
            ("", "EOF"),
        ] {
            let error = parse(bad.as_bytes()).expect_err(bad);
            assert!(error.contains(why), "{bad}: {error}");
        }
        assert!(parse(b"\"\xff\"").is_err());
        let deep = |n: usize| "[".repeat(n) + &"]".repeat(n);
        assert!(parse(deep(32).as_bytes()).is_ok());
        assert!(parse(deep(33).as_bytes()).is_err());
        let long = |n: usize| format!("[{}0]", "0,".repeat(n));
        assert!(parse(long(90_000).as_bytes()).is_ok());
        assert!(parse(long(100_000).as_bytes()).is_err());
    }
}
