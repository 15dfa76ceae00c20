//! The service that shows the relays and finds out what is wrong with one.

use tonic::{Request, Response, Status};

use super::{edge::internal, page::Page, parse, pb, render};
use crate::sender::{Deadline, Sender};

/// Shows the relays and checks them. Requests must carry a [`Deadline`].
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
        request: Request<pb::CheckRelayRequest>,
    ) -> Result<Response<pb::CheckRelayResponse>, Status> {
        let deadline = request.extensions().get().copied().ok_or_else(internal)?;
        let response = check(&self.sender, request.into_inner(), deadline).await?;
        Ok(Response::new(response))
    }
}

/// Checks a relay through `sender`.
pub(super) async fn check(
    sender: &Sender,
    request: pb::CheckRelayRequest,
    deadline: Deadline,
) -> Result<pb::CheckRelayResponse, pb::SendError> {
    let inspection = parse::check_relay(request)?;
    let check = sender.check(inspection, deadline).await?;
    Ok(render::check(&check))
}
