//! `docker-compose.yml` against this build: its commands, its roles, its settings, its ports.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::process::Command;

use boxoffice::config::{self, Config, Layers};
use boxoffice::roles::Role;
use secrecy::ExposeSecret;
use serde_json::{Value, json};

use crate::compose::{self, environment, seconds, services, words};

/// What our own services run.
const OUR_IMAGE: &str = "boxoffice:local";

/// A service of ours, with the configuration that its environment amounts to.
struct Ours<'a> {
    name: &'a str,
    service: &'a Value,
    command: Vec<&'a str>,
    role: Option<Role>,
    config: Config,
}

impl Ours<'_> {
    /// Where it listens, if it does.
    fn listens(&self) -> Option<SocketAddr> {
        match self.role {
            Some(Role::Api) => Some(self.config.api.listen),
            Some(Role::Ingress) => Some(self.config.ingress.listen),
            Some(_) => Some(self.config.health.listen),
            None if self.command == ["gateway-sim"] => Some(self.config.simulator.listen),
            None => None,
        }
    }

    /// The path that says whether it is ready.
    fn ready(&self) -> &'static str {
        if self.role.is_some() {
            "/readyz"
        } else {
            "/_sim/clock"
        }
    }
}

/// Everything that is wrong with a Compose file, as far as this build knows.
fn complaints(file: &Value) -> Vec<String> {
    let mut complaints = Vec::new();
    let services = services(file);
    let mut ours: Vec<Ours<'_>> = Vec::new();
    for (name, service) in &services {
        for port in words(&service["ports"]) {
            if !port.starts_with("127.0.0.1:") {
                complaints.push(format!("{name}: {port} is published to everybody"));
            }
        }
        if service["image"] == OUR_IMAGE {
            match our(name, service) {
                Ok(our) => ours.push(our),
                Err(what) => complaints.push(format!("{name}: {what}")),
            }
        }
    }
    for role in Role::ALL {
        let of_it: Vec<&str> = ours
            .iter()
            .filter(|our| our.role == Some(role))
            .map(|our| our.name)
            .collect();
        if of_it != [role.name()] {
            complaints.push(format!("the services of {role:?} are {of_it:?}"));
        }
    }
    for (name, service) in &services {
        complaints.extend(waits(&services, service).map(|what| format!("{name}: {what}")));
    }
    for our in &ours {
        let wrong = doors(our)
            .into_iter()
            .chain(addresses(&services, &ours, our));
        complaints.extend(wrong.map(|what| format!("{}: {what}", our.name)));
    }
    complaints
}

/// Its command must be one of this build's, and its variables settings with which that command starts.
fn our<'a>(name: &'a str, service: &'a Value) -> Result<Ours<'a>, String> {
    let command = words(&service["command"]);
    let help = Command::new(env!("CARGO_BIN_EXE_boxoffice"))
        .args(&command)
        .arg("--help")
        .output()
        .expect("the binary runs");
    if command.is_empty() || !help.status.success() {
        return Err(format!("{command:?} is no command"));
    }
    let role = Role::ALL.into_iter().find(|role| command == [role.name()]);
    let variables = environment(service);
    if let Some(other) = variables
        .keys()
        .find(|name| !name.starts_with("BOXOFFICE_"))
    {
        return Err(format!("{other} is no setting"));
    }
    let layers = Layers {
        variables,
        ..Layers::default()
    };
    let loaded = config::load(&layers, role.as_slice()).map_err(|error| error.to_string())?;
    Ok(Ours {
        name,
        service,
        command,
        role,
        config: loaded.config,
    })
}

/// What a service waits for must be there, and must be able to become what is waited for.
fn waits<'a>(
    services: &'a BTreeMap<&str, &Value>,
    service: &'a Value,
) -> impl Iterator<Item = String> + 'a {
    let waits = service["depends_on"].as_object().into_iter().flatten();
    waits.filter_map(|(other, how)| {
        let Some(found) = services.get(other.as_str()) else {
            return Some(format!("there is no service {other}"));
        };
        let able = match how["condition"].as_str().unwrap_or_default() {
            "service_healthy" => found["healthcheck"].is_object(),
            "service_completed_successfully" => found["restart"] == "no",
            _ => false,
        };
        (!able).then(|| format!("{other} never becomes what is waited for: {how}"))
    })
}

/// Whether a service is asked, published, stopped and restarted as its configuration wants it.
fn doors(our: &Ours<'_>) -> Vec<String> {
    let mut complaints = Vec::new();
    let mut must = |holds: bool, what: String| {
        if !holds {
            complaints.push(what);
        }
    };
    let Some(listens) = our.listens() else {
        must(
            our.command == ["migrate"],
            format!("{:?} is neither a role nor known here", our.command),
        );
        return complaints;
    };
    let port = listens.port();
    must(
        listens.ip().is_unspecified(),
        format!("listens on {listens}, which no other container reaches"),
    );
    let asked = format!("http://127.0.0.1:{port}{}", our.ready());
    let test = &our.service["healthcheck"]["test"];
    must(
        *test == json!(["CMD", "boxoffice", "health", asked]),
        format!("its health is asked by {test}, not of {asked}"),
    );
    for published in words(&our.service["ports"]) {
        must(
            published.ends_with(&format!(":{port}")),
            format!("publishes {published}, and listens on {port}"),
        );
    }
    let grace = seconds(&our.service["stop_grace_period"]).unwrap_or(10);
    let deadline = u64::from(our.config.shutdown.deadline_seconds);
    must(
        grace > deadline,
        format!("is killed after {grace} s, and may take {deadline} s to drain"),
    );
    must(
        our.service["restart"] == "unless-stopped",
        "is not started again".to_owned(),
    );
    let migrated = &our.service["depends_on"]["migrate"]["condition"];
    must(
        our.role.is_none() || migrated == "service_completed_successfully",
        "does not wait for the schema and the topics".to_owned(),
    );
    must(
        our.service["read_only"] == true && our.service["cap_drop"] == json!(["ALL"]),
        "may do more than it needs".to_owned(),
    );
    complaints
}

/// Every address in the configuration must be that of a service, and both ends must have the same secrets.
fn addresses(services: &BTreeMap<&str, &Value>, all: &[Ours<'_>], our: &Ours<'_>) -> Vec<String> {
    let mut complaints = Vec::new();
    let mut must = |holds: bool, what: String| {
        if !holds {
            complaints.push(what);
        }
    };
    let config = &our.config;
    let variables = environment(our.service);
    let set = |name: &str| variables.contains_key(name);
    let at = |name: &str| {
        all.iter()
            .find(|our| our.name == name)
            .and_then(Ours::listens)
    };
    // Default addresses are this machine, which is no service: whoever needs one has set it.
    if set("BOXOFFICE_KAFKA__BROKERS") {
        let kafka = services
            .get("kafka")
            .map(|kafka| environment(kafka))
            .unwrap_or_default();
        let advertised = kafka
            .get("KAFKA_ADVERTISED_LISTENERS")
            .cloned()
            .unwrap_or_default();
        let brokers = &config.kafka.brokers;
        let known = advertised
            .split(',')
            .any(|listener| listener.ends_with(&format!("://{brokers}")));
        must(
            known,
            format!("{brokers} is not among the broker's addresses {advertised}"),
        );
    }
    if set("BOXOFFICE_DATABASE__URL") {
        let server = services
            .get("postgres")
            .map(|server| environment(server))
            .unwrap_or_default();
        let of = |name: &str| server.get(name).cloned().unwrap_or_default();
        let (user, password, name) = (
            of("POSTGRES_USER"),
            of("POSTGRES_PASSWORD"),
            of("POSTGRES_DB"),
        );
        let url = config.database.url.expose_secret();
        let expected = format!("postgres://{user}:{password}@postgres:5432/{name}");
        must(
            *url == expected,
            format!("the database is at {expected}, not at {url}"),
        );
    }
    let needs_both = our.role.is_some();
    let needs_database = our.role.is_some_and(Role::needs_database);
    must(
        !needs_both || set("BOXOFFICE_KAFKA__BROKERS"),
        "has no brokers".to_owned(),
    );
    must(
        !needs_database || set("BOXOFFICE_DATABASE__URL"),
        "has no database".to_owned(),
    );
    let Some(simulator) = all.iter().find(|our| our.command == ["gateway-sim"]) else {
        must(false, "there is no gateway".to_owned());
        return complaints;
    };
    for account in &config.gateways {
        let secrets: Vec<&str> = account
            .secrets
            .iter()
            .map(|secret| secret.secret.expose_secret())
            .collect();
        let theirs = simulator.config.simulator.webhook_secret.expose_secret();
        must(
            secrets == [theirs],
            "its webhook secret is not the gateway's".to_owned(),
        );
        let api = account.api.as_ref();
        let base = simulator
            .listens()
            .map(|listens| format!("http://{}:{}", simulator.name, listens.port()));
        must(
            api.map(|api| api.base_url.clone()) == base,
            format!("the gateway is at {base:?}"),
        );
        let key = simulator.config.simulator.api_key.expose_secret();
        must(
            api.is_some_and(|api| api.api_key.expose_secret() == key),
            "its key is not the gateway's".to_owned(),
        );
    }
    if our.command == ["gateway-sim"] {
        let door = at("ingress")
            .map(|listens| format!("http://ingress:{}/webhooks/stripe", listens.port()));
        let webhooks = &config.simulator.webhook_url;
        must(
            Some(webhooks) == door.as_ref(),
            format!("sends webhooks to {webhooks}, not to {door:?}"),
        );
        let kept = config
            .simulator
            .state_file
            .parent()
            .and_then(|dir| dir.to_str())
            .unwrap_or_default();
        let mounted = words(&our.service["volumes"])
            .iter()
            .any(|volume| volume.ends_with(&format!(":{kept}")));
        must(
            mounted,
            format!("keeps its books in {kept:?}, which is no volume"),
        );
    }
    let public = &config.api.public_base_url;
    if !public.is_empty() {
        let published = services
            .get("api")
            .map(|api| words(&api["ports"]))
            .unwrap_or_default();
        let known = published.iter().any(|port| {
            port.rsplit_once(':')
                .is_some_and(|(door, _)| *public == format!("http://{door}"))
        });
        must(
            known,
            format!("the public reaches {published:?}, not {public}"),
        );
    }
    let mail = config.mail.smtp_url.expose_secret();
    must(
        mail.is_empty() || mail == "smtp://mail:1025",
        format!("there is no mail server at {mail}"),
    );
    complaints
}

#[test]
fn every_role_runs_as_this_build_wants_it_and_a_broken_file_is_refused() {
    let file = compose::file();
    assert_eq!(complaints(&file), Vec::<String>::new());

    let breaks: [(&str, Value, &str); 20] = [
        (
            "/services/refunds/command/0",
            json!("refnds"),
            "is no command",
        ),
        (
            "/services/refunds/command",
            json!(["refunds", "--all"]),
            "is no command",
        ),
        (
            "/services/refunds",
            json!({ "image": "other" }),
            "the services of Refunds are []",
        ),
        (
            "/services/refunds/command/0",
            json!("relay"),
            "the services of Relay are",
        ),
        (
            "/services/api/environment/BOXOFFICE_API__JWT_SECRT",
            json!("x"),
            "there is no such setting",
        ),
        (
            "/services/api/environment/BOXOFFICE_API__JWT_SECRET",
            json!("short"),
            "has fewer than 32 bytes",
        ),
        (
            "/services/api/environment/RUST_LOG",
            json!("debug"),
            "RUST_LOG is no setting",
        ),
        (
            "/services/coordinator/environment/BOXOFFICE_FACTS__SECRETS",
            json!("[]"),
            "facts.secrets",
        ),
        (
            "/services/api/ports/0",
            json!("8080:8080"),
            "published to everybody",
        ),
        (
            "/services/api/ports/0",
            json!("127.0.0.1:8080:8000"),
            "listens on 8080",
        ),
        (
            "/services/api/environment/BOXOFFICE_API__LISTEN",
            json!("0.0.0.0:8000"),
            "not of http://127.0.0.1:8000",
        ),
        (
            "/services/relay/healthcheck/test/3",
            json!("http://127.0.0.1:8083/livez"),
            "its health is asked by",
        ),
        (
            "/services/gateway-sim/environment/BOXOFFICE_SIMULATOR__LISTEN",
            json!("127.0.0.1:8082"),
            "no other container",
        ),
        (
            "/services/relay/stop_grace_period",
            json!("20s"),
            "is killed after 20 s",
        ),
        (
            "/services/relay/depends_on",
            json!({ "migration": {} }),
            "there is no service migration",
        ),
        (
            "/services/postgres/healthcheck",
            json!(null),
            "never becomes what is waited for",
        ),
        (
            "/services/kafka/environment/KAFKA_ADVERTISED_LISTENERS",
            json!("INSIDE://broker:9092"),
            "kafka:9092 is not among",
        ),
        (
            "/services/postgres/environment/POSTGRES_PASSWORD",
            json!("other"),
            "the database is at",
        ),
        (
            "/services/gateway-sim/environment/BOXOFFICE_SIMULATOR__WEBHOOK_SECRET",
            json!("other"),
            "not the gateway's",
        ),
        (
            "/services/notifications/environment/BOXOFFICE_MAIL__SMTP_URL",
            json!("smtp://mailhog:1025"),
            "no mail server",
        ),
    ];
    for (place, value, said) in breaks {
        let broken = compose::with(&file, place, value);
        let found = complaints(&broken);
        assert!(
            found.iter().any(|what| what.contains(said)),
            "{place}: {said}: {found:?}"
        );
    }
}

#[test]
fn the_brokers_are_of_the_version_that_the_tests_run_on() {
    let pom = crate::text("dev-servers/pom.xml");
    let (_, after) = pom
        .split_once("<artifactId>kafka_2.13</artifactId>")
        .expect("Kafka");
    let (_, after) = after.split_once("<version>").expect("a version");
    let (version, _) = after.split_once("</version>").expect("its end");
    let file = compose::file();
    assert_eq!(
        file["services"]["kafka"]["image"],
        format!("apache/kafka:{version}")
    );
}

#[test]
fn every_secret_can_be_set_from_outside() {
    let text = crate::text("docker-compose.yml");
    let marked = ["development-only", "development_only"];
    let secrets: Vec<&str> = text
        .lines()
        .filter(|line| marked.iter().any(|mark| line.contains(mark)))
        .collect();
    assert!(secrets.len() > 5, "{secrets:#?}");
    assert!(
        secrets.iter().all(|line| line.contains(":-")),
        "{secrets:#?}"
    );
}
