//! An operator at their door.

use std::sync::Arc;
use std::time::{Duration, Instant};

use boxoffice::demo::Stage;
use boxoffice_saga::identity::ShowId;
use serde_json::{Value, json};

/// Somebody with the role `operator`.
pub struct Operator {
    stage: Arc<Stage>,
    pub name: String,
    token: String,
}

impl Operator {
    /// An operator unlike all others.
    pub async fn new(stage: &Arc<Stage>) -> Self {
        let name = format!("op-{}", uuid::Uuid::new_v4().simple());
        let expires = stage.now().await.expect("a clock") + time::Duration::hours(1);
        let claims = json!({ "sub": name, "exp": expires.unix_timestamp(), "roles": ["operator"] });
        let key = jsonwebtoken::EncodingKey::from_secret(stage.target.jwt_secret.as_bytes());
        let token =
            jsonwebtoken::encode(&jsonwebtoken::Header::default(), &claims, &key).expect("a token");
        Self {
            stage: stage.clone(),
            name,
            token,
        }
    }

    /// The bearer token.
    pub fn token(&self) -> &str {
        &self.token
    }

    /// A request to `/v1/admin/…`.
    pub fn asks(&self, path: &str) -> reqwest::RequestBuilder {
        let url = format!("{}/v1/admin/{path}", self.stage.target.api);
        self.stage.http.post(url).bearer_auth(&self.token)
    }

    /// Posts JSON; what is answered.
    pub async fn does(&self, path: &str, body: &Value) -> (u16, Value) {
        answer(self.asks(path).json(body)).await
    }

    /// Looks at `/v1/admin/…`; what is answered.
    pub async fn sees(&self, path: &str) -> (u16, Value) {
        let url = format!("{}/v1/admin/{path}", self.stage.target.api);
        answer(self.stage.http.get(url).bearer_auth(&self.token)).await
    }

    /// A show as operators see it, as soon as the system can say.
    pub async fn looks_at(&self, show: ShowId) -> Value {
        let url = format!("{}/v1/admin/shows/{show}", self.stage.target.api);
        let until = Instant::now() + Duration::from_secs(30);
        loop {
            let asked = self.stage.http.get(&url).bearer_auth(&self.token);
            match answer(asked).await {
                (200, body) => return body,
                (503, _) if Instant::now() < until => {
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
                (status, body) => panic!("{status} {body}"),
            }
        }
    }

    /// What the record says that this operator did: what, to what, why.
    pub async fn record(&self) -> Vec<(String, Option<String>, Option<String>)> {
        let acts = "select what, subject, why from operator_acts where who = $1 order by act";
        sqlx::query_as(acts)
            .bind(&self.name)
            .fetch_all(&self.stage.database)
            .await
            .expect("a record")
    }
}

/// Status and body.
pub async fn answer(request: reqwest::RequestBuilder) -> (u16, Value) {
    let answer = request.send().await.expect("an answer");
    let status = answer.status().as_u16();
    (status, answer.json().await.unwrap_or_default())
}

/// The number of a show in an answer.
pub fn show_of(answer: &Value) -> ShowId {
    let number = answer["show_id"].as_u64().expect("a show");
    ShowId::try_from(number).expect("a show's number")
}
