//! Reading and following real folders.

mod folder;
mod guide;
mod reading;
mod secrets;
mod watching;
