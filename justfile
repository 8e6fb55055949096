# The menu of everyday commands; `just` lists it. Anything with logic is in `xtask`.

# List the commands
default:
    @just --list

# Everything that CI checks
check:
    .ci/run

# All tests
test:
    cargo test --workspace

# Format and repair what tools can repair
fix:
    cargo fmt --all
    cargo clippy --workspace --all-targets --fix --allow-dirty

# The rules of the house
tidy:
    cargo xtask tidy

# Rewrite the generated references
codegen:
    cargo xtask codegen

# An event goes in, a message comes out
quickstart:
    cargo xtask quickstart
