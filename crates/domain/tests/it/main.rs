//! What is decided, against recordings of the reference.

#![cfg(test)]

mod receiver_status;
