# The verbs of the house. `make test` is what CI runs.
.PHONY: test check screenshots demo bench

test: ## Everything that must hold: format, lints, all tests, docs
	./.ci/prepare
	cargo fmt --check
	cargo clippy --locked --all-targets -- --deny warnings
	./.ci/postgres with cargo test --locked
	RUSTDOCFLAGS="--deny warnings" cargo doc --locked --no-deps --quiet

check: ## The quick part: format and lints
	cargo fmt --check
	cargo clippy --locked --all-targets -- --deny warnings

screenshots: ## Draw screenshots/*.svg from the recorded sessions, through the real view
	UPDATE_SCREENSHOTS=1 cargo test --locked --test it pictures

demo: ## Make broken repositories, heal them, open the console on them
	cargo run --release --locked -- demo
