//! The service that shows the relays.

use tonic::{Request, Response, Status};

use super::{page::Page, pb, render};
use crate::sender::Sender;

/// Shows the relays.
#[derive(Debug)]
pub(super) struct RelayService {
    sender: Sender,
}

impl RelayService {
    /// A service that shows the relays of `sender`.
    pub(super) fn new(sender: Sender) -> Self {
        Self { sender }
    }
}

#[tonic::async_trait]
impl pb::relay_service_server::RelayService for RelayService {
    async fn list_relays(
        &self,
        request: Request<pb::ListRelaysRequest>,
    ) -> Result<Response<pb::ListRelaysResponse>, Status> {
        let request = request.into_inner();
        let page =
            Page::new(request.page_size, &request.page_token).map_err(pb::SendError::from)?;
        let (relays, next_page_token) = page.of(self.sender.relays(), |relay| relay.name.as_str());
        Ok(Response::new(pb::ListRelaysResponse {
            relays: relays.iter().map(render::relay).collect(),
            next_page_token,
        }))
    }

    async fn check_relay(
        &self,
        _request: Request<pb::CheckRelayRequest>,
    ) -> Result<Response<pb::CheckRelayResponse>, Status> {
        Err(Status::unimplemented("CheckRelay is not served yet"))
    }
}
