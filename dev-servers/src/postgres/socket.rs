//! Where the Unix socket lies.

use std::path::{Path, PathBuf};

use super::cluster::give;
use crate::error::{ServerError, Tried};
use crate::server_user::ServerUser;

/// The kernel takes paths of so many bytes (`sun_path` of unix(7), without its last, which is a zero).
const LONGEST: usize = 107;
/// PostgreSQL's name for the socket of the highest port.
const NAME: &str = "/.s.PGSQL.65535";

/// The socket's directory below `dir`, if a socket in it has a path that the kernel takes and that needs no encoding in a
/// URL or a setting.
pub(super) fn usable(dir: &Path) -> Option<PathBuf> {
    let socket = dir.join("socket");
    let path = socket.to_str()?;
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/._-".contains(&byte);
    (path.len() + NAME.len() <= LONGEST && path.bytes().all(plain)).then_some(socket)
}

/// Makes the directory, which is the server's.
pub(super) fn prepare(dir: &Path, user: Option<&ServerUser>) -> Result<(), ServerError> {
    let Some(socket) = usable(dir) else {
        return Ok(());
    };
    std::fs::create_dir_all(&socket).tried("create", &socket)?;
    give(&socket, user)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_where_the_kernel_and_a_url_take_the_path() {
        let usable = |path: &str| usable(Path::new(path)).is_some();
        assert!(usable("/tmp/boxoffice-1/postgres"));
        assert!(!usable("/srv/my tickets/.boxoffice/postgres"));
        assert!(!usable("/srv/jos\u{e9}/.boxoffice/postgres"));
        // 85 + "/socket" + the name: 107.
        assert!(usable(&format!("/{}", "a".repeat(84))));
        assert!(!usable(&format!("/{}", "a".repeat(85))));
    }
}
