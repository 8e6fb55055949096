//! Clients that mean no good, on every port of the real binary: each case ends with a status or a
//! closed connection, memory stays bounded, nothing panics, and good requests are answered all along.

mod answers;
mod descriptors;
mod doors;
mod floods;
mod requests;
mod slow;
