//! `Dockerfile` and `.dockerignore` against the workspace.

use std::collections::BTreeSet;
use std::net::SocketAddr;

use boxoffice::config::{self, Layers};

const IMAGE_BINARY: &str = "/usr/local/bin/boxoffice";

/// A stage: how it begins, and its instructions with their arguments.
struct Stage {
    base: String,
    name: Option<String>,
    instructions: Vec<(String, String)>,
}

impl Stage {
    fn all<'a>(&'a self, instruction: &'a str) -> impl Iterator<Item = &'a str> {
        let of_it = self
            .instructions
            .iter()
            .filter(move |(name, _)| name == instruction);
        of_it.map(|(_, arguments)| arguments.as_str())
    }
}

/// Reads the stages: comments left out, continued lines joined.
fn stages(dockerfile: &str) -> Vec<Stage> {
    let lines: Vec<&str> = dockerfile
        .lines()
        .filter(|line| !line.trim_start().starts_with('#') && !line.trim().is_empty())
        .collect();
    let joined = lines.join("\n").replace("\\\n", " ");
    let mut stages: Vec<Stage> = Vec::new();
    for line in joined.lines() {
        let (name, arguments) = line
            .split_once(char::is_whitespace)
            .expect("an instruction");
        let arguments = arguments.split_whitespace().collect::<Vec<_>>().join(" ");
        if name == "FROM" {
            let (base, name) = match arguments.split_once(" AS ") {
                Some((base, name)) => (base.to_owned(), Some(name.to_owned())),
                None => (arguments, None),
            };
            stages.push(Stage {
                base,
                name,
                instructions: Vec::new(),
            });
        } else {
            let stage = stages.last_mut().expect("FROM comes first");
            stage.instructions.push((name.to_owned(), arguments));
        }
    }
    stages
}

/// What the manifest of the workspace says.
fn manifest() -> figment::value::Dict {
    use figment::Provider;
    use figment::providers::{Format, Toml};
    let data = Toml::string(&crate::text("Cargo.toml"))
        .data()
        .expect("TOML");
    data.into_values().next().expect("a manifest")
}

fn listed(manifest: &figment::value::Dict, key: &str) -> figment::value::Value {
    let workspace = figment::value::Value::from(
        manifest["workspace"]
            .as_dict()
            .expect("a workspace")
            .clone(),
    );
    workspace.find(key).unwrap_or_else(|| panic!("no {key}"))
}

/// Everything that is wrong with a Dockerfile and a `.dockerignore`.
fn complaints(dockerfile: &str, ignored: &str) -> Vec<String> {
    let mut complaints = Vec::new();
    let mut must = |holds: bool, what: String| {
        if !holds {
            complaints.push(what);
        }
    };
    let stages = stages(dockerfile);
    let manifest = manifest();

    // What is copied is there; what is built from is not kept out.
    let names: Vec<&str> = stages
        .iter()
        .filter_map(|stage| stage.name.as_deref())
        .collect();
    for copy in stages.iter().flat_map(|stage| stage.all("COPY")) {
        let mut words: Vec<&str> = copy.split(' ').collect();
        words.pop();
        if let Some(from) = words.first().and_then(|word| word.strip_prefix("--from=")) {
            must(
                names.contains(&from),
                format!("COPY {copy}: there is no stage {from}"),
            );
        } else {
            for source in words {
                must(
                    crate::root().join(source).exists(),
                    format!("COPY {copy}: there is no {source}"),
                );
            }
        }
    }
    let members = listed(&manifest, "members").into_array().expect("a list");
    let members = members.iter().filter_map(figment::value::Value::as_str);
    let needed: BTreeSet<String> = members
        .map(str::to_owned)
        .chain(["Cargo.toml", "Cargo.lock", ".sqlx", "migrations"].map(str::to_owned))
        .collect();
    for path in &needed {
        let kept_out = ignored.lines().any(|pattern| {
            let pattern = pattern.trim().trim_end_matches('/');
            pattern == path || path.starts_with(&format!("{pattern}/")) || pattern.contains('*')
        });
        must(
            !kept_out,
            format!(".dockerignore keeps out {path}, or has a pattern that this test cannot judge"),
        );
    }
    for large in [".git", "target", ".boxoffice"] {
        must(
            ignored.lines().any(|line| line == large),
            format!(".dockerignore lets in {large}"),
        );
    }

    // It is built as the workspace wants it, and the binary is where it is looked for.
    let (Some(build), Some(last)) = (stages.first(), stages.last()) else {
        return vec!["there are no stages".to_owned()];
    };
    let oldest = listed(&manifest, "package.rust-version");
    let compiler = format!("rust:{}-slim-", oldest.as_str().unwrap_or_default());
    must(
        build.base.starts_with(&compiler),
        format!("it is built by {}, not by {compiler}…", build.base),
    );
    must(
        build.all("RUN").any(|run| {
            run.contains("cargo build --release --locked --package boxoffice")
                && run.ends_with(&format!("cp target/release/boxoffice {IMAGE_BINARY}"))
        }),
        format!("no RUN builds the binary and leaves it in {IMAGE_BINARY}"),
    );
    let debian = |base: &str| {
        base.rsplit('-')
            .find(|part| *part != "slim")
            .map(|part| part.rsplit(':').next().unwrap_or(part).to_owned())
    };
    must(
        last.base.starts_with("debian:") && debian(&build.base) == debian(&last.base),
        format!(
            "{} and {} are of different Debian releases: of different C libraries",
            build.base, last.base
        ),
    );
    let copied = format!(
        "--from={} {IMAGE_BINARY} {IMAGE_BINARY}",
        build.name.as_deref().unwrap_or_default()
    );
    must(
        last.all("COPY").any(|copy| copy == copied),
        format!("the last stage does not COPY {copied}"),
    );
    must(
        last.all("ENTRYPOINT").collect::<Vec<_>>() == [r#"["boxoffice"]"#],
        "the entry point is not the binary, as a list, so that it gets the signals".to_owned(),
    );
    let user = last
        .all("USER")
        .last()
        .and_then(|user| user.parse::<u32>().ok());
    must(
        user.is_some_and(|user| user > 0),
        "the last USER is not a number above 0".to_owned(),
    );
    must(
        user.is_some_and(|user| {
            last.all("RUN")
                .any(|run| run.contains(&format!("useradd --uid {user} ")))
        }),
        "the user is not one that was made".to_owned(),
    );

    let exposed: BTreeSet<u16> = last
        .all("EXPOSE")
        .flat_map(|ports| ports.split(' '))
        .filter_map(|port| port.parse().ok())
        .collect();
    let config = config::load(&Layers::default(), &[])
        .expect("the defaults")
        .config;
    let listens = [
        config.api.listen,
        config.ingress.listen,
        config.simulator.listen,
        config.health.listen,
    ];
    let expected = listens.iter().map(SocketAddr::port).collect();
    must(
        exposed == expected,
        format!("EXPOSE {exposed:?}, and the defaults are {expected:?}"),
    );
    complaints
}

#[test]
fn the_image_is_built_from_what_is_here_and_a_broken_one_is_refused() {
    let (dockerfile, ignored) = (crate::text("Dockerfile"), crate::text(".dockerignore"));
    assert_eq!(complaints(&dockerfile, &ignored), Vec::<String>::new());

    let breaks = [
        ("COPY . .", "COPY src src", "there is no src"),
        (
            "--from=build",
            "--from=builder",
            "there is no stage builder",
        ),
        ("rust:1.94", "rust:1.80", "it is built by rust:1.80"),
        (
            "debian:trixie-slim",
            "debian:bookworm-slim",
            "different Debian releases",
        ),
        (
            "cp target/release/",
            "cp target/debug/",
            "no RUN builds the binary",
        ),
        (
            r#"ENTRYPOINT ["boxoffice"]"#,
            "ENTRYPOINT boxoffice",
            "the entry point",
        ),
        ("USER 10001", "USER root", "the last USER"),
        ("USER 10001", "USER 10002", "not one that was made"),
        ("EXPOSE 8080 8081", "EXPOSE 8080", "EXPOSE {8080, 8082"),
    ];
    for (from, to, said) in breaks {
        assert!(dockerfile.contains(from), "nothing to break: {from}");
        let found = complaints(&dockerfile.replace(from, to), &ignored);
        assert!(
            found.iter().any(|what| what.contains(said)),
            "{from} → {to}: {found:?}"
        );
    }
    for (broken, said) in [
        (ignored.replace("target", "saga"), "keeps out saga/turn"),
        (format!("{ignored}migrations/\n"), "keeps out migrations"),
        (ignored.replace(".git\n", ""), "lets in .git"),
    ] {
        let found = complaints(&dockerfile, &broken);
        assert!(
            found.iter().any(|what| what.contains(said)),
            "{said}: {found:?}"
        );
    }
}
