//! A door in front of the API server that can be shut: a server that is down, without killing it.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;

use serde_json::Value;

/// Forwards connections while it is open.
pub(super) struct Door {
    address: SocketAddr,
    state: Arc<State>,
}

struct State {
    is_open: AtomicBool,
    through: Mutex<Vec<TcpStream>>,
}

impl Door {
    /// An open door to the server of a kubeconfig file; `copy` becomes a kubeconfig for this way.
    pub(super) fn before(kubeconfig: &Path, copy: &Path) -> (Self, PathBuf) {
        let text = std::fs::read_to_string(kubeconfig).unwrap();
        let mut config: Value = serde_json::from_str(&text).unwrap();
        let server = &mut config["clusters"][0]["cluster"]["server"];
        let target = server.as_str().unwrap();
        let target: SocketAddr = target.strip_prefix("https://").unwrap().parse().unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        *server = format!("https://{address}").into();
        std::fs::write(copy, config.to_string()).unwrap();
        let state = Arc::new(State {
            is_open: AtomicBool::new(true),
            through: Mutex::default(),
        });
        let shared = state.clone();
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                shared.admit(stream, target);
            }
        });
        (Self { address, state }, copy.to_owned())
    }

    /// Cuts all connections and lets no new ones through.
    pub(super) fn shut(&self) {
        self.state.is_open.store(false, Ordering::SeqCst);
        for stream in self.state.through.lock().unwrap().drain(..) {
            // It may have ended by itself.
            let _ = stream.shutdown(Shutdown::Both);
        }
    }

    pub(super) fn open(&self) {
        self.state.is_open.store(true, Ordering::SeqCst);
    }
}

impl Drop for Door {
    fn drop(&mut self) {
        self.shut();
        // Wakes the thread that waits; it goes with the process.
        let _ = TcpStream::connect(self.address);
    }
}

impl State {
    fn admit(&self, client: TcpStream, target: SocketAddr) {
        if !self.is_open.load(Ordering::SeqCst) {
            return;
        }
        let Ok(server) = TcpStream::connect(target) else {
            return;
        };
        let mut through = self.through.lock().unwrap();
        for (from, to) in [(&client, &server), (&server, &client)] {
            let (from, to) = (from.try_clone().unwrap(), to.try_clone().unwrap());
            thread::spawn(move || pump(from, to));
        }
        through.extend([client, server]);
    }
}

fn pump(mut from: TcpStream, mut to: TcpStream) {
    let mut buffer = [0; 16 << 10];
    while let Ok(count @ 1..) = from.read(&mut buffer) {
        if to.write_all(&buffer[..count]).is_err() {
            break;
        }
    }
    let _ = to.shutdown(Shutdown::Both);
}
