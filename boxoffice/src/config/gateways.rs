//! What works, and is dangerous, about the gateway accounts.

use boxoffice_gateways::AccountConfig;

use super::Config;
use crate::roles::Role;

pub(super) fn warn(config: &Config, roles: &[Role], warn: &mut impl FnMut(&str, &str)) {
    let runs = |role: Role| roles.contains(&role);
    for account in &config.gateways {
        let name = account.gateway_account();
        if account.live && account.tolerance_seconds > 600 {
            warn(
                "gateways",
                &format!("{name}: a tolerance over 10 minutes lets old webhooks be replayed"),
            );
        }
        if account.live && account.api.is_none() && runs(Role::Refunds) {
            warn(
                "gateways",
                &format!("{name}: has no `api`, so its refunds are made by a person"),
            );
        }
        if account.api.is_some() && (runs(Role::Refunds) || runs(Role::Coordinator)) {
            line(config, account, warn);
        }
    }
}

/// How a gateway is called.
fn line(config: &Config, account: &AccountConfig, warn: &mut impl FnMut(&str, &str)) {
    let name = account.gateway_account();
    let mut say = |what: &str| warn("gateways", &format!("{name}: {what}"));
    if account.live && account.line.calls_per_second == 0 {
        say(
            "`line.calls_per_second` is 0: nothing keeps the refunds of a cancelled show from taking all that the \
             gateway permits",
        );
    }
    if account.line.mass_share_percent > 95 {
        say(
            "`line.mass_share_percent` is above 95: while a cancelled show is refunded, others hardly get their turn",
        );
    }
    let under_way = u32::try_from(config.tasks.mass_in_flight).unwrap_or(u32::MAX);
    let permitted = account.line.mass_per_second();
    if permitted.is_some_and(|permitted| f64::from(under_way) > permitted) {
        say(
            "`tasks.mass_in_flight` is more than its line permits in a second: pausing the refunds of a cancelled \
             show takes longer than that",
        );
    }
    // A look-up and a call, each with the wait for its turn.
    let longest = account.api.as_ref().map(|api| api.timeout() / 5 * 12);
    if longest.is_some_and(|longest| longest.as_secs() >= config.tasks.lease_seconds.into()) {
        say(
            "`api.timeout_ms` is above 5/12 of `tasks.lease_seconds`: another instance may take a call over that is \
             still under way",
        );
    }
}
