//! The root secret that the embedded store makes and keeps beside its file.
