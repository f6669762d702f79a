//! Versioned, sealed records on top of a store.
