//! What is set about letters, text messages and notifications, and whether it can be used.

use std::time::Duration;

use boxoffice_notifications::provider::{HttpProvider, ProviderSettingsError};
use secrecy::SecretString;
use serde::Deserialize;
use time::UtcOffset;
use time::macros::format_description;

use super::{Config, MailConfig, is_set};
use crate::roles::Role;

/// Sections `sms` and `push`.
#[derive(Clone, Debug, Deserialize)]
#[expect(missing_docs, reason = "see config.default.toml")]
pub struct ProviderConfig {
    pub url: String,
    pub token: SecretString,
    pub timeout_seconds: u16,
}

impl ProviderConfig {
    /// The provider; `None` where no address is set.
    ///
    /// # Errors
    /// [`ProviderSettingsError`].
    pub fn provider(&self) -> Result<Option<HttpProvider>, ProviderSettingsError> {
        if self.url.is_empty() {
            return Ok(None);
        }
        let limit = Duration::from_secs(self.timeout_seconds.into());
        HttpProvider::new(&self.url, &self.token, limit).map(Some)
    }
}

impl MailConfig {
    /// The offset from UTC in which messages give times; `None` where the setting is none.
    pub fn offset(&self) -> Option<UtcOffset> {
        let format = format_description!("[offset_hour sign:mandatory]:[offset_minute]");
        UtcOffset::parse(&self.utc_offset, format).ok()
    }
}

fn providers(config: &Config) -> [(&'static str, &ProviderConfig); 2] {
    [("sms", &config.sms), ("push", &config.push)]
}

/// Says what cannot be used.
pub(super) fn check(config: &Config, roles: &[Role], refuse: &mut impl FnMut(&str, &str)) {
    let by_smtp = is_set(&config.mail.smtp_url);
    let into_files = !config.mail.files.as_os_str().is_empty();
    if roles.contains(&Role::Notifications) && by_smtp == into_files {
        refuse(
            "mail.smtp_url",
            "set exactly one of mail.smtp_url (a mail server) and mail.files (a directory)",
        );
    }
    if config.mail.offset().is_none() {
        refuse("mail.utc_offset", "is no offset: write it as +05:30");
    }
    let in_time = |seconds: u16| (1..=config.tasks.call_seconds).contains(&seconds);
    let too_long = "must be above 0 and at most tasks.call_seconds";
    if by_smtp && !in_time(config.mail.timeout_seconds) {
        refuse("mail.timeout_seconds", too_long);
    }
    for (section, settings) in providers(config) {
        let setting = |key: &str| format!("{section}.{key}");
        match settings.provider() {
            Ok(None) => continue,
            Ok(Some(_)) => {}
            Err(error @ ProviderSettingsError::Token) => {
                refuse(&setting("token"), &error.to_string());
            }
            Err(error) => refuse(&setting("url"), &error.to_string()),
        }
        if !is_set(&settings.token) {
            refuse(
                &setting("token"),
                "is not set: whatever answers at the address must know who asks",
            );
        }
        if !in_time(settings.timeout_seconds) {
            refuse(&setting("timeout_seconds"), too_long);
        }
    }
}

/// Says what works and is dangerous.
pub(super) fn warn(config: &Config, roles: &[Role], warn: &mut impl FnMut(&str, &str)) {
    if !roles.contains(&Role::Notifications) {
        return;
    }
    if !config.mail.files.as_os_str().is_empty() {
        warn(
            "mail.files",
            "letters are written to files: no customer gets one",
        );
    }
    for (section, settings) in providers(config) {
        if settings.url.starts_with("http://") {
            warn(
                &format!("{section}.url"),
                "is http: the token and what customers are told travel in the clear",
            );
        }
    }
}
