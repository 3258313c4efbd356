//! `docs/errors/`: a page for every code, and no page without one.

use std::collections::BTreeMap;
use std::path::PathBuf;

use boxoffice_booking_api::problem::Code;
use boxoffice_webhook_ingress::Refused;

/// Where a code is answered, with which status and title.
#[derive(Debug)]
struct Answer {
    from: &'static str,
    status: u16,
    title: &'static str,
}

impl Answer {
    fn row(&self) -> String {
        format!("| {} | {} | {} |", self.from, self.status, self.title)
    }
}

fn answers() -> BTreeMap<&'static str, Vec<Answer>> {
    let mut answers: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for code in Code::ALL {
        answers.entry(code.name()).or_default().push(Answer {
            from: "booking API",
            status: code.status().as_u16(),
            title: code.title(),
        });
    }
    for refused in Refused::ALL {
        answers.entry(refused.code()).or_default().push(Answer {
            from: "webhook ingress",
            status: refused.status().as_u16(),
            title: refused.title(),
        });
    }
    answers
}

fn pages() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../docs/errors")
}

/// The rows of a page's first table, head and rule left out.
fn rows(page: &str) -> Vec<&str> {
    page.lines()
        .skip_while(|line| !line.starts_with('|'))
        .take_while(|line| line.starts_with('|'))
        .skip(2)
        .collect()
}

#[test]
fn every_code_has_a_page_that_agrees_with_the_code() {
    for (code, answers) in answers() {
        let file = pages().join(format!("{code}.md"));
        let page = std::fs::read_to_string(&file)
            .unwrap_or_else(|error| panic!("{} is needed: {error}", file.display()));
        assert_eq!(page.lines().next(), Some(&*format!("# `{code}`")));
        let expected: Vec<_> = answers.iter().map(Answer::row).collect();
        assert_eq!(rows(&page), expected, "{code}");
        let mut at = 0;
        for heading in [
            "\n## What happened\n\n",
            "\n## What to do\n\n",
            "\n## For operators\n\n",
        ] {
            let found = page[at..]
                .find(heading)
                .unwrap_or_else(|| panic!("{code}: no {heading:?}, or not in its place"));
            at += found + heading.len();
            let text = page[at..].split("\n## ").next().unwrap_or_default();
            assert!(!text.trim().is_empty(), "{code}: nothing under {heading:?}");
        }
    }
}

#[test]
fn the_index_names_every_code_and_no_page_is_without_one() {
    let answers = answers();
    let index = std::fs::read_to_string(pages().join("README.md")).expect("an index");
    let expected: Vec<String> = answers
        .iter()
        .flat_map(|(code, answers)| {
            answers
                .iter()
                .map(move |answer| format!("| [`{code}`]({code}.md) {}", answer.row()))
        })
        .collect();
    assert_eq!(rows(&index), expected);
    for entry in std::fs::read_dir(pages()).expect("the pages") {
        let name = entry.expect("a file").file_name();
        let name = name.to_string_lossy();
        let known = name
            .strip_suffix(".md")
            .is_some_and(|code| code == "README" || answers.contains_key(code));
        assert!(known, "{name} is the page of no code");
    }
}
