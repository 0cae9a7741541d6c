//! Reading the manifest a person names.

use std::{
    io::{ErrorKind, Read},
    path::Path,
};

use super::exit::{self, CommandError, ExitCode};
use crate::{
    api::{
        manifest::{self, Manifest},
        validate,
    },
    member,
};

/// `quorate validate`: the rules of the CRD, offline.
pub(super) fn validate(file: &Path) -> Result<(), CommandError> {
    let (_, manifest) = read(file)?;
    warn(&manifest, file);
    exit::print(&format!("{}: etcdcluster {} is valid\n", file.display(), manifest.name))
}

/// Reads and checks a manifest; `-` is standard input.
pub(super) fn read(file: &Path) -> Result<(String, Manifest), CommandError> {
    let text = if file == Path::new("-") {
        let mut text = String::new();
        std::io::stdin().read_to_string(&mut text).map(|_| text)
    } else {
        std::fs::read_to_string(file)
    };
    let text = text.map_err(|error| match error.kind() {
        ErrorKind::NotFound => CommandError::new(
            ExitCode::NotFound,
            format!("{} does not exist: name a manifest with -f, or - for standard input", file.display()),
        ),
        ErrorKind::InvalidData => CommandError::new(
            ExitCode::Refused,
            format!("{} is not a text in UTF-8, so it is no manifest", file.display()),
        ),
        _ => CommandError::failed(format!("{}: {error}", file.display())),
    })?;
    let manifest = parse(&text, file)?;
    Ok((text, manifest))
}

/// Checks the text of a manifest.
pub(super) fn parse(text: &str, file: &Path) -> Result<Manifest, CommandError> {
    let named = |problem: &dyn std::fmt::Display| format!("{}: {problem}", file.display());
    let manifest =
        manifest::read(text).map_err(|error| CommandError::new(ExitCode::Refused, named(&error)))?;
    match validate::check(&manifest.name, &manifest.spec) {
        Ok(_) => Ok(manifest),
        Err(problems) => {
            let placed = |problem: &validate::Problem| match manifest::position(text, &problem.field) {
                Some(at) => named(&format!("{at}: {problem}")),
                None => named(problem),
            };
            let lines: Vec<_> = problems.iter().map(placed).collect();
            Err(CommandError::refused(&lines))
        }
    }
}

/// Says what a valid manifest asks for that etcd will refuse; standard error leaves the output to programs.
pub(super) fn warn(manifest: &Manifest, file: &Path) {
    let Ok(desired) = validate::check(&manifest.name, &manifest.spec) else { return };
    for warning in member::unknown_flags(&desired.options, desired.version) {
        exit::note(&format!("warning: {}: {warning}", file.display()));
    }
}
