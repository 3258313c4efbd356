//! Where the fetched servers are kept.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use crate::error::FetchError;
use crate::server_user::ServerUser;

/// Used when we are root and root's home is closed to the user that PostgreSQL runs as.
const SYSTEM: &str = "/var/cache/boxoffice";

/// What the choice depends on.
pub(crate) struct Surroundings {
    pub(crate) boxoffice_cache: Option<OsString>,
    pub(crate) xdg_cache_home: Option<OsString>,
    pub(crate) home: Option<OsString>,
    pub(crate) server_user: Option<ServerUser>,
}

impl Surroundings {
    pub(crate) fn read() -> Self {
        let set = |name| std::env::var_os(name).filter(|value| !value.is_empty());
        Self {
            boxoffice_cache: set("BOXOFFICE_CACHE"),
            xdg_cache_home: set("XDG_CACHE_HOME"),
            home: set("HOME"),
            // Without any such user the start will say so; a fetch is still possible.
            server_user: ServerUser::find().ok().flatten(),
        }
    }
}

/// BOXOFFICE_CACHE, else `boxoffice` in the user's cache directory.
pub(crate) fn choose(around: &Surroundings) -> Result<PathBuf, FetchError> {
    if let Some(told) = &around.boxoffice_cache {
        return std::path::absolute(told).map_err(|_| FetchError::NoCache);
    }
    let xdg = around.xdg_cache_home.as_ref().map(PathBuf::from);
    let users = xdg
        .filter(|path| path.is_absolute())
        .or_else(|| Some(Path::new(around.home.as_ref()?).join(".cache")));
    match (users, &around.server_user) {
        (Some(users), Some(user)) if matches!(user.barrier(&users), Ok(None)) => {
            Ok(users.join("boxoffice"))
        }
        (_, Some(_)) => Ok(SYSTEM.into()),
        (Some(users), None) => Ok(users.join("boxoffice")),
        (None, None) => Err(FetchError::NoCache),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn around(told: Option<&str>, xdg: Option<&str>, home: Option<&Path>) -> Surroundings {
        Surroundings {
            boxoffice_cache: told.map(Into::into),
            xdg_cache_home: xdg.map(Into::into),
            home: home.map(Into::into),
            server_user: None,
        }
    }

    #[test]
    fn the_order_is_as_documented() {
        let home = Some(Path::new("/h"));
        assert_eq!(
            choose(&around(Some("/c"), Some("/x"), home)).unwrap(),
            Path::new("/c")
        );
        assert_eq!(
            choose(&around(None, Some("/x"), home)).unwrap(),
            Path::new("/x/boxoffice")
        );
        assert_eq!(
            choose(&around(None, None, home)).unwrap(),
            Path::new("/h/.cache/boxoffice")
        );
        assert!(matches!(
            choose(&around(None, None, None)),
            Err(FetchError::NoCache)
        ));
    }

    #[test]
    fn a_closed_home_of_root_is_avoided() {
        let home = tempfile::tempdir().unwrap();
        let mut around = around(None, None, Some(home.path()));
        around.server_user = Some(ServerUser {
            name: "stranger".into(),
            uid: 4_000_000,
            gid: 4_000_000,
        });
        let mode = |mode| {
            std::fs::set_permissions(home.path(), std::fs::Permissions::from_mode(mode)).unwrap()
        };
        mode(0o700);
        assert_eq!(choose(&around).unwrap(), Path::new(SYSTEM));
        mode(0o755);
        assert_eq!(
            choose(&around).unwrap(),
            home.path().join(".cache/boxoffice")
        );
    }
}
