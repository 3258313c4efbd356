# boxoffice as an image: the one binary, for every role. `docker compose up` builds and runs it; see docker-compose.yml.

FROM rust:1.94-slim-trixie AS build
# The Kafka client is built from its sources with make and a C and C++ compiler.
RUN apt-get update \
    && apt-get install -y --no-install-recommends g++ make \
    && rm -rf /var/lib/apt/lists/*
WORKDIR /src
COPY . .
# Queries are checked against the committed metadata, so the build needs no database.
ENV SQLX_OFFLINE=true
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,target=/src/target \
    cargo build --release --locked --package boxoffice \
    && cp target/release/boxoffice /usr/local/bin/boxoffice

FROM debian:trixie-slim
# The roots that gateways' certificates are checked against. Everything else that the binary needs is in the base.
RUN apt-get update \
    && apt-get install -y --no-install-recommends ca-certificates \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --uid 10001 --no-create-home --shell /usr/sbin/nologin boxoffice \
    && install --directory --owner=boxoffice /var/lib/boxoffice
COPY --from=build /usr/local/bin/boxoffice /usr/local/bin/boxoffice
# A number, so that an orchestrator can see that it is not root.
USER 10001
# The booking API, the ingress, the gateway simulator, health and metrics of the other roles.
EXPOSE 8080 8081 8082 8083
# It handles SIGTERM and has no children when it runs a role, so it needs no init before it.
ENTRYPOINT ["boxoffice"]
