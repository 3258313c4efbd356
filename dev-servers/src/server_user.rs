//! Who PostgreSQL runs as: it refuses root.

use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use nix::unistd::User;

use crate::error::{ServerError, Tried};

/// The user that initdb and postgres are started as; only when we are root.
#[derive(Debug, Clone)]
pub(crate) struct ServerUser {
    pub(crate) name: String,
    pub(crate) uid: u32,
    pub(crate) gid: u32,
}

impl ServerUser {
    /// `None` when we are an ordinary user, who simply runs it.
    pub(crate) fn find() -> Result<Option<Self>, ServerError> {
        if !nix::unistd::geteuid().is_root() {
            return Ok(None);
        }
        for name in ["postgres", "nobody"] {
            if let Ok(Some(user)) = User::from_name(name) {
                return Ok(Some(Self {
                    name: user.name,
                    uid: user.uid.as_raw(),
                    gid: user.gid.as_raw(),
                }));
            }
        }
        Err(ServerError::NoServerUser)
    }

    /// Makes `command` run as this user.
    pub(crate) fn apply(&self, command: &mut Command) {
        command.uid(self.uid).gid(self.gid);
    }

    /// An error that names the first directory on the way to `path` which this user may not enter.
    pub(crate) fn must_reach(&self, path: &Path) -> Result<(), ServerError> {
        match self.barrier(path).tried("look at", path)? {
            None => Ok(()),
            Some(barrier) => Err(ServerError::NotReachable {
                user: self.name.clone(),
                barrier,
                path: path.to_owned(),
            }),
        }
    }

    /// Parts of the path that do not exist yet are no barrier.
    pub(crate) fn barrier(&self, path: &Path) -> std::io::Result<Option<PathBuf>> {
        let ancestors: Vec<&Path> = path.ancestors().collect();
        for directory in ancestors.into_iter().rev() {
            match std::fs::metadata(directory) {
                Ok(found) if found.is_dir() && !self.may_enter(&found) => {
                    return Ok(Some(directory.to_owned()));
                }
                Ok(_) => {}
                Err(e) if e.kind() == std::io::ErrorKind::NotFound => {}
                Err(e) => return Err(e),
            }
        }
        Ok(None)
    }

    fn may_enter(&self, directory: &Metadata) -> bool {
        let execute = if directory.uid() == self.uid {
            0o100
        } else if directory.gid() == self.gid {
            0o010
        } else {
            0o001
        };
        directory.mode() & execute != 0
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn a_private_directory_on_the_way_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let private = dir.path().join("private");
        std::fs::create_dir(&private).unwrap();
        let set = |path: &Path, mode| {
            std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap()
        };
        set(dir.path(), 0o755);
        set(&private, 0o700);
        let stranger = ServerUser {
            name: "stranger".into(),
            uid: 4_000_000,
            gid: 4_000_000,
        };
        let below = private.join("not/yet/there");
        assert_eq!(stranger.barrier(&below).unwrap(), Some(private.clone()));
        let error = stranger.must_reach(&below).unwrap_err().to_string();
        assert!(
            error.contains("stranger") && error.contains("private"),
            "{error}"
        );
        set(&private, 0o711);
        assert_eq!(stranger.barrier(&below).unwrap(), None);
    }
}
