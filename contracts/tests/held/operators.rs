//! `docs/operators.md`: what operators are told to do, for everything that can be put before them.

use std::path::PathBuf;

use boxoffice_booking_api::operators::settle::commands;
use boxoffice_booking_api::operators::waiting::WaitingFor;
use boxoffice_saga::attention::AttentionKind;
use serde_json::Value;

fn document(name: &str) -> String {
    let file = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("../docs")
        .join(name);
    std::fs::read_to_string(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display()))
}

/// The part of a page under a heading.
fn part<'a>(page: &'a str, heading: &str) -> &'a str {
    let (_, rest) = page
        .split_once(&format!("\n## {heading}\n"))
        .unwrap_or_else(|| panic!("no {heading}"));
    rest.split("\n## ").next().unwrap_or_default()
}

#[test]
fn every_kind_of_item_has_its_words_and_no_words_are_without_a_kind() {
    let page = document("operators.md");
    let sections: Vec<_> = part(&page, "The operators' list")
        .split("\n### ")
        .skip(1)
        .map(|section| section.split_once("\n\n").expect("words"))
        .collect();
    let kinds: Vec<_> = AttentionKind::ALL
        .map(|kind| format!("`{}`", kind.name()))
        .into();
    let headings: Vec<_> = sections
        .iter()
        .map(|(kind, _)| (*kind).to_owned())
        .collect();
    assert_eq!(headings, kinds);
    for (kind, (name, words)) in AttentionKind::ALL.into_iter().zip(sections) {
        assert!(words.trim().len() > 80, "{name} says too little");
        // The way off the list that the code knows, and no other.
        let by_hand = commands(kind).is_empty();
        assert_eq!(words.contains("`attention settle`"), by_hand, "{name}");
        for command in commands(kind) {
            assert!(words.contains(&format!("`{command}`")), "{name}: {command}");
        }
        assert_eq!(AttentionKind::from_name(kind.name()), Some(kind));
    }
}

#[test]
fn everybody_who_is_waited_for_has_a_row() {
    let page = document("operators.md");
    let rows: Vec<_> = part(&page, "What is open")
        .lines()
        .filter_map(|line| line.strip_prefix("| `"))
        .filter_map(|line| line.split_once('`'))
        .map(|(whom, _)| whom)
        .collect();
    assert_eq!(rows, WaitingFor::ALL.map(WaitingFor::name));
}

#[test]
fn every_door_that_it_names_is_there() {
    let page = document("operators.md");
    let doors: Value = serde_json::from_str(&document("openapi.json")).expect("JSON");
    let mut named = 0;
    for line in page.lines().filter(|line| line.starts_with("| ")) {
        for method in ["GET", "POST"] {
            let Some((_, rest)) = line.split_once(&format!("`{method} ")) else {
                continue;
            };
            let path = rest.split('`').next().unwrap_or_default();
            let door = &doors["paths"][path][method.to_ascii_lowercase()];
            assert!(door.is_object(), "{method} {path} is no door");
            named += 1;
        }
    }
    assert_eq!(named, 15);
}
