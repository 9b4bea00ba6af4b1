# Tollgate as an image: the static binary and nothing else. There is no shell in
# it, so health is for whoever runs it to ask: GET /readyz on the admin port, or
# `tollgate ready`, as compose.yaml does.
#
#   docker build --build-arg VERSION=$(git describe --tags --always) -t tollgate .

FROM golang:1.26 AS build
WORKDIR /src
# Modules before sources, so that a change of the code does not load them anew.
COPY go.mod go.sum ./
RUN go mod download
COPY . .
# Empty, `tollgate version` says "(devel)".
ARG VERSION=
RUN CGO_ENABLED=0 go build -trimpath -ldflags "-s -w -X main.version=${VERSION}" -o /out/tollgate ./cmd/tollgate
RUN mkdir /out/data

FROM scratch
# For endpoint servers and Pre APIs behind https.
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/
COPY --from=build /out/tollgate /tollgate
# A new volume takes its owner from here, and the node does not run as root.
COPY --from=build --chown=65532:65532 /out/data /data
USER 65532:65532
# A container's addresses are not known here. So a node refuses to start until
# it is told where others reach it (TOLLGATE_ADVERTISE_LISTEN, _ADMIN and
# _CLUSTER) and has its secrets (TOLLGATE_CLUSTER_KEY_FILE, which user 65532 must
# be able to read, or TOLLGATE_CLUSTER_KEY; and TOLLGATE_ADMIN_TOKEN_FILE).
ENV TOLLGATE_DATA_DIR=/data \
    TOLLGATE_LISTEN=:8001 \
    TOLLGATE_ADMIN=:9001 \
    TOLLGATE_CLUSTER=:7001
VOLUME /data
EXPOSE 8001 9001 7001
ENTRYPOINT ["/tollgate"]
CMD ["node"]
