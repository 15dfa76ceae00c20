//! Compiles the protos with protox, so that nobody needs protoc.

use std::{env, error::Error, fs, path::PathBuf};

use prost::Message as _;

const PROTOS: [&str; 3] = [
    "posthaste/v1/mail_service.proto",
    "posthaste/v1/relay_service.proto",
    "posthaste/v1/submission_service.proto",
];

/// Messages whose `Debug` would show a secret: `api` writes one that does not.
const SECRETS: [&str; 3] = [
    "posthaste.v1.Credentials.secret",
    "posthaste.v1.PasswordCredentials",
    "posthaste.v1.OAuthCredentials",
];

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo:rerun-if-changed=proto");
    let mut compiler = protox::Compiler::new(["proto"])?;
    compiler.include_imports(true).open_files(PROTOS)?;

    // Reflection needs no comments, and errors.proto is imported by nobody.
    let out = PathBuf::from(env::var_os("OUT_DIR").ok_or("OUT_DIR is not set")?);
    compiler.open_file("posthaste/v1/errors.proto")?;
    fs::write(
        out.join("posthaste.v1.bin"),
        compiler.file_descriptor_set().encode_to_vec(),
    )?;

    compiler.include_source_info(true);
    tonic_prost_build::configure()
        .bytes(".posthaste.v1")
        .skip_debug(SECRETS)
        .compile_fds(compiler.file_descriptor_set())?;
    Ok(())
}
