# Conclave and replay, built from this checkout: docker compose --profile app build
FROM rust:1.95-bookworm AS build
RUN apt-get update \
    && apt-get install --yes --no-install-recommends clang libclang-dev libssl-dev pkg-config \
    && rm -rf /var/lib/apt/lists/*
WORKDIR /build
COPY . .
# The caches keep RocksDB, which takes most of the time, from one build to the next.
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,target=/build/target \
    cargo build --release --locked --workspace --bins \
    && install -D --target-directory=/out target/release/conclave target/release/replay

FROM debian:bookworm-slim
RUN apt-get update \
    && apt-get install --yes --no-install-recommends ca-certificates libssl3 zlib1g \
    && rm -rf /var/lib/apt/lists/*
ARG UID=10001
RUN useradd --uid "$UID" --no-create-home --home-dir /var/lib/conclave --shell /usr/sbin/nologin conclave \
    && install -d -o conclave -g conclave -m 700 /var/lib/conclave
COPY --from=build /out/ /usr/local/bin/
USER conclave
WORKDIR /var/lib/conclave
EXPOSE 7070
STOPSIGNAL SIGTERM
ENTRYPOINT ["conclave"]
CMD ["--help"]
