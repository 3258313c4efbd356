//! Where the mail server is: read from one URL, as lettre spells it.
//!
//! Read here, and not by `AsyncSmtpTransport::from_url`, because the postman talks to the server step by
//! step: only so can it tell a letter that was never handed over from one whose receipt was lost.

use lettre::message::Mailbox;
use lettre::transport::smtp::authentication::Credentials;
use lettre::transport::smtp::client::TlsParameters;
use lettre::transport::smtp::extension::ClientId;
use percent_encoding::percent_decode_str;
use url::{Host, Url};

/// What is wrong with the configuration of mail. Never shows the URL, which has a password in it.
#[derive(Debug, thiserror::Error)]
pub enum PostmanSettingsError {
    /// The sender is no address.
    #[error(
        "the sender of letters is no mail address; write it as `Box Office <tickets@example.com>`"
    )]
    From(#[source] lettre::address::AddressError),
    /// The URL cannot be read.
    #[error(
        "the mail server's URL cannot be read ({0}); write it as `smtps://user:password@host:465`"
    )]
    Url(&'static str),
    /// A password would travel readable.
    #[error(
        "the mail server's password would be sent unencrypted; use `smtps://`, or add `?tls=required`"
    )]
    PasswordInClear,
    /// TLS cannot be set up.
    #[error("TLS towards the mail server cannot be set up")]
    Tls(#[source] lettre::transport::smtp::Error),
}

pub(super) enum Security {
    /// Unencrypted: a server on this machine or in the same private network.
    Plain,
    /// STARTTLS where the server offers it.
    Opportunistic(TlsParameters),
    /// STARTTLS, or nothing.
    Required(TlsParameters),
    /// TLS from the first byte.
    Wrapped(TlsParameters),
}

pub(super) struct ServerAddress {
    pub host: String,
    pub port: u16,
    pub security: Security,
    pub credentials: Option<Credentials>,
    pub hello_name: ClientId,
}

impl ServerAddress {
    /// `smtp://host` (port 25, unencrypted), `smtp://…?tls=opportunistic` or `?tls=required` (port 587,
    /// STARTTLS), `smtps://…` (port 465); user and password percent-encoded; a path is the name in `EHLO`.
    pub fn read(text: &str) -> Result<Self, PostmanSettingsError> {
        let url = Url::parse(text).map_err(|_| PostmanSettingsError::Url("it is no URL"))?;
        // For schemes that it does not know, `url` leaves an IPv4 address in the shape of a name.
        let (host, on_this_machine) = match url.host() {
            Some(Host::Domain(name)) if !name.is_empty() => {
                let loopback = name
                    .parse()
                    .is_ok_and(|ip: std::net::IpAddr| ip.is_loopback());
                (name.to_owned(), loopback || name == "localhost")
            }
            Some(Host::Ipv4(ip)) => (ip.to_string(), ip.is_loopback()),
            Some(Host::Ipv6(ip)) => (ip.to_string(), ip.is_loopback()),
            _ => return Err(PostmanSettingsError::Url("it names no host")),
        };
        let mut tls = None;
        for (key, value) in url.query_pairs() {
            match key.as_ref() {
                "tls" => tls = Some(value.into_owned()),
                _ => return Err(PostmanSettingsError::Url("the only parameter is `tls`")),
            }
        }
        let parameters = || TlsParameters::new(host.clone()).map_err(PostmanSettingsError::Tls);
        let (security, port) = match (url.scheme(), tls.as_deref()) {
            ("smtp", None) => (Security::Plain, 25),
            ("smtp", Some("opportunistic")) => (Security::Opportunistic(parameters()?), 587),
            ("smtp", Some("required")) => (Security::Required(parameters()?), 587),
            ("smtps", None) => (Security::Wrapped(parameters()?), 465),
            ("smtps", Some(_)) => {
                return Err(PostmanSettingsError::Url("`smtps` takes no `tls`"));
            }
            ("smtp", Some(_)) => {
                return Err(PostmanSettingsError::Url(
                    "`tls` is `required` or `opportunistic`",
                ));
            }
            _ => {
                return Err(PostmanSettingsError::Url(
                    "it begins with neither smtp nor smtps",
                ));
            }
        };
        let credentials = credentials(&url)?;
        if credentials.is_some() && matches!(security, Security::Plain) && !on_this_machine {
            return Err(PostmanSettingsError::PasswordInClear);
        }
        let hello_name = match url.path().trim_matches('/') {
            "" => ClientId::default(),
            name if name
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b".-".contains(&byte)) =>
            {
                ClientId::Domain(name.to_owned())
            }
            _ => {
                return Err(PostmanSettingsError::Url(
                    "its path is no host name for EHLO",
                ));
            }
        };
        Ok(Self {
            host,
            port: url.port().unwrap_or(port),
            security,
            credentials,
            hello_name,
        })
    }
}

fn credentials(url: &Url) -> Result<Option<Credentials>, PostmanSettingsError> {
    let decoded = |text: &str| {
        percent_decode_str(text)
            .decode_utf8()
            .map(|text| text.into_owned())
            .map_err(|_| PostmanSettingsError::Url("user or password is not UTF-8"))
    };
    match (url.username(), url.password()) {
        ("", None) => Ok(None),
        ("", Some(_)) => Err(PostmanSettingsError::Url("it has a password and no user")),
        (_, None) => Err(PostmanSettingsError::Url("it has a user and no password")),
        (user, Some(password)) => Ok(Some(Credentials::new(decoded(user)?, decoded(password)?))),
    }
}

pub(super) fn sender(text: &str) -> Result<Mailbox, PostmanSettingsError> {
    text.parse().map_err(PostmanSettingsError::From)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_read_as_lettre_spells_them() {
        let read = |text: &str| ServerAddress::read(text).unwrap();
        let plain = read("smtp://mailpit");
        assert!(matches!(plain.security, Security::Plain));
        assert_eq!((plain.host.as_str(), plain.port), ("mailpit", 25));
        assert!(plain.credentials.is_none());
        let wrapped = read("smtps://us%40er:p%2Fw@mail.example.com/box.example.com");
        assert!(matches!(wrapped.security, Security::Wrapped(_)));
        assert_eq!(wrapped.port, 465);
        assert_eq!(
            wrapped.credentials,
            Some(Credentials::new("us@er".into(), "p/w".into()))
        );
        assert_eq!(wrapped.hello_name.to_string(), "box.example.com");
        assert!(matches!(
            read("smtp://h?tls=required").security,
            Security::Required(_)
        ));
        assert_eq!(read("smtp://h?tls=opportunistic").port, 587);
        assert_eq!(read("smtp://u:p@127.0.0.1:1025").port, 1025);
        assert_eq!(read("smtp://u:p@[::1]:1025").host, "::1");
    }

    #[test]
    fn a_wrong_url_is_explained_and_never_shown() {
        for text in [
            "",
            "mail.example.com",
            "http://h",
            "smtp://",
            "smtp://h?tls=maybe",
            "smtp://h?ssl=1",
            "smtps://h?tls=required",
            "smtp://user@localhost",
            "smtp://:secret@localhost",
            "smtp://h/a b",
            "smtp://u:secret@mail.example.com",
        ] {
            let error = ServerAddress::read(text).err().expect(text);
            assert!(
                !format!("{error} {error:?}").contains("secret"),
                "{error:?}"
            );
        }
    }
}
