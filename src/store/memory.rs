//! State that ends with the process: tests, and `storage: memory`.
