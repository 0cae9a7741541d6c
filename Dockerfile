# The two images: one static program on nothing, with the certificates of the public authorities.
#
#   docker build --target quorate --tag quorate:dev .
#   docker build --target registrator --tag quorate-registrator:dev .
#
# `make image` calls it so, with the arguments below. Plain instructions only: the classic builder does as well as BuildKit.
# For the other architecture: `docker buildx build --platform linux/arm64 …`, or `--build-arg TARGETARCH=arm64`; the
# program is cross-linked, nothing is emulated.

ARG RUST_IMAGE=rust:1.95-bookworm

FROM --platform=${BUILDPLATFORM:-linux/amd64} ${RUST_IMAGE} AS build
ARG TARGETARCH
WORKDIR /quorate
ENV CARGO_TARGET_DIR=/target
RUN packages="ca-certificates gcc libc6-dev libprotobuf-dev protobuf-compiler"; \
    if [ "${TARGETARCH:-amd64}" = arm64 ] && [ "$(uname -m)" != aarch64 ]; then \
      packages="$packages gcc-aarch64-linux-gnu libc6-dev-arm64-cross"; \
      ! command -v rustup >/dev/null || rustup target add aarch64-unknown-linux-gnu; \
    fi; \
    apt-get update && apt-get install -y --no-install-recommends $packages && rm -rf /var/lib/apt/lists/*

# The dependencies, which take most of the time, are compiled before any source is there: this layer stays until they change.
COPY Cargo.toml Cargo.lock ./
COPY scripts/static scripts/
RUN mkdir -p src/bin && touch src/lib.rs && \
    echo 'fn main() {}' | tee src/bin/quorate.rs >src/bin/registrator.rs && \
    TARGETARCH=${TARGETARCH} scripts/static quorate quorate-registrator && rm -r src

COPY src src
# cargo goes by times, and the sources are older than what was just compiled without them.
RUN find src -exec touch {} + && TARGETARCH=${TARGETARCH} scripts/static quorate quorate-registrator
# Another commit of the same sources costs a link.
ARG COMMIT
RUN programs=$(TARGETARCH=${TARGETARCH} QUORATE_COMMIT=${COMMIT} scripts/static quorate quorate-registrator) && \
    for program in quorate quorate-registrator; do \
      root=/image/$program; \
      install -D -m 644 /etc/ssl/certs/ca-certificates.crt "$root/etc/ssl/certs/ca-certificates.crt" && \
      install -m 755 "$programs/$program" "$root/$program" && \
      install -d -m 1777 "$root/tmp" || exit 1; \
    done && \
    find /image -exec touch --date=@0 {} +

FROM scratch AS quorate
ARG VERSION
ARG COMMIT
ARG SOURCE
LABEL org.opencontainers.image.title="quorate" \
      org.opencontainers.image.description="Runs etcd clusters: the operator, and the guard of every member" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${COMMIT}" \
      org.opencontainers.image.source="${SOURCE}"
COPY --from=build /image/quorate/ /
ENV PATH=/
WORKDIR /
# One that a restricted namespace lets run.
USER 65532:65532
ENTRYPOINT ["/quorate"]

FROM scratch AS registrator
ARG VERSION
ARG COMMIT
ARG SOURCE
LABEL org.opencontainers.image.title="quorate-registrator" \
      org.opencontainers.image.description="Keeps the published ports of a host's containers in etcd" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${COMMIT}" \
      org.opencontainers.image.source="${SOURCE}"
COPY --from=build /image/quorate-registrator/ /
ENV PATH=/
WORKDIR /
# The socket of the engine is root's and of a group that has another number on every host, and who comes from
# gliderlabs/registrator names no user: `--user 65532:$(stat -c %g /var/run/docker.sock)` is for those who do.
USER 0:0
ENTRYPOINT ["/quorate-registrator"]
