//! Compiles the protos with protox, so that nobody needs protoc.

use std::{env, error::Error, fs, path::PathBuf};

use prost::Message as _;

/// errors.proto is imported by nobody, so each file is named.
const PROTOS: [&str; 4] = [
    "posthaste/v1/errors.proto",
    "posthaste/v1/mail_service.proto",
    "posthaste/v1/relay_service.proto",
    "posthaste/v1/submission_service.proto",
];

/// Messages whose `Debug` would show a secret: `api` writes one that does not.
const SECRETS: [&str; 2] = [
    "posthaste.v1.PasswordCredentials",
    "posthaste.v1.OAuthCredentials",
];

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo:rerun-if-changed=proto");
    let mut compiler = protox::Compiler::new(["proto"])?;
    compiler.include_imports(true).open_files(PROTOS)?;

    // Reflection needs no comments.
    let out = PathBuf::from(env::var_os("OUT_DIR").ok_or("OUT_DIR is not set")?);
    fs::write(
        out.join("posthaste.v1.bin"),
        compiler.file_descriptor_set().encode_to_vec(),
    )?;

    compiler.include_source_info(true);
    let mut config = prost_build::Config::new();
    config
        // Content is taken from the request without being copied.
        .bytes([".posthaste.v1"])
        // Maps in order, so that equal requests have equal fingerprints.
        .btree_map([".posthaste.v1"])
        .skip_debug(SECRETS)
        // The names that `Any` and ProtoJSON go by.
        .enable_type_names()
        .type_name_domain([".posthaste"], "type.googleapis.com");
    tonic_prost_build::configure()
        .compile_fds_with_config(compiler.file_descriptor_set(), config)?;
    Ok(())
}
