//! The workers: consumers with their executors, and the relay.

use std::sync::Arc;

use boxoffice_coordinator::SweepOptions;
use boxoffice_notifications::Office;
use boxoffice_notifications::letters::Letterhead;
use boxoffice_notifications::mail::{MailDomain, Postman};
use boxoffice_notifications::provider::Provider;
use boxoffice_relay::RelayOptions;
use boxoffice_stream::StreamOptions;
use boxoffice_tasks::ExecutorOptions;
use secrecy::ExposeSecret;
use time::Duration;

use super::{Shared, executor, reading, status_tokens, ticket_keys};
use crate::audit::running;
use crate::config::{Config, ProviderConfig, is_set, optional};
use crate::failure::Failure;
use crate::reconciliation;
use crate::supervisor::{Ending, Stage};

/// A consumer's options, with the operator's settings.
pub fn stream(config: &Config, options: StreamOptions) -> StreamOptions {
    let session_timeout = std::time::Duration::from_millis(config.kafka.session_timeout_ms.into());
    StreamOptions {
        extra: config.kafka.extra(),
        session_timeout,
        ..options
    }
}

/// Starts the coordinator, and the running check beside it.
pub fn coordinator(shared: &Shared<'_>) -> Result<(), Failure> {
    let options = stream(
        shared.config,
        boxoffice_coordinator::stream_options(&shared.config.kafka.brokers),
    );
    let tasks = executor(shared.config, "coordinator");
    let (store, gateways) = (shared.store.clone(), shared.gateways.clone());
    let seconds = |seconds: u32| std::time::Duration::from_secs(seconds.into());
    let swept = SweepOptions {
        every: seconds(shared.config.tasks.sweep_every_seconds),
        after: seconds(shared.config.tasks.sweep_after_seconds),
    };
    let kept = shared.config.retention.options();
    shared.supervisor.spawn(
        "coordinator",
        Stage::Workers,
        Ending::StartAgain,
        move |stop| {
            let stop = stop.child_token();
            boxoffice_coordinator::run(
                options.clone(),
                store.clone(),
                gateways.clone(),
                tasks.clone(),
                swept,
                kept,
                stop,
            )
        },
    );
    reconciliation(shared)?;
    running_check(shared)
}

/// Starts the comparison with the gateways' books, unless it is switched off.
fn reconciliation(shared: &Shared<'_>) -> Result<(), Failure> {
    let settings = &shared.config.reconciliation;
    if !settings.enabled {
        return Ok(());
    }
    let options = settings.options();
    let (store, reading) = (shared.store.clone(), reading(&shared.config.database, 1)?);
    let gateways = shared.gateways.clone();
    shared.supervisor.spawn(
        "reconciliation",
        Stage::Workers,
        Ending::StartAgain,
        move |stop| {
            let (store, reading) = (store.clone(), reading.clone());
            let gateways = gateways.clone();
            async move {
                // Without an account to reconcile there is nothing to do, and no reason to start again and again.
                reconciliation::run(store, reading, gateways, options, stop.child_token()).await;
                stop.cancelled().await;
                anyhow::Ok(())
            }
        },
    );
    Ok(())
}

/// Starts the evaluation of the promises, unless it is switched off.
fn running_check(shared: &Shared<'_>) -> Result<(), Failure> {
    let settings = &shared.config.running_check;
    if !settings.enabled {
        return Ok(());
    }
    let options = running::Options {
        interval: std::time::Duration::from_millis(settings.interval_ms),
        events: std::time::Duration::from_secs(settings.events_seconds),
    };
    let (store, reading) = (shared.store.clone(), reading(&shared.config.database, 1)?);
    shared.supervisor.spawn(
        "running check",
        Stage::Workers,
        Ending::StartAgain,
        move |stop| {
            let (store, reading) = (store.clone(), reading.clone());
            async move {
                running::run(store, reading, options, stop.child_token()).await;
                anyhow::Ok(())
            }
        },
    );
    Ok(())
}

/// Starts the refund worker.
pub fn refunds(shared: &Shared<'_>) {
    let options = stream(
        shared.config,
        boxoffice_consumer_turns::events::stream_options(
            &shared.config.kafka.brokers,
            boxoffice_refunds::CONSUMER,
            boxoffice_refunds::GATHER,
        ),
    );
    let tasks = executor(shared.config, "refunds");
    let mass_in_flight = shared.config.tasks.mass_in_flight;
    let (store, gateways) = (shared.store.clone(), shared.gateways.clone());
    shared
        .supervisor
        .spawn("refunds", Stage::Workers, Ending::StartAgain, move |stop| {
            let stop = stop.child_token();
            boxoffice_refunds::run(
                options.clone(),
                store.clone(),
                gateways.clone(),
                tasks.clone(),
                mass_in_flight,
                stop,
            )
        });
}

/// Starts the notification worker.
pub fn notifications(shared: &Shared<'_>) -> Result<(), Failure> {
    let office = Arc::new(office(shared.config)?);
    let options = stream(
        shared.config,
        boxoffice_consumer_turns::events::stream_options(
            &shared.config.kafka.brokers,
            boxoffice_notifications::CONSUMER,
            boxoffice_notifications::GATHER,
        ),
    );
    let tasks = ExecutorOptions {
        per_second: shared.config.mail.per_second,
        ..executor(shared.config, "notifications")
    };
    let store = shared.store.clone();
    shared.supervisor.spawn(
        "notifications",
        Stage::Workers,
        Ending::StartAgain,
        move |stop| {
            let stop = stop.child_token();
            boxoffice_notifications::run(
                options.clone(),
                store.clone(),
                office.clone(),
                tasks.clone(),
                stop,
            )
        },
    );
    Ok(())
}

fn office(config: &Config) -> Result<Office, Failure> {
    let mail = &config.mail;
    let limit = std::time::Duration::from_secs(mail.timeout_seconds.into());
    let postman = if is_set(&mail.smtp_url) {
        Postman::smtp(&mail.smtp_url, &mail.from, limit)
    } else {
        Postman::files(&mail.files, &mail.from)
    };
    let postman =
        postman.map_err(|error| Failure::because("mail cannot be sent like this", &error))?;
    let status_url = if config.api.public_base_url.is_empty() || !is_set(&config.api.status_secret)
    {
        None
    } else {
        let tokens = status_tokens(config)?;
        let base = config.api.public_base_url.trim_end_matches('/').to_owned();
        let life = Duration::days(config.api.status_link_days.into());
        let url = move |booking: uuid::Uuid, now: time::OffsetDateTime| {
            format!(
                "{base}/v1/bookings/{booking}?token={}",
                tokens.issue(booking, now + life)
            )
        };
        Some(Box::new(url)
            as Box<
                dyn Fn(uuid::Uuid, time::OffsetDateTime) -> String + Send + Sync,
            >)
    };
    // The domain of Message-IDs is that of the sender's address.
    let address = mail
        .from
        .rsplit('<')
        .next()
        .unwrap_or_default()
        .trim_end_matches(['>', ' ']);
    let domain = MailDomain::new(address.rsplit('@').next().unwrap_or_default())
        .map_err(|error| Failure::because("mail.from cannot be used", &error))?;
    let offset = mail
        .offset()
        .ok_or_else(|| Failure::new("mail.utc_offset is no offset: write it as +05:30"))?;
    if config.tickets.signing_key.expose_secret().is_empty() {
        return Err(Failure::new(
            "tickets.signing_key is not set, and letters carry tickets",
        ));
    }
    Ok(Office {
        postman,
        sms: provider("sms", &config.sms)?,
        push: provider("push", &config.push)?,
        letterhead: Letterhead {
            name: mail.name.clone(),
            help: optional(&mail.help),
        },
        domain,
        offset,
        ticket_keys: ticket_keys(&config.tickets)
            .map_err(|error| Failure::because("tickets.signing_key cannot be used", &error))?,
        status_url,
    })
}

fn provider(section: &str, config: &ProviderConfig) -> Result<Option<Arc<dyn Provider>>, Failure> {
    let provider = config.provider().map_err(|error| {
        Failure::because(format!("[{section}] cannot be used like this"), &error)
    })?;
    Ok(provider.map(|provider| Arc::new(provider) as Arc<dyn Provider>))
}

/// Starts the analytics.
pub fn analytics(shared: &Shared<'_>) {
    let options = stream(
        shared.config,
        boxoffice_analytics::stream_options(&shared.config.kafka.brokers),
    );
    let store = shared.analytics.clone();
    shared.supervisor.spawn(
        "analytics",
        Stage::Workers,
        Ending::StartAgain,
        move |stop| boxoffice_analytics::run(options.clone(), store.clone(), stop.child_token()),
    );
}

/// Starts the relay.
pub fn relay(shared: &Shared<'_>) -> Result<(), Failure> {
    let database = shared
        .config
        .database
        .connect_options()
        .map_err(|error| Failure::because("database.url cannot be used", &error))?;
    let options = RelayOptions::new(database, shared.config.kafka.connection());
    let outbox = shared.outbox.clone();
    shared
        .supervisor
        .spawn("relay", Stage::Relay, Ending::StartAgain, move |stop| {
            boxoffice_relay::run(options.clone(), outbox.clone(), stop.child_token())
        });
    Ok(())
}
