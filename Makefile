# Everything is made from Go modules: the tools under hack/tools, and the control plane of the tests under
# hack/controlplane. Nothing is fetched from anywhere but the module proxy, a prebuilt control plane apart.
SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DELETE_ON_ERROR:
.DEFAULT_GOAL := help
MAKEFLAGS += --no-builtin-rules

# IMG is the image that docker-build makes and the manifests name.
IMG ?= gitlab-instance-cluster-operator:dev
PLATFORMS ?= linux/amd64,linux/arm64
VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
# How long each fuzz test runs, and how many packages are tested at once: each may run a control plane of its own.
FUZZTIME ?= 10s
TEST_PARALLEL ?= 1
TEST_TIMEOUT ?= 30m
TEST ?= ./...

LDFLAGS = -X main.version=$(VERSION)
# tool is the path of a pinned tool, built if it is not there yet.
tool = "$$(hack/tools/build.sh $(1))"
# RENDER writes the whole installation with the image IMG.
RENDER = $(call tool,kustomize) build config/default | sed 's|image: gitlab-instance-cluster-operator:dev|image: $(IMG)|'
export TEST TEST_PARALLEL TEST_TIMEOUT

##@ General
.PHONY: help
help: ## Show this help
	@awk 'BEGIN { FS = ":.*## " } \
		/^##@/ { printf "\n%s\n", substr($$0, 5) } \
		/^[a-z -]+:.*## / { sub(/[ :].*/, "", $$1); printf "  %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: demo
demo: controlplane build ## Show the operator at work, without a cluster or a GitLab (KEEP=1 leaves it running)
	@go build -o bin/demo/demo ./hack/demo
	@KUBEBUILDER_ASSETS=$$(hack/controlplane/assets.sh bin/k8s) bin/demo/demo $(if $(KEEP),-keep)

.PHONY: demo-stop
demo-stop: ## End what 'make demo KEEP=1' left running
	@if [ -x bin/demo/demo ]; then bin/demo/demo -stop; fi

.PHONY: controlplane
controlplane: ## Provide kube-apiserver, etcd and kubectl in bin/k8s (the first build takes minutes)
	@hack/controlplane/assets.sh bin/k8s

##@ Development
.PHONY: build
build: ## Build the manager and the GitLab simulator into bin/
	@CGO_ENABLED=0 go build -trimpath -ldflags '$(LDFLAGS)' -o bin/ ./cmd/...

.PHONY: build-all
build-all: ## Check that the manager builds for every platform of the image
	@for platform in $$(tr , ' ' <<<'$(PLATFORMS)'); do \
		echo "building for $$platform"; \
		CGO_ENABLED=0 GOOS=$${platform%/*} GOARCH=$${platform#*/} go build -trimpath -o /dev/null ./cmd/manager; \
	done

.PHONY: generate manifests
manifests generate: ## Generate deep copies, CRD, the manager's role, docs/reference.md and dist/install.yaml
	@hack/generate.sh

.PHONY: test
test: ## Run all tests, with the race detector, on a real control plane
	@hack/test.sh

.PHONY: bench
bench: controlplane build ## Measure the manager, and write docs/performance.md anew (BENCH_ARGS=-h tells how to do parts)
	@hack/bench.sh $(BENCH_ARGS)

.PHONY: lint
lint: ## Run golangci-lint
	@$(call tool,golangci-lint) run

.PHONY: fuzz
fuzz: ## Run each fuzz test for FUZZTIME
	@hack/fuzz.sh $(FUZZTIME)

.PHONY: verify
verify: ## Check that generated files are current and that the code is formatted, tidy, vetted and linted
	@hack/verify.sh

.PHONY: clean
clean: demo-stop ## Remove what was built, the control plane included
	rm -rf bin

##@ Installation
.PHONY: docker-build
docker-build: ## Build the image IMG for PLATFORMS (DOCKER_OUTPUT=--push pushes it)
	docker buildx build --platform $(PLATFORMS) --build-arg VERSION=$(VERSION) --tag $(IMG) $(DOCKER_OUTPUT) .

.PHONY: install
install: ## Install the CRD into the cluster of the current kubeconfig
	kubectl apply --server-side -f config/crd/bases

.PHONY: deploy
deploy: ## Install everything, with the image IMG
	@$(RENDER) | kubectl apply --server-side -f -

.PHONY: undeploy
undeploy: ## Remove everything but the CRD, once no object is left (docs/uninstall.md)
	@left=$$(kubectl get gitlabinstanceclusters --all-namespaces --no-headers 2>&1 || true); \
	case "$$left" in \
	''|"No resources found"*|*"doesn't have a resource type"*|*"could not find the requested resource"*) ;; \
	*) echo "$$left"; echo "These would hang without the manager: docs/uninstall.md says how to remove them first." >&2; exit 1 ;; \
	esac
	kubectl delete --ignore-not-found namespace gitlab-instance-cluster-operator-system
	kubectl delete validatingadmissionpolicybinding,validatingadmissionpolicy,clusterrolebinding,clusterrole \
		-l app.kubernetes.io/name=gitlab-instance-cluster-operator
	kubectl delete --all-namespaces rolebinding,role -l app.kubernetes.io/name=gitlab-instance-cluster-operator
