# make help lists the targets.

GO      ?= go
BIN     := bin/tollgate
VERSION := $(shell git describe --tags --always --dirty 2>/dev/null || echo unknown)
COMMIT  := $(shell git rev-parse --short=12 HEAD 2>/dev/null)$(shell git diff --quiet HEAD 2>/dev/null || echo +dirty)
RELEASE := CGO_ENABLED=0 $(GO) build -trimpath -ldflags '-s -w -X main.version=$(VERSION) -X main.commit=$(COMMIT)'
# The first line of a target that needs something says what is missing, and how to get it.
NEEDS   = @GO='$(GO)' scripts/needs $@
BASE_PORT := 7000
SEEDS    := 20000
FROM     := 1
DURATION := 3m
SEED     := 1
KILLS    := 50
PICTURES :=
GOFILES = $(shell git ls-files --cached --others --exclude-standard '*.go' | grep -v '\.pb\.go$$')

.PHONY: help build run demo test simulate soak chaos failover console check format vet staticcheck arrows references tidy bench bench-peers micro bench-diff scale image test-docker dist docs generate clean FORCE

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

build: ## build bin/tollgate
	$(NEEDS) go
	$(RELEASE) -o $(BIN) ./cmd/tollgate

bin/tollgate-bench: FORCE
	$(NEEDS) go
	$(RELEASE) -o $@ ./cmd/tollgate-bench

bin/demo: $(wildcard scripts/demo/*)
	$(NEEDS) go
	$(GO) build -o $@ ./scripts/demo

run: build bin/demo ## three nodes and a demo domain on loopback, until Ctrl-C: make run [BASE_PORT=7000]
	@exec bin/demo -tollgate $(BIN) -base-port $(BASE_PORT)

demo: build bin/demo ## the same, checked and over: exactly the quota is admitted
	@bin/demo -tollgate $(BIN) -check

test: ## all tests, with the race detector, and without it the simulation and what counts memory
	$(NEEDS) go race git bash curl openssl
	$(GO) test -race -timeout 15m ./...
	$(GO) test -timeout 5m -run 'Flood|Allocations' ./proxy/...
	$(GO) test -timeout 20m -run Simulation ./cluster/ledger

simulate: ## more schedules of the quota simulation: make simulate SEEDS=100000 [FROM=1]
	$(NEEDS) go
	$(GO) test -timeout 0 -v -run 'TestSimulation$$' ./cluster/ledger -seed $(FROM) -seeds $(SEEDS)

soak: ## calls of every kind at once, and what the node takes afterwards: make soak [DURATION=3m]
	$(NEEDS) go
	$(GO) test -timeout 0 -v ./bench/soak -soak.duration $(DURATION)

chaos: ## real processes, killed, stopped and cut off for minutes: make chaos [DURATION=3m] [SEED=1]
	$(NEEDS) go
	$(GO) test -timeout 0 -v ./cmd/tollgate/chaos -chaos.duration $(DURATION) -chaos.seed $(SEED)

failover: ## what is felt of kills of the leader under load: make failover [KILLS=50]
	$(NEEDS) go
	$(GO) test -timeout 0 -run - -bench Failover -benchtime $(KILLS)x ./cmd/tollgate/chaos

console: ## the console in Chromium; its pictures: make console [PICTURES=docs/images]
	$(NEEDS) go
	$(GO) test -timeout 10m -v ./scripts/console -pictures '$(abspath $(PICTURES))'

check: format vet staticcheck arrows references tidy test ## what CI runs

format: ## fails on files that gofmt would change
	$(NEEDS) go git
	@test -z "$$(gofmt -l $(GOFILES))" || { echo 'not formatted (gofmt -w):'; gofmt -l $(GOFILES); exit 1; }

vet: ## go vet
	$(NEEDS) go
	$(GO) vet ./...

staticcheck: ## staticcheck, pinned in go.mod
	$(NEEDS) go
	$(GO) tool staticcheck ./...

arrows: ## packages import only what the house allows
	$(NEEDS) go
	$(GO) run ./scripts/arrows

references: ## what comments and pages cite is there: links, anchors, sections
	$(NEEDS) go git
	$(GO) run ./scripts/references

tidy: ## fails if go mod tidy would change anything
	$(NEEDS) go
	$(GO) mod tidy -diff

bench: build bin/tollgate-bench ## measure it under load, beside the peers that are installed, in under ten minutes
	bin/tollgate-bench run --out bench/results --page bench/RESULTS.md

bench-peers: ## install the peers that bench measures, as far as they are to be had
	@scripts/bench-peers

micro: ## the benchmarks beside the code
	$(NEEDS) go
	$(GO) test -run '^$$' -bench . -skip Scale -benchmem ./...

bench-diff: ## the benchmarks beside the code against a commit: make bench-diff [BASE=HEAD~1] [BENCH=.] [PKGS=...]
	@BASE='$(BASE)' BENCH='$(BENCH)' PKGS='$(PKGS)' scripts/bench-diff

scale: ## simulate 3 to 200 nodes and up to a million counters (bench/SCALE.md)
	$(NEEDS) go
	$(GO) test ./cluster/ledger -run '^$$' -bench Scale -benchtime 1x -timeout 0

image: build ## the container image tollgate:VERSION, from scratch, around bin/tollgate
	$(NEEDS) docker
	@scripts/image $(BIN) tollgate:$(VERSION) $(VERSION) $(COMMIT)

test-docker: ## three nodes in containers that are killed, cut off, lost and recovered, judged to the call
	@docker info >/dev/null 2>&1 && $(MAKE) --no-print-directory image || true
	@scripts/test-docker $(BIN) tollgate:$(VERSION)

dist: ## binaries for linux and darwin, man pages, completions and checksums in dist/
	$(NEEDS) go
	@GO='$(GO)' scripts/dist $(VERSION) $(COMMIT)

docs: references ## write docs/settings.md, and check links, anchors, commands and examples of all pages
	$(NEEDS) go
	$(GO) test ./node -run 'TestReference$$' -update
	$(GO) test ./scripts/docs ./store/catalog -run 'Reference|Commands|Comments|Sign|Named|Words|Ours'

generate: ## the code made from .proto files; needs protoc
	$(NEEDS) go protoc
	mkdir -p bin
	$(GO) build -o bin/ google.golang.org/protobuf/cmd/protoc-gen-go google.golang.org/grpc/cmd/protoc-gen-go-grpc
	PATH="$(CURDIR)/bin:$$PATH" protoc --go_out=. --go_opt=paths=source_relative \
		--go-grpc_out=. --go-grpc_opt=paths=source_relative cluster/clusterpb/cluster.proto

clean: ## remove what was built
	rm -rf bin dist
