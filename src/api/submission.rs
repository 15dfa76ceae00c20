//! The service that follows queued mail. There is no queue yet.

use std::pin::Pin;

use tokio_stream::Stream;
use tonic::{Request, Response, Status};

use super::pb;

/// Follows queued mail.
#[derive(Debug)]
pub(super) struct SubmissionService;

fn no_queue() -> Status {
    Status::unimplemented("SubmissionService is not served yet, since there is no queue")
}

#[tonic::async_trait]
impl pb::submission_service_server::SubmissionService for SubmissionService {
    type WatchSubmissionStream =
        Pin<Box<dyn Stream<Item = Result<pb::WatchSubmissionResponse, Status>> + Send>>;

    async fn get_submission(
        &self,
        _request: Request<pb::GetSubmissionRequest>,
    ) -> Result<Response<pb::GetSubmissionResponse>, Status> {
        Err(no_queue())
    }

    async fn list_submissions(
        &self,
        _request: Request<pb::ListSubmissionsRequest>,
    ) -> Result<Response<pb::ListSubmissionsResponse>, Status> {
        Err(no_queue())
    }

    async fn watch_submission(
        &self,
        _request: Request<pb::WatchSubmissionRequest>,
    ) -> Result<Response<Self::WatchSubmissionStream>, Status> {
        Err(no_queue())
    }

    async fn cancel_submission(
        &self,
        _request: Request<pb::CancelSubmissionRequest>,
    ) -> Result<Response<pb::CancelSubmissionResponse>, Status> {
        Err(no_queue())
    }

    async fn retry_submission(
        &self,
        _request: Request<pb::RetrySubmissionRequest>,
    ) -> Result<Response<pb::RetrySubmissionResponse>, Status> {
        Err(no_queue())
    }
}
