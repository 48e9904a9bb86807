# The verbs. Each does its own set-up; what has logic lives in tools/.

run: ## build, then show a gateway at work on this machine
	tools/need cc
	cargo run --release --package trireme -- demo

test: ## every suite, with its time budget
	tools/need cc node python postgres chromium deploy
	tools/test.py

check: ## what reviews should not have to say: format, lints, docs, licences, tidiness
	tools/need cc
	tools/check

bench: ## speed and size against a bare server and a bare client
	tools/need cc postgres
	cargo bench --package bench --bench verify --bench timing
	tools/with_postgres sh -c 'cargo run --profile dist --package trireme -- bench --full --postgres "$$POSTGRES" --write docs/performance.md'

soak: ## the long rounds: hours, by hand, never in CI
	tools/need cc node python postgres chromium deploy image
	tools/test.py --soak

fmt: ## write the format that check asks for
	cargo fmt --all

help: ## this list
	@sed -n 's/^\([a-z]*\): ## /  make \1\t/p' Makefile | expand -t 16

.PHONY: run test check bench soak fmt help
.DEFAULT_GOAL := help
