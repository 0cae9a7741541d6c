//! Rendering: a tree and a container to text.
//!
//! Pure. Work and output are bounded, since a label of a container may be of any size.

use std::collections::BTreeMap;

use serde_json::Value;

use super::{
    Answers, TemplateError,
    functions::{self, HTTP_GET, show, text_of, truth},
    parse::{Node, Operand, Pipeline},
};

/// How many nodes and operands one rendering may look at.
const MOST_STEPS: usize = 20_000;

/// The longest text a template may write, in bytes.
const LONGEST: usize = 64 * 1024;

struct Run<'a> {
    variables: BTreeMap<String, Value>,
    output: String,
    steps: usize,
    answers: &'a Answers,
    /// The URL whose answer is missing, which ended the rendering.
    needs: Option<String>,
}

/// Renders a template.
pub(super) fn render(nodes: &[Node], root: &Value, answers: &Answers) -> Result<String, TemplateError> {
    let variables = BTreeMap::from([(String::new(), root.clone())]);
    let mut run = Run { variables, output: String::new(), steps: 0, answers, needs: None };
    match (run.nodes(nodes, root), run.needs) {
        (Ok(()), _) => Ok(run.output),
        (Err(_), Some(url)) => Err(TemplateError::Needs(url)),
        (Err(why), None) => Err(TemplateError::Render(why)),
    }
}

impl Run<'_> {
    fn call(&mut self, name: &str, arguments: &[Value]) -> Result<Value, String> {
        let result = match arguments {
            [url] if name == HTTP_GET => text_of(url).map(str::to_owned).and_then(|url| {
                let known = self.answers.get(&url).map(|answer| Value::from(answer.as_str()));
                known.ok_or_else(|| {
                    self.needs = Some(url);
                    "its answer is not there".to_owned()
                })
            }),
            _ => functions::call(name, arguments),
        };
        result.map_err(|why| format!("{name}: {why}"))
    }

    fn step(&mut self) -> Result<(), String> {
        self.steps += 1;
        match self.steps > MOST_STEPS {
            true => Err(format!("it takes more than {MOST_STEPS} steps")),
            false => Ok(()),
        }
    }

    fn write(&mut self, text: &str) -> Result<(), String> {
        if self.output.len() + text.len() > LONGEST {
            return Err(format!("it writes more than {LONGEST} bytes"));
        }
        self.output.push_str(text);
        Ok(())
    }

    fn nodes(&mut self, nodes: &[Node], dot: &Value) -> Result<(), String> {
        for node in nodes {
            self.step()?;
            match node {
                Node::Text(text) => self.write(text)?,
                Node::Action(pipeline) => {
                    let value = self.pipeline(pipeline, dot)?;
                    if pipeline.target.is_none() {
                        self.write(&show(&value))?;
                    }
                }
                Node::If(pipeline, body, otherwise) => {
                    let branch = if truth(&self.pipeline(pipeline, dot)?) { body } else { otherwise };
                    self.nodes(branch, dot)?;
                }
                Node::With(pipeline, body, otherwise) => {
                    let value = self.pipeline(pipeline, dot)?;
                    match truth(&value) {
                        true => self.nodes(body, &value)?,
                        false => self.nodes(otherwise, dot)?,
                    }
                }
                Node::Range(names, pipeline, body, otherwise) => {
                    let value = self.pipeline(pipeline, dot)?;
                    self.range(names, &value, body, otherwise, dot)?;
                }
            }
        }
        Ok(())
    }

    fn range(
        &mut self,
        names: &[String],
        value: &Value,
        body: &[Node],
        otherwise: &[Node],
        dot: &Value,
    ) -> Result<(), String> {
        let elements: Vec<(Value, &Value)> = match value {
            Value::Array(all) => all.iter().enumerate().map(|(at, one)| (Value::from(at), one)).collect(),
            // serde_json keeps keys in order, as Go's templates do.
            Value::Object(all) => all.iter().map(|(key, one)| (Value::from(key.as_str()), one)).collect(),
            Value::Null => Vec::new(),
            other => return Err(format!("range can't iterate over {}", show(other))),
        };
        if elements.is_empty() {
            return self.nodes(otherwise, dot);
        }
        for (index, element) in elements {
            match names {
                [only] => {
                    self.variables.insert(only.clone(), element.clone());
                }
                [first, second] => {
                    self.variables.insert(first.clone(), index);
                    self.variables.insert(second.clone(), element.clone());
                }
                _ => {}
            }
            self.nodes(body, element)?;
        }
        Ok(())
    }

    fn pipeline(&mut self, pipeline: &Pipeline, dot: &Value) -> Result<Value, String> {
        let mut result = None;
        for command in &pipeline.commands {
            result = Some(self.command(command, result, dot)?);
        }
        let value = result.unwrap_or(Value::Null);
        if let Some(name) = &pipeline.target {
            self.variables.insert(name.clone(), value.clone());
        }
        Ok(value)
    }

    fn command(&mut self, command: &[Operand], piped: Option<Value>, dot: &Value) -> Result<Value, String> {
        let Some((first, rest)) = command.split_first() else { return Err("a value is missing".into()) };
        if let Operand::Function(name) = first {
            let mut arguments = Vec::new();
            for operand in rest {
                arguments.push(self.operand(operand, dot)?);
            }
            arguments.extend(piped);
            return self.call(name, &arguments);
        }
        if !rest.is_empty() || piped.is_some() {
            return Err("a value that is no function gets arguments".to_owned());
        }
        self.operand(first, dot)
    }

    fn operand(&mut self, operand: &Operand, dot: &Value) -> Result<Value, String> {
        self.step()?;
        match operand {
            Operand::Field(names) => Ok(field(dot, names)),
            Operand::Literal(value) => Ok(value.clone()),
            Operand::Function(name) => self.call(name, &[]),
            Operand::Variable(name, names) => match self.variables.get(name) {
                Some(value) => Ok(field(value, names)),
                None => Err(format!("variable ${name} is not set")),
            },
            Operand::Nested(pipeline, names) => {
                let value = self.pipeline(pipeline, dot)?;
                Ok(field(&value, names))
            }
        }
    }
}

/// A field of a field of a value, or nothing.
///
/// The original's templates name fields as its Go structs do (`.ID`), the engine's JSON a little otherwise (`Id`): a name
/// that is not there is looked for without regard to case.
fn field(value: &Value, names: &[String]) -> Value {
    let mut value = value;
    for name in names {
        let Value::Object(fields) = value else { return Value::Null };
        let alike = || fields.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value);
        match fields.get(name).or_else(alike) {
            Some(next) => value = next,
            None => return Value::Null,
        }
    }
    value.clone()
}
