//! A gateway that signs with an HMAC and is described by configuration alone (`scheme = "hmac"`): where the signature
//! stands, what it covers, and where in the body the few things are that we read. Webhooks only.

mod fields;
mod pointer;
mod template;

use boxoffice_saga::fact::Reading;
use http::header::{HeaderMap, HeaderName};
use serde::Deserialize;
use time::OffsetDateTime;

use crate::config::AccountConfig;
use crate::generic;
use crate::header;
use crate::legible;
use crate::mac::{Digest, Encoding, KeyEncoding, same};
use crate::port::{Door, EventIds, Refusal, Unreadable};
use crate::readings::{Item, Readings};
use crate::secrets::{SigningSecret, signed_by_one};
use crate::signed_time::{fresh, seconds};
use crate::speaker::Speaker;

pub use fields::Fields;
use template::{Piece, Template};

/// How a gateway signs, in an account's `hmac`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HmacConfig {
    /// The header that bears the signature.
    pub header: String,
    /// What stands there before it, for example `sha256=`. Default: nothing.
    #[serde(default)]
    pub prefix: String,
    /// How it is written: `hex` (the default) or `base64`.
    #[serde(default)]
    pub encoding: Encoding,
    /// The hash: `sha256` (the default), `sha512` or `sha1`.
    #[serde(default)]
    pub digest: Digest,
    /// What is signed: text with `{body}` and perhaps `{timestamp}`, `{id}` and `{url}` in it. Default: `{body}`.
    #[serde(default = "the_body")]
    pub signed: String,
    /// The header with the time of signing, in unix seconds. It must be in `signed`; the account's
    /// `tolerance_seconds` is for it.
    #[serde(default)]
    pub timestamp_header: Option<String>,
    /// The header with the event's id. Where it is not in `signed`, the body's hash counts beside it.
    #[serde(default)]
    pub id_header: Option<String>,
    /// How the secret is written: `text` (the default: its bytes are the key), `hex` or `base64`.
    #[serde(default)]
    pub key_encoding: KeyEncoding,
    /// Where things are in the body. Default: it is a body of the generic scheme.
    #[serde(default)]
    pub fields: Option<Fields>,
}

fn the_body() -> String {
    "{body}".to_owned()
}

/// The door of one account of this scheme.
#[derive(Clone, Debug)]
pub struct ConfiguredDoor {
    speaker: Speaker,
    secrets: Vec<SigningSecret>,
    tolerance_seconds: u32,
    url: String,
    header: HeaderName,
    timestamp_header: Option<HeaderName>,
    id_header: Option<HeaderName>,
    signed: Template,
    scheme: HmacConfig,
}

impl ConfiguredDoor {
    /// From what is configured.
    ///
    /// # Errors
    /// In words, what cannot be.
    pub fn new(config: &AccountConfig) -> Result<Self, String> {
        let scheme = config
            .hmac
            .clone()
            .ok_or("the scheme `hmac` needs `hmac = { header = …, … }`")?;
        let signed = Template::parse(&scheme.signed)?;
        let says = |piece: &Piece| signed.pieces().contains(piece);
        if says(&Piece::Timestamp) != scheme.timestamp_header.is_some() {
            return Err(
                "`timestamp_header` and {timestamp} in `signed` go together: a time that is not signed says nothing"
                    .into(),
            );
        }
        if says(&Piece::Id) && scheme.id_header.is_none() {
            return Err("{id} in `signed` needs `id_header`".into());
        }
        if says(&Piece::Url) && config.webhook_url.is_none() {
            return Err("{url} in `signed` needs the account's `webhook_url`".into());
        }
        for secret in &config.secrets {
            use secrecy::ExposeSecret;
            let key = scheme.key_encoding.key(secret.secret.expose_secret());
            if key.is_none_or(|key| key.is_empty()) {
                return Err("a signing secret is not of the configured `key_encoding`".into());
            }
        }
        if let Some(fields) = &scheme.fields {
            fields.check()?;
        }
        let name = |name: &String| {
            name.to_ascii_lowercase()
                .parse::<HeaderName>()
                .map_err(|_| format!("{name:?} is no name of a header"))
        };
        Ok(Self {
            speaker: Speaker::new(config),
            secrets: config.secrets.clone(),
            tolerance_seconds: config.tolerance_seconds,
            url: config.webhook_url.clone().unwrap_or_default(),
            header: name(&scheme.header)?,
            timestamp_header: scheme.timestamp_header.as_ref().map(name).transpose()?,
            id_header: scheme.id_header.as_ref().map(name).transpose()?,
            signed,
            scheme,
        })
    }

    fn event(&self, headers: &HeaderMap, body: &[u8]) -> Item {
        let id = match &self.id_header {
            Some(name) => Some(self.id(headers, name)?),
            None => None,
        };
        match &self.scheme.fields {
            None => generic::read(&self.speaker, id.as_deref(), body),
            Some(fields) => {
                let event = fields.read(&self.speaker, body)?;
                let event_id = id.unwrap_or(event.event_id);
                Ok(Reading { event_id, ..event })
            }
        }
    }

    fn id(&self, headers: &HeaderMap, name: &HeaderName) -> Result<String, Unreadable> {
        let what = "the event's id in its header";
        let id = header::only(headers, name.as_str()).ok();
        let id = id.and_then(|id| std::str::from_utf8(id).ok());
        legible::id(id.ok_or(Unreadable::Value { what })?, what)
    }

    fn id_is_signed(&self) -> bool {
        self.id_header.is_none() || self.signed.pieces().contains(&Piece::Id)
    }
}

impl Door for ConfiguredDoor {
    fn verify(&self, headers: &HeaderMap, body: &[u8], at: OffsetDateTime) -> Result<(), Refusal> {
        let shown = header::only(headers, self.header.as_str())?
            .strip_prefix(self.scheme.prefix.as_bytes())
            .and_then(|mac| self.scheme.encoding.decode(mac))
            .ok_or(Refusal::Malformed)?;
        let signed_at = match &self.timestamp_header {
            Some(name) => header::only(headers, name.as_str())?,
            None => b"",
        };
        let id = match &self.id_header {
            Some(name) => header::only(headers, name.as_str())?,
            None => b"",
        };
        let parts: Vec<&[u8]> = self
            .signed
            .pieces()
            .iter()
            .map(|piece| match piece {
                Piece::Text(text) => text.as_bytes(),
                Piece::Timestamp => signed_at,
                Piece::Id => id,
                Piece::Body => body,
                Piece::Url => self.url.as_bytes(),
            })
            .collect();
        // Before anything is hashed: digits cannot be mistaken for what stands beside them.
        let seconds = match &self.timestamp_header {
            Some(_) => Some(seconds(signed_at).ok_or(Refusal::Malformed)?),
            None => None,
        };
        signed_by_one(&self.secrets, at, |secret| {
            self.scheme
                .key_encoding
                .key(secret)
                .and_then(|key| self.scheme.digest.hmac(&key, &parts))
                .is_some_and(|right| same(&shown, &right))
        })?;
        seconds.map_or(Ok(()), |seconds| fresh(seconds, at, self.tolerance_seconds))
    }

    fn read(&self, headers: &HeaderMap, body: &[u8]) -> Readings {
        self.event(headers, body).into()
    }

    fn kept_headers(&self) -> &'static [&'static str] {
        &[]
    }

    fn keep(&self, headers: &HeaderMap) -> HeaderMap {
        let names = [
            Some(&self.header),
            self.timestamp_header.as_ref(),
            self.id_header.as_ref(),
        ];
        header::copied(headers, names.into_iter().flatten())
    }

    fn event_ids(&self) -> EventIds {
        if self.id_is_signed() {
            EventIds::Signed
        } else {
            EventIds::Unsigned
        }
    }
}
