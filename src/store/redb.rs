//! State in one file: redb, one writer thread that commits whole groups.
