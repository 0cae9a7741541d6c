//! The page about the simulator names the mutations and invariants that there are.

use std::{collections::BTreeSet, fs};

use crate::mutations::TABLE;

const PAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/simulator.md");

/// The cells of each row of the table that begins with this heading.
fn rows<'p>(page: &'p str, heading: &str) -> Vec<Vec<&'p str>> {
    let table = page.lines().skip_while(|line| !line.starts_with(heading)).skip(2);
    table
        .take_while(|line| line.starts_with('|'))
        .map(|line| line.trim_matches('|').split('|').map(str::trim).collect())
        .collect()
}

#[test]
fn the_page_has_the_mutations_of_the_table() {
    let page = fs::read_to_string(PAGE).unwrap();
    let mut told = BTreeSet::new();
    for row in rows(&page, "| mutation |") {
        let [mutation, _, caught] = row[..] else { panic!("a mutation has three cells: {row:?}") };
        assert!(told.insert((mutation.to_owned(), caught.to_owned())), "{mutation} is there twice");
    }
    let known = TABLE.iter().map(|(mutation, caught)| (format!("{mutation:?}"), (*caught).to_owned()));
    assert_eq!(told, known.collect());
}

#[test]
fn the_page_explains_every_invariant_that_a_mutation_breaks() {
    let page = fs::read_to_string(PAGE).unwrap();
    let rows = rows(&page, "| invariant |");
    assert!(rows.iter().all(|row| row.len() == 2), "an invariant has two cells: {rows:?}");
    let told: BTreeSet<_> = rows.iter().flat_map(|row| row[0].split(" · ")).collect();
    for (mutation, invariant) in TABLE {
        assert!(told.contains(invariant), "{mutation:?}: {invariant} is not on the page");
    }
}
