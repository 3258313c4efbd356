//! The product as its users run it: the binary, with a configuration file, and the gateway simulator beside it.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use boxoffice::demo::Target;
use tokio::sync::OnceCell;

use crate::servers;

const JWT_SECRET: &str = "a-secret-for-tests-only-0123456789abcdef";
const WEBHOOK_SECRET: &str = "whsec_a_secret_for_tests_only_0123456789";
/// What the simulated Adyen signs with.
const HMAC_KEY: &str = "44782DEF547AAA06C910C43932B1EB0C71FC68D9D0C057550C48EC2ACF6BA056";
const PATIENCE: Duration = Duration::from_secs(60);

/// A running boxoffice.
pub struct System {
    pub target: Target,
    pub dir: PathBuf,
    config: PathBuf,
    setup: Setup,
    simulator: Child,
    roles: Option<Child>,
    /// Further processes with roles of their own.
    more: Vec<Child>,
}

/// How a system differs from the usual one.
#[derive(Clone)]
pub struct Setup {
    /// The arguments that start the roles' process.
    pub roles: &'static [&'static str],
    /// Settings, as variables.
    pub settings: Vec<(&'static str, String)>,
    /// The line to the simulator.
    pub line: &'static str,
    /// When the gateway's money is taken.
    pub capture: &'static str,
    /// Further sections of the configuration.
    pub more: String,
    /// Settings of the simulator, as variables.
    pub simulator: Vec<(&'static str, String)>,
}

impl Default for Setup {
    fn default() -> Self {
        Self {
            roles: &["all"],
            settings: Vec::new(),
            line: "{}",
            capture: "automatic",
            more: String::new(),
            simulator: Vec::new(),
        }
    }
}

fn runs(arguments: &[&str], role: &str) -> bool {
    let mut words = arguments.iter().flat_map(|words| words.split(','));
    words.any(|word| word == role || word == "all")
}

/// The system that tests share which leave it as they found it, each with shows of its own.
pub async fn shared() -> &'static System {
    static SHARED: OnceCell<System> = OnceCell::const_new();
    SHARED
        .get_or_init(|| async {
            let servers = servers::shared();
            let system = System::start(&servers.kafka(), &servers.empty_database().await).await;
            system.end_with_us();
            system
        })
        .await
}

impl System {
    /// Migrates, and starts the simulator and every role, on free ports.
    pub async fn start(kafka: &str, database: &str) -> Self {
        Self::start_with(kafka, database, Setup::default()).await
    }

    /// What is kept in a static is never dropped: somebody else ends its processes after this one.
    #[expect(clippy::zombie_processes, reason = "it outlives us")]
    fn end_with_us(&self) {
        let children = [self.roles.as_ref(), Some(&self.simulator)];
        let ended = "while kill -0 $0 2>/dev/null; do sleep 1; done; kill -9 $@ 2>/dev/null";
        Command::new("sh")
            .args(["-c", ended, &std::process::id().to_string()])
            .args(
                children
                    .into_iter()
                    .flatten()
                    .map(|child| child.id().to_string()),
            )
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("a shell");
    }

    /// The same with another setup.
    pub async fn start_with(kafka: &str, database: &str, setup: Setup) -> Self {
        // As the binary's main does; the second time it is there already.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let dir = servers::fresh_dir("system");
        let ports = free_ports();
        let config = dir.join("boxoffice.toml");
        let text = configuration(&dir, kafka, database, ports, &setup);
        std::fs::write(&config, text).expect("a configuration");
        let migrated = command(&config, "migrate")
            .output()
            .expect("the binary runs");
        assert!(
            migrated.status.success(),
            "migrate: {}",
            String::from_utf8_lossy(&migrated.stderr)
        );
        let mut simulator = command(&config, "gateway-sim");
        simulator.envs(setup.simulator.iter().map(|(name, value)| (name, value)));
        let simulator = spawn(&mut simulator, &dir, "simulator");
        let url = |port: u16| format!("http://127.0.0.1:{port}");
        let target = Target {
            api: url(ports[0]),
            ingress: url(ports[1]),
            simulator: url(ports[2]),
            database: database.to_owned(),
            kafka: kafka.to_owned(),
            jwt_secret: JWT_SECRET.to_owned(),
            webhook_secret: WEBHOOK_SECRET.to_owned(),
        };
        let mut system = Self {
            target,
            dir,
            config,
            setup,
            simulator,
            roles: None,
            more: Vec::new(),
        };
        system.start_roles(None).await;
        system
    }

    /// Other settings from the next start on.
    pub fn settings(&mut self, settings: Vec<(&'static str, String)>) {
        self.setup.settings = settings;
    }

    /// Starts the roles in one process and waits until it is ready, or has died of its failpoint.
    pub async fn start_roles(&mut self, failpoint: Option<&str>) {
        self.start_command(self.setup.roles, failpoint).await;
    }

    /// The same with another command. Only the doors that it runs are waited for.
    pub async fn start_command(&mut self, arguments: &[&str], failpoint: Option<&str>) {
        let mut command = self.command(arguments);
        let settings = self.setup.settings.iter();
        command.envs(settings.map(|(name, value)| (name, value)));
        if let Some(name) = failpoint {
            self.arm(&mut command, name);
        }
        self.roles = Some(spawn(&mut command, &self.dir, "roles"));
        let until = Instant::now() + PATIENCE;
        let http = reqwest::Client::new();
        let doors = [
            ("api", self.target.api.clone()),
            ("ingress", self.target.ingress.clone()),
        ];
        for (_, base) in doors.iter().filter(|(role, _)| runs(arguments, role)) {
            let url = format!("{base}/readyz");
            loop {
                let ready = http
                    .get(&url)
                    .send()
                    .await
                    .is_ok_and(|answer| answer.status().is_success());
                if ready || (failpoint.is_some() && self.ended().is_some()) {
                    break;
                }
                assert!(
                    self.ended().is_none(),
                    "boxoffice ended at its start: {}",
                    self.log()
                );
                assert!(
                    Instant::now() < until,
                    "boxoffice never became ready: {}",
                    self.log()
                );
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        }
    }

    /// Starts a role in a process of its own, beside the others, perhaps to die at a failpoint. Its end is the
    /// caller's.
    pub fn start_beside(&self, role: &str, failpoint: Option<&str>) -> Child {
        let mut command = self.command(&[role]);
        command.env("BOXOFFICE_HEALTH__LISTEN", "127.0.0.1:0");
        if let Some(name) = failpoint {
            self.arm(&mut command, name);
        }
        spawn(&mut command, &self.dir, role)
    }

    fn arm(&self, command: &mut Command, failpoint: &str) {
        command.env(boxoffice_failpoints::VARIABLE, failpoint);
        command.env(boxoffice_failpoints::LOG_VARIABLE, self.fired_log());
    }

    /// Starts one more process beside the first, with health on a port of its own.
    pub fn also_run(&mut self, role: &str) {
        let child = self.start_beside(role, None);
        self.more.push(child);
    }

    /// How the roles' process ended, if it did.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        self.roles
            .as_mut()
            .and_then(|roles| roles.try_wait().expect("a child can be waited for"))
    }

    /// Whether this failpoint left its name before it killed the process.
    pub fn fired(&self, name: &str) -> bool {
        std::fs::read_to_string(self.fired_log())
            .is_ok_and(|log| log.lines().any(|line| line == name))
    }

    fn fired_log(&self) -> PathBuf {
        self.dir.join("fired")
    }

    /// Kills the roles' process, if it lives.
    pub fn kill_roles(&mut self) {
        if let Some(mut roles) = self.roles.take() {
            let _ = roles.kill();
            let _ = roles.wait();
        }
    }

    /// Runs a command of the binary with this system's configuration.
    pub fn run(&self, arguments: &[&str]) -> std::process::Output {
        self.command(arguments).output().expect("the binary runs")
    }

    /// A command of the binary with this system's configuration.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let (first, rest) = arguments.split_first().expect("a command");
        let mut command = command(&self.config, first);
        command.args(rest);
        command
    }

    /// Evaluates every promise by `boxoffice audit`.
    pub fn audit(&self) {
        let audit = self.run(&["audit"]);
        assert!(
            audit.status.success(),
            "audit: {}{}",
            String::from_utf8_lossy(&audit.stdout),
            String::from_utf8_lossy(&audit.stderr)
        );
    }

    /// The letters that were written, by file name.
    pub fn letters(&self) -> Vec<String> {
        let files = std::fs::read_dir(self.dir.join("mail"));
        files
            .into_iter()
            .flatten()
            .flatten()
            .map(|file| file.file_name().to_string_lossy().into_owned())
            .collect()
    }

    /// The end of the roles' log.
    pub fn log(&self) -> String {
        let log = std::fs::read_to_string(self.dir.join("roles.log")).unwrap_or_default();
        log.lines()
            .rev()
            .take(40)
            .collect::<Vec<_>>()
            .into_iter()
            .rev()
            .collect::<Vec<_>>()
            .join("\n")
    }
}

/// A further process of ours.
pub struct Instance {
    pub url: String,
    child: Child,
}

impl System {
    /// A second booking API beside the first, on a port of its own, with settings changed by variables.
    pub async fn another_api(&self, variables: &[(&str, &str)]) -> Instance {
        let port = free_ports()[0];
        let mut command = command(&self.config, "api");
        command.env("BOXOFFICE_API__LISTEN", format!("127.0.0.1:{port}"));
        command.envs(variables.iter().copied());
        let mut instance = Instance {
            url: format!("http://127.0.0.1:{port}"),
            child: spawn(&mut command, &self.dir, "another-api"),
        };
        let until = Instant::now() + PATIENCE;
        let http = reqwest::Client::new();
        let ready = format!("{}/readyz", instance.url);
        while !http
            .get(&ready)
            .send()
            .await
            .is_ok_and(|answer| answer.status().is_success())
        {
            let ended = instance
                .child
                .try_wait()
                .expect("a child can be waited for");
            assert!(ended.is_none(), "the second API ended at its start");
            assert!(Instant::now() < until, "the second API never became ready");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        instance
    }
}

impl Drop for Instance {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for System {
    fn drop(&mut self) {
        self.kill_roles();
        for child in self.more.iter_mut().chain([&mut self.simulator]) {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

fn command(config: &Path, name: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_boxoffice"));
    command
        .arg(name)
        .env("BOXOFFICE_CONFIG", config)
        .stdin(Stdio::null());
    command
}

fn spawn(command: &mut Command, dir: &Path, name: &str) -> Child {
    let log = std::fs::OpenOptions::new()
        .create(true)
        .append(true)
        .open(dir.join(format!("{name}.log")))
        .expect("a log file");
    let errors = log.try_clone().expect("a log file");
    command
        .stdout(log)
        .stderr(errors)
        .spawn()
        .expect("the binary starts")
}

/// Ports that were free a moment ago, below those that the system gives to outgoing connections.
pub fn free_ports() -> [u16; 5] {
    use std::net::TcpListener;
    let mut listeners = Vec::new();
    let mut port = 10_000 + u16::try_from(std::process::id() % 4_000).unwrap_or(0);
    while listeners.len() < 5 {
        port += 1;
        if let Ok(listener) = TcpListener::bind(("127.0.0.1", port)) {
            static TAKEN: std::sync::Mutex<Vec<u16>> = std::sync::Mutex::new(Vec::new());
            let mut taken = TAKEN.lock().expect("no test panics here");
            if !taken.contains(&port) {
                taken.push(port);
                listeners.push((listener, port));
            }
        }
    }
    [
        listeners[0].1,
        listeners[1].1,
        listeners[2].1,
        listeners[3].1,
        listeners[4].1,
    ]
}

fn configuration(
    dir: &Path,
    kafka: &str,
    database: &str,
    ports: [u16; 5],
    setup: &Setup,
) -> String {
    let Setup {
        line,
        capture,
        more,
        ..
    } = setup;
    let [api, ingress, simulator, health, smtp] = ports;
    let mail = dir.join("mail");
    let books = dir.join("books.json");
    format!(
        r#"
[kafka]
brokers = "{kafka}"
partitions = 2
replication = 1
session_timeout_ms = 1500

[database]
url = "{database}"

[ingress]
listen = "127.0.0.1:{ingress}"

[api]
listen = "127.0.0.1:{api}"
jwt_secret = "{JWT_SECRET}"
status_secret = "another-secret-for-tests-0123456789abcdef"

[tickets]
key_id = "test"
signing_key = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="

[[gateways]]
gateway = "stripe"
capture = "{capture}"
secrets = ["{WEBHOOK_SECRET}"]
api = {{ base_url = "http://127.0.0.1:{simulator}", api_key = "sk_test_key", timeout_ms = 3000 }}
line = {line}

[[gateways]]
gateway = "razorpay"
capture = "{capture}"
secrets = ["{WEBHOOK_SECRET}"]
api = {{ base_url = "http://127.0.0.1:{simulator}/razorpay", user = "rzp_test_key", api_key = "a_secret", timeout_ms = 3000 }}
line = {line}

[[gateways]]
gateway = "cashfree"
secrets = ["{WEBHOOK_SECRET}"]
api = {{ base_url = "http://127.0.0.1:{simulator}/cashfree", user = "a_client", api_key = "{WEBHOOK_SECRET}", timeout_ms = 3000 }}
line = {line}

[[gateways]]
gateway = "adyen"
capture = "{capture}"
secrets = ["{HMAC_KEY}"]
api = {{ base_url = "http://127.0.0.1:{simulator}/adyen", merchant = "TestMerchant", api_key = "a_key", timeout_ms = 3000 }}
line = {line}

[[gateways]]
gateway = "generic"
secrets = ["{WEBHOOK_SECRET}"]

[facts]
secrets = ["a-secret-for-facts-in-tests-0123456789abcdef"]

[mail]
timeout_seconds = 2
smtp_url = "smtp://127.0.0.1:{smtp}"

[tasks]
lease_seconds = 8
call_seconds = 3

# The tests that are about it switch it on; to others it would be one more caller of the gateway.
[reconciliation]
enabled = false

[simulator]
listen = "127.0.0.1:{simulator}"
webhook_url = "http://127.0.0.1:{ingress}/webhooks/stripe"
webhook_secret = "{WEBHOOK_SECRET}"
api_key = "sk_test_key"
razorpay_key_id = "rzp_test_key"
razorpay_key_secret = "a_secret"
razorpay_webhook_url = "http://127.0.0.1:{ingress}/webhooks/razorpay"
razorpay_webhook_secret = "{WEBHOOK_SECRET}"
cashfree_client_id = "a_client"
cashfree_client_secret = "{WEBHOOK_SECRET}"
cashfree_webhook_url = "http://127.0.0.1:{ingress}/webhooks/cashfree"
adyen_merchant = "TestMerchant"
adyen_api_key = "a_key"
adyen_webhook_url = "http://127.0.0.1:{ingress}/webhooks/adyen"
adyen_hmac_key = "{HMAC_KEY}"
state_file = "{books}"
mail_listen = "127.0.0.1:{smtp}"
mail_files = "{mail}"

[health]
listen = "127.0.0.1:{health}"

{more}
"#,
        mail = mail.display(),
        books = books.display(),
    )
}
