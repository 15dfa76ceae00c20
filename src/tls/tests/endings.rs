//! Handshakes that end without a word.

use std::{
    pin::Pin,
    task::{Context, Poll},
};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::*;
use crate::report::Confidence;

/// A connection that is reset: by the time we write, if `on_write`, and else
/// when we read behind `unread`.
struct Reset {
    unread: &'static [u8],
    on_write: bool,
}

impl AsyncRead for Reset {
    fn poll_read(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.unread.is_empty() && !self.on_write {
            return Poll::Ready(Err(io::ErrorKind::ConnectionReset.into()));
        }
        // The system tells a reset once: it is the end for who asks again.
        buffer.put_slice(self.unread);
        self.unread = b"";
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Reset {
    fn poll_write(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Poll::Ready(if self.on_write {
            Err(io::ErrorKind::ConnectionReset.into())
        } else {
            Ok(bytes.len())
        })
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

#[tokio::test]
async fn a_reset_is_told_from_a_close() {
    let connector = connector(&Settings::default());
    for on_write in [false, true] {
        for (mode, unread, reason) in [
            (TlsMode::Implicit, &b""[..], Reason::ConnectionReset),
            (TlsMode::Starttls, b"", Reason::HandshakeReset),
            (TlsMode::Implicit, b"\x16\x03", Reason::HandshakeReset),
            (
                TlsMode::Implicit,
                &[21, 3, 3, 0, 2, 2, 70],
                Reason::NoCommonVersion,
            ),
        ] {
            let io = Reset { unread, on_write };
            let outcome = connector.connect(io, mode, LIMIT).await;
            assert_eq!(outcome.map(drop).unwrap_err().reason, reason);
        }
    }
}

#[tokio::test]
async fn a_relay_that_closes_without_an_answer() {
    for (mode, reason) in [
        (TlsMode::Implicit, Reason::ConnectionClosed),
        (TlsMode::Starttls, Reason::HandshakeClosed),
    ] {
        let connector = connector(&Settings::default());
        let outcome = connector.connect(answer(b""), mode, LIMIT).await;
        let error = outcome.map(drop).unwrap_err();
        assert_eq!(error.reason, reason);
        assert_eq!(error.confidence, Confidence::Ambiguous);
        assert_eq!(
            error.alternatives,
            [Reason::HelloTooLarge, Reason::VersionIntolerant]
        );
        assert_says(&error, &["did not answer our ClientHello"]);
    }
}

#[tokio::test]
async fn a_relay_that_is_gone_before_our_hello() {
    let (client, _) = duplex(1 << 16);
    let error = refused(&Settings::default(), client).await;
    assert_eq!(error.reason, Reason::ConnectionClosed);
    assert_eq!(error.confidence, Confidence::Observed);
    assert_says(&error, &["did not go out"]);
}

#[tokio::test]
async fn a_relay_that_breaks_off() {
    let error = refused(&Settings::default(), answer(b"\x16\x03\x03\x00\x50\x02")).await;
    assert_eq!(error.reason, Reason::HandshakeClosed);
    assert_eq!(error.confidence, Confidence::Observed);

    // user_canceled, as a warning, and the end.
    let error = refused(&Settings::default(), answer(&[21, 3, 3, 0, 2, 1, 90])).await;
    assert_eq!(error.reason, Reason::HandshakeClosed);
    assert_says(&error, &["user_canceled (90)"]);
}

/// The connection itself stays open.
#[tokio::test(start_paused = true)]
async fn a_relay_that_takes_its_leave_is_not_waited_for() {
    const HELLO_12: &[u8] = &[
        22, 3, 3, 0, 42, 2, 0, 0, 38, 3, 3, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7,
        7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 0, 0xc0, 0x2f, 0,
    ];
    for (before, alert, words) in [
        (&b""[..], [1, 0], "close_notify (0), in answer"),
        (b"", [2, 0], "close_notify (0), in answer"),
        (b"", [1, 90], "user_canceled (90), in answer"),
        (HELLO_12, [1, 0], "close_notify (0) behind its ServerHello"),
    ] {
        let (client, mut io) = duplex(1 << 16);
        let relay = tokio::spawn(async move {
            read_hello(&mut io).await;
            let bytes = [before, &[21, 3, 3, 0, 2], &alert].concat();
            io.write_all(&bytes).await.unwrap();
            std::future::pending::<()>().await;
        });
        let start = tokio::time::Instant::now();
        let error = refused(&Settings::default(), client).await;
        assert!(start.elapsed() < Duration::from_secs(1), "{words}");
        assert_eq!(error.reason, Reason::HandshakeClosed, "{words}");
        assert_eq!(error.confidence, Confidence::Observed);
        assert_says(&error, &["broke off the handshake", words]);
        assert_eq!(error.evidence.alert.unwrap().code, alert[1]);
        relay.abort();
    }
}

#[tokio::test]
async fn an_alert_says_why_even_when_it_is_called_a_warning() {
    for (bytes, reason, words) in [
        (
            &[21, 3, 3, 0, 2, 1, 40],
            Reason::HandshakeRefused,
            "handshake_failure (40)",
        ),
        (
            &[21, 3, 3, 0, 2, 1, 70],
            Reason::NoCommonVersion,
            "protocol_version (70)",
        ),
        (
            &[21, 3, 3, 0, 2, 1, 112],
            Reason::SniRejected,
            "unrecognized_name (112)",
        ),
        (
            &[21, 3, 3, 0, 2, 1, 0],
            Reason::HandshakeClosed,
            "close_notify (0)",
        ),
    ] {
        let error = refused(&Settings::default(), answer(bytes)).await;
        assert_eq!(error.reason, reason, "{words}");
        assert_says(&error, &[words]);
    }
}

#[tokio::test(start_paused = true)]
async fn a_relay_that_says_nothing_is_left_in_time() {
    let (client, server) = duplex(1 << 16);
    let start = tokio::time::Instant::now();
    let error = refused(&Settings::default(), client).await;
    assert_eq!(start.elapsed(), LIMIT);
    assert_eq!(error.reason, Reason::HandshakeTimeout);
    assert_eq!(
        error.alternatives,
        [Reason::HelloTooLarge, Reason::VersionIntolerant]
    );
    assert_says(&error, &["not complete after 10s"]);
    assert!(error.evidence.offered.hello_bytes > 1_200);
    drop(server);
}

#[tokio::test(start_paused = true)]
async fn plaintext_from_a_relay_that_then_waits_is_told_at_the_end_of_the_time() {
    let (client, mut server) = duplex(1 << 16);
    // Less than a record header, so that TLS waits for more.
    server.write_all(b"220\n").await.unwrap();
    let error = refused(&Settings::default(), client).await;
    assert_eq!(error.reason, Reason::PlaintextOnTlsPort);
}

/// A connection that never finishes closing.
struct Stuck(DuplexStream);

impl AsyncRead for Stuck {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(context, buffer)
    }
}

impl AsyncWrite for Stuck {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(context, bytes)
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Pending
    }
}

#[tokio::test(start_paused = true)]
async fn parting_is_bounded() {
    let connector = connector(&Settings::default());
    let start = tokio::time::Instant::now();
    let io = Stuck(answer(&[21, 3, 3, 0, 2, 2, 70]));
    let outcome = connector.connect(io, TlsMode::Implicit, LIMIT).await;
    assert_eq!(
        outcome.map(drop).unwrap_err().reason,
        Reason::NoCommonVersion
    );
    assert!(start.elapsed() < Duration::from_secs(1));
}
