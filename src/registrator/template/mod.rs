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

use std::collections::BTreeMap;

use serde_json::Value;

/// What servers answered to `httpGet`, by URL. Rendering asks nobody: it says what it needs, and is begun anew with it.
pub type Answers = BTreeMap<String, String>;

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
    /// It needs what is at this URL.
    #[error("the template of -tags needs what is at {0}")]
    Needs(String),
}

impl Template {
    /// Reads a template. `asks` says whether it may ask other servers.
    ///
    /// # Errors
    /// When its text is wrong, or it names a function that is not there or not allowed.
    pub fn parse(text: &str, asks: bool) -> Result<Self, TemplateError> {
        let nodes = parse::template(text).map_err(TemplateError::Syntax)?;
        if !asks && parse::calls(&nodes, functions::HTTP_GET) {
            let why =
                "httpGet makes every look at a container wait for another server; -allow-http-get allows it";
            return Err(TemplateError::Syntax(why.to_owned()));
        }
        Ok(Self { nodes })
    }

    /// Whether the text is the same for every container, so that no container has to be given to it.
    pub fn is_plain(&self) -> bool {
        self.nodes.iter().all(|node| matches!(node, parse::Node::Text(_)))
    }

    /// Renders it for a container, as `docker inspect` shows it.
    ///
    /// # Errors
    /// When a function gets what it can't work with, or the template does or writes too much; and
    /// [`TemplateError::Needs`] when it asks for what is not among the answers.
    pub fn render(&self, container: &Value, answers: &Answers) -> Result<String, TemplateError> {
        evaluate::render(&self.nodes, container, answers)
    }
}
