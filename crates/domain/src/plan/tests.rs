//! Planning: which alerts get a delivery.
