//! Reading and following real folders.

#![cfg(test)]

mod folder;
mod guide;
mod reading;
mod secrets;
mod watching;
