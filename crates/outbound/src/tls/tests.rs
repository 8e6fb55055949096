//! Every way in which PEM texts can be wrong, and that errors and `Debug` show no content.

use super::*;

struct Pair {
    certificate: String,
    key: String,
}

fn pair() -> Pair {
    let made = rcgen::generate_simple_self_signed(["client.example".to_owned()]).unwrap();
    Pair {
        certificate: made.cert.pem(),
        key: made.signing_key.serialize_pem(),
    }
}

fn parse(
    ca: Option<&str>,
    certificate: Option<&str>,
    key: Option<&str>,
) -> Result<TlsMaterial, TlsMaterialError> {
    TlsMaterial::from_pem(TlsPem {
        ca: ca.map(str::as_bytes),
        certificate: certificate.map(str::as_bytes),
        key: key.map(str::as_bytes),
    })
}

fn refusal(ca: Option<&str>, certificate: Option<&str>, key: Option<&str>) -> TlsMaterialError {
    parse(ca, certificate, key).unwrap_err()
}

#[test]
fn each_valid_combination_is_accepted() {
    let Pair { certificate, key } = pair();
    assert!(parse(Some(&certificate), None, None).is_ok());
    assert!(parse(None, Some(&certificate), Some(&key)).is_ok());
    assert!(parse(Some(&certificate), Some(&certificate), Some(&key)).is_ok());
}

#[test]
fn incomplete_combinations_name_what_is_missing() {
    let Pair { certificate, key } = pair();
    assert_eq!(refusal(None, None, None), TlsMaterialError::Empty);
    assert_eq!(
        refusal(None, Some(&certificate), None),
        TlsMaterialError::MissingKey
    );
    assert_eq!(
        refusal(Some(&certificate), None, Some(&key)),
        TlsMaterialError::MissingCertificate
    );
}

#[test]
fn a_ca_without_certificates_is_told_from_a_damaged_one() {
    let Pair { certificate, key } = pair();
    for nothing in ["", "no PEM at all", &key] {
        assert_eq!(
            refusal(Some(nothing), None, None),
            TlsMaterialError::NoCaCertificate
        );
    }
    let cut = certificate.get(..certificate.len() / 2).unwrap();
    assert_eq!(
        refusal(Some(cut), None, None),
        TlsMaterialError::MalformedCa
    );
    let no_certificate = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    assert_eq!(
        refusal(Some(no_certificate), None, None),
        TlsMaterialError::UnusableCa
    );
    let mixed = format!("{no_certificate}{certificate}");
    assert_eq!(parse(Some(&mixed), None, None).unwrap().ca().len(), 1);
}

#[test]
fn wrong_pairs_are_told_apart() {
    let Pair { certificate, key } = pair();
    let other = pair();
    assert_eq!(
        refusal(None, Some(&certificate), Some(&other.key)),
        TlsMaterialError::KeyMismatch
    );
    assert_eq!(
        refusal(None, Some(&key), Some(&key)),
        TlsMaterialError::NoCertificate
    );
    assert_eq!(
        refusal(None, Some(&certificate), Some(&certificate)),
        TlsMaterialError::NoKey
    );
    assert_eq!(
        refusal(
            None,
            Some(&certificate),
            Some("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n")
        ),
        TlsMaterialError::MalformedKey
    );
}

#[test]
fn material_is_told_apart_by_every_part() {
    let first = pair();
    let second = pair();
    let digest = |ca: &Pair, trust| {
        TlsMaterial::from_pem_with_trust(
            TlsPem {
                ca: Some(ca.certificate.as_bytes()),
                certificate: Some(first.certificate.as_bytes()),
                key: Some(first.key.as_bytes()),
            },
            trust,
        )
        .unwrap()
        .digest()
    };
    let base = digest(&first, CaTrust::Only);
    assert_eq!(base, digest(&first, CaTrust::Only));
    assert_ne!(base, digest(&second, CaTrust::Only));
    assert_ne!(base, digest(&first, CaTrust::InAdditionToSystem));
}

#[test]
fn debug_shows_counts_only() {
    let Pair { certificate, key } = pair();
    let material = parse(Some(&certificate), Some(&certificate), Some(&key)).unwrap();
    assert_eq!(
        format!("{material:?}"),
        "TlsMaterial { ca_certificates: 1, ca_trust: Only, client_certificate: true, .. }"
    );
}
