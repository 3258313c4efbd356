//! Tokens, good and bad.

use http::HeaderValue;
use jsonwebtoken::{EncodingKey, Header};
use serde_json::{Value, json};

use super::*;

const SECRET: &str = "0123456789abcdef0123456789abcdef";

fn options() -> AuthOptions {
    AuthOptions {
        secret: Some(SECRET.into()),
        jwks_url: None,
        issuer: None,
        audience: None,
        roles_claim: "roles".into(),
    }
}

fn token(algorithm: Algorithm, claims: &Value, secret: &str) -> String {
    let key = EncodingKey::from_secret(secret.as_bytes());
    jsonwebtoken::encode(&Header::new(algorithm), claims, &key).unwrap()
}

fn bearing(token: &str) -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.insert(
        header::AUTHORIZATION,
        HeaderValue::from_str(&format!("Bearer {token}")).unwrap(),
    );
    headers
}

async fn ask(options: &AuthOptions, token: &str) -> Result<UserId, Code> {
    TokenVerifier::new(options)
        .unwrap()
        .caller(&bearing(token))
        .await
        .map_err(|problem| problem.code())
}

fn later() -> i64 {
    crate::clock::now().unix_timestamp() + 3600
}

#[tokio::test]
async fn a_good_token_names_the_user() {
    let good = token(
        Algorithm::HS256,
        &json!({"sub": "u-1", "exp": later()}),
        SECRET,
    );
    assert_eq!(ask(&options(), &good).await, Ok(UserId("u-1".into())));
}

#[tokio::test]
async fn every_other_token_is_refused() {
    let bad = [
        token(
            Algorithm::HS384,
            &json!({"sub": "u", "exp": later()}),
            SECRET,
        ),
        token(
            Algorithm::HS256,
            &json!({"sub": "u", "exp": later()}),
            "another secret of 32 bytes, really",
        ),
        token(
            Algorithm::HS256,
            &json!({"sub": "u", "exp": later() - 7200}),
            SECRET,
        ),
        token(Algorithm::HS256, &json!({"sub": "u"}), SECRET),
        token(Algorithm::HS256, &json!({"exp": later()}), SECRET),
        token(
            Algorithm::HS256,
            &json!({"sub": "", "exp": later()}),
            SECRET,
        ),
        token(
            Algorithm::HS256,
            &json!({"sub": "a\u{0}b", "exp": later()}),
            SECRET,
        ),
        token(
            Algorithm::HS256,
            &json!({"sub": "x".repeat(129), "exp": later()}),
            SECRET,
        ),
        "eyJhbGciOiJub25lIn0.eyJzdWIiOiJ1IiwiZXhwIjo5OTk5OTk5OTk5fQ.".into(),
        "nonsense".into(),
    ];
    for bad in bad {
        assert_eq!(
            ask(&options(), &bad).await,
            Err(Code::Unauthorised),
            "{bad}"
        );
    }
}

#[tokio::test]
async fn issuer_and_audience_count_where_they_are_configured() {
    let both = AuthOptions {
        issuer: Some("us".into()),
        audience: Some("app".into()),
        ..options()
    };
    let claims = json!({"sub": "u", "exp": later(), "iss": "us", "aud": "app"});
    assert!(
        ask(&both, &token(Algorithm::HS256, &claims, SECRET))
            .await
            .is_ok()
    );
    assert!(
        ask(&options(), &token(Algorithm::HS256, &claims, SECRET))
            .await
            .is_ok()
    );
    for missing in ["iss", "aud"] {
        let mut claims = claims.clone();
        claims.as_object_mut().unwrap().remove(missing);
        assert!(
            ask(&both, &token(Algorithm::HS256, &claims, SECRET))
                .await
                .is_err(),
            "{missing}"
        );
    }
}

#[test]
fn a_weak_secret_is_refused_and_so_is_none_at_all() {
    let weak = AuthOptions {
        secret: Some("short".into()),
        ..options()
    };
    assert!(matches!(
        TokenVerifier::new(&weak),
        Err(AuthError::WeakSecret)
    ));
    let nothing = AuthOptions {
        secret: None,
        ..options()
    };
    assert!(matches!(
        TokenVerifier::new(&nothing),
        Err(AuthError::Nothing)
    ));
}

#[tokio::test]
async fn operators_are_who_their_token_says() {
    let ask = async |claim: &str, claims: Value| {
        let options = AuthOptions {
            roles_claim: claim.into(),
            ..options()
        };
        let token = token(Algorithm::HS256, &claims, SECRET);
        TokenVerifier::new(&options)
            .unwrap()
            .operator(&bearing(&token))
            .await
            .map_err(|problem| problem.code())
    };
    let exp = later();
    let operator = Ok(UserId("o".into()));
    for (claim, claims) in [
        (
            "roles",
            json!({"sub": "o", "exp": exp, "roles": ["x", "operator"]}),
        ),
        (
            "scope",
            json!({"sub": "o", "exp": exp, "scope": "read operator"}),
        ),
        (
            "https://example.org/roles",
            json!({"sub": "o", "exp": exp, "https://example.org/roles": ["operator"]}),
        ),
        (
            "a.b",
            json!({"sub": "o", "exp": exp, "a": {"b": ["operator"]}}),
        ),
    ] {
        assert_eq!(ask(claim, claims).await, operator);
    }
    for claims in [
        json!({"sub": "o", "exp": exp}),
        json!({"sub": "o", "exp": exp, "roles": ["operators"]}),
        json!({"sub": "o", "exp": exp, "roles": {"operator": true}}),
        json!({"sub": "o", "exp": exp, "role": ["operator"]}),
        json!({"sub": "o", "exp": exp, "roles": "operator-not"}),
    ] {
        assert_eq!(ask("roles", claims).await, Err(Code::Forbidden));
    }
}

/// An issuer: its keys, and how often they were asked for.
struct Issuer {
    url: String,
    keys: Arc<std::sync::Mutex<Option<Value>>>,
    asked: Arc<std::sync::atomic::AtomicUsize>,
}

impl Issuer {
    async fn open() -> Self {
        let keys = Arc::new(std::sync::Mutex::new(None::<Value>));
        let asked = Arc::new(std::sync::atomic::AtomicUsize::new(0));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/keys", listener.local_addr().unwrap());
        let (shown, count) = (keys.clone(), asked.clone());
        let app = axum::Router::new().route(
            "/keys",
            axum::routing::get(move || {
                count.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
                let keys = shown.lock().unwrap().clone();
                std::future::ready(match keys {
                    Some(keys) => Ok(axum::Json(keys)),
                    None => Err(http::StatusCode::BAD_GATEWAY),
                })
            }),
        );
        tokio::spawn(async move { axum::serve(listener, app).await });
        Self { url, keys, asked }
    }

    fn publish(&self, keys: Value) {
        *self.keys.lock().unwrap() = Some(json!({ "keys": keys }));
    }

    fn asked(&self) -> usize {
        self.asked.load(std::sync::atomic::Ordering::SeqCst)
    }

    fn verifier(&self) -> TokenVerifier {
        TokenVerifier::new(&AuthOptions {
            jwks_url: Some(self.url.clone()),
            ..options()
        })
        .unwrap()
    }
}

/// An Ed25519 pair: the private key as the signer takes it, the public one as the set shows it.
fn pair(seed: u8) -> (EncodingKey, String) {
    use base64::Engine;
    let key = ed25519_dalek::SigningKey::from_bytes(&[seed; 32]);
    let der = ed25519_dalek::pkcs8::EncodePrivateKey::to_pkcs8_der(&key).unwrap();
    let public = base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(key.verifying_key());
    (EncodingKey::from_ed_der(der.as_bytes()), public)
}

fn jwk(id: &str, public: &str) -> Value {
    json!({"kty": "OKP", "crv": "Ed25519", "x": public, "kid": id, "use": "sig", "alg": "EdDSA"})
}

fn signed(id: Option<&str>, key: &EncodingKey) -> HeaderMap {
    let mut header = Header::new(Algorithm::EdDSA);
    header.kid = id.map(Into::into);
    let claims = json!({"sub": "u", "exp": later()});
    bearing(&jsonwebtoken::encode(&header, &claims, key).unwrap())
}

/// So much time passes at once. The clock is halted only for this: while it is, waiting for the network would
/// let it jump.
async fn pass(seconds: u64) {
    tokio::time::pause();
    tokio::time::advance(std::time::Duration::from_secs(seconds)).await;
    tokio::time::resume();
}

#[tokio::test]
async fn the_issuers_keys_are_followed_but_never_hammered() {
    let issuer = Issuer::open().await;
    let verifier = issuer.verifier();
    let ((first, first_public), (second, second_public)) = (pair(1), pair(2));
    let ask = async |id: Option<&str>, key: &EncodingKey| {
        verifier
            .caller(&signed(id, key))
            .await
            .map(|user| user.0)
            .map_err(|problem| problem.code())
    };
    let good = Ok("u".to_owned());
    // No set yet: that is our trouble, not the caller's.
    assert_eq!(ask(Some("a"), &first).await, Err(Code::Unavailable));
    issuer.publish(json!([jwk("a", &first_public), {"kty": "new", "x": 1}, 7]));
    assert_eq!(
        ask(Some("a"), &first).await,
        Err(Code::Unavailable),
        "too soon to look again"
    );
    assert_eq!(issuer.asked(), 1);
    pass(10).await;
    assert_eq!(ask(Some("a"), &first).await, good);
    assert_eq!(ask(None, &first).await, good, "the only key needs no name");
    assert_eq!(ask(Some("a"), &second).await, Err(Code::Unauthorised));
    assert_eq!(issuer.asked(), 2);
    // Rotation: the new key is found as soon as a token names it, and strangers cannot make us ask.
    issuer.publish(json!([jwk("b", &second_public)]));
    pass(10).await;
    assert_eq!(ask(Some("b"), &second).await, good);
    for nth in 0..50 {
        let stranger = format!("x{nth}");
        assert_eq!(ask(Some(&stranger), &second).await, Err(Code::Unauthorised));
    }
    assert_eq!(issuer.asked(), 3);
    assert_eq!(
        ask(Some("a"), &first).await,
        Err(Code::Unauthorised),
        "withdrawn"
    );
    // The issuer is away: what we have stays good.
    *issuer.keys.lock().unwrap() = None;
    pass(3_600).await;
    assert_eq!(ask(Some("b"), &second).await, good);
    // The shared secret works beside the set.
    let shared = token(
        Algorithm::HS256,
        &json!({"sub": "s", "exp": later()}),
        SECRET,
    );
    assert!(verifier.caller(&bearing(&shared)).await.is_ok());
}

#[tokio::test]
async fn a_caller_who_hangs_up_takes_the_keys_from_nobody() {
    use futures::FutureExt;
    let issuer = Issuer::open().await;
    let verifier = issuer.verifier();
    let (key, public) = pair(4);
    issuer.publish(json!([jwk("a", &public)]));
    let hung_up = signed(Some("a"), &key);
    assert!(verifier.caller(&hung_up).now_or_never().is_none());
    assert!(verifier.caller(&signed(Some("a"), &key)).await.is_ok());
    assert_eq!(issuer.asked(), 1);
}

#[tokio::test]
async fn a_token_does_not_choose_how_its_key_is_used() {
    let issuer = Issuer::open().await;
    let (key, public) = pair(3);
    issuer.publish(json!([
        jwk("good", &public),
        {"kty": "OKP", "crv": "Ed25519", "x": public, "kid": "other", "alg": "ES256"},
        {"kty": "OKP", "crv": "Ed25519", "x": public, "kid": "sealing", "use": "enc"},
        {"kty": "oct", "k": "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY", "kid": "secret", "alg": "HS256"},
    ]));
    let verifier = TokenVerifier::new(&AuthOptions {
        secret: None,
        jwks_url: Some(issuer.url.clone()),
        ..options()
    })
    .unwrap();
    assert!(verifier.caller(&signed(Some("good"), &key)).await.is_ok());
    for id in ["other", "sealing", "secret"] {
        assert!(
            verifier.caller(&signed(Some(id), &key)).await.is_err(),
            "{id}"
        );
    }
    // The public key as an HMAC secret: the oldest trick.
    for (id, secret) in [("good", public.as_str()), ("secret", SECRET)] {
        for algorithm in [Algorithm::HS256, Algorithm::HS512] {
            let mut header = Header::new(algorithm);
            header.kid = Some(id.into());
            let claims = json!({"sub": "u", "exp": later()});
            let forged = jsonwebtoken::encode(
                &header,
                &claims,
                &EncodingKey::from_secret(secret.as_bytes()),
            )
            .unwrap();
            let answer = verifier.caller(&bearing(&forged)).await;
            assert_eq!(
                answer.map_err(|problem| problem.code()),
                Err(Code::Unauthorised)
            );
        }
    }
}
