//! What is promised of expressions, checked from outside.

#[cfg(test)]
mod cel;
#[cfg(test)]
mod re2;
