//! `POST /v1/bookings/{booking}/payments`: the customer wants to pay.
//!
//! Write the attempt down; ask the gateway, outside any transaction; bring its answer back. A gateway that
//! does not answer has not declined: the attempt stays open, and its verify task finds out.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use boxoffice_gateways::{CallError, CreatePayment, Created, GatewayClient, SaidBy};
use boxoffice_saga::identity::{BookingId, GatewayAccount, PaymentId, UserId};
use boxoffice_turn::KeyClaim;
use http::HeaderMap;
use serde::Deserialize;
use uuid::Uuid;

use super::attempt::{AnsweredTurn, Attempt, OpenTurn, Opened, PaymentBody, Told};
use crate::api::Api;
use crate::idempotency::{self, Reply};
use crate::metric;
use crate::openapi::{Problems, refuses};
use crate::problem::{Code, Problem};
use crate::request::{self, InPath};

/// How often a resumed attempt is looked at again while another call for it is under way.
const LOOKS: u32 = 4;
/// The pause between those looks.
const PAUSE: Duration = Duration::from_millis(300);
/// Over the client's own timeout: an answer that is on its way is not thrown away.
const MARGIN: Duration = Duration::from_secs(1);

/// Where the customer wants to pay.
#[derive(Deserialize, utoipa::ToSchema)]
#[schema(as = NewPayment, examples(json!({ "gateway": "stripe" })))]
struct PayBody {
    /// The gateway's name, for example `stripe`.
    gateway: String,
    /// Which of our accounts there; usually left out.
    #[serde(default)]
    account: Option<String>,
}

refuses!(PayDoor: ACTS + NotFound, HoldOver, AlreadyPaid, UnknownGateway, GatewayDeclined, GatewayUnavailable);

/// Open a payment at a gateway
///
/// Each call is a fresh attempt, unless it repeats an `Idempotency-Key`.
#[utoipa::path(
    post, path = "/v1/bookings/{booking}/payments", tag = "bookings",
    params(
        ("booking" = BookingId, Path, description = "The booking."),
        ("Idempotency-Key" = Option<String>, Header, min_length = 1, max_length = 255, pattern = "^[!-~]+$",
            description = "The same request under the same key has one effect and one answer, for 24 hours."),
    ),
    request_body = PayBody,
    responses(
        (status = 201, description = "Send the customer off with `client_secret` or to `checkout_url`.",
            body = PaymentBody<'_>, links(
                ("hint" = (operation_id = "hint", parameters(
                    ("booking" = "$request.path.booking"), ("payment" = "$response.body#/payment_id"),
                ))),
            )),
        Problems<PayDoor>,
    ),
    security(("bearer" = [])),
)]
pub(crate) async fn pay(
    State(api): State<Arc<Api>>,
    InPath(booking): InPath<String>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let user = api.acting(&headers).await?;
    let booking: BookingId = request::path(&booking, "booking")?;
    let body = request::body(body).await?;
    let route = format!("POST /v1/bookings/{booking}/payments");
    let key = idempotency::claim(&headers, &user, route, &body)?;
    let asked: PayBody = request::json(&body)?;
    let account = asked
        .account
        .unwrap_or_else(|| GatewayAccount::DEFAULT.to_owned());
    let account = GatewayAccount::new(asked.gateway, account);
    let client = api.gateways.client(&account).cloned().ok_or_else(|| {
        Problem::new(
            Code::UnknownGateway,
            "No gateway of this name takes payments here.",
        )
    })?;
    // The rest runs to its end even if the caller goes away: the gateway's answer must be written down.
    let paying = Paying {
        api,
        booking,
        user,
        account,
        client,
        key,
    };
    let reply = tokio::spawn(paying.run())
        .await
        .map_err(|_| Problem::internal())??;
    Ok(reply.into_response())
}

struct Paying {
    api: Arc<Api>,
    booking: BookingId,
    user: UserId,
    account: GatewayAccount,
    client: Arc<dyn GatewayClient>,
    key: Option<KeyClaim>,
}

impl Paying {
    async fn run(self) -> Result<Reply, Problem> {
        let show = self.api.catalogue.for_sale(self.booking.show()).await?;
        let terms = show
            .ok_or_else(|| Problem::not_found("booking"))?
            .terms
            .clone();
        let open = OpenTurn {
            booking: self.booking,
            user: self.user.clone(),
            payment: PaymentId::from(Uuid::now_v7()),
            account: self.account.clone(),
            capture: self.api.gateways.capture(&self.account),
            terms,
            key: self.key.clone(),
        };
        let mut looks = 0;
        loop {
            let opened = super::turn(&self.api, &open, "payment").await?;
            let attempt = match opened {
                Opened::Ask(attempt) => attempt,
                Opened::Over(answer) => return answer,
            };
            match self.create(&attempt).await {
                Err(CallError::RetryLater {
                    said_by: SaidBy::Gateway,
                    ..
                }) if attempt.resumed && looks < LOOKS => {
                    // Probably our twin's call is under way: its answer will be found under the key.
                    looks += 1;
                    tokio::time::sleep(PAUSE).await;
                }
                answer => return self.bring(attempt, answer).await,
            }
        }
    }

    async fn create(&self, attempt: &Attempt) -> Result<Created, CallError> {
        let order = CreatePayment::new(
            attempt.payment,
            self.booking,
            attempt.amount,
            attempt.capture,
        );
        let call = self.client.create_payment(&order);
        let answer = match tokio::time::timeout(self.client.timeout() + MARGIN, call).await {
            Ok(answer) => answer,
            Err(_) => Err(CallError::unknown("no answer in time")),
        };
        let outcome = match &answer {
            Ok(_) => "created",
            Err(CallError::Declined { .. }) => "declined",
            Err(error) if error.held_back().is_some() => "held_back",
            Err(CallError::RetryLater { .. }) => "retry_later",
            Err(CallError::NotFound) => "not_found",
            Err(CallError::Unknown { .. }) => "unknown",
        };
        let gateway = self.account.gateway.clone();
        metrics::counter!(metric::PAYMENTS_OPENED, "gateway" => gateway, "outcome" => outcome)
            .increment(1);
        if let Err(error) = &answer {
            tracing::warn!(%error, gateway = %self.account, booking = %self.booking, payment = %attempt.payment,
                "the gateway did not open a payment");
        }
        answer
    }

    async fn bring(
        self,
        attempt: Attempt,
        answer: Result<Created, CallError>,
    ) -> Result<Reply, Problem> {
        let told = match answer {
            Ok(created) => Told::Created(created),
            Err(CallError::Declined { code, .. }) => Told::Declined(
                Problem::new(
                    Code::GatewayDeclined,
                    "The gateway will not open this payment, and nothing was taken. Try another gateway.",
                )
                .gateway_code(code),
            ),
            // Without a key nobody can come back to this attempt, and it was certainly not made.
            Err(CallError::RetryLater { after, .. }) if self.key.is_none() => Told::NotMade(unavailable(after)),
            Err(CallError::RetryLater { after, .. }) => return Err(unavailable(after)),
            Err(CallError::Unknown { .. } | CallError::NotFound) => return Err(unavailable(None)),
        };
        let turn = AnsweredTurn {
            booking: self.booking,
            payment: attempt.payment,
            account: self.account,
            amount: attempt.amount,
            key: self.key,
            told,
        };
        super::turn(&self.api, &turn, "payment").await?
    }
}

fn unavailable(after: Option<Duration>) -> Problem {
    let seconds = after.map_or(5, |after| {
        u32::try_from(after.as_secs()).unwrap_or(60).clamp(1, 60)
    });
    Problem::new(
        Code::GatewayUnavailable,
        "The gateway does not answer. Nothing is known to have failed: ask again under the same \
         Idempotency-Key to go on with this attempt.",
    )
    .retry_after(seconds)
}
