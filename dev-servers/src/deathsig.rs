//! Ties a child's life to ours: the one place of this crate that needs `unsafe`.

use std::process::Command;

use nix::sys::signal::Signal;

/// Makes the kernel send `signal` to the child when the *thread* that spawned it ends, which is why only
/// [`crate::spawner`]'s thread spawns. Elsewhere than on Linux nothing like it exists: there the next start finds
/// the orphan by its record (see [`crate::orphan`]).
#[cfg(target_os = "linux")]
pub(crate) fn die_with_parent(command: &mut Command, signal: Signal) {
    use std::os::unix::process::CommandExt;

    let parent = nix::unistd::getpid();
    let prepare = move || {
        nix::sys::prctl::set_pdeathsig(signal)?;
        // We may have died between the fork and the line above; then no signal will ever come.
        if nix::unistd::getppid() != parent {
            return Err(std::io::ErrorKind::NotConnected.into());
        }
        Ok(())
    };
    #[expect(
        unsafe_code,
        reason = "pre_exec runs between fork and exec; the closure makes two system calls (prctl, getppid), both \
                  async-signal-safe, takes no lock and allocates nothing. It runs after uid and gid were changed, \
                  which would have cleared the setting"
    )]
    unsafe {
        command.pre_exec(prepare);
    }
}

/// See the Linux version.
#[cfg(not(target_os = "linux"))]
pub(crate) fn die_with_parent(_command: &mut Command, _signal: Signal) {}
