//! The error message of the API in the status of a call, in the form of
//! google.rpc.Status, and out of it again.

mod budget;
#[cfg(test)]
mod tests;

use std::collections::HashMap;

use prost::{Message, Name};
use prost_types::Any;
use tonic::{
    Code, Status,
    metadata::{MetadataMap, MetadataValue},
};
use tonic_types::pb as rpc;

use super::{error::VIOLATIONS_TOTAL, pb, render::clip};

/// `google.rpc.ErrorInfo.domain`.
const DOMAIN: &str = "posthaste";

/// gRPC clients take 8 KiB of metadata at least; the status goes into it in
/// base64, beside its message.
const MAX_STATUS_BYTES: usize = 4096;

const MAX_MESSAGE_BYTES: usize = 512;

/// A client told to wait longer should not wait at all, and report instead.
const MAX_PUSHBACK_MILLIS: i64 = 10_000;

/// Where the page of each reason is: in the repository, at its address where
/// the package has one.
const PAGES: &str = if env!("CARGO_PKG_REPOSITORY").is_empty() {
    "docs/failures"
} else {
    concat!(env!("CARGO_PKG_REPOSITORY"), "/blob/main/docs/failures")
};

const PUSHBACK: &str = "grpc-retry-pushback-ms";

impl From<pb::SendError> for Status {
    fn from(error: pb::SendError) -> Self {
        let code = Code::from(error.code);
        let message = ascii(&error.message);
        let mut metadata = MetadataMap::new();
        if let Some(delay) = &error.retry_after {
            metadata.insert(PUSHBACK, MetadataValue::from(pushback(delay)));
        }
        let status = rpc_status(message.clone(), error);
        Self::with_details_and_metadata(code, message, status.encode_to_vec().into(), metadata)
    }
}

/// What a call's status says, as the message that it came from. Fields that
/// the status does not carry stay empty.
pub(super) fn read(status: &Status) -> pb::SendError {
    let mut error = pb::SendError {
        code: status.code().into(),
        message: status.message().to_owned(),
        ..pb::SendError::default()
    };
    let details = rpc::Status::decode(status.details()).unwrap_or_default();
    for any in &details.details {
        if let Some(info) = unpack::<rpc::ErrorInfo>(any, "google.rpc.ErrorInfo") {
            error.reason = info.reason;
            error.metadata = info.metadata.into_iter().collect();
        } else if let Ok(failure) = any.to_msg() {
            error.failure = Some(failure);
        } else if let Some(bad) = unpack::<rpc::BadRequest>(any, "google.rpc.BadRequest") {
            error.violations = bad.field_violations.into_iter().map(violation).collect();
        } else if let Some(retry) = unpack::<rpc::RetryInfo>(any, "google.rpc.RetryInfo") {
            error.retry_after = retry.retry_delay;
        }
    }
    let total = error
        .metadata
        .get(VIOLATIONS_TOTAL)
        .and_then(|total| total.parse::<u32>().ok());
    let told = u32::try_from(error.violations.len()).unwrap_or(u32::MAX);
    error.violations_omitted = total.unwrap_or(told).saturating_sub(told);
    error
}

fn rpc_status(message: String, error: pb::SendError) -> rpc::Status {
    let resource = resource(&error, &message);
    let info = rpc::ErrorInfo {
        reason: error.reason,
        domain: DOMAIN.to_owned(),
        metadata: error.metadata.into_iter().collect::<HashMap<_, _>>(),
    };
    let help = error.failure.is_some().then(|| help(&info.reason));
    let mut details = vec![pack(&info, "google.rpc.ErrorInfo")];
    details.extend(help.map(|help| pack(&help, "google.rpc.Help")));
    details.extend(resource.map(|resource| pack(&resource, "google.rpc.ResourceInfo")));
    details.extend(error.retry_after.map(|delay| {
        let retry = rpc::RetryInfo {
            retry_delay: Some(delay),
        };
        pack(&retry, "google.rpc.RetryInfo")
    }));
    let mut status = rpc::Status {
        code: error.code,
        message,
        details,
    };
    if let Some(mut failure) = error.failure {
        let room = room(&status, &pb::RelayFailure::type_url());
        budget::shed(&mut failure, room);
        // Behind ErrorInfo, before what hints at the time to wait.
        status.details.insert(
            1,
            Any {
                type_url: pb::RelayFailure::type_url(),
                value: failure.encode_to_vec(),
            },
        );
    }
    if !error.violations.is_empty() {
        let room = room(&status, &type_url("google.rpc.BadRequest"));
        let mut bad = rpc::BadRequest {
            field_violations: error.violations.into_iter().map(rpc_violation).collect(),
        };
        while bad.encoded_len() > room && bad.field_violations.pop().is_some() {}
        status.details.push(pack(&bad, "google.rpc.BadRequest"));
    }
    status
}

/// How many bytes one more detail may have.
fn room(status: &rpc::Status, type_url: &str) -> usize {
    /// Two tags and two lengths around the detail, and two around its `Any`.
    const FRAMING: usize = 12;
    MAX_STATUS_BYTES.saturating_sub(status.encoded_len() + type_url.len() + FRAMING)
}

fn resource(error: &pb::SendError, message: &str) -> Option<rpc::ResourceInfo> {
    let is_relay = error.code == i32::from(Code::NotFound);
    let name = error.metadata.get("relay").filter(|_| is_relay)?;
    Some(rpc::ResourceInfo {
        resource_type: "posthaste.v1.Relay".to_owned(),
        resource_name: name.clone(),
        owner: String::new(),
        description: message.to_owned(),
    })
}

fn help(reason: &str) -> rpc::Help {
    rpc::Help {
        links: vec![rpc::help::Link {
            description: "What it means, and how to fix it".to_owned(),
            url: format!("{PAGES}/{reason}.md"),
        }],
    }
}

fn pushback(delay: &prost_types::Duration) -> i64 {
    let millis = delay
        .seconds
        .saturating_mul(1000)
        .saturating_add(i64::from(delay.nanos / 1_000_000));
    if millis > MAX_PUSHBACK_MILLIS {
        -1
    } else {
        millis
    }
}

/// The message goes into a header of printable ASCII.
fn ascii(message: &str) -> String {
    let printable: String = message
        .chars()
        .map(|c| if matches!(c, ' '..='~') { c } else { '?' })
        .take(MAX_MESSAGE_BYTES)
        .collect();
    clip(&printable, MAX_MESSAGE_BYTES)
}

fn violation(violation: rpc::bad_request::FieldViolation) -> pb::FieldViolation {
    pb::FieldViolation {
        field: violation.field,
        description: violation.description,
        reason: violation.reason,
    }
}

fn rpc_violation(violation: pb::FieldViolation) -> rpc::bad_request::FieldViolation {
    rpc::bad_request::FieldViolation {
        field: violation.field,
        description: violation.description,
        reason: violation.reason,
        localized_message: None,
    }
}

fn type_url(name: &str) -> String {
    format!("type.googleapis.com/{name}")
}

fn pack(message: &impl Message, name: &str) -> Any {
    Any {
        type_url: type_url(name),
        value: message.encode_to_vec(),
    }
}

fn unpack<M: Message + Default>(any: &Any, name: &str) -> Option<M> {
    (any.type_url == type_url(name)).then(|| M::decode(any.value.as_slice()).ok())?
}
