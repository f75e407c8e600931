//! YAML as far as specifications need it: one document, as a tree of bounded size.
//!
//! The events come from a parser; what is made of them, and the limits, are here. What a plain scalar means is decided
//! by the field that it goes into, as the reference implementation does it: `name: 0` is the device `0`.

use std::collections::HashMap;
use std::fmt;

use granit_parser::{Event, Parser, ScalarStyle, Span, Tag};
use serde::de::value::{MapDeserializer, SeqDeserializer};
use serde::de::{self, DeserializeOwned, Deserializer, IntoDeserializer, Visitor};
use serde::forward_to_deserialize_any;

/// Collections in collections; a specification has six levels.
const MAX_DEPTH: usize = 32;
/// What the tree may weigh, aliases and anchors counted as often as they stand for something. A specification of
/// sixteen partitioned processors weighs 2 MiB.
const MAX_WEIGHT: usize = 32 << 20;
/// What a node weighs without its text.
const NODE_WEIGHT: usize = 64;

/// What is wrong with a document, and on which line.
#[derive(Debug)]
pub(super) struct YamlError {
    line: Option<usize>,
    reason: String,
}

/// Reads the one document of `text`.
pub(super) fn read<T: DeserializeOwned>(text: &str) -> Result<T, YamlError> {
    let options = granit_parser::options! {
        flow_nesting_limit: MAX_DEPTH,
        block_nesting_limit: MAX_DEPTH,
    };
    let mut builder = Builder {
        parser: Parser::new_from_str_with_options(text, options),
        anchors: HashMap::new(),
        weight: 0,
    };
    T::deserialize(builder.document()?)
}

/// One node of the tree, and its line.
#[derive(Clone, Debug)]
struct Node {
    line: usize,
    value: Value,
}

#[derive(Clone, Debug)]
enum Value {
    /// Text, and whether it stands without quotes, so that it may mean null, a truth value or a number.
    Scalar(String, Quoting),
    List(Vec<Node>),
    Map(Vec<(String, Node)>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Quoting {
    Plain,
    Quoted,
}

/// Makes the tree of the events.
struct Builder<'input> {
    parser: Parser<'input, granit_parser::StrInput<'input>>,
    /// Nodes that aliases may stand for; complete ones only, so that none contains itself.
    anchors: HashMap<usize, Node>,
    weight: usize,
}

impl<'input> Builder<'input> {
    fn document(&mut self) -> Result<Node, YamlError> {
        let mut document = None;
        loop {
            let (event, span) = self.event()?;
            match event {
                Event::StreamStart | Event::DocumentEnd => {}
                Event::DocumentStart(..) if document.is_some() => {
                    return Err(at(&span, "a second document begins"));
                }
                Event::DocumentStart(..) => {
                    let (event, span) = self.event()?;
                    document = Some(self.node(event, &span, 0)?);
                }
                Event::StreamEnd => {
                    return document.ok_or_else(|| at(&span, "the document is empty"));
                }
                _ => return Err(at(&span, "a node outside of a document")),
            }
        }
    }

    fn event(&mut self) -> Result<(Event<'input>, Span), YamlError> {
        match self.parser.next_event() {
            Some(Ok(event)) => Ok(event),
            Some(Err(error)) => Err(YamlError {
                line: Some(error.marker().line()),
                reason: error.info().to_string(),
            }),
            None => Err(de::Error::custom("the document ends too early")),
        }
    }

    /// The node that begins with `event`. Recursion ends at `MAX_DEPTH`.
    fn node(&mut self, event: Event<'input>, span: &Span, depth: usize) -> Result<Node, YamlError> {
        if depth > MAX_DEPTH {
            return Err(at(span, "nested too deeply"));
        }
        let (value, anchor) = match event {
            Event::Scalar(text, style, anchor, tag) => {
                let is_text = check_tag(tag.as_deref(), span)? == Some("str");
                let quoting = match style == ScalarStyle::Plain && !is_text {
                    true => Quoting::Plain,
                    false => Quoting::Quoted,
                };
                (Value::Scalar(text.into_owned(), quoting), anchor)
            }
            Event::SequenceStart(_, anchor, tag) => {
                check_tag(tag.as_deref(), span)?;
                (Value::List(self.list(depth)?), anchor)
            }
            Event::MappingStart(_, anchor, tag) => {
                check_tag(tag.as_deref(), span)?;
                (Value::Map(self.map(depth)?), anchor)
            }
            Event::Alias(anchor) => {
                let node = self.anchors.get(&anchor).cloned();
                let node = node.ok_or_else(|| at(span, "an alias stands for what contains it"))?;
                self.count(weight(&node), span)?;
                return Ok(node);
            }
            _ => return Err(at(span, "a node is missing")),
        };
        let line = span.start.line();
        let node = Node { line, value };
        if let Value::Scalar(text, _) = &node.value {
            self.count(NODE_WEIGHT + text.len(), span)?;
        } else {
            self.count(NODE_WEIGHT, span)?;
        }
        if anchor != 0 {
            self.count(weight(&node), span)?;
            self.anchors.insert(anchor, node.clone());
        }
        Ok(node)
    }

    fn list(&mut self, depth: usize) -> Result<Vec<Node>, YamlError> {
        let mut items = Vec::new();
        loop {
            match self.event()? {
                (Event::SequenceEnd, _) => return Ok(items),
                (event, span) => items.push(self.node(event, &span, depth + 1)?),
            }
        }
    }

    fn map(&mut self, depth: usize) -> Result<Vec<(String, Node)>, YamlError> {
        let mut entries: Vec<(String, Node)> = Vec::new();
        loop {
            let (event, span) = match self.event()? {
                (Event::MappingEnd, _) => return Ok(entries),
                begin => begin,
            };
            let Value::Scalar(key, quoting) = self.node(event, &span, depth + 1)?.value else {
                return Err(at(&span, "a key that is no text"));
            };
            // YAML 1.1, "merge key". Taken for an ordinary field it would be dropped with a warning.
            if key == "<<" && quoting == Quoting::Plain {
                return Err(at(&span, "merge keys (`<<`) are not supported"));
            }
            let (event, span) = self.event()?;
            entries.push((key, self.node(event, &span, depth + 1)?));
        }
    }

    fn count(&mut self, weight: usize, span: &Span) -> Result<(), YamlError> {
        self.weight += weight;
        match self.weight > MAX_WEIGHT {
            true => Err(at(
                span,
                "the document grows too large, probably by its aliases",
            )),
            false => Ok(()),
        }
    }
}

/// Tags of other schemes may mean anything. YAML 1.2.2, 10.3.1.
fn check_tag<'a>(tag: Option<&'a Tag>, span: &Span) -> Result<Option<&'a str>, YamlError> {
    match tag.map(Tag::core_suffix) {
        None => Ok(None),
        Some(Some(suffix)) => Ok(Some(suffix)),
        Some(None) => Err(at(span, "a tag that is not in YAML's core schema")),
    }
}

/// What a finished node adds where it is repeated; its depth is bounded by how it was made.
fn weight(node: &Node) -> usize {
    let below: usize = match &node.value {
        Value::Scalar(text, _) => text.len(),
        Value::List(items) => items.iter().map(weight).sum(),
        Value::Map(entries) => entries
            .iter()
            .map(|(key, node)| key.len() + weight(node))
            .sum(),
    };
    NODE_WEIGHT + below
}

fn at(span: &Span, reason: &str) -> YamlError {
    YamlError {
        line: Some(span.start.line()),
        reason: reason.to_owned(),
    }
}

impl fmt::Display for YamlError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            Some(line) => write!(f, "line {line}: {}", self.reason),
            None => f.write_str(&self.reason),
        }
    }
}

impl std::error::Error for YamlError {}

impl de::Error for YamlError {
    fn custom<T: fmt::Display>(reason: T) -> YamlError {
        YamlError {
            line: None,
            reason: reason.to_string(),
        }
    }
}

/// Whether a plain scalar means that there is nothing. YAML 1.2.2, 10.3.2.
fn is_null(text: &str) -> bool {
    matches!(text, "" | "~" | "null" | "Null" | "NULL")
}

/// The number that a plain scalar means: decimal, `0x`, `0o`, and YAML 1.1's `0644`, which is how file modes are written.
fn number(text: &str) -> Option<i64> {
    let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
    let (digits, base) = match digits.as_bytes() {
        [b'0', b'x', ..] => (&digits[2..], 16),
        [b'0', b'o', ..] => (&digits[2..], 8),
        [b'0', b'0'..=b'9', ..] => (&digits[1..], 8),
        _ => (digits, 10),
    };
    // `from_str_radix` would take a second sign.
    if digits.starts_with(['-', '+']) {
        return None;
    }
    let value = i64::from_str_radix(digits, base).ok()?;
    Some(if text.starts_with('-') { -value } else { value })
}

impl<'de> Deserializer<'de> for Node {
    type Error = YamlError;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, YamlError> {
        let line = self.line;
        let done = match self.value {
            Value::List(items) => visitor.visit_seq(SeqDeserializer::new(items.into_iter())),
            Value::Map(entries) => visitor.visit_map(MapDeserializer::new(entries.into_iter())),
            Value::Scalar(text, Quoting::Quoted) => visitor.visit_string(text),
            Value::Scalar(text, Quoting::Plain) if is_null(&text) => visitor.visit_unit(),
            Value::Scalar(text, Quoting::Plain) => match (text.as_str(), number(&text)) {
                ("true" | "True" | "TRUE", _) => visitor.visit_bool(true),
                ("false" | "False" | "FALSE", _) => visitor.visit_bool(false),
                (_, Some(number)) => visitor.visit_i64(number),
                _ => visitor.visit_string(text),
            },
        };
        done.map_err(|error| on(line, error))
    }

    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, YamlError> {
        match self.value {
            Value::Scalar(text, quoting) if quoting == Quoting::Quoted || !is_null(&text) => {
                visitor
                    .visit_string(text)
                    .map_err(|error| on(self.line, error))
            }
            _ => self.deserialize_any(visitor),
        }
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, YamlError> {
        self.deserialize_str(visitor)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, YamlError> {
        match &self.value {
            Value::Scalar(text, Quoting::Plain) if is_null(text) => visitor.visit_none(),
            _ => visitor.visit_some(self),
        }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, YamlError> {
        visitor.visit_newtype_struct(self)
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char bytes byte_buf unit unit_struct seq tuple
        tuple_struct map struct enum identifier ignored_any
    }
}

impl<'de> IntoDeserializer<'de, YamlError> for Node {
    type Deserializer = Node;

    fn into_deserializer(self) -> Node {
        self
    }
}

/// The innermost line is the one that helps.
fn on(line: usize, error: YamlError) -> YamlError {
    YamlError {
        line: error.line.or(Some(line)),
        ..error
    }
}
