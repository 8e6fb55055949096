//! From accepted event to settled delivery, durably.
