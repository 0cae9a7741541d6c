//! The templates of `-tags`: the part of Go's `text/template` that such templates are made of, with the functions of
//! the original.
//!
//! Pure. Actions, pipelines, `if`, `range`, `with`, variables, comments and trim markers are there; `define`, `block`,
//! `template` and `break` are not, since a list of tags has no use for them. What a container says flows through a
//! template as data only, and a template that does too much or writes too much is stopped.

mod evaluate;
mod functions;
mod parse;
mod tokens;

use serde_json::Value;

/// A template that was read.
#[derive(Debug, Clone, PartialEq)]
pub struct Template {
    nodes: Vec<parse::Node>,
}

/// Why a template can't be read or rendered.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TemplateError {
    /// Its text is wrong.
    #[error("the template of -tags can't be read: {0}")]
    Syntax(String),
    /// It does not fit the container.
    #[error("the template of -tags can't be rendered: {0}")]
    Render(String),
}

impl Template {
    /// Reads a template.
    ///
    /// # Errors
    /// When its text is wrong, or it names a function that is not there.
    pub fn parse(text: &str) -> Result<Self, TemplateError> {
        parse::template(text).map(|nodes| Self { nodes }).map_err(TemplateError::Syntax)
    }

    /// Whether the text is the same for every container, so that no container has to be given to it.
    pub fn is_plain(&self) -> bool {
        self.nodes.iter().all(|node| matches!(node, parse::Node::Text(_)))
    }

    /// Renders it for a container, as `docker inspect` shows it.
    ///
    /// # Errors
    /// When a function gets what it can't work with, or the template does or writes too much.
    pub fn render(&self, container: &Value) -> Result<String, TemplateError> {
        evaluate::render(&self.nodes, container).map_err(TemplateError::Render)
    }
}
