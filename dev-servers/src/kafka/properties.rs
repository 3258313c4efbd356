//! Kafka's configuration files.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::Path;

use super::KafkaOptions;

/// server.properties of one node with both roles.
pub(crate) fn server(
    options: &KafkaOptions,
    data: &Path,
    port: u16,
    controller_port: u16,
) -> String {
    let mut all: BTreeMap<String, String> = BTreeMap::new();
    let mut set = |name: &str, value: &str| all.insert(name.to_owned(), value.to_owned());
    set("process.roles", "broker,controller");
    set("node.id", "1");
    set(
        "controller.quorum.voters",
        &format!("1@127.0.0.1:{controller_port}"),
    );
    set(
        "listeners",
        &format!("PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller_port}"),
    );
    set("controller.listener.names", "CONTROLLER");
    set(
        "listener.security.protocol.map",
        "CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT",
    );
    set("log.dirs", &data.display().to_string());
    // A topic nobody created is a mistake that a test should see.
    set("auto.create.topics.enable", "false");
    set("group.initial.rebalance.delay.ms", "0");
    for replicas in [
        "offsets.topic.replication.factor",
        "transaction.state.log.replication.factor",
        "transaction.state.log.min.isr",
        "share.coordinator.state.topic.replication.factor",
        "share.coordinator.state.topic.min.isr",
    ] {
        set(replicas, "1");
    }
    // Fifty partitions of internal topics are for clusters; here they only cost time and files.
    set("offsets.topic.num.partitions", "4");
    set("transaction.state.log.num.partitions", "4");
    set("share.coordinator.state.topic.num.partitions", "1");
    // The default of 128 MB does not fit into the small heap, and Kafka would not start.
    set("log.cleaner.dedupe.buffer.size", "8388608");
    set("num.network.threads", "2");
    set("num.io.threads", "4");
    set("num.recovery.threads.per.data.dir", "1");
    set("background.threads", "4");
    // A killed broker's registration lives on for this long, and until then the restarted one is refused as its
    // duplicate: nine seconds by default. Much less would fence a broker that only waits for a busy processor.
    set("broker.session.timeout.ms", "1500");
    set("broker.heartbeat.interval.ms", "300");
    // Failure tests do not want to wait six seconds for a dead consumer.
    set("group.min.session.timeout.ms", "300");
    for (name, value) in &options.properties {
        set(name, value);
    }
    let mut text = String::new();
    for (name, value) in all {
        // Backslashes begin escapes in this format.
        let _ = writeln!(text, "{name}={}", value.replace('\\', "\\\\"));
    }
    text
}

/// log4j2.properties: warnings, into a file that does not grow without end.
pub(crate) fn logging(file: &Path) -> String {
    let file = file.display();
    format!(
        "status=error\n\
         appender.file.type=RollingFile\n\
         appender.file.name=file\n\
         appender.file.fileName={file}\n\
         appender.file.filePattern={file}.%i\n\
         appender.file.layout.type=PatternLayout\n\
         appender.file.layout.pattern=%d{{ISO8601}} %p %m (%c)%n\n\
         appender.file.policies.type=Policies\n\
         appender.file.policies.size.type=SizeBasedTriggeringPolicy\n\
         appender.file.policies.size.size=10MB\n\
         appender.file.strategy.type=DefaultRolloverStrategy\n\
         appender.file.strategy.max=1\n\
         rootLogger.level=warn\n\
         rootLogger.appenderRef.file.ref=file\n"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn given_properties_go_before_ours() {
        let mut options = KafkaOptions::new("/s");
        options.properties = vec![
            ("auto.create.topics.enable".into(), "true".into()),
            ("message.max.bytes".into(), "2000000".into()),
        ];
        let text = server(&options, Path::new("/s/data"), 9000, 9001);
        assert!(text.contains("auto.create.topics.enable=true\n"));
        assert!(!text.contains("auto.create.topics.enable=false"));
        assert!(text.contains("message.max.bytes=2000000\n"));
        assert!(
            text.contains("listeners=PLAINTEXT://127.0.0.1:9000,CONTROLLER://127.0.0.1:9001\n")
        );
        assert!(text.contains("group.min.session.timeout.ms=300\n"));
    }
}
