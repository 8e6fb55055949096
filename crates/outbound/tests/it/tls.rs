//! Whom the client believes, and what it shows of itself.

use std::net::Ipv4Addr;
use std::sync::Arc;

use outbound::{
    CaTrust, CertificateReason, HttpError, HttpErrorKind, Route, TlsMaterial, TlsPem, TlsReason,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use crate::certificates::{Authority, self_signed_authority};
use crate::origin::{Origin, reply};
use crate::setup::{Bench, get, trusting};

fn certificate_reason(error: &HttpError) -> Option<CertificateReason> {
    match error {
        HttpError::Tls {
            reason: TlsReason::Certificate(reason),
            ..
        } => Some(*reason),
        _ => None,
    }
}

#[tokio::test]
async fn a_server_of_the_given_authority_is_trusted() {
    let authority = Authority::new();
    let pair = authority.issue(&["service.test"]);
    let origin = Origin::tls(&pair, None, |_| reply("200 OK", "hello")).await;
    let target = format!("https://service.test:{}/", origin.port());
    let response = Bench::usual()
        .send(get(&target), &trusting(&authority.pem, None))
        .await
        .unwrap();
    assert_eq!(response.body, "hello");
}

#[tokio::test]
async fn a_server_of_another_authority_is_refused_as_certificate_invalid() {
    let (theirs, ours) = (Authority::new(), Authority::new());
    let pair = theirs.issue(&["service.test"]);
    let origin = Origin::tls(&pair, None, |_| reply("200 OK", "")).await;
    let target = format!("https://service.test:{}/", origin.port());
    let error = Bench::usual()
        .send(get(&target), &trusting(&ours.pem, None))
        .await
        .unwrap_err();
    assert_eq!(error.kind(), HttpErrorKind::CertificateInvalid);
    assert_eq!(
        certificate_reason(&error),
        Some(CertificateReason::UnknownIssuer)
    );
    assert!(origin.seen().is_empty());
}

#[tokio::test]
async fn a_private_authority_is_not_trusted_without_being_given() {
    let pair = Authority::new().issue(&["service.test"]);
    let origin = Origin::tls(&pair, None, |_| reply("200 OK", "")).await;
    let target = format!("https://service.test:{}/", origin.port());
    let error = Bench::usual()
        .send(get(&target), &Route::default())
        .await
        .unwrap_err();
    // Machines without any root certificates say so instead.
    assert!(
        matches!(error, HttpError::Tls { .. }) && origin.seen().is_empty(),
        "{error}"
    );
}

#[tokio::test]
async fn a_certificate_for_another_name_or_time_is_refused() {
    let authority = Authority::new();
    let wrong_name = authority.issue(&["other.test"]);
    let expired = authority.issue_from(&["service.test"], |params| {
        params.not_before = rcgen::date_time_ymd(2019, 1, 1);
        params.not_after = rcgen::date_time_ymd(2020, 1, 1);
    });
    for (pair, expected) in [
        (wrong_name, CertificateReason::WrongName),
        (expired, CertificateReason::Expired),
    ] {
        let origin = Origin::tls(&pair, None, |_| reply("200 OK", "")).await;
        let target = format!("https://service.test:{}/", origin.port());
        let error = Bench::usual()
            .send(get(&target), &trusting(&authority.pem, None))
            .await
            .unwrap_err();
        assert_eq!(certificate_reason(&error), Some(expected));
    }
}

#[tokio::test]
async fn a_self_signed_server_marked_as_authority_is_trusted_when_it_is_the_ca() {
    let pair = self_signed_authority(&["service.test"]);
    let origin = Origin::tls(&pair, None, |_| reply("200 OK", "")).await;
    let bench = Bench::usual();
    let route = trusting(&pair.certificate, None);
    let target = format!("https://service.test:{}/", origin.port());
    assert!(bench.send(get(&target), &route).await.is_ok());

    let target = format!("https://other.test:{}/", origin.port());
    let error = bench.send(get(&target), &route).await.unwrap_err();
    assert_eq!(
        certificate_reason(&error),
        Some(CertificateReason::WrongName)
    );
    let stranger = trusting(&self_signed_authority(&["service.test"]).certificate, None);
    let target = format!("https://service.test:{}/", origin.port());
    let error = bench.send(get(&target), &stranger).await.unwrap_err();
    assert_eq!(error.kind(), HttpErrorKind::CertificateInvalid);
}

#[tokio::test]
async fn a_client_certificate_is_shown_and_missed() {
    let authority = Authority::new();
    let server = authority.issue(&["service.test"]);
    let client = authority.issue(&["client.test"]);
    let origin = Origin::tls(&server, Some(&authority.pem), |_| reply("200 OK", "")).await;
    let target = format!("https://service.test:{}/", origin.port());
    let bench = Bench::usual();

    let known = trusting(&authority.pem, Some(&client));
    assert!(bench.send(get(&target), &known).await.is_ok());

    let unknown = trusting(&authority.pem, None);
    let error = bench.send(get(&target), &unknown).await.unwrap_err();
    assert!(
        matches!(
            error,
            HttpError::Tls {
                reason: TlsReason::Alert(_),
                ..
            }
        ),
        "{error}"
    );
    assert_eq!(origin.seen().len(), 1);
}

#[tokio::test]
async fn a_server_that_speaks_no_tls_is_a_failed_handshake() {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let answer = b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n";
        stream.write_all(answer).await.unwrap();
        // Keeps reading, so that the answer is not overtaken by a reset.
        let _ = stream.read_to_end(&mut Vec::new()).await;
    });
    let authority = Authority::new();
    let error = Bench::usual()
        .send(
            get(&format!("https://service.test:{port}/")),
            &trusting(&authority.pem, None),
        )
        .await
        .unwrap_err();
    assert!(
        matches!(
            error,
            HttpError::Tls {
                reason: TlsReason::Handshake,
                ..
            }
        ),
        "{error}"
    );
}

/// The variable that tells the second process of the next test where to connect.
const TARGET: &str = "OUTBOUND_TEST_TARGET";

#[tokio::test]
async fn the_system_store_is_the_file_that_ssl_cert_file_names() {
    let authority = Authority::new();
    let server = authority.issue(&["service.test"]);
    let origin = Origin::tls(&server, None, |_| reply("200 OK", "")).await;
    let folder = tempfile::tempdir().unwrap();
    let roots = folder.path().join("roots.pem");
    std::fs::write(&roots, &authority.pem).unwrap();
    // The variable is read by the loader of the roots, so it has to be set for a whole process.
    let output = tokio::process::Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "tls::with_the_system_store", "--nocapture"])
        .env("SSL_CERT_FILE", &roots)
        .env_remove("SSL_CERT_DIR")
        .env(TARGET, format!("https://service.test:{}/", origin.port()))
        .output()
        .await
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}");
    assert_eq!(origin.seen().len(), 2, "{said}");
}

/// The second process of the test above; by itself it has nothing to connect to.
#[tokio::test]
#[expect(
    clippy::disallowed_methods,
    reason = "the target comes from the process that started this one"
)]
async fn with_the_system_store() {
    let Ok(target) = std::env::var(TARGET) else {
        return;
    };
    let stranger = Authority::new().pem;
    let extended = TlsMaterial::from_pem_with_trust(
        TlsPem {
            ca: Some(stranger.as_bytes()),
            ..TlsPem::default()
        },
        CaTrust::InAdditionToSystem,
    );
    let extended = Route {
        tls: Some(Arc::new(extended.unwrap())),
        ..Route::default()
    };
    let bench = Bench::usual();
    bench.send(get(&target), &Route::default()).await.unwrap();
    bench.send(get(&target), &extended).await.unwrap();
    let only = bench.send(get(&target), &trusting(&stranger, None)).await;
    assert_eq!(
        only.unwrap_err().kind(),
        HttpErrorKind::CertificateInvalid,
        "a given CA replaces the system's roots"
    );
}
