//! The words of a template as a tree.
//!
//! Pure.

use std::{iter::Peekable, vec};

use serde_json::Value;

use super::{
    functions,
    tokens::{Piece, Token, pieces, tokens},
};

/// A part of a template.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Node {
    /// Text that stands for itself.
    Text(String),
    /// A value that is printed, or a variable that is set.
    Action(Pipeline),
    /// `if`.
    If(Pipeline, Vec<Node>, Vec<Node>),
    /// `with`.
    With(Pipeline, Vec<Node>, Vec<Node>),
    /// `range`, with the names of the variables for index and element.
    Range(Vec<String>, Pipeline, Vec<Node>, Vec<Node>),
}

/// Commands, each of which gets the result of the one before as its last argument.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Pipeline {
    /// The variable that is set.
    pub(super) target: Option<String>,
    /// At least one.
    pub(super) commands: Vec<Vec<Operand>>,
}

/// What a command is made of.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Operand {
    /// Fields of the dot.
    Field(Vec<String>),
    /// Fields of a variable.
    Variable(String, Vec<String>),
    /// A constant.
    Literal(Value),
    /// The name of a function.
    Function(String),
    /// A pipeline in parentheses, and fields of its result.
    Nested(Box<Pipeline>, Vec<String>),
}

/// How deep actions and parentheses may be nested.
const DEEPEST: usize = 40;

type Pieces = Peekable<vec::IntoIter<Piece>>;
type Tokens = Peekable<vec::IntoIter<Token>>;

/// Reads a whole template.
pub(super) fn template(text: &str) -> Result<Vec<Node>, String> {
    let mut all = pieces(text)?.into_iter().peekable();
    let (nodes, end) = list(&mut all, 0)?;
    match end {
        None => Ok(nodes),
        Some(end) => Err(format!("{{{{{end}}}}} has nothing that it belongs to")),
    }
}

/// Reads up to `end` or `else`, which is given back, or to the end of the template.
fn list(all: &mut Pieces, depth: usize) -> Result<(Vec<Node>, Option<String>), String> {
    if depth > DEEPEST {
        return Err(format!("it is nested more than {DEEPEST} deep"));
    }
    let mut nodes = Vec::new();
    while let Some(piece) = all.next() {
        let action = match piece {
            Piece::Text(text) => {
                nodes.push(Node::Text(text));
                continue;
            }
            Piece::Action(action) => action,
        };
        let (keyword, rest) = action.split_once(char::is_whitespace).unwrap_or((action.as_str(), ""));
        match keyword {
            "end" | "else" => return Ok((nodes, Some(action))),
            "if" | "with" | "range" => nodes.push(block(keyword, rest, all, depth)?),
            "define" | "template" | "block" | "break" | "continue" => {
                return Err(format!("{keyword} is not supported in tags"));
            }
            _ => {
                let mut words = tokens(&action)?.into_iter().peekable();
                let pipeline = pipeline(&mut words, 0)?;
                finished(&mut words)?;
                nodes.push(Node::Action(pipeline));
            }
        }
    }
    Ok((nodes, None))
}

fn block(keyword: &str, head: &str, all: &mut Pieces, depth: usize) -> Result<Node, String> {
    let mut words = tokens(head)?.into_iter().peekable();
    let names = if keyword == "range" { range_names(head)? } else { Vec::new() };
    if !names.is_empty() {
        // The names and the sign behind them were read already.
        while words.next_if(|word| *word != Token::Declare).is_some() {}
        words.next();
    }
    let value = pipeline(&mut words, 0)?;
    finished(&mut words)?;
    let (body, end) = list(all, depth + 1)?;
    let otherwise = match end.as_deref() {
        Some("end") => Vec::new(),
        Some("else") => match list(all, depth + 1)? {
            (nodes, Some(end)) if end == "end" => nodes,
            _ => return Err(format!("{keyword} is not closed with {{{{end}}}}")),
        },
        // `else if` is an `if` inside of the `else`, which shares its `end`.
        Some(other) => {
            match other.strip_prefix("else").map(str::trim).and_then(|rest| rest.split_once(' ')) {
                Some((inner @ ("if" | "with"), rest)) => vec![block(inner, rest, all, depth + 1)?],
                _ => return Err(format!("{{{{{other}}}}} is not understood")),
            }
        }
        None => return Err(format!("{keyword} is not closed with {{{{end}}}}")),
    };
    Ok(match keyword {
        "if" => Node::If(value, body, otherwise),
        "with" => Node::With(value, body, otherwise),
        _ => Node::Range(names, value, body, otherwise),
    })
}

/// The variables of `range $index, $element := …`.
fn range_names(head: &str) -> Result<Vec<String>, String> {
    let Some((names, _)) = head.split_once(":=") else { return Ok(Vec::new()) };
    let name = |name: &str| name.trim().strip_prefix('$').map(str::to_owned);
    let names: Option<Vec<String>> = names.split(',').map(name).collect();
    names.filter(|names| names.len() <= 2).ok_or_else(|| format!("range {head} is not understood"))
}

fn pipeline(words: &mut Tokens, depth: usize) -> Result<Pipeline, String> {
    if depth > DEEPEST {
        return Err(format!("parentheses are nested more than {DEEPEST} deep"));
    }
    let mut target = None;
    let mut commands = Vec::new();
    let mut command = Vec::new();
    while let Some(word) = words.next_if(|word| !matches!(word, Token::Close(_))) {
        match word {
            Token::Pipe => commands.push(std::mem::take(&mut command)),
            Token::Declare | Token::Assign => match (commands.is_empty(), command.as_slice()) {
                (true, [Operand::Variable(name, fields)]) if fields.is_empty() => {
                    target = Some(name.clone());
                    command.clear();
                }
                _ => return Err("only one variable can be set, at the beginning".to_owned()),
            },
            Token::Comma => return Err("a comma is not expected".to_owned()),
            Token::Field(names) => command.push(Operand::Field(names)),
            Token::Variable(name, names) => command.push(Operand::Variable(name, names)),
            Token::Text(text) => command.push(Operand::Literal(Value::from(text))),
            Token::Integer(integer) => command.push(Operand::Literal(Value::from(integer))),
            Token::Float(float) => command.push(Operand::Literal(Value::from(float))),
            Token::Word(word) => command.push(constant_or_function(word)?),
            Token::Open => {
                let inner = pipeline(words, depth + 1)?;
                let Some(Token::Close(names)) = words.next() else {
                    return Err("a parenthesis is not closed".to_owned());
                };
                command.push(Operand::Nested(Box::new(inner), names));
            }
            Token::Close(_) => {}
        }
    }
    commands.push(command);
    match commands.iter().any(Vec::is_empty) {
        true => Err("a value is missing".to_owned()),
        false => Ok(Pipeline { target, commands }),
    }
}

fn constant_or_function(word: String) -> Result<Operand, String> {
    match word.as_str() {
        "true" => Ok(Operand::Literal(Value::Bool(true))),
        "false" => Ok(Operand::Literal(Value::Bool(false))),
        "nil" => Ok(Operand::Literal(Value::Null)),
        known if functions::NAMES.contains(&known) || known == functions::HTTP_GET => {
            Ok(Operand::Function(word))
        }
        _ => Err(format!("function {word:?} not defined")),
    }
}

fn finished(words: &mut Tokens) -> Result<(), String> {
    match words.next() {
        None => Ok(()),
        Some(_) => Err("a parenthesis is closed that was not opened".to_owned()),
    }
}

/// Whether a function is called anywhere.
pub(super) fn calls(nodes: &[Node], name: &str) -> bool {
    nodes.iter().any(|node| match node {
        Node::Text(_) => false,
        Node::Action(pipeline) => called_in(pipeline, name),
        Node::If(pipeline, body, otherwise)
        | Node::With(pipeline, body, otherwise)
        | Node::Range(_, pipeline, body, otherwise) => {
            called_in(pipeline, name) || calls(body, name) || calls(otherwise, name)
        }
    })
}

fn called_in(pipeline: &Pipeline, name: &str) -> bool {
    pipeline.commands.iter().flatten().any(|operand| match operand {
        Operand::Function(function) => function == name,
        Operand::Nested(inner, _) => called_in(inner, name),
        _ => false,
    })
}
