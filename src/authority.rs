//! We as authorization server: rules only, no HTTP types.
