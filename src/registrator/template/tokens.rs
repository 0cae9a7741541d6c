//! A template as pieces: text, and the words between braces.
//!
//! Pure.

/// A piece of a template.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Piece {
    /// Text that stands for itself.
    Text(String),
    /// What stands between `{{` and `}}`, without trim markers.
    Action(String),
}

/// A word of an action.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Token {
    /// A name of a function or a keyword.
    Word(String),
    /// `.`, or `.a.b`: the names behind the dots.
    Field(Vec<String>),
    /// `$`, `$x` or `$x.a.b`.
    Variable(String, Vec<String>),
    /// A text in quotes.
    Text(String),
    /// A whole number.
    Integer(i64),
    /// A number with a fraction.
    Float(f64),
    /// `(`.
    Open,
    /// `)`, and the fields behind it.
    Close(Vec<String>),
    /// `|`.
    Pipe,
    /// `:=`.
    Declare,
    /// `=`.
    Assign,
    /// `,`.
    Comma,
}

/// Cuts a template into text and actions.
pub(super) fn pieces(template: &str) -> Result<Vec<Piece>, String> {
    let mut pieces = Vec::new();
    let mut rest = template;
    let mut trim = false;
    while let Some((text, after)) = rest.split_once("{{") {
        let (trims_before, after) = match after.strip_prefix("- ") {
            Some(after) => (true, after),
            None => (false, after),
        };
        push_text(&mut pieces, text, trim, trims_before);
        let (action, after) = action(after)?;
        let (action, trims_after) = match action.strip_suffix(" -") {
            Some(action) => (action, true),
            None => (action, false),
        };
        trim = trims_after;
        rest = after;
        let action = action.trim();
        if !(action.starts_with("/*") && action.ends_with("*/")) {
            pieces.push(Piece::Action(action.to_owned()));
        }
    }
    push_text(&mut pieces, rest, trim, false);
    Ok(pieces)
}

fn push_text(pieces: &mut Vec<Piece>, text: &str, trim_start: bool, trim_end: bool) {
    let text = if trim_start { text.trim_start() } else { text };
    let text = if trim_end { text.trim_end() } else { text };
    if !text.is_empty() {
        pieces.push(Piece::Text(text.to_owned()));
    }
}

/// Splits at the closing braces; those inside of quotes close nothing.
fn action(text: &str) -> Result<(&str, &str), String> {
    if text.trim_start().starts_with("/*") {
        return text.split_once("}}").ok_or_else(|| "a comment is not closed".to_owned());
    }
    let mut quote = None;
    let mut escaped = false;
    for (at, character) in text.char_indices() {
        match (quote, character) {
            (Some('"'), '\\') if !escaped => {
                escaped = true;
                continue;
            }
            (Some(open), character) if character == open && !escaped => quote = None,
            (None, '"' | '`') => quote = Some(character),
            (None, '}') if text.get(at..).is_some_and(|rest| rest.starts_with("}}")) => {
                let (inside, rest) = text.split_at(at);
                return Ok((inside, rest.get(2..).unwrap_or_default()));
            }
            _ => {}
        }
        escaped = false;
    }
    Err("an action is not closed with }}".to_owned())
}

/// Reads the words of an action.
pub(super) fn tokens(action: &str) -> Result<Vec<Token>, String> {
    let mut tokens = Vec::new();
    let mut rest = action.trim_start();
    while let Some(first) = rest.chars().next() {
        let (token, after) = token(first, rest)?;
        tokens.push(token);
        rest = after.trim_start();
    }
    Ok(tokens)
}

fn token(first: char, text: &str) -> Result<(Token, &str), String> {
    let skip = |count: usize| text.get(count..).unwrap_or_default();
    Ok(match first {
        '(' => (Token::Open, skip(1)),
        ')' => {
            let (names, rest) = fields(skip(1));
            (Token::Close(names), rest)
        }
        '|' => (Token::Pipe, skip(1)),
        ',' => (Token::Comma, skip(1)),
        ':' if text.starts_with(":=") => (Token::Declare, skip(2)),
        '=' => (Token::Assign, skip(1)),
        '"' => quoted(text)?,
        '`' => {
            let (inside, rest) = skip(1).split_once('`').ok_or("a text in back quotes is not closed")?;
            (Token::Text(inside.to_owned()), rest)
        }
        '.' => {
            let (names, rest) = fields(text);
            (Token::Field(names), if rest.len() == text.len() { skip(1) } else { rest })
        }
        '$' => {
            let (name, rest) = word(skip(1));
            let (names, rest) = fields(rest);
            (Token::Variable(name.to_owned(), names), rest)
        }
        '0'..='9' | '-' | '+' => number(text)?,
        letter if letter.is_alphabetic() || letter == '_' => {
            let (name, rest) = word(text);
            (Token::Word(name.to_owned()), rest)
        }
        other => return Err(format!("{other:?} is not expected in {text:?}")),
    })
}

fn word(text: &str) -> (&str, &str) {
    let end = text.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(text.len());
    text.split_at(end)
}

/// `.a.b` and what follows; nothing if no name follows the dot.
fn fields(text: &str) -> (Vec<String>, &str) {
    let mut names = Vec::new();
    let mut rest = text;
    while let Some(after) = rest.strip_prefix('.') {
        let (name, after) = word(after);
        if name.is_empty() {
            break;
        }
        names.push(name.to_owned());
        rest = after;
    }
    (names, rest)
}

fn number(text: &str) -> Result<(Token, &str), String> {
    let end = text.find(|c: char| !c.is_alphanumeric() && !"+-._".contains(c)).unwrap_or(text.len());
    let (number, rest) = text.split_at(end);
    let token = match number.parse::<i64>() {
        Ok(integer) => Token::Integer(integer),
        Err(_) => Token::Float(number.parse().map_err(|_| format!("{number:?} is no number"))?),
    };
    Ok((token, rest))
}

fn quoted(text: &str) -> Result<(Token, &str), String> {
    let mut value = String::new();
    let mut characters = text.char_indices().skip(1);
    while let Some((at, character)) = characters.next() {
        match character {
            '"' => return Ok((Token::Text(value), text.get(at + 1..).unwrap_or_default())),
            '\\' => match characters.next().map(|(_, escaped)| escaped) {
                Some('n') => value.push('\n'),
                Some('t') => value.push('\t'),
                Some('r') => value.push('\r'),
                Some(same @ ('"' | '\\' | '\'')) => value.push(same),
                other => return Err(format!("the escape \\{} is not known", other.unwrap_or(' '))),
            },
            other => value.push(other),
        }
    }
    Err("a text in quotes is not closed".to_owned())
}
