//! Reading the manifest a person names.

use std::{io::Read, path::Path};

use super::exit::{self, CommandError, ExitCode};
use crate::api::{
    manifest::{self, Manifest},
    validate,
};

/// `quorate validate`: the rules of the CRD, offline.
pub(super) fn validate(file: &Path) -> Result<(), CommandError> {
    let (_, manifest) = read(file)?;
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
    let text = text.map_err(|error| {
        let code =
            if error.kind() == std::io::ErrorKind::NotFound { ExitCode::NotFound } else { ExitCode::Failed };
        CommandError::new(code, format!("{}: {error}", file.display()))
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
            let lines: Vec<_> = problems.iter().map(|problem| named(problem)).collect();
            Err(CommandError::refused(&lines))
        }
    }
}
