//! The reference pages are those of the source. `make docs` writes them: this test with `QUORATE_WRITE_DOCS` set.

use std::{fmt::Write, path::Path, process::Command};

use clap::{Arg, ArgAction, CommandFactory};
use quorate::{api::crds, cli::Cli};
use serde_json::Value;

use crate::{
    monitoring::file,
    pages::ROOT,
    series::{self, Families},
};

/// Compares a page with what the source makes of it, or writes it.
fn check(path: &str, text: &str) {
    if std::env::var_os("QUORATE_WRITE_DOCS").is_some() {
        let whole = Path::new(ROOT).join(path);
        std::fs::create_dir_all(whole.parent().unwrap()).unwrap();
        std::fs::write(whole, text).unwrap();
    }
    assert!(file(path) == text, "{path} is out of date: run make docs");
}

/// A text as it may stand in a table.
fn cell(text: &str) -> String {
    text.replace('|', "\\|").replace('<', "&lt;").replace('\n', " ")
}

#[test]
fn the_pages_of_the_resources_are_those_of_the_types() {
    let intro = [
        "What a person writes: the resource of a cluster, on Kubernetes and in `cluster.yaml` on one machine (there some \
         fields are checked and not applied: [one machine](../one-machine.md#the-manifest)). What the status means is in \
         [operations](../operations.md#what-one-sees).",
        "One life of a member on Kubernetes. The operator makes it; people read it, and ask for a restart or a replacement \
         by its annotations ([operations](../operations.md#commands)).",
    ];
    for (definition, intro) in crds::definitions().unwrap().iter().zip(intro) {
        let names = &definition.spec.names;
        let version = &definition.spec.versions[0];
        let schema =
            serde_json::to_value(version.schema.as_ref().unwrap().open_api_v3_schema.as_ref()).unwrap();
        let kind = &names.kind;
        let mut page = format!(
            "# {kind}\n\n<!-- Written by `make docs` from src/api and src/plan/status; edit those. -->\n\n{intro}\n\n"
        );
        let short = names.short_names.clone().unwrap_or_default();
        let also: String = short.iter().map(|one| format!(" or `{one}`")).collect();
        writeln!(
            page,
            "`apiVersion: {}/{}`, `kind: {kind}`; `kubectl get {}`{also}.",
            definition.spec.group, version.name, names.plural
        )
        .unwrap();
        for part in ["spec", "status"] {
            section(&mut page, part, &schema["properties"][part]);
        }
        check(&format!("docs/reference/{}.md", kind.to_lowercase()), &page);
    }
}

/// The fields of an object, then those of the objects in it.
fn section(page: &mut String, path: &str, schema: &Value) {
    let Some(fields) = schema["properties"].as_object() else { return };
    write!(page, "\n## {path}\n\n").unwrap();
    for rule in rules(schema) {
        writeln!(page, "* {}", cell(&rule)).unwrap();
    }
    if !rules(schema).is_empty() {
        page.push('\n');
    }
    page.push_str("| field | type | meaning |\n| --- | --- | --- |\n");
    let required: Vec<_> =
        schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    for (name, field) in fields {
        let mut meaning = cell(field["description"].as_str().unwrap_or_default());
        if let Some(default) = field.get("default").filter(|default| **default != Value::Null) {
            write!(meaning, " Default: `{default}`.").unwrap();
        }
        // Rules of objects stand in their own part.
        if field["properties"].is_null() {
            let rules: Vec<_> = rules(field).iter().map(|rule| cell(rule)).collect();
            if !rules.is_empty() {
                write!(meaning, " *Otherwise: {}.*", rules.join("; ")).unwrap();
            }
        }
        let must = if required.contains(&name.as_str()) { ", required" } else { "" };
        writeln!(page, "| `{name}` | {}{must} | {} |", kind(field), meaning.trim()).unwrap();
    }
    for (name, field) in fields {
        section(page, &format!("{path}.{name}"), field);
        section(page, &format!("{path}.{name}[]"), &field["items"]);
    }
}

fn rules(schema: &Value) -> Vec<String> {
    let rules = schema["x-kubernetes-validations"].as_array().into_iter().flatten();
    rules.filter_map(|rule| rule["message"].as_str()).map(str::to_owned).collect()
}

fn kind(field: &Value) -> String {
    if field["x-kubernetes-int-or-string"] == true {
        return "quantity".to_owned();
    }
    match field["type"].as_str() {
        Some("array") => format!("list of {}", kind(&field["items"])),
        Some("object") if field.get("additionalProperties").is_some() => "map of texts".to_owned(),
        Some("string") => "text".to_owned(),
        Some(other) => other.to_owned(),
        None => "any".to_owned(),
    }
}

#[test]
fn the_page_of_the_commands_is_that_of_the_command_lines() {
    let mut page =
        "# Commands\n\n<!-- Written by `make docs` from src/cli and src/registrator/cli; edit those. -->\n\n\
                    The same as `quorate help COMMAND` and `quorate-registrator -h` say. Exit codes are in \
                    [one machine](../one-machine.md#exit-codes); what the flags of the registrator mean, in \
                    [the registrator](../registrator.md#flags).\n"
            .to_owned();
    let mut root = Cli::command();
    root.build();
    let log: String = root.get_arguments().filter(|one| one.get_id() == "log_format").map(row).collect();
    write!(page, "\nFor every command of `quorate`:\n\n{HEADER}{log}").unwrap();
    for command in root.get_subcommands() {
        commands(&mut page, "quorate", command);
    }
    let said = Command::new(env!("CARGO_BIN_EXE_quorate-registrator")).arg("-h").output().unwrap();
    let help = String::from_utf8(said.stderr).unwrap();
    write!(page, "\n## quorate-registrator\n\n```text\n{}\n```\n", help.trim()).unwrap();
    check("docs/reference/commands.md", &page);
}

const HEADER: &str = "| | |\n| --- | --- |\n";

fn commands(page: &mut String, before: &str, command: &clap::Command) {
    if command.is_hide_set() || command.get_name() == "help" {
        return;
    }
    let name = format!("{before} {}", command.get_name());
    let inner: Vec<_> = command.get_subcommands().filter(|one| !one.is_hide_set()).collect();
    if !inner.is_empty() {
        for one in inner {
            commands(page, &name, one);
        }
        return;
    }
    let about = command.get_about().map(ToString::to_string).unwrap_or_default();
    write!(page, "\n## {name}\n\n{}.\n\n", about.trim_end_matches('.')).unwrap();
    let usage = command.clone().render_usage().to_string();
    write!(page, "```text\n{}\n```\n", usage.trim_start_matches("Usage: ").trim()).unwrap();
    let shown = |one: &&Arg| {
        !one.is_hide_set() && !["help", "version", "log_format"].contains(&one.get_id().as_str())
    };
    let rows: String = command.get_arguments().filter(shown).map(row).collect();
    if !rows.is_empty() {
        write!(page, "\n{HEADER}{rows}").unwrap();
    }
}

fn row(arg: &Arg) -> String {
    let mut name = String::new();
    if let Some(short) = arg.get_short() {
        write!(name, "-{short}").unwrap();
    }
    if let Some(long) = arg.get_long() {
        write!(name, "{}--{long}", if name.is_empty() { "" } else { ", " }).unwrap();
    }
    let takes = matches!(arg.get_action(), ArgAction::Set | ArgAction::Append);
    let value = arg.get_value_names().unwrap_or_default().join(" ");
    if takes && name.is_empty() {
        name = if value.is_empty() { arg.get_id().as_str().to_uppercase() } else { value };
    } else if takes {
        write!(name, " {value}").unwrap();
    }
    let help = arg.get_help().map(ToString::to_string).unwrap_or_default();
    // clap leaves the last full stop out.
    let mut meaning = format!("{}.", cell(help.trim_end_matches('.')));
    let values: Vec<_> =
        arg.get_possible_values().iter().map(|one| format!("`{}`", one.get_name())).collect();
    if takes && !values.is_empty() && values.len() < 10 {
        write!(meaning, " One of {}.", values.join(", ")).unwrap();
    }
    let defaults: Vec<_> = arg.get_default_values().iter().map(|one| one.to_string_lossy()).collect();
    if takes && !defaults.is_empty() {
        write!(meaning, " Default: `{}`.", defaults.join(" ")).unwrap();
    }
    if let Some(variable) = arg.get_env() {
        write!(meaning, " Or `{}`.", variable.to_string_lossy()).unwrap();
    }
    format!("| `{name}` | {meaning} |\n")
}

#[test]
fn the_page_of_the_metrics_is_that_of_the_registries() {
    let mut page = "# Metrics\n\n<!-- Written by `make docs` from src/telemetry and src/registrator/metrics.rs; edit those. -->\n\n\
                    Members serve etcd's own metrics beside these: on port 2381 of their Pods, and on one machine on the third of \
                    their ports. [Monitoring](../monitoring.md) says how to collect and use them.\n"
        .to_owned();
    table(&mut page, "quorate operator", "Port 9180 of the operator's Pods.", &series::of_the_operator());
    let machine = "At `quorate up --http ADDRESS`; `etcd_namespace` is empty.";
    table(&mut page, "quorate up", machine, &series::of_one_machine());
    table(&mut page, "quorate-registrator", "At `-listen ADDRESS`.", &series::of_the_registrator());
    check("docs/reference/metrics.md", &page);
}

fn table(page: &mut String, title: &str, place: &str, families: &Families) {
    write!(
        page,
        "\n## {title}\n\n{place}\n\n| metric | kind | labels | meaning |\n| --- | --- | --- | --- |\n"
    )
    .unwrap();
    for (name, family) in families {
        let labels: Vec<_> = family.labels.iter().map(|one| format!("`{one}`")).collect();
        writeln!(page, "| `{name}` | {} | {} | {} |", family.kind, labels.join(", "), cell(&family.help))
            .unwrap();
    }
}

#[test]
fn every_metric_of_the_source_is_on_its_page() {
    let page = file("docs/reference/metrics.md");
    let mut count = 0;
    let sources = [
        ("quorate", "src/telemetry/metrics.rs"),
        ("quorate", "src/telemetry/operator.rs"),
        ("quorate", "src/telemetry/clusters.rs"),
        ("registrator", "src/registrator/metrics.rs"),
    ];
    for (prefix, source) in sources {
        let text = file(source);
        let compact: String = text.split_whitespace().collect::<Vec<_>>().join(" ");
        for call in [
            "registry.register( \"",
            "registry.register(\"",
            "page.clusters(\"",
            "page.members(\"",
            "gauges(self.encoder, \"",
        ] {
            for rest in compact.split(call).skip(1) {
                let name = rest.split('"').next().unwrap();
                count += 1;
                assert!(
                    page.contains(&format!("| `{prefix}_{name}")),
                    "{prefix}_{name} of {source} is not on the page"
                );
            }
        }
    }
    assert!(count > 35, "only {count} metrics were found in the source");
}
