//! Establishes TCP connections: one address after the other, each within its
//! time limit, and all within theirs.

use std::{
    io::{self, ErrorKind},
    net::IpAddr,
};

use tokio::{
    net::{TcpSocket, TcpStream},
    time::{Instant, timeout},
};

use super::{TimeLimits, error::Kind};
use crate::report::{ConnectAttempt, Reason};

/// Connects to the first of `addresses` that can be connected to. What is not
/// tried before the time runs out is not reported.
pub(super) async fn connect(
    addresses: &[IpAddr],
    port: u16,
    limits: &TimeLimits,
) -> Result<(TcpStream, IpAddr), Kind> {
    let give_up_at = Instant::now() + limits.connect_total;
    let mut attempts = Vec::new();
    for ip in addresses {
        let started = Instant::now();
        let left = give_up_at.saturating_duration_since(started);
        if left.is_zero() && !attempts.is_empty() {
            break;
        }
        let reason = match timeout(limits.connect.min(left), dial(*ip, port)).await {
            Ok(Ok(stream)) => return Ok((stream, *ip)),
            Ok(Err(error)) => reason(&error),
            Err(_) => Reason::ConnectTimeout,
        };
        attempts.push(ConnectAttempt {
            ip: *ip,
            reason,
            elapsed: started.elapsed(),
        });
    }
    Err(Kind::Connect(attempts))
}

async fn dial(ip: IpAddr, port: u16) -> io::Result<TcpStream> {
    let socket = match ip {
        IpAddr::V4(_) => TcpSocket::new_v4()?,
        IpAddr::V6(_) => TcpSocket::new_v6()?,
    };
    // A command must not wait for the acknowledgement of the last one.
    socket.set_nodelay(true)?;
    socket.connect((ip, port).into()).await
}

fn reason(error: &io::Error) -> Reason {
    match error.kind() {
        ErrorKind::ConnectionRefused => Reason::ConnectRefused,
        ErrorKind::TimedOut => Reason::ConnectTimeout,
        ErrorKind::ConnectionReset | ErrorKind::ConnectionAborted => Reason::ConnectionReset,
        _ => Reason::ConnectUnreachable,
    }
}

#[cfg(test)]
mod tests {
    use std::{net::Ipv4Addr, time::Duration};

    use tokio::net::TcpListener;

    use super::*;

    const LOCALHOST: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
    /// Nothing but loopback has a route to it.
    const UNROUTABLE: IpAddr = IpAddr::V4(Ipv4Addr::BROADCAST);

    fn reasons(outcome: Result<(TcpStream, IpAddr), Kind>) -> Vec<Reason> {
        match outcome {
            Err(Kind::Connect(attempts)) => attempts.iter().map(|a| a.reason).collect(),
            other => panic!("{other:?}"),
        }
    }

    #[tokio::test]
    async fn the_next_address_is_tried_and_nagle_is_off() {
        let listener = TcpListener::bind((LOCALHOST, 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let (stream, ip) = connect(&[UNROUTABLE, LOCALHOST], port, &TimeLimits::default())
            .await
            .unwrap();
        assert_eq!(ip, LOCALHOST);
        assert!(stream.nodelay().unwrap());
    }

    #[tokio::test]
    async fn each_attempt_is_kept_with_its_reason() {
        let listener = TcpListener::bind((LOCALHOST, 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        drop(listener);
        let outcome = connect(&[UNROUTABLE, LOCALHOST], port, &TimeLimits::default()).await;
        assert_eq!(
            reasons(outcome),
            [Reason::ConnectUnreachable, Reason::ConnectRefused]
        );
    }

    #[tokio::test]
    async fn an_address_that_does_not_answer_takes_its_limit_and_no_more() {
        // A listener whose queue is full drops what comes.
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind((LOCALHOST, 0).into()).unwrap();
        let listener = socket.listen(1).unwrap();
        let port = listener.local_addr().unwrap().port();
        let mut queued = Vec::new();
        while let Ok(Ok(stream)) = timeout(Duration::from_millis(200), dial(LOCALHOST, port)).await
        {
            queued.push(stream);
        }

        let limits = TimeLimits {
            connect: Duration::from_millis(50),
            connect_total: Duration::from_millis(120),
            ..TimeLimits::default()
        };
        let started = Instant::now();
        let outcome = connect(&[LOCALHOST; 9], port, &limits).await;
        assert!(started.elapsed() >= Duration::from_millis(120));
        assert_eq!(reasons(outcome), [Reason::ConnectTimeout; 3]);
    }
}
