//! Folder and ports of one process of a target, the same over all its restarts.
//!
//! Nobody else gets these ports meanwhile, although nothing listens there between two processes:
//! programs like this one hold the UDP port of the same number, which nothing else uses, for as long
//! as they mean to use the TCP port.

use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering};

use anyhow::Context as _;

use crate::target::Target;

/// Ports that are given out, below those that the kernel gives to clients.
const FIRST: u16 = 12_000;
const COUNT: u16 = 18_000;

/// Where a process is.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    /// Everything of it on disk.
    pub(crate) folder: PathBuf,
    /// Where it takes events.
    pub(crate) events: SocketAddr,
    /// Where it says whether it is ready.
    pub(crate) health: SocketAddr,
    /// For whatever else it listens on.
    pub(crate) other: [SocketAddr; 2],
    _claims: Arc<Vec<UdpSocket>>,
}

impl Place {
    /// One in a folder, which is made, with a folder for the configuration in it.
    pub(crate) fn make(target: &dyn Target, folder: PathBuf) -> anyhow::Result<Self> {
        let place = Self::claim(folder, target.has_one_port())?;
        let configuration = place.configuration();
        std::fs::create_dir_all(&configuration)
            .with_context(|| format!("making {}", configuration.display()))?;
        Ok(place)
    }

    /// One with ports of its own, as long as it or a copy of it lives.
    pub(crate) fn claim(folder: PathBuf, has_one_port: bool) -> anyhow::Result<Self> {
        let mut claims = Vec::new();
        let mut address = || {
            let claim = free_port()?;
            let address = claim.local_addr()?;
            claims.push(claim);
            anyhow::Ok(address)
        };
        let events = address()?;
        let health = if has_one_port { events } else { address()? };
        let other = [address()?, address()?];
        Ok(Self {
            folder,
            events,
            health,
            other,
            _claims: Arc::new(claims),
        })
    }

    /// The folder for what the process stores.
    pub(crate) fn data(&self) -> PathBuf {
        self.folder.join("data")
    }

    /// The folder for its configuration.
    pub(crate) fn configuration(&self) -> PathBuf {
        self.folder.join("config")
    }

    /// Makes sure that nobody listens on its ports.
    pub(crate) fn expect_silence(&self) -> anyhow::Result<()> {
        let [webhooks, metrics] = self.other;
        for address in [self.events, self.health, webhooks, metrics] {
            TcpListener::bind(address).with_context(|| {
                format!("{address} is used by another program, so the target cannot have it")
            })?;
        }
        Ok(())
    }
}

/// The claim to a port on loopback on which nobody listens now.
fn free_port() -> anyhow::Result<UdpSocket> {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    // Two programs at the same time need not try the same ones first.
    let start = u16::try_from(std::process::id() % u32::from(COUNT)).unwrap_or(0);
    for _ in 0..COUNT {
        let offset = NEXT.fetch_add(1, Ordering::Relaxed);
        let port = FIRST + (start.wrapping_add(offset) % COUNT);
        let address = SocketAddr::from(([127, 0, 0, 1], port));
        if let Ok(claim) = UdpSocket::bind(address)
            && TcpListener::bind(address).is_ok()
        {
            return Ok(claim);
        }
    }
    anyhow::bail!("no port is free on loopback")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_is_given_out_once_though_nobody_listens_on_it() {
        let claim = free_port().unwrap();
        let address = claim.local_addr().unwrap();
        assert!(TcpListener::bind(address).is_ok());
        assert!(UdpSocket::bind(address).is_err());
        let all: Vec<UdpSocket> = (0..300).map(|_| free_port().unwrap()).collect();
        assert!(all.iter().all(|one| one.local_addr().unwrap() != address));
    }

    #[test]
    fn ports_stay_claimed_until_the_last_copy_of_a_place_is_gone() {
        let place = Place::claim(PathBuf::new(), false).unwrap();
        let (copy, events) = (place.clone(), place.events);
        drop(place);
        assert!(UdpSocket::bind(events).is_err());
        drop(copy);
        assert!(UdpSocket::bind(events).is_ok());
    }

    #[test]
    fn a_stranger_on_a_port_is_noticed() {
        let place = Place::claim(PathBuf::new(), false).unwrap();
        place.expect_silence().unwrap();
        let _stranger = TcpListener::bind(place.health).unwrap();
        let error = place.expect_silence().unwrap_err().to_string();
        assert!(error.contains(&place.health.to_string()), "{error}");
    }
}
