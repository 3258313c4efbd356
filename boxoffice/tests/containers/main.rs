//! The files for containers, held against what they are about. No container engine is needed: `docker-compose.yml`
//! against the Compose Specification's own schema and against this build's roles, settings and ports; `Dockerfile`
//! and `.dockerignore` against the workspace. Each check is shown a file that it must refuse.

mod compose;
mod image;
mod schema;
mod services;

use std::path::{Path, PathBuf};

/// The workspace's directory.
fn root() -> PathBuf {
    let crate_dir = Path::new(env!("CARGO_MANIFEST_DIR"));
    crate_dir.parent().expect("a workspace").to_owned()
}

/// A file of the workspace, as text.
fn text(name: &str) -> String {
    std::fs::read_to_string(root().join(name)).expect(name)
}
