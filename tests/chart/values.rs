//! The schema of the values: every value is in it, and it lets nothing else through.

use quorate::yaml;
use serde_json::Value;

use crate::tree::read;

/// Compares values with the schema, both ways; a map that people fill is compared as a whole.
fn compare(at: &str, values: &Value, schema: &Value, wrong: &mut Vec<String>) {
    let (Some(values), Some(known)) = (values.as_object(), schema["properties"].as_object()) else { return };
    if schema["additionalProperties"] != false {
        wrong.push(format!("{at} lets unknown fields through"));
    }
    for (name, value) in values {
        match known.get(name) {
            Some(schema) => compare(&format!("{at}.{name}"), value, schema, wrong),
            None => wrong.push(format!("{at}.{name} is not in the schema")),
        }
    }
    // What people fill themselves has no values of its own, and `global` belongs to charts around this one.
    let filled = values.is_empty() || ["resources", "affinity"].iter().any(|one| at.ends_with(one));
    let missing = known.keys().filter(|name| !filled && *name != "global" && !values.contains_key(*name));
    wrong.extend(missing.map(|name| format!("{at}.{name} is not in values.yaml")));
}

#[test]
fn the_schema_knows_the_values_and_no_others() {
    let values: Value = yaml::from_str(&read("charts/quorate/values.yaml")).unwrap();
    let schema: Value = serde_json::from_str(&read("charts/quorate/values.schema.json")).unwrap();
    let mut wrong = Vec::new();
    compare("", &values, &schema, &mut wrong);
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_readme_says_what_every_value_is_for() {
    let readme = read("charts/quorate/README.md");
    let rows: Vec<_> = readme.lines().skip_while(|line| !line.starts_with("|-----")).skip(1).collect();
    assert!(rows.len() > 40, "{}", rows.len());
    let bare: Vec<_> = rows.iter().filter(|row| row.trim_end().ends_with("|  |")).collect();
    assert!(bare.is_empty(), "without a comment in values.yaml: {bare:#?}");
}
