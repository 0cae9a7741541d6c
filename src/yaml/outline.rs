//! Where each field of a document is written: for messages with a place, and for edits that keep the layout.

use std::ops::Range;

use serde_saphyr::granit_parser::{Event, Parser, ScalarStyle, Span};

use super::{Error, Position};

/// One value of a document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    /// The keys and list indexes that lead to it; empty for the whole document.
    pub path: Vec<String>,
    /// Where its key begins; its own place when it has none.
    pub key: Position,
    /// Where it begins.
    pub at: Position,
    /// The bytes of the text that it fills, if they are known.
    pub bytes: Option<Range<usize>>,
    /// What it is.
    pub shape: Shape,
}

/// What a value is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Shape {
    /// A mapping.
    Object,
    /// A sequence.
    List,
    /// A scalar without quotes.
    Plain(String),
    /// A scalar in quotes or as a block.
    Text(String),
    /// A reference to another value.
    Alias,
}

impl Node {
    /// The path as people write it: `spec.etcd.extraArgs`, `spec.accessModes[0]`.
    pub fn dotted(&self) -> String {
        let mut dotted = String::new();
        for part in &self.path {
            if !dotted.is_empty() && !part.starts_with('[') {
                dotted.push('.');
            }
            dotted.push_str(part);
        }
        dotted
    }
}

/// Lists the values of a text with one document, outer ones before inner ones, in the order of the text.
///
/// # Errors
/// When the text is not YAML.
pub fn outline(text: &str) -> Result<Vec<Node>, Error> {
    let mut walk = Walk { nodes: Vec::new(), open: Vec::new() };
    for event in Parser::new_from_str(text) {
        let (event, span) = event.map_err(|error| Error {
            at: Some(Position {
                line: error.marker().line() as u64,
                column: error.marker().col() as u64 + 1,
            }),
            message: error.info(),
            missing: None,
        })?;
        walk.see(event, span);
    }
    Ok(walk.nodes)
}

/// A container that has not ended yet.
struct Open {
    path: Vec<String>,
    entry: Entry,
}

/// What comes next in a container.
enum Entry {
    Key,
    Value(String, Position),
    Item(usize),
}

struct Walk {
    nodes: Vec<Node>,
    open: Vec<Open>,
}

impl Walk {
    fn see(&mut self, event: Event<'_>, span: Span) {
        match event {
            Event::MappingStart(..) => self.container(Shape::Object, Entry::Key, span),
            Event::SequenceStart(..) => self.container(Shape::List, Entry::Item(0), span),
            Event::MappingEnd | Event::SequenceEnd => {
                self.open.pop();
            }
            Event::Scalar(text, style, ..) => {
                let text = text.into_owned();
                if let Some(open) = self.open.last_mut()
                    && matches!(open.entry, Entry::Key)
                {
                    open.entry = Entry::Value(text, position(span));
                    return;
                }
                let plain = matches!(style, ScalarStyle::Plain);
                self.value(if plain { Shape::Plain(text) } else { Shape::Text(text) }, span);
            }
            Event::Alias(..) | Event::UnresolvedAlias(..) => {
                if let Some(open) = self.open.last_mut()
                    && matches!(open.entry, Entry::Key)
                {
                    open.entry = Entry::Value("*".into(), position(span));
                    return;
                }
                self.value(Shape::Alias, span);
            }
            _ => {}
        }
    }

    fn container(&mut self, shape: Shape, entry: Entry, span: Span) {
        let path = self.value(shape, span);
        self.open.push(Open { path, entry });
    }

    /// Notes a value, moves its container on to the next entry, and returns the value's path.
    fn value(&mut self, shape: Shape, span: Span) -> Vec<String> {
        let at = position(span);
        let mut key = at;
        let mut path = Vec::new();
        if let Some(open) = self.open.last_mut() {
            path.clone_from(&open.path);
            match std::mem::replace(&mut open.entry, Entry::Key) {
                // A container as a key has no name, and the value after it goes by the same placeholder.
                Entry::Key => {
                    path.push("?".into());
                    open.entry = Entry::Value("?".into(), at);
                }
                Entry::Value(name, place) => {
                    key = place;
                    path.push(name);
                }
                Entry::Item(index) => {
                    path.push(format!("[{index}]"));
                    open.entry = Entry::Item(index + 1);
                }
            }
        }
        self.nodes.push(Node { path: path.clone(), key, at, bytes: span.byte_range(), shape });
        path
    }
}

fn position(span: Span) -> Position {
    Position { line: span.start.line() as u64, column: span.start.col() as u64 + 1 }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(text: &str) -> Vec<(String, String)> {
        let show = |node: &Node| (node.dotted(), node.at.to_string());
        outline(text).unwrap().iter().map(show).collect()
    }

    #[test]
    fn every_value_has_its_path_and_place() {
        let text = "spec:\n  size: 3 # three\n  list: [a, {b: c}]\n";
        let expected = [
            ("", "line 1, column 1"),
            ("spec", "line 2, column 3"),
            ("spec.size", "line 2, column 9"),
            ("spec.list", "line 3, column 9"),
            ("spec.list[0]", "line 3, column 10"),
            ("spec.list[1]", "line 3, column 13"),
            ("spec.list[1].b", "line 3, column 17"),
        ];
        assert_eq!(found(text), expected.map(|(a, b)| (a.to_owned(), b.to_owned())));
        let nodes = outline(text).unwrap();
        let size = nodes.iter().find(|node| node.dotted() == "spec.size").unwrap();
        assert_eq!(&text[size.bytes.clone().unwrap()], "3");
        assert_eq!(size.shape, Shape::Plain("3".into()));
    }

    #[test]
    fn aliases_and_odd_keys_do_not_confuse_it() {
        let text = "a: &x {n: 1}\nb: *x\n? [k, l]\n: v\nc: 'q'\n";
        let nodes = outline(text).unwrap();
        let shape = |path: &str| nodes.iter().find(|node| node.dotted() == path).unwrap().shape.clone();
        assert_eq!(shape("b"), Shape::Alias);
        assert_eq!(shape("c"), Shape::Text("q".into()));
    }
}
